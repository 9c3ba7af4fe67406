"""Verb `agent`: what the agent's service runs."""

from __future__ import annotations

import sys

from ..agent import daemon
from ..base import paths
from ..base.errors import Exit
from ..ring import records


def run() -> int:
    node = records.node()
    if node is None:
        print(f"no {paths.NODE}: run `ring-node tools` first", file=sys.stderr)
        return Exit.REFUSED
    return daemon.run_for_ever(node.server_id)
