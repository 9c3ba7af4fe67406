"""Bad days of the stand-in's API, ordered by a test."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloud.api.faults import FILE
from labs import Lab

BAD_SECONDS = 12
UNTIL_THE_END = 300
REFUSED = "as ordered"
"""In each line of the log about a request that was answered with an error."""


@contextmanager
def bad_day(
    lab: Lab, answer: str, seconds: float = BAD_SECONDS, actions: str = ".*"
) -> Iterator[Callable[[], str]]:
    """The API answers these actions with errors. The function gives its log since then."""
    log, order = lab.folder / "cloud" / "daemon.log", lab.folder / "cloud" / FILE
    begin = log.stat().st_size

    def since() -> str:
        with log.open("rb") as stream:
            stream.seek(begin)
            return stream.read().decode(errors="replace")

    order.write_text(json.dumps({"answer": answer, "seconds": seconds, "actions": actions}))
    try:
        yield since
    finally:
        order.unlink()
