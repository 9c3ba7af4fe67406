"""The deployer's policy: enough for all that the provider does, and no more than is explained."""

import itertools
import json
import logging
from typing import Any

import deployer
import pytest
from cloud.providers.aws.config import Config
from cloud.providers.aws.functions import FUNCTIONS
from cloud.providers.aws.provider import AwsProvider
from cloud.providers.resource import ProviderError
from cloud.refusals import policy
from provider_engine import REGION, Engine, Made, configured
from provider_types import (
    BUCKET,
    INGRESS,
    INSTANCE,
    INTERFACE,
    POLICY,
    PROFILE,
    ROLE,
    ROLE_POLICY,
    SUBNET,
    VOLUME,
)
from provider_world import ROWS, bucket_policy, build

pytestmark = pytest.mark.unit

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, without white space
LONGEST_MANAGED_POLICY = 6144
NUMBERS = itertools.count(1)
OTHER_TAGS = {"Name": "other"}


@pytest.fixture
def user(cloud: None) -> str:  # noqa: ARG001
    """One that has the policy and nothing else."""
    name, iam = f"deployer-{next(NUMBERS)}", configured().session.client("iam")
    iam.create_user(UserName=name)
    made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(deployer.document()))
    iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])
    return name


@pytest.fixture
def engine(user: str) -> Engine:
    """Of a provider that has the deployer's credentials."""
    key = configured().session.client("iam").create_access_key(UserName=user)["AccessKey"]
    provider = AwsProvider()
    provider.use(
        Config(region=REGION, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    )
    return Engine(provider)


@pytest.fixture
def ring_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of every type, by the names that a ring's have, which end in what Pulumi adds."""
    number = next(NUMBERS)
    for kind, named in {
        BUCKET: {"bucket": f"ring-bucket-store-{number}"},
        ROLE: {"name": f"ring-node-1-role-identity-{number}"},
        PROFILE: {"name": f"ring-node-1-role-profile-{number}"},
    }.items():
        row = ROWS[kind]
        monkeypatch.setitem(ROWS, kind, lambda id_of, row=row, named=named: {**row(id_of), **named})


CHANGES: dict[str, dict[str, Any]] = {
    INSTANCE: {"instanceType": "t3.large", "tags": OTHER_TAGS},
    VOLUME: {"size": 30},
    INGRESS: {"description": "other"},
    INTERFACE: {"description": "other"},
    SUBNET: {"tags": OTHER_TAGS},
    ROLE: {"description": "other", "tags": OTHER_TAGS},
    PROFILE: {"tags": OTHER_TAGS},
    BUCKET: {"tags": OTHER_TAGS},
}


def changed(engine: Engine, made: Made) -> Made:
    kind = made.resource.type_name
    if kind == ROLE_POLICY:
        return engine.update(made, policy=made.inputs["policy"].replace("PutObject", "GetObject"))
    if kind == POLICY:
        return engine.update(made, policy=bucket_policy(made.inputs["bucket"], "s3:GetObject"))
    return engine.update(made, **CHANGES[kind]) if kind in CHANGES else made


@pytest.mark.usefixtures("ring_names")
def test_the_policy_is_enough_to_make_change_and_delete_one_of_every_type(
    user: str, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cloud.access")
    session, call = engine.provider.session, engine.call()
    image = {"name": "/aws/service/debian/release/12/latest/amd64"}
    FUNCTIONS["aws:ssm/getParameter:getParameter"](session, image, call)
    FUNCTIONS["aws:index/getAvailabilityZones:getAvailabilityZones"](session, {}, call)
    world = build(engine)
    for name, made in world.items():
        assert engine.read(made), name
        world[name] = changed(engine, made)
    for made in reversed(world.values()):
        engine.delete(made)

    asked = deployer.asked(caplog.text, user)
    assert len(asked) > 80
    assert asked <= deployer.allowed()
    assert deployer.allowed() - asked <= deployer.explained()


@pytest.mark.usefixtures("ring_names")
@pytest.mark.parametrize(
    "action", ["ec2:CreateTags", "iam:PassRole", "iam:TagRole", "s3:PutBucketPolicy"]
)
def test_without_one_of_its_actions_it_is_not_enough(
    user: str, engine: Engine, action: str
) -> None:
    denied = [{"Effect": "Deny", "Action": action, "Resource": "*"}]
    configured().session.client("iam").put_user_policy(
        UserName=user,
        PolicyName="less",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": denied}),
    )
    with pytest.raises(ProviderError, match=f"not authorized to perform: {action} "):
        build(engine)


def test_the_policy_is_one_and_short_enough_for_a_managed_policy() -> None:
    text = json.dumps(deployer.document(), separators=(",", ":"))
    policy.check_identity_policy(text)
    assert len(text) <= LONGEST_MANAGED_POLICY
    for statement in deployer.document()["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not [action for action in statement["Action"] if "*" in action]


@pytest.mark.parametrize("service", ["ec2", "iam", "ssm"])
def test_every_action_of_the_policy_is_one_that_aws_has(service: str) -> None:
    """S3's actions have other names than its operations."""
    operations = configured().session.client(service).meta.service_model.operation_names
    named = {each for each in deployer.allowed() if each.startswith(f"{service}:")}
    assert named - {f"{service}:{each}" for each in operations} <= {"iam:PassRole"}


def test_the_page_explains_no_action_that_the_policy_lacks() -> None:
    assert deployer.explained() <= deployer.allowed()
