"""Every place on the host that the tool reads or writes."""

from __future__ import annotations

from pathlib import Path

RELEASES = Path("/opt/mysql-ring/releases")
CURRENT_RELEASE = Path("/opt/mysql-ring/current")

MYSQL_ROOT = Path("/opt/mysql")
MYSQL = MYSQL_ROOT / "current"
MYSQLD = MYSQL / "bin" / "mysqld"
SHARE = MYSQL / "share"

DATA = Path("/var/lib/mysql")
DATA_MARKER = ".mysql-ring"  # inside the data directory: this tool initialised it
LOGS = Path("/var/log/mysql")
VOLUME = Path("/srv/mysql-ring")
SNAPSHOTS = VOLUME / "snapshots"
ERROR_LOG = LOGS / "error.log"
SOCKET = Path("/run/mysqld/mysqld.sock")

MYSQL_ETC = Path("/etc/mysql")
CONFIG = MYSQL_ETC / "conf.d" / "mysqld.cnf"
SSL = MYSQL_ETC / "ssl"
CA = SSL / "CA.pem"
CERTIFICATE = SSL / "mysql.pem"
KEY = SSL / "mysql.key"

ETC = Path("/etc/mysql-ring")
NODE = ETC / "node.json"
PEER = ETC / "peer.json"
CREDENTIALS = ETC / "credentials.json"
HEARTBEAT_CREDENTIALS = ETC / "heartbeat.json"
JOINED = ETC / "joined.json"
FENCE = ETC / "fence.env"
ROOT_CLIENT = Path("/root/.my.cnf")

STATE = Path("/var/lib/mysql-ring")
COPY = STATE / "copy"

LOCK = Path("/run/mysql-ring.lock")
RESTART_DUE = Path("/run/mysql-ring.restart")  # a file that the server read has changed since

UNITS = Path("/etc/systemd/system")
SYSCTL = Path("/etc/sysctl.d/60-mysql-ring.conf")

MYSQL_SERVICE = "mysql.service"
HEARTBEAT_SERVICE = "mysql-ring-heartbeat.service"
MYSQL_USER = "mysql"
HEARTBEAT_USER = "mysql-ring"
