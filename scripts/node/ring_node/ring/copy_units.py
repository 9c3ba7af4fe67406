"""The units of systemd that let the peer fetch a copy of this node's data."""

from __future__ import annotations

from ..base import paths
from .stream import PORT

SERVICE = f"""\
# Written by ring-node: sends this node's data to its peer, which has connected.
[Unit]
Description=Copy of this node's data for its peer
CollectMode=inactive-or-failed

[Service]
Type=simple
StandardInput=socket
StandardOutput=journal
StandardError=journal
ExecStart={paths.CURRENT_RELEASE}/ring-node send
ExecStopPost={paths.CURRENT_RELEASE}/ring-node send --remove-left
TimeoutStopSec=60
Nice=5
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=read-only
PrivateTmp=yes
"""


def socket_unit(replication_address: str) -> str:
    """Listens for the peer on the replication interface only, which may come up later."""
    return f"""\
# Written by ring-node: nothing runs until the peer asks for a copy of this node's data.
[Unit]
Description=Where the peer of this node asks for a copy of its data

[Socket]
ListenStream={replication_address}:{PORT}
FreeBind=yes
Accept=yes
MaxConnections=4
MaxConnectionsPerSource=4
KeepAlive=yes

[Install]
WantedBy=sockets.target
"""
