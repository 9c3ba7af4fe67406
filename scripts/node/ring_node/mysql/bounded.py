"""A statement that may take long and must end: on time, or when something else needs the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from ..base.errors import NodeError
from .sql import Session

LOOK_SECONDS = 0.2
AGAIN_SECONDS = 2.0


def rows(
    session: Session,
    another: Callable[[], AbstractContextManager[Session]],
    statement: str,
    over: Callable[[], bool],
) -> list[dict[str, Any]] | None:
    """What the statement answers; None when it was ended because `over` became true.

    It is ended by KILL QUERY of `another` session, with whatever the engine does for that: an
    ALTER or OPTIMIZE leaves the table as it was.
    """
    if over():
        return None
    own = int(session.value("SELECT CONNECTION_ID()"))
    done, ended = threading.Event(), threading.Event()

    def watch() -> None:
        pause = LOOK_SECONDS
        while not done.wait(pause):
            if ended.is_set() or over():
                ended.set()
                pause = AGAIN_SECONDS
                with suppress(NodeError), another() as other:
                    if not done.is_set():
                        other.do(f"KILL QUERY {own}")

    thread = threading.Thread(target=watch, name="bounded", daemon=True)
    thread.start()
    try:
        found = session.rows(statement)
    except NodeError:
        if not ended.is_set() or not session.open:
            raise
        found = None
    finally:
        done.set()
        thread.join()
    if ended.is_set():
        with suppress(NodeError):
            session.do("DO 0")  # a kill that came late ends this one
        return None
    return found
