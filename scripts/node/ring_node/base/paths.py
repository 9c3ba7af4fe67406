"""Every place on the host that the tool reads or writes."""

from __future__ import annotations

from pathlib import Path

RELEASES = Path("/opt/mysql-ring/releases")
CURRENT_RELEASE = Path("/opt/mysql-ring/current")
COMMAND = Path("/usr/local/sbin/ring-node")
"""So that `sudo ring-node` finds it: the folder is on sudo's path."""

MYSQL_ROOT = Path("/opt/mysql")
MYSQL = MYSQL_ROOT / "current"
MYSQLD = MYSQL / "bin" / "mysqld"
SHARE = MYSQL / "share"

DATA = Path("/var/lib/mysql")
DATA_MARKER = ".mysql-ring"  # inside the data directory: this tool initialised it
ADMISSION = ".mysql-ring-admitted"  # inside the data directory: this server may serve clients
LOGS = Path("/var/log/mysql")
# Where the data volume is mounted. The two above are links into it: without the mount they lead
# nowhere, and nothing can be written to the root volume in their place.
VOLUME = Path("/srv/mysql-ring")
VOLUME_OWNER = VOLUME / "volume.json"
INCARNATIONS = VOLUME / "incarnations"
CURRENT = VOLUME / "current"
SNAPSHOTS = VOLUME / "snapshots"
ARRIVING = VOLUME / "arriving"
IMAGES = VOLUME / "images"  # data directories of backups, while they are checked and sent
RESTORING = VOLUME / "restoring"  # data directories out of the bucket, until they are whole
RESTORED = VOLUME / "restored"  # and those of scratch servers that somebody asked for
TMP = VOLUME / "tmp"
FILES = VOLUME / "files"  # of LOAD DATA and SELECT ... INTO OUTFILE
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
VOLUME_RECORD = ETC / "volume.json"
PEER = ETC / "peer.json"
CREDENTIALS = ETC / "credentials.json"
HEARTBEAT_CREDENTIALS = ETC / "heartbeat.json"
GATE = ETC / "gate.nft"  # what closes the gate, as nft reads it
OPENING = ETC / "opening.json"
BACKUP = ETC / "backup.json"  # where this node's backups go, and when
S3CFG = ETC / "s3cfg"  # what s3cmd reads; it holds no key
S3CFG_BIRTH = ETC / "s3cfg.birth"  # the same for the bucket that this ring is born from
WAITING = ETC / "waiting"  # files of the server that take their place with its next restart
LAID = ETC / "my.cnf.json"  # digests of the my.cnf that the program sent and the host still has
FORMER = ETC / "former"  # what they took the place of, until that restart is judged good
ROOT_CLIENT = Path("/root/.my.cnf")

LOCK = Path("/run/mysql-ring.lock")
AGENT_RUN = Path("/run/mysql-ring")
AGENT_STATE = AGENT_RUN / "agent.json"
CONFLICTS = AGENT_RUN / "conflicts.json"  # how far the error log was read for them
GATE_LOCK = AGENT_RUN / "gate.lock"

ARCHIVE_LOCK = Path("/run/mysql-ring-archive.lock")  # who archives or purges binary logs
ARCHIVE_STATE = Path("/run/mysql-ring-archive.json")  # how the last pass of the archive ended
PURGE_STATE = Path("/run/mysql-ring-purge.json")
UPKEEP_LOCK = Path("/run/mysql-ring-upkeep.lock")  # who takes a backup or looks after tables
STANDING = Path("/var/lib/mysql-ring")  # what a reboot must not make forget
BACKUP_STATE = STANDING / "backup.json"
MAINTAIN_STATE = STANDING / "maintain.json"
DRILL_STATE = STANDING / "drill.json"

LOGROTATE = Path("/etc/logrotate.d/mysql-ring")
UNITS = Path("/etc/systemd/system")
MYSQL_ONCE = Path("/run/systemd/system/mysql.service.d/once.conf")
INIT_FILE = Path("/run/mysql-ring.init.sql")
MEMORY = Path("/run/mysql-ring.memory")  # environment of the server's service
SYSCTL = Path("/etc/sysctl.d/60-mysql-ring.conf")

MYSQL_SERVICE = "mysql.service"
VOLUME_SERVICE = "mysql-ring-volume.service"
GATE_SERVICE = "mysql-ring-gate.service"
AGENT_SERVICE = "mysql-ring-agent.service"
COPY_SOCKET = "mysql-ring-copy.socket"
COPY_SERVICE = "mysql-ring-copy@.service"
MYSQL_USER = "mysql"
