"""An API that is ordered to fail answers as AWS does on a bad day, for as long as ordered."""

import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any, cast

import botocore.parsers
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from cloud.api.faults import FOLDER, GOOD_FOR_SECONDS, Faulty

pytestmark = pytest.mark.unit


def lay(cloud: Path, order: dict[str, Any] | str, name: str = "order") -> Path:
    path = cloud / FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(order if isinstance(order, str) else json.dumps(order))
    return path


def healthy(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"healthy"]


def ask(api: Faulty, service: str, action: str = "DescribeVpcs") -> tuple[int, bytes]:
    seen: list[str] = []
    scope = f"Credential=lab/20260101/eu-central-1/{service}/aws4_request, Signature=x"
    environ = {
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "wsgi.input": io.BytesIO(f"Action={action}".encode()),
        "REQUEST_METHOD": "POST",
    }
    body = b"".join(api(environ, lambda status, _headers: seen.append(status)))
    return int(seen[0].split()[0]), body


def parsed(service: str, status: int, body: bytes) -> dict[str, Any]:
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    metadata = cast(dict[str, Any], model.metadata)
    parser = botocore.parsers.create_parser(metadata["protocol"])
    names: Any = model.operation_names
    operation = model.operation_model(names[0])
    answer = {"status_code": status, "headers": {}, "body": body}
    return parser.parse(answer, operation.output_shape)["Error"]


@pytest.mark.parametrize(
    ("answer", "service", "status", "code"),
    [
        ("error", "ec2", 500, "InternalError"),
        ("error", "s3", 500, "InternalError"),
        ("error", "iam", 500, "InternalFailure"),
        ("error", "ssm", 500, "InternalServerError"),
        ("throttle", "ec2", 503, "RequestLimitExceeded"),
        ("throttle", "s3", 503, "SlowDown"),
        ("throttle", "iam", 400, "Throttling"),
        ("throttle", "ssm", 400, "ThrottlingException"),
    ],
)
def test_a_client_reads_the_code_that_aws_gives(
    tmp_path: Path, answer: str, service: str, status: int, code: str
) -> None:
    lay(tmp_path, {"answer": answer, "seconds": 60})
    found, body = ask(Faulty(healthy, tmp_path), service)
    assert found == status
    assert parsed(service, found, body)["Code"] == code


def test_without_an_order_the_api_answers(tmp_path: Path) -> None:
    assert ask(Faulty(healthy, tmp_path), "ec2") == (200, b"healthy")


def test_an_order_for_some_actions_leaves_the_others_alone(tmp_path: Path) -> None:
    order = {"answer": "error", "seconds": 60, "actions": "Describe(Vpcs|Subnets)"}
    lay(tmp_path, order)
    api = Faulty(healthy, tmp_path)
    assert ask(api, "ec2", "DescribeVpcs")[0] == 500
    assert ask(api, "ec2", "CreateVpc") == (200, b"healthy")
    assert ask(api, "ec2", "DescribeVpcsAndMore")[0] == 200


def test_an_order_ends_by_itself_after_its_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, {"answer": "error", "seconds": 5})
    api = Faulty(healthy, tmp_path)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert ask(api, "ec2")[0] == 500
    now += 4
    assert ask(api, "ec2")[0] == 500
    now += 2
    assert ask(api, "ec2")[0] == 200


def test_an_old_order_is_not_heeded(tmp_path: Path) -> None:
    order = lay(tmp_path, {"answer": "error", "seconds": 5})
    past = time.time() - GOOD_FOR_SECONDS - 1
    os.utime(order, (past, past))
    assert ask(Faulty(healthy, tmp_path), "ec2")[0] == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"answer": "error"}',
        '{"answer": "x", "seconds": 9}',
        '{"answer": "error", "seconds": 9, "actions": "("}',
        '{"answer": "hold", "seconds": 9, "when": "never"}',
    ],
)
def test_an_order_that_cannot_be_read_is_not_heeded(tmp_path: Path, text: str) -> None:
    lay(tmp_path, text)
    assert ask(Faulty(healthy, tmp_path), "ec2")[0] == 200


class Held:
    """A request in a thread of its own, and what has come of it."""

    def __init__(self, cloud: Path, order: dict[str, Any]) -> None:
        self.done: list[str] = []
        self.order = lay(cloud, {"answer": "hold", "seconds": 60, **order})
        self.noted = self.order.with_suffix(".held")
        self.answers: list[tuple[int, bytes]] = []
        self._api = Faulty(self._create, cloud)
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _create(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        self.done.append("made")
        return healthy(environ, start_response)

    def _ask(self) -> None:
        self.answers.append(ask(self._api, "ec2", "CreateVpc"))

    def wait_until_held(self) -> str:
        deadline = time.monotonic() + 30
        while not self.noted.exists() or not self.noted.read_text():
            assert time.monotonic() < deadline, "nothing is held"
            time.sleep(0.01)
        return self.noted.read_text()

    def end(self) -> tuple[int, bytes]:
        self._thread.join(30)
        (answer,) = self.answers
        return answer


def test_a_request_held_after_it_was_done_has_its_answer_when_the_order_is_lifted(
    tmp_path: Path,
) -> None:
    held = Held(tmp_path, {"when": "after"})
    assert held.wait_until_held() == "ec2 CreateVpc: 200\n"
    assert (held.done, held.answers) == (["made"], [])
    held.order.unlink()
    assert held.end() == (200, b"healthy")


def test_a_request_held_before_is_never_done(tmp_path: Path) -> None:
    held = Held(tmp_path, {"when": "before"})
    assert held.wait_until_held() == "ec2 CreateVpc\n"
    assert held.answers == []
    held.order.unlink()
    assert (held.end()[0], held.done) == (500, [])


def test_a_request_that_nobody_lets_go_is_answered_with_an_error_after_its_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(tmp_path, {"when": "before", "seconds": 0.1})
    assert held.end()[0] == 500
    assert f"ec2 CreateVpc: not let go for 0.1 s: {held.order}" in caplog.text


def test_of_two_orders_each_has_its_own_actions(tmp_path: Path) -> None:
    lay(tmp_path, {"answer": "error", "seconds": 60, "actions": "CreateVpc"}, "one")
    lay(tmp_path, {"answer": "throttle", "seconds": 60, "actions": "DescribeVpcs"}, "two")
    api = Faulty(healthy, tmp_path)
    assert [ask(api, "ec2", action)[0] for action in ("CreateVpc", "DescribeVpcs")] == [500, 503]
