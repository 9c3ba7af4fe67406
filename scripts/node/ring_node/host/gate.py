"""The gate: who may reach a port of this host. A table of nftables that is there or not.

Closed, the port answers over lo and at one address of this host; whoever else connects, or is
connected already, gets a reset. Whoever closes it makes the table anew, with another number, and it
is opened by number: an opening that was decided before it was closed again opens nothing.
"""

from __future__ import annotations

import json

from ..base import paths
from ..base.errors import Exit, NodeError
from .programs import attempt, run

NFT = "/usr/sbin/nft"
TABLE = "mysql_ring_gate"
SECONDS = 10
UNIT = """\
# Written by ring-node. Do not edit.
[Unit]
Description=Gate of this node of the MySQL ring: closed until it holds what its peer holds
After=nftables.service
Before={before}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={close}

[Install]
WantedBy=multi-user.target
"""
CLOSE = f"{NFT} -f {paths.GATE}"


def rules(address: str, port: int) -> str:
    """What nft reads to close the gate, also when it is closed already: one transaction."""
    return f"""\
# Written by ring-node. Closes the gate: `nft delete table inet {TABLE}` would open it.
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
    chain input {{
        type filter hook input priority filter; policy accept;
        tcp dport {port} jump clients
    }}
    chain clients {{
        iifname "lo" accept
        ip daddr {address} accept
        reject with tcp reset
    }}
}}
"""


def unit(before: str) -> str:
    """The service that closes the gate when the host boots, before that unit starts."""
    return UNIT.format(before=before, close=CLOSE)


def close() -> None:
    run(
        CLOSE.split(),
        seconds=SECONDS,
        expected="the gate closed",
        next_step="run `ring-node tools`, which writes that file; then run this again",
    )


def number() -> int | None:
    """The number of the table that closes the gate; None while it is open."""
    output = run(
        [NFT, "-j", "list", "tables", "inet"],
        seconds=SECONDS,
        expected="the tables of nftables",
        next_step="read the message",
    )
    for each in json.loads(output)["nftables"]:
        table = each.get("table", {})
        if table.get("name") == TABLE:
            return int(table["handle"])
    return None


def state() -> str:
    """open or closed, or what keeps it from being seen. For people."""
    try:
        return "open" if is_open() else "closed"
    except NodeError as error:
        return f"unknown: {error.found}"


def is_open() -> bool:
    return number() is None


def open_(closed: int) -> bool:
    """Opens the gate that has this number. False when it was closed anew, or opened, since."""
    command = [NFT, "delete", "table", "inet", "handle", str(closed)]
    status, output, problems = attempt(command, seconds=SECONDS, next_step="read the message")
    if status != 0 and number() == closed:
        raise NodeError(
            Exit.HOST,
            f"`{' '.join(command)}` ended with {status}: {(problems or output).strip()[-300:]}",
            "the gate open",
            "read the message, then run this again",
        )
    return status == 0
