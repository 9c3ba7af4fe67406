"""The marker of a server that may serve clients: it held all that its peer held, and joined it.

In the data directory, so that it goes and comes with the data; bound to the server's uuid, so that
no copy of a data directory is admitted with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..base import paths
from ..base.fields import to_json
from ..base.report import Report
from ..host import files
from ..mysql import datadir
from .documents import Peer


@dataclass(frozen=True)
class Admission:
    server_uuid: str
    peer_volume_id: str


def place() -> Path:
    return paths.DATA / paths.ADMISSION


def read() -> Admission | None:
    """None without a marker, and with one of another server or one that cannot be understood."""
    uuid, content = datadir.server_uuid(), files.read_bytes(place())
    if uuid is None or content is None:
        return None
    try:
        value = json.loads(content)
        found = Admission(value["server_uuid"], value["peer_volume_id"])
    except (ValueError, KeyError, TypeError):
        return None
    return found if found.server_uuid == uuid else None


def admitted() -> bool:
    return read() is not None


def admit(server_uuid: str, peer: Peer, report: Report) -> None:
    content = to_json(Admission(server_uuid, peer.volume_id))
    if files.write(place(), content, mode=0o644):
        report.did("admitted: the gate opens when this node holds what its peer holds")


def give_back(found: Admission) -> None:
    """What `revoke` took, where nothing came of that."""
    files.write(place(), to_json(found), mode=0o644)


def revoke() -> bool:
    return files.remove(place())
