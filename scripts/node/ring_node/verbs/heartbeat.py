"""Verb `heartbeat`: what the heartbeat's service runs."""

from __future__ import annotations

import sys

from ..agent import heartbeat
from ..base import paths
from ..base.errors import Exit
from ..ring import records


def run() -> int:
    node = records.node()
    if node is None:
        print(f"no {paths.NODE}: run `ring-node tools` first", file=sys.stderr)
        return Exit.REFUSED
    records.heartbeat_login()  # refuses when there is none yet
    return heartbeat.beat_for_ever(node.server_id)
