"""What the API answers while it is not ready: retried, waited for, given up with a deadline."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud.providers.aws.errors import AwsError, code_of, retrying, wait_until
from cloud.providers.plugin import Server
from cloud.providers.protocol import provider_pb2
from cloud.providers.resource import Call, ProviderError
from cloud.providers.values import encode_map
from provider_engine import Engine, Made, Quick, shared
from provider_types import INSTANCE, PROFILE, ROLE, SUBNET, VPC
from provider_wire import Aborted, Context
from provider_world import IMAGE, TRUST

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


class Watch(Quick):
    """Tells of every pause, before time passes."""

    paused: Callable[[], None]

    def pause(self, seconds: float) -> None:
        self.paused()
        super().pause(seconds)


def watching(engine: Engine, paused: Callable[[], None]) -> Watch:
    call = Watch(engine.provider, "urn:pulumi:s::p::t:x/y:Z::node-1")
    call.paused = paused
    return call


def launch(engine: Engine, call: Call, **more: Any) -> Made:
    vpc = engine.create(VPC, cidrBlock="192.168.100.0/24")
    place = engine.create(SUBNET, vpcId=vpc.id, cidrBlock="192.168.100.0/24")
    inputs = engine.checked(INSTANCE, ami=IMAGE, instanceType="t3.small", subnetId=place.id, **more)
    resource = engine.resource(INSTANCE)
    instance, state = resource.create(inputs, call)
    return Made(resource, instance, inputs, state)


def test_an_instance_is_pending_before_it_runs_and_shuts_down_before_it_is_gone(
    aws: Engine,
) -> None:
    seen: list[str] = []

    def look() -> None:
        found = aws.provider.session.client("ec2").describe_instances()["Reservations"]
        seen.extend(found[-1]["Instances"][0]["State"]["Name"] for _ in found[-1:])

    made = launch(aws, watching(aws, look))
    assert seen == ["pending"]
    assert made.state["instanceState"] == "running"
    made.resource.delete(made.id, made.state, watching(aws, look))
    assert seen == ["pending", "shutting-down"]
    assert aws.read(made) is None


def test_a_profile_that_is_not_there_yet_is_waited_for(aws: Engine) -> None:
    """As on AWS, where a new profile is not known to EC2 for some seconds."""
    refused = []

    def make_it_at_last() -> None:
        refused.append(1)
        if len(refused) == 2:
            role = aws.create(ROLE, name="late", assumeRolePolicy=TRUST)
            aws.create(PROFILE, name="late", role=role.id)

    made = launch(aws, watching(aws, make_it_at_last), iamInstanceProfile="late")
    assert made.state["iamInstanceProfile"] == "late"
    assert len(refused) >= 2


def test_a_profile_that_does_not_come_is_told_with_awss_words(aws: Engine) -> None:
    with pytest.raises(AwsError, match=r"\(never\).* Invalid IAM Instance Profile name"):
        launch(aws, aws.call(timeout=0.3), iamInstanceProfile="never")


def test_custom_timeouts_end_a_wait_and_what_exists_is_kept(aws: Engine) -> None:
    """The engine's own request, with no host that would ever run."""
    vpc = aws.create(VPC, cidrBlock="192.168.100.0/24")
    place = aws.create(SUBNET, vpcId=vpc.id, cidrBlock="192.168.100.0/24")
    inputs = {"ami": IMAGE, "instanceType": "t3.small", "subnetId": place.id}
    request = provider_pb2.CreateRequest(
        urn=f"urn:pulumi:s::p::{INSTANCE}::node-1",
        properties=encode_map(inputs),
        timeout=0.4,
    )
    context = Context()
    with pytest.raises(Aborted):
        Server(aws.provider, "127.0.0.1:0").Create(request, context)
    assert "to become running" in context.text
    assert "last state: pending" in context.text
    assert context.trailing, "the engine is told what exists"
