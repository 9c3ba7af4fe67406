"""The fence: until a node has joined its ring only accounts with SUPER may write on it.

The server reads it when it starts; a server that runs is told besides.
"""

from __future__ import annotations

from ..base import paths
from ..base.report import Report
from ..host import files

TEXT = "MYSQLD_OPTIONS=--read-only\n"


def stands() -> bool:
    return paths.FENCE.exists()


def put_up(report: Report) -> None:
    """From its next start on the server is read-only, until the node has joined."""
    if files.write(paths.FENCE, TEXT.encode(), mode=0o644):
        report.did("server takes no writes until the node has joined its ring")


def drop() -> bool:
    return files.remove(paths.FENCE)
