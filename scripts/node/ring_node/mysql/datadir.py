"""The data directory: whether there is one, and whose it is."""

from __future__ import annotations

from ..base import paths
from ..base.errors import refused


def initialised() -> bool:
    return (paths.DATA / paths.DATA_MARKER).is_file()


def refuse_foreign_data() -> None:
    if initialised():
        return
    try:
        entries = sorted(entry.name for entry in paths.DATA.iterdir())
    except FileNotFoundError:
        return
    if entries:
        raise refused(
            f"{paths.DATA} holds {', '.join(entries[:5])} and was not initialised by this ring",
            f"an absent or empty {paths.DATA}",
            "move that data away if it is wanted, remove it if not, then run this again",
        )
