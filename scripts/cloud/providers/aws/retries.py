"""When a call of the API is made again: throttling, errors of the server, a broken connection.

The official plugin makes 25 retries (aws-sdk-go-base). botocore's own modes are not used: the
standard one gives up for all calls of a client together once some of them fail often, and neither
of them ends when the engine cancels the update.
"""

import random
import threading
import time
from typing import Any

SECONDS = 5 * 60.0
"""No call is retried for longer, whatever maxRetries says."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 20.0
# The codes that the AWS SDK for Go v2 retries (aws/retry/standard.go).
_THROTTLED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_PASSING = {"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"}
_STATUSES = (429, 500, 502, 503, 504)


class Retries:
    """botocore's `needs-retry` handler of one client."""

    def __init__(self, limit: int, cancelled: threading.Event) -> None:
        self._limit = limit
        self._cancelled = cancelled

    def register(self, client: Any) -> None:
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"needs-retry.{service}", self._decide)

    def _decide(
        self,
        response: Any,
        attempts: int,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **_: Any,
    ) -> float | None:
        """None: no other attempt. The pause is made here, where a cancel ends it."""
        started = request_dict["context"].setdefault("mysql_ring_started", time.monotonic())
        if attempts > self._limit or not passes(response, caught_exception):
            return None
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempts - 1))
        pause *= random.uniform(0.5, 1)  # noqa: S311 (spreads the calls, keeps no secret)
        if time.monotonic() + pause > started + SECONDS or self._cancelled.wait(pause):
            return None
        return 0.0


def passes(response: Any, error: Exception | None) -> bool:
    """Whether a failure may be over at the next attempt."""
    if error is not None:
        from botocore.exceptions import ConnectionError, HTTPClientError, SSLError

        return isinstance(error, ConnectionError | HTTPClientError) and not isinstance(
            error, SSLError
        )
    http, parsed = response
    code = parsed.get("Error", {}).get("Code", "")
    return code in _THROTTLED or code in _PASSING or http.status_code in _STATUSES
