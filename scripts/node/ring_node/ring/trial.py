"""Files of the server are exchanged, and taken back where it is not well with them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from ..base.errors import NodeError
from ..mysql import server_files


def run(
    only: Collection[Path] | None, take: Callable[[], None], take_back: Callable[[], None]
) -> None:
    """Puts the files that wait in place, or `only` those of them. `take` and `take_back` have the
    server run with what is in place, and raise what is wrong with it."""
    server_files.exchange(only)
    try:
        take()
    except NodeError as error:
        if not server_files.exchanged():
            raise
        server_files.take_back()
        try:
            take_back()
        except NodeError as again:
            outcome = f"with what was there before: {again.found}"
        else:
            server_files.settle()
            outcome = "what was there before is back and the server runs with it"
        raise NodeError(
            error.code, f"{error.found}; {outcome}", error.expected, error.next_step
        ) from None
    server_files.settle()
