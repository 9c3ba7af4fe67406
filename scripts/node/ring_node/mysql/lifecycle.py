"""The server as a service: it starts, restarts, greets, and says why it does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline, poll
from ..host import files, gate, network, systemd
from ..host.programs import attempt

# InnoDB writes its dirty pages before it ends; crash recovery reads logs before it starts. systemd
# lets a start take as long as it takes: one that it ends is begun again, from the beginning.
START_SECONDS = 900
STOP_SECONDS = 3600
GREETS_SECONDS = 10
# However my.cnf is. Whoever opens the gate lets clients write, and events run as my.cnf says.
SHUT = "--read-only --event-scheduler=OFF"
PORT = 3306
LOG_LINES = 12
LOG_BYTES = 20000
# The first bytes of a packet: its length in three, its number, then what it is.
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
HANDSHAKE = b"\x0a"  # protocol version 10
FULL = b"\xff\x10\x04"  # error 1040, too many connections: a server that runs
COMMAND = f"{paths.MYSQLD} --defaults-file={paths.CONFIG} {SHUT} $MEMORY"
# mysqld makes the new file: whichever it writes to, nothing is lost.
LOGROTATE = f"""\
# Written by ring-node.
{paths.LOGS}/error.log {paths.LOGS}/slow.log {{
    su root root
    weekly
    maxsize 64M
    rotate 8
    missingok
    notifempty
    nocreate
    nodateext
    nocompress
    sharedscripts
    postrotate
        if systemctl is-active --quiet {paths.MYSQL_SERVICE}; then
            timeout 60 mariadb --defaults-extra-file={paths.ROOT_CLIENT} --skip-ssl \\
                --execute='FLUSH LOCAL ERROR LOGS, SLOW LOGS'
        fi
    endscript
}}
"""
UNIT = f"""\
# Written by ring-node. Do not edit: `systemctl edit mysql` for additions.
[Unit]
Description=MySQL 5.6 of the ring
After=network.target local-fs.target {paths.VOLUME_SERVICE} {paths.GATE_SERVICE}
Requires={paths.VOLUME_SERVICE} {paths.GATE_SERVICE}
ConditionPathIsMountPoint={paths.VOLUME}
ConditionPathExists={paths.DATA}/{paths.DATA_MARKER}
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=simple
User={paths.MYSQL_USER}
Group={paths.MYSQL_USER}
ExecStartPre=+{gate.CLOSE}
ExecStartPre=-+{paths.CURRENT_RELEASE}/ring-node memory
Environment=MEMORY=
EnvironmentFile=-{paths.MEMORY}
ExecStart={COMMAND}
ExecStartPost=-{paths.CURRENT_RELEASE}/ring-node wait-ready
TimeoutStartSec=infinity
TimeoutStopSec={STOP_SECONDS}
Restart=on-failure
RestartSec=2
RuntimeDirectory=mysqld
RuntimeDirectoryMode=0755
UMask=0027
LimitNOFILE=65536
LimitCORE=0
OOMScoreAdjust=-600
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def installed() -> bool:
    return (paths.UNITS / paths.MYSQL_SERVICE).exists()


def running() -> bool:
    return systemd.state(paths.MYSQL_SERVICE)[0] in ("active", "activating", "reloading")


def start() -> None:
    if systemd.state(paths.MYSQL_SERVICE)[0] == "deactivating":
        stop()
    _bring_up("start")


def stop() -> None:
    systemd.systemctl("stop", paths.MYSQL_SERVICE, seconds=STOP_SECONDS + 60)


def begin_stop() -> None:
    """Tells the server to stop. `stop` waits for that, `start` too."""
    systemd.systemctl("stop", "--no-block", paths.MYSQL_SERVICE)


def restart_with(statement: str) -> None:
    """Restarts the server, which runs that statement first. It must hold no secret.

    https://dev.mysql.com/doc/refman/5.6/en/server-options.html#option_mysqld_init-file
    """
    text = f"[Service]\nExecStart=\nExecStart={COMMAND} --init-file={paths.INIT_FILE}\n"
    try:
        content = f"{statement};\n".encode()
        files.write(paths.INIT_FILE, content, mode=0o600, owner=paths.MYSQL_USER)
        paths.MYSQL_ONCE.parent.mkdir(parents=True, exist_ok=True)
        files.write(paths.MYSQL_ONCE, text.encode(), mode=0o644)
        systemd.systemctl("daemon-reload")
        restart()
    finally:
        forget_once()


def forget_once() -> None:
    """What a killed `restart_with` left would be run at each start."""
    if files.remove(paths.MYSQL_ONCE):
        systemd.systemctl("daemon-reload")
    files.remove(paths.INIT_FILE)


def restart() -> None:
    _bring_up("restart")


def _bring_up(how: str) -> None:
    if not running():
        network.refuse_taken_port(PORT)
    begin = paths.ERROR_LOG.stat().st_size if paths.ERROR_LOG.exists() else 0
    attempt(
        ["systemctl", "reset-failed", paths.MYSQL_SERVICE], seconds=30, next_step="look at systemd"
    )
    status, _, problems = attempt(
        ["systemctl", how, paths.MYSQL_SERVICE],
        seconds=START_SECONDS + STOP_SECONDS + 60,
        next_step=f"look at {paths.ERROR_LOG} on the host",
    )
    if status != 0:
        attempt(["systemctl", "stop", paths.MYSQL_SERVICE], seconds=STOP_SECONDS, next_step="")
        raise NodeError(
            Exit.SERVER,
            f"the server does not start: {error_log(begin) or problems.strip()[-600:]}",
            "mysqld answering on its socket",
            f"correct what {paths.ERROR_LOG} names, then run this again",
        )
    if poll(greets, Deadline(GREETS_SECONDS)) is None:  # its unit waited START_SECONDS for it
        raise NodeError(
            Exit.DEADLINE,
            f"the server runs and does not answer: {error_log(begin) or 'its log says nothing'}",
            f"mysqld answering on {paths.SOCKET}",
            f"see in {paths.ERROR_LOG} whether it still recovers, then run this again: it waits",
        )


def error_log(begin: int) -> str:
    """The [ERROR] lines that the server wrote since `begin`, or the last lines if none."""
    try:
        with paths.ERROR_LOG.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            end = stream.tell()
            stream.seek(max(begin if begin <= end else 0, end - LOG_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return errors_of(text)


def errors_of(text: str) -> str:
    lines = text.splitlines()
    wrong = [line for line in lines if "ERROR" in line] or lines
    return " | ".join(line.strip() for line in wrong[-LOG_LINES:])


def listens() -> bool:
    """Whether the server takes connections, be it ever so slowly.

    One that ends closes its sockets before all else, that of TCP before this one (seen in 5.6.24).
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(paths.SOCKET))
            return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        return True


def greets(place: Path | None = None) -> bool | None:
    """True if a server answers who connects. No account is needed for that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(place or paths.SOCKET))
            return True if connection.recv(7)[4:].startswith((HANDSHAKE, FULL)) else None
    except OSError:
        return None
