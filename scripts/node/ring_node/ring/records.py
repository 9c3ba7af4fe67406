"""What earlier verbs left for later ones: this node, its peer, the ring's accounts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import refused
from ..base.fields import to_json
from ..base.report import Report
from ..host import files
from ..mysql.login import Login
from . import documents
from .documents import Node, Pair, Peer


@dataclass(frozen=True)
class Credentials:
    replication: Login
    peer: Login
    peer_address: str


def node() -> Node | None:
    value = _read(paths.NODE)
    return None if value is None else documents.node(value, str(paths.NODE))


def peer() -> Peer | None:
    value = _read(paths.PEER)
    return None if value is None else documents.peer(value, str(paths.PEER))


def pair() -> Pair:
    """Both nodes, as the steps of `pulumi up` left them on this host."""
    own, other = node(), peer()
    if own is None or other is None:
        lacking = paths.NODE if own is None else paths.PEER
        raise refused(
            f"no {lacking}", "the records of both nodes", "run `pulumi up`: its steps write them"
        )
    return Pair(own, other)


def remember_peer(pair: Pair, report: Report) -> None:
    if node() != pair.node:
        raise refused(
            f"{paths.NODE} is not of {pair.node.name} as the document has it",
            "the same node",
            "run `ring-node tools` with the same settings first",
        )
    if files.write(paths.PEER, to_json(pair.peer), mode=0o644):
        report.did(f"{paths.PEER} says who the peer is: {pair.peer.name}")


def opening() -> int | None:
    """For how many seconds this node does without a peer that cannot be asked, before it opens."""
    value = _read(paths.OPENING)
    return None if value is None else int(value["open_without_peer_seconds"])


def write_opening(open_without_peer_seconds: int, report: Report) -> None:
    content = json.dumps({"open_without_peer_seconds": open_without_peer_seconds}) + "\n"
    if files.write(paths.OPENING, content.encode(), mode=0o644):
        report.did(f"opens without its peer after {open_without_peer_seconds} s")


def credentials() -> Credentials:
    value = _read(paths.CREDENTIALS)
    if value is None:
        raise refused(
            f"no {paths.CREDENTIALS}", "the ring's accounts", "run `ring-node accounts` first"
        )
    where = str(paths.CREDENTIALS)
    return Credentials(
        documents.login(value["replication"], where),
        documents.login(value["peer"], where),
        value["peer_address"],
    )


def write_credentials(value: Credentials, heartbeat: Login) -> bool:
    kept = files.write(paths.CREDENTIALS, to_json(value), mode=0o600)
    beat = files.write(paths.HEARTBEAT_CREDENTIALS, to_json(heartbeat), mode=0o600)
    return kept or beat


def heartbeat_login() -> Login:
    value = _read(paths.HEARTBEAT_CREDENTIALS)
    if value is None:
        raise refused(
            f"no {paths.HEARTBEAT_CREDENTIALS}",
            "the heartbeat's account",
            "run `ring-node accounts` first",
        )
    return documents.login(value, str(paths.HEARTBEAT_CREDENTIALS))


def _read(path: Path) -> Any:
    content = files.read_bytes(path)
    return None if content is None else json.loads(content)


def refuse_other_name(given: str, name: str, consequence: str, next_step: str) -> None:
    """What may cost something is done only with this node's name typed out. `given`: the option as
    it was given."""
    here = node()
    if here is None or here.name != name:
        raise refused(
            f"{given}, on {here.name if here else 'a host without a node'}",
            f"the name of this node, typed out: {consequence}",
            next_step,
        )
