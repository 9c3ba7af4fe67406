"""What the API answers while it is not ready: retried, waited for, given up with a deadline."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud.providers.aws.errors import code_of, retrying, wait_until
from cloud.providers.aws.resource import Work
from cloud.providers.resource import Call, ProviderError
from provider_engine import Engine, shared

pytestmark = pytest.mark.unit


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.fixture
def call() -> Call:
    return Engine(shared()).call(timeout=0.6)


def test_a_refusal_that_passes_is_asked_again(call: Call) -> None:
    answers: list[Any] = [refusal("DependencyViolation"), "done"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retrying(call, 60, lambda code, _: code == "DependencyViolation", ask) == "done"


def test_a_refusal_that_stays_is_raised_at_the_deadline(call: Call) -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise refusal("DependencyViolation")

    with pytest.raises(ClientError) as raised:
        retrying(call, 60, lambda code, _: code == "DependencyViolation", ask)
    assert code_of(raised.value) == "DependencyViolation"
    assert len(asked) > 1


def test_another_refusal_is_raised_at_once(call: Call) -> None:
    def ask() -> None:
        raise refusal("UnauthorizedOperation")

    with pytest.raises(ClientError):
        retrying(call, 60, lambda code, _: code == "DependencyViolation", ask)


def test_a_state_that_does_not_come_is_named_at_the_deadline(call: Call) -> None:
    with pytest.raises(ProviderError, match="instance i-1 to become running; last state: pending"):
        wait_until(call, 60, "instance i-1", lambda: "pending", ("running",))


def test_cancelling_ends_a_wait(call: Call) -> None:
    call.cancelled.set()
    with pytest.raises(ProviderError, match="cancelled"):
        wait_until(call, 60, "instance i-1", lambda: "pending", ("running",))


def test_a_profile_that_is_not_everywhere_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [
        refusal(
            "InvalidParameterValue", "Value (p) for parameter ... Invalid IAM Instance Profile"
        ),
        {"Instances": [{"InstanceId": "i-1"}]},
    ]

    class Fake:
        def run_instances(self, **_: Any) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(Work, "ec2", property(lambda _: Fake()))
    engine = Engine(shared())
    resource: Any = engine.resource("aws:ec2/instance:Instance")
    inputs = {"ami": "ami-1", "instanceType": "t3.small", "iamInstanceProfile": "p"}
    work = Work(engine.provider.session, engine.call(), "", inputs, {})
    assert resource.make(work) == "i-1"
