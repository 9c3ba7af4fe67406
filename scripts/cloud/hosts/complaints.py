"""Errors of the reconciler: logged once, not at each pass that repeats them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("cloud.hosts")


class Complaints:
    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        """What was said last about each subject that is not right."""

    @contextmanager
    def about(self, subject: str) -> Iterator[None]:
        """Do one thing; an error of it is logged and does not stop the others."""
        try:
            yield
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if self.open.get(subject) != text:
                self.open[subject] = text
                log.error("%s: %s", subject, text, exc_info=error)
        else:
            self.open.pop(subject, None)
