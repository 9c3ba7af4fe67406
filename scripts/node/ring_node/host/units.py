"""Text of the systemd units and kernel settings. Pure."""

from __future__ import annotations

from ..base import paths

# InnoDB writes its dirty pages before it ends; crash recovery reads logs before it starts.
START_SECONDS = 900
STOP_SECONDS = 900

MYSQL = f"""\
# Written by ring-node. Do not edit: `systemctl edit mysql` for additions.
[Unit]
Description=MySQL 5.6 of the ring
After=network.target local-fs.target
ConditionPathExists={paths.DATA}/{paths.DATA_MARKER}
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=simple
User={paths.MYSQL_USER}
Group={paths.MYSQL_USER}
EnvironmentFile=-{paths.FENCE}
ExecStart={paths.MYSQLD} --defaults-file={paths.CONFIG} $MYSQLD_OPTIONS
ExecStartPost={paths.CURRENT_RELEASE}/ring-node wait-ready
TimeoutStartSec={START_SECONDS}
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

HEARTBEAT = f"""\
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

# MySQL 5.6 ignores slave_net_timeout on a TLS connection (bug 74908) but sets SO_KEEPALIVE:
# with these a replication link that swallows packets is given up after 5 + 3 * 2 seconds.
KEEPALIVE = {
    "net.ipv4.tcp_keepalive_time": "5",
    "net.ipv4.tcp_keepalive_intvl": "2",
    "net.ipv4.tcp_keepalive_probes": "3",
}

SYSCTL = "# Written by ring-node: notice a dead replication link.\n" + "".join(
    f"{name} = {value}\n" for name, value in KEEPALIVE.items()
)
