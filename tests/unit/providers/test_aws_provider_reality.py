"""Every type against the API: made, imported by id, changed and deleted by others."""

from collections.abc import Callable
from typing import Any

import pytest
from cloud.providers.aws.resources import RESOURCES
from provider_engine import Engine, Made, Quick, shared
from provider_types import (
    ASSOCIATION,
    ATTACHMENT,
    BLOCK,
    BUCKET,
    EGRESS,
    EIP,
    EIP_ASSOCIATION,
    ENCRYPTION,
    ENDPOINT,
    GATEWAY,
    GROUP,
    INGRESS,
    INSTANCE,
    INTERFACE,
    KEY_PAIR,
    LIFECYCLE,
    OWNERSHIP,
    PLACEMENT,
    POLICY,
    PROFILE,
    ROLE,
    ROLE_POLICY,
    ROUTE,
    SUBNET,
    TABLE,
    VERSIONING,
    VOLUME,
    VOLUME_ATTACHMENT,
    VPC,
)
from provider_world import SECOND, TRUST, World, build

pytestmark = pytest.mark.unit
TOKENS = sorted(RESOURCES)
GONE: set[str] = set()
# A bucket that was versioned stays so, and one is always encrypted: both settings go with it.
STAYING = {VERSIONING, ENCRYPTION}


@pytest.fixture(scope="module")
def engine(cloud: None) -> Engine:  # noqa: ARG001
    return Engine(shared())


@pytest.fixture(scope="module")
def world(engine: Engine) -> World:
    return build(engine)


def import_id(made: Made) -> str:
    """What `pulumi import` is given; the documented form where it is not the id."""
    inputs = made.inputs
    if made.resource.type_name == ROUTE:
        return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}"
    if made.resource.type_name == VOLUME_ATTACHMENT:
        return ":".join(inputs[name] for name in ("deviceName", "volumeId", "instanceId"))
    if made.resource.type_name == ASSOCIATION:
        return f"{inputs['subnetId']}/{inputs['routeTableId']}"
    return made.id


def test_the_world_holds_every_type(world: World) -> None:
    assert set(world) - {SECOND} == set(RESOURCES)


@pytest.mark.parametrize("token", TOKENS)
def test_what_is_made_is_what_the_program_says(engine: Engine, world: World, token: str) -> None:
    """It shows no change, and to read it changes neither its arguments nor its id."""
    made = world[token]
    assert engine.diff(made) == {}
    found = engine.read(made)
    assert found is not None
    resource_id, state, inputs = found
    assert (resource_id, inputs) == (made.id, made.inputs)
    assert made.resource.diff(state, made.inputs, engine.call()) == {}
    assert set(made.resource.table.outputs) <= set(state)


@pytest.mark.parametrize("token", TOKENS)
def test_an_import_gives_the_arguments_of_a_program(
    engine: Engine, world: World, token: str
) -> None:
    made = world[token]
    found = made.resource.read(import_id(made), {}, {}, engine.call())
    assert found is not None
    resource_id, state, inputs = found
    assert resource_id == made.id
    if token == KEY_PAIR:  # EC2 does not tell it, so the program has to give it
        inputs = {**inputs, "publicKey": made.inputs["publicKey"]}
        state = {**state, "publicKey": made.inputs["publicKey"]}
    checked, failures = made.resource.check(inputs, engine.call())
    assert failures == []
    assert made.resource.diff(state, checked, engine.call()) == {}
    kept = {key: value for key, value in made.inputs.items() if key != "forceDestroy"}
    assert made.resource.diff(state, kept, engine.call()) == {}
    assert set(kept) <= set(inputs)


@pytest.mark.parametrize("token", TOKENS)
def test_what_a_killed_update_made_gets_its_own_id_when_it_is_taken_in(
    engine: Engine, world: World, token: str
) -> None:
    """As cli/pending.py does it: by the id of an import, with the arguments of the program."""
    made = world[token]
    found = made.resource.read(import_id(made), {}, made.inputs, engine.call())
    assert found is not None
    assert found[0] == made.id


@pytest.mark.parametrize("token", TOKENS)
def test_an_import_of_what_is_not_there_finds_nothing(engine: Engine, token: str) -> None:
    names = {
        ROUTE: "rtb-0123456789abcdef0_10.0.0.0/8",
        ASSOCIATION: "rtbassoc-0123456789abcdef0",
        ROLE_POLICY: "no-role:no-policy",
        VOLUME_ATTACHMENT: "/dev/sdf:vol-0123456789abcdef0:i-0123456789abcdef0",
    }
    missing = names.get(token, "no-such-name")
    assert RESOURCES[token].read(missing, {}, {}, engine.call()) is None


def tagged(made: Made, session: Any, _world: World) -> None:
    target = made.state.get("placementGroupId") or made.state.get("keyPairId") or made.id
    session.client("ec2").create_tags(Resources=[target], Tags=[{"Key": "a", "Value": "drift"}])


def other_rule(made: Made, session: Any, _world: World) -> None:
    rule: dict[str, Any] = {
        "IpProtocol": made.inputs["ipProtocol"],
        "CidrIpv4": made.inputs["cidrIpv4"],
        "Description": "drift",
    }
    for key, name in (("FromPort", "fromPort"), ("ToPort", "toPort")):
        if name in made.inputs:
            rule[key] = made.inputs[name]
    session.client("ec2").modify_security_group_rules(
        GroupId=made.inputs["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": made.id, "SecurityGroupRule": rule}],
    )


def other_policy(made: Made) -> str:
    return made.inputs["policy"].replace("PutObject", "GetObject")


def other_type(made: Made, session: Any, _world: World) -> None:
    ec2, name = session.client("ec2"), {"InstanceIds": [made.id]}
    ec2.stop_instances(**name)
    Quick(None).pause(0)
    ec2.modify_instance_attribute(InstanceId=made.id, InstanceType={"Value": "t3.large"})
    ec2.start_instances(**name)
    Quick(None).pause(0)


def other_profile(made: Made, session: Any, _world: World) -> None:
    ec2 = session.client("ec2")
    (found,) = ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [made.id]}]
    )["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=found["AssociationId"])


def other_group(made: Made, session: Any, world: World) -> None:
    ec2 = session.client("ec2")
    default = world[VPC].state["defaultSecurityGroupId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=made.id, Groups=[default])


def other_target(made: Made, session: Any, world: World) -> None:
    session.client("ec2").replace_route(
        RouteTableId=made.inputs["routeTableId"],
        DestinationCidrBlock=made.inputs["destinationCidrBlock"],
        NetworkInterfaceId=world[SECOND].id,
    )


def taken_out(made: Made, session: Any, _world: World) -> None:
    session.client("ec2").detach_volume(VolumeId=made.inputs["volumeId"])
    Quick(None).pause(0)


Drift = Callable[[Made, Any, World], Any]


def asks(service: str, operation: str, arguments: Callable[[Made], dict[str, Any]]) -> Drift:
    """One call of the API with arguments of the resource."""
    return lambda made, session, _: getattr(session.client(service), operation)(**arguments(made))


def attribute(operation: str, name: str, attribute: str, value: Any) -> Drift:
    return asks("ec2", operation, lambda made: {name: made.id, attribute: {"Value": value}})


def disassociated(operation: str, name: str = "AssociationId") -> Drift:
    return asks("ec2", operation, lambda made: {name: made.id})


def revoked(operation: str) -> Drift:
    return asks(
        "ec2",
        operation,
        lambda made: {
            "GroupId": made.inputs["securityGroupId"],
            "SecurityGroupRuleIds": [made.id],
        },
    )


def of_role(operation: str, **arguments: Any) -> Drift:
    return asks("iam", operation, lambda made: {"RoleName": made.id, **arguments})


def of_policy(operation: str, **arguments: Callable[[Made], str]) -> Drift:
    return asks(
        "iam",
        operation,
        lambda made: {
            "RoleName": made.inputs["role"],
            "PolicyName": made.inputs["name"],
            **{name: value(made) for name, value in arguments.items()},
        },
    )


def of_bucket(operation: str, **arguments: Any) -> Drift:
    return asks("s3", operation, lambda made: {"Bucket": made.id, **arguments})


INTERFACE_CALL = ("modify_network_interface_attribute", "NetworkInterfaceId")
KMS = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
WRITER = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
SHORTER = {
    "Rules": [
        {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 1}}
    ]
}
DRIFTED = {"Key": "a", "Value": "drift"}
DRIFTS: list[tuple[str, Drift, set[str]]] = [
    (
        VPC,
        attribute("modify_vpc_attribute", "VpcId", "EnableDnsHostnames", False),
        {"enableDnsHostnames"},
    ),
    (
        SUBNET,
        attribute("modify_subnet_attribute", "SubnetId", "MapPublicIpOnLaunch", True),
        {"mapPublicIpOnLaunch"},
    ),
    (GATEWAY, tagged, {"tags.a"}),
    (TABLE, tagged, {"tags.a"}),
    (ROUTE, other_target, {"gatewayId"}),
    (ASSOCIATION, disassociated("disassociate_route_table"), GONE),
    (ENDPOINT, tagged, {"tags.a"}),
    (
        ENDPOINT,
        asks(
            "ec2",
            "modify_vpc_endpoint",
            lambda made: {
                "VpcEndpointId": made.id,
                "RemoveRouteTableIds": made.inputs["routeTableIds"],
            },
        ),
        {"routeTableIds"},
    ),
    (GROUP, tagged, {"tags.a"}),
    (INGRESS, other_rule, {"description"}),
    (INGRESS, revoked("revoke_security_group_ingress"), GONE),
    (EGRESS, other_rule, {"description"}),
    (EGRESS, revoked("revoke_security_group_egress"), GONE),
    (INTERFACE, attribute(*INTERFACE_CALL, "Description", "drift"), {"description"}),
    (INTERFACE, attribute(*INTERFACE_CALL, "SourceDestCheck", False), {"sourceDestCheck"}),
    (INTERFACE, other_group, {"securityGroups"}),
    (ATTACHMENT, disassociated("detach_network_interface", "AttachmentId"), GONE),
    (PLACEMENT, tagged, {"tags.a"}),
    (KEY_PAIR, tagged, {"tags.a"}),
    (INSTANCE, other_type, {"instanceType"}),
    (INSTANCE, other_profile, {"iamInstanceProfile"}),
    (
        INSTANCE,
        asks(
            "ec2",
            "modify_instance_metadata_options",
            lambda made: {"InstanceId": made.id, "HttpTokens": "optional"},
        ),
        {"metadataOptions.httpTokens"},
    ),
    (INSTANCE, tagged, {"tags.a"}),
    (VOLUME, tagged, {"tags.a"}),
    (VOLUME_ATTACHMENT, taken_out, GONE),
    (EIP, tagged, {"tags.a"}),
    (EIP_ASSOCIATION, disassociated("disassociate_address"), GONE),
    (ROLE, of_role("update_role", Description="drift"), {"description"}),
    (ROLE, of_role("tag_role", Tags=[DRIFTED]), {"tags.a"}),
    (
        ROLE,
        of_role("update_assume_role_policy", PolicyDocument=TRUST.replace("ec2.", "ecs.")),
        {"assumeRolePolicy"},
    ),
    (ROLE_POLICY, of_policy("delete_role_policy"), GONE),
    (ROLE_POLICY, of_policy("put_role_policy", PolicyDocument=other_policy), {"policy"}),
    (
        PROFILE,
        asks(
            "iam",
            "remove_role_from_instance_profile",
            lambda made: {"InstanceProfileName": made.id, "RoleName": made.inputs["role"]},
        ),
        {"role"},
    ),
    (BUCKET, of_bucket("put_bucket_tagging", Tagging={"TagSet": [DRIFTED]}), {"tags.a"}),
    (
        BLOCK,
        of_bucket(
            "put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": False}
        ),
        {"blockPublicAcls"},
    ),
    (BLOCK, of_bucket("delete_public_access_block"), GONE),
    (
        ENCRYPTION,
        of_bucket("put_bucket_encryption", ServerSideEncryptionConfiguration=KMS),
        {"rules[0].applyServerSideEncryptionByDefault.sseAlgorithm"},
    ),
    (
        VERSIONING,
        of_bucket("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        {"versioningConfiguration.status"},
    ),
    (
        OWNERSHIP,
        of_bucket("put_bucket_ownership_controls", OwnershipControls=WRITER),
        {"rule.objectOwnership"},
    ),
    (LIFECYCLE, of_bucket("delete_bucket_lifecycle"), GONE),
    (
        LIFECYCLE,
        of_bucket("put_bucket_lifecycle_configuration", LifecycleConfiguration=SHORTER),
        {"rules[0].expiration.days", "rules[1]"},
    ),
    (POLICY, of_bucket("delete_bucket_policy"), GONE),
    (
        POLICY,
        asks(
            "s3",
            "put_bucket_policy",
            lambda made: {"Bucket": made.id, "Policy": other_policy(made)},
        ),
        {"policy"},
    ),
]


def test_there_is_a_drift_of_every_type() -> None:
    assert {token for token, _, _ in DRIFTS} == set(RESOURCES)


@pytest.mark.parametrize(
    ("token", "drift", "shown"), DRIFTS, ids=[token.rsplit(":", 1)[-1] for token, _, _ in DRIFTS]
)
def test_a_refresh_shows_what_others_changed_and_the_next_up_undoes_it(
    engine: Engine, world: World, token: str, drift: Drift, shown: set[str]
) -> None:
    made = world[token]
    drift(made, engine.provider.session, world)
    found = engine.read(made)
    if shown is GONE:
        assert found is None
        world[token] = engine.create(token, **made.inputs)
        return
    assert found is not None
    drifted = Made(made.resource, made.id, made.inputs, found[1])
    assert set(engine.diff(drifted)) == shown
    assert found[2] != made.inputs
    world[token] = engine.update(drifted)
    again = engine.read(world[token])
    assert again is not None
    assert made.resource.diff(again[1], made.inputs, engine.call()) == {}


def test_what_others_deleted_is_gone_and_made_again_by_the_next_up(
    engine: Engine, world: World
) -> None:
    for token in reversed(world):
        made = world[token]
        engine.delete(made)
        assert engine.read(made) is None or token in STAYING, token
        if made.resource.type_name not in (INSTANCE, ATTACHMENT):
            engine.delete(made)  # a delete that was cut short is asked for again
    for token, made in build(engine).items():
        assert engine.diff(made) == {}, token
