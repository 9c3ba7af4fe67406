"""An API that throttles or fails for a while: asked again, within bounds."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError, SSLError
from cloud.providers.aws import retries
from cloud.providers.aws.config import Config
from cloud.providers.aws.session import Session
from provider_engine import REGION

pytestmark = pytest.mark.unit


class Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def answer(status: int, code: str) -> AWSResponse:
    error = f"<Error><Code>{code}</Code><Message>m</Message></Error>"
    good = "<R><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></R>"
    body = f"<ErrorResponse>{error}</ErrorResponse>" if code else good if status == 200 else ""
    return AWSResponse("http://x", status, {}, Body(body.encode()))


class Api:
    """Gives the answers in order, then success."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, **_: Any) -> AWSResponse:
        self.asked += 1
        given = self.answers.pop(0) if self.answers else answer(200, "")
        if isinstance(given, Exception):
            raise given
        return given


def client(api: Api, limit: int = 25, cancelled: threading.Event | None = None) -> Any:
    config = Config(region=REGION, access_key="a", secret_key="s", max_retries=limit)  # noqa: S106
    made = Session(config, cancelled or threading.Event()).client("sts")
    made.meta.events.register("before-send.sts", api)
    return made


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.002)


@pytest.mark.parametrize(
    "failure",
    [
        answer(503, "RequestLimitExceeded"),
        answer(400, "Throttling"),
        answer(503, "SlowDown"),
        answer(500, "InternalError"),
        answer(500, ""),
        answer(502, ""),
        EndpointConnectionError(endpoint_url="http://x"),
    ],
)
def test_what_passes_is_asked_again(failure: Any) -> None:
    api = Api(failure, failure, failure)
    client(api).get_caller_identity()
    assert api.asked == 4


@pytest.mark.parametrize(
    "failure",
    [
        answer(400, "InvalidVpcID.NotFound"),
        answer(403, "UnauthorizedOperation"),
        SSLError(endpoint_url="http://x", error="certificate"),
    ],
)
def test_what_stays_is_not_asked_again(failure: Any) -> None:
    api = Api(failure)
    with pytest.raises((ClientError, SSLError)):
        client(api).get_caller_identity()
    assert api.asked == 1


def test_as_many_retries_as_the_official_plugin_makes() -> None:
    api = Api(*[answer(503, "RequestLimitExceeded")] * 100)
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        client(api).get_caller_identity()
    assert api.asked == 26


def test_many_calls_in_trouble_do_not_take_retries_from_each_other() -> None:
    """botocore's standard mode stops all retries of a client after about a hundred."""
    api = Api(*[answer(503, "RequestLimitExceeded")] * 300)
    made = client(api)
    for _ in range(5):
        with pytest.raises(ClientError):
            made.get_caller_identity()
    assert api.asked == 5 * 26


def test_retries_end_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SECONDS", 1.0)
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.05)
    api = Api(*[answer(500, "")] * 1000)
    with pytest.raises(ClientError):
        client(api, limit=1000).get_caller_identity()
    assert 2 <= api.asked < 1000


def test_a_cancel_ends_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 60.0)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 60.0)
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(ClientError):
        client(Api(*[answer(503, "SlowDown")] * 5), cancelled=cancelled).get_caller_identity()
    assert time.monotonic() - started < 60, "it waited for the pause's end"
