"""The service that runs the agent: its unit, and that it runs."""

from __future__ import annotations

from ..base import paths
from ..base.report import Report
from ..host import systemd

UNIT = f"""\
# Written by ring-node. Do not edit: `systemctl edit mysql-ring-heartbeat` for additions.
[Unit]
Description=Heartbeat row of this node of the MySQL ring
After={paths.MYSQL_SERVICE}
ConditionPathExists={paths.JOINED}
StartLimitIntervalSec=0

[Service]
Type=simple
User={paths.HEARTBEAT_USER}
Group={paths.HEARTBEAT_USER}
ExecStart={paths.CURRENT_RELEASE}/ring-node heartbeat
Restart=always
RestartSec=1
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def start(report: Report) -> None:
    unit = paths.HEARTBEAT_SERVICE
    if systemd.enable(unit):
        report.did("heartbeat service starts with the host")
    if systemd.state(unit)[0] != "active":
        systemd.systemctl("start", unit)
        report.did("heartbeat service started")
