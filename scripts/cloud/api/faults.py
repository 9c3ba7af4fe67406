"""Bad days of the API, on order: errors of the server, throttling, and answers that do not come.

Each file LAB/cloud/faults/NAME.json is an order. The first of them, by name, whose "actions", a
regular expression, matches a request's action says what becomes of the request; an action of S3 is
its method, and without "actions" it is every one. The other requests are answered as ever.

{"answer": "error" or "throttle", "seconds": 10}: AWS's own words for that, and nothing else
happens. The seconds count from the first request that is answered so.

{"answer": "hold", "when": "before" or "after", "seconds": 300}: the request waits for as long as
the order is there. NAME.held has a line for each that does: service, action, and behind "after" the
status of what the API has done. Held before, it is never done: in the end it is answered as by
"error". Held after, its answer is kept back. Who waits longer than the seconds gets an error,
and the log says so.

An order is good for ten minutes: a test that dies leaves no broken API behind.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.api import errors
from cloud.api.application import identify

log = logging.getLogger("cloud.api")

FOLDER = "faults"
GOOD_FOR_SECONDS = 600
PAUSE = 0.02
HOLD, BEFORE, AFTER = "hold", "before", "after"

# Status, code and message by answer and kind of service. EC2 throttles with 503
# RequestLimitExceeded, S3 with 503 SlowDown, IAM and SSM with 400 Throttling(Exception).
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
_ERROR = ("500 Internal Server Error", "InternalError", "An internal error has occurred")
_ANSWERS: dict[str, dict[str, tuple[str, str, str]]] = {
    "error": {
        "ec2": _ERROR,
        "s3": (*_ERROR[:2], "We encountered an internal error. Please try again."),
        "ssm": (_ERROR[0], "InternalServerError", "An internal error has occurred"),
        "": (_ERROR[0], "InternalFailure", "An internal failure has occurred"),
    },
    "throttle": {
        "ec2": ("503 Service Unavailable", "RequestLimitExceeded", "Request limit exceeded."),
        "s3": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
        "ssm": ("400 Bad Request", "ThrottlingException", "Rate exceeded"),
        "": ("400 Bad Request", "Throttling", "Rate exceeded"),
    },
}


@dataclass(frozen=True)
class Order:
    """One that can be read: its file, when that was written, and what it asks for."""

    path: Path
    written: int
    answer: str
    seconds: float
    actions: re.Pattern[str]
    when: str

    @classmethod
    def read(cls, path: Path) -> Order | None:
        """None when it is gone, too old, or asks for what there is not; the log has the reason."""
        try:
            asked = json.loads(path.read_text())
            written = path.stat().st_mtime_ns
            order = cls(
                path,
                written,
                asked["answer"],
                float(asked["seconds"]),
                re.compile(asked.get("actions", ".*")),
                asked.get("when", BEFORE),
            )
            if order.answer not in (*_ANSWERS, HOLD) or order.when not in (BEFORE, AFTER):
                raise ValueError(f"found {asked}; expected an answer and a time that there are")
            return order if time.time() < written / 1e9 + GOOD_FOR_SECONDS else None
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
            log.error("%s: %s; it is not heeded", path, error)
            return None

    @property
    def stands(self) -> bool:
        try:
            return self.path.stat().st_mtime_ns == self.written
        except FileNotFoundError:
            return False


class Faulty:
    """The API, unless an order says otherwise."""

    def __init__(self, api: Callable[..., Iterable[bytes]], cloud: Path) -> None:
        self.api = api
        self.folder = cloud / FOLDER
        self._begun: dict[tuple[Path, int], float] = {}
        self._noting = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        order = self._order(environ)
        if order is None:
            return self.api(environ, start_response)
        if order.answer != HOLD:
            return self._fail(order.answer, environ, start_response)
        service, action = identify(environ)  # the API reads the body, and then it is gone
        if order.when == BEFORE:
            self._hold(order, f"{service} {action}")
            return self._fail("error", environ, start_response)
        answer: list[Any] = []
        body = list(self.api(environ, lambda *given: answer.extend(given)))
        if not self._hold(order, f"{service} {action}: {answer[0].split()[0]}"):
            raise TimeoutError(f"{service} {action}: its answer was held back too long")
        start_response(*answer)
        return body

    def _order(self, environ: dict[str, Any]) -> Order | None:
        for path in sorted(self.folder.glob("*.json")):
            order = Order.read(path)
            if order is None or not order.actions.fullmatch(identify(environ)[1]):
                continue
            if order.answer == HOLD:
                return order
            begun = self._begun.setdefault((path, order.written), time.monotonic())
            if time.monotonic() < begun + order.seconds:
                return order
        return None

    def _fail(self, answer: str, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        service, action = identify(environ)
        status, code, message = _ANSWERS[answer].get(service, _ANSWERS[answer][""])
        log.info("%s %s: %s, as ordered", service, action, code)
        headers, body = errors.write(environ, service, code, message)
        start_response(status, headers)
        return [body]

    def _hold(self, order: Order, what: str) -> bool:
        """Wait for the order's end; False when it did not come in time."""
        log.info("%s: held, %s", what, order.when)
        with self._noting, order.path.with_suffix(".held").open("a") as held:
            held.write(f"{what}\n")
        deadline = time.monotonic() + order.seconds
        while order.stands:
            if time.monotonic() > deadline:
                log.error("%s: not let go for %s s: %s", what, order.seconds, order.path)
                return False
            time.sleep(PAUSE)
        log.info("%s: let go", what)
        return True
