"""Bad days of the stand-in's API, ordered by a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labs import Lab

BAD_SECONDS = 12
REFUSED = "as ordered"
"""In each line of the log about a request that was answered with an error."""


@contextmanager
def bad_day(
    lab: Lab, answer: str, seconds: float = BAD_SECONDS, actions: str = ".*"
) -> Iterator[Callable[[], str]]:
    """The API answers these actions with errors. The function gives its log since then."""
    log = lab.folder / "cloud" / "daemon.log"
    begin = log.stat().st_size

    def since() -> str:
        with log.open("rb") as stream:
            stream.seek(begin)
            return stream.read().decode(errors="replace")

    with lab.gates.fault({"answer": answer, "seconds": seconds, "actions": actions}):
        yield since
