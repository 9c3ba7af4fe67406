"""Bad days of the API, on order: errors of the server and throttling, as AWS words them.

While LAB/cloud/faults.json is there every request is answered by what it says, and nothing else
happens: {"answer": "error" or "throttle", "seconds": 10}. With "actions", a regular expression,
the others are answered as ever; an action of S3 is its method. The seconds count from the first
request that is answered so. An order is good for ten minutes: a test that dies leaves no broken API
behind.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cloud.api import errors
from cloud.api.application import identify

log = logging.getLogger("cloud.api")

FILE = "faults.json"
GOOD_FOR_SECONDS = 600

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


class Faulty:
    """The API, unless its file of faults says otherwise."""

    def __init__(self, api: Callable[..., Iterable[bytes]], folder: Path) -> None:
        self.api = api
        self.file = folder / FILE
        self._begun: tuple[int, float] = (0, 0.0)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._answer(environ)
        if answer is None:
            return self.api(environ, start_response)
        service, action = identify(environ)
        status, code, message = _ANSWERS[answer].get(service, _ANSWERS[answer][""])
        log.info("%s %s: %s, as ordered", service, action, code)
        headers, body = errors.write(environ, service, code, message)
        start_response(status, headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> str | None:
        try:
            order = json.loads(self.file.read_text())
            if not re.fullmatch(order.get("actions", ".*"), identify(environ)[1]):
                return None
            written = self.file.stat().st_mtime_ns
            if time.time() > written / 1e9 + GOOD_FOR_SECONDS or order["answer"] not in _ANSWERS:
                return None
            if self._begun[0] != written:
                self._begun = written, time.monotonic()
            ends = self._begun[1] + float(order["seconds"])
            return order["answer"] if time.monotonic() < ends else None
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
            log.error("%s: %s; it is not heeded", self.file, error)
            return None
