"""The service that runs the agent: its unit, and that it runs."""

from __future__ import annotations

from ..base import paths
from ..base.report import Report
from ..host import systemd

# CAP_NET_ADMIN opens the gate, CAP_DAC_READ_SEARCH reads the marker in the server's folder.
UNIT = f"""\
# Written by ring-node. Do not edit: `systemctl edit mysql-ring-agent` for additions.
[Unit]
Description=Agent of this node of the MySQL ring: opens its gate, beats, watches its peer
After=network.target
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart={paths.CURRENT_RELEASE}/ring-node agent
Restart=always
RestartSec=1
TimeoutStopSec=5
RuntimeDirectory={paths.AGENT_RUN.name}
RuntimeDirectoryPreserve=yes
CapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_READ_SEARCH
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
"""


def start(report: Report) -> None:
    unit = paths.AGENT_SERVICE
    if systemd.enable(unit):
        report.did("agent starts with the host")
    if systemd.state(unit)[0] != "active":
        systemd.systemctl("start", unit)
        report.did("agent started")
