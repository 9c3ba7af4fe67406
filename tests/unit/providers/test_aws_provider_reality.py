"""What others did to the resources: import by id, drift, deletion; for every type."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloud.providers.aws.resources import RESOURCES
from provider_engine import Engine, Made, shared
from provider_world import EC2, EGRESS, INGRESS, PROFILE, ROLE, ROLE_POLICY, S3, Ec2, build

pytestmark = pytest.mark.unit
World = dict[str, Made]
TOKENS = sorted(RESOURCES)
GONE: set[str] = set()


@pytest.fixture(scope="module")
def engine(cloud: None) -> Iterator[Engine]:  # noqa: ARG001
    with pytest.MonkeyPatch.context() as patch:
        session = shared().session
        patch.setitem(session._clients, "ec2", Ec2(session.client("ec2")))
        yield Engine(shared())


@pytest.fixture(scope="module")
def world(engine: Engine) -> World:
    return build(engine)


def import_id(made: Made) -> str:
    """What `pulumi import` is given; the documented form where it is not the id."""
    inputs = made.inputs
    if made.resource.token == EC2["Route"]:
        return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}"
    if made.resource.token == EC2["RouteTableAssociation"]:
        return f"{inputs['subnetId']}/{inputs['routeTableId']}"
    return made.id


def test_the_world_holds_every_type(world: World) -> None:
    assert set(world) - {"second"} == set(RESOURCES)


@pytest.mark.parametrize("token", TOKENS)
def test_an_import_gives_the_arguments_of_a_program(
    engine: Engine, world: World, token: str
) -> None:
    made = world[token]
    found = made.resource.read(import_id(made), {}, {}, engine.call())
    assert found is not None
    resource_id, state, inputs = found
    assert resource_id == made.id
    if token == EC2["KeyPair"]:  # EC2 does not tell it, so the program has to give it
        inputs = {**inputs, "publicKey": made.inputs["publicKey"]}
        state = {**state, "publicKey": made.inputs["publicKey"]}
    checked, failures = made.resource.check(inputs, engine.call())
    assert failures == []
    assert made.resource.diff(state, checked, engine.call()) == {}
    kept = {key: value for key, value in made.inputs.items() if key != "forceDestroy"}
    assert made.resource.diff(state, kept, engine.call()) == {}
    assert set(kept) <= set(inputs)


@pytest.mark.parametrize("token", TOKENS)
def test_an_import_of_what_is_not_there_finds_nothing(engine: Engine, token: str) -> None:
    names = {
        EC2["Route"]: "rtb-0123456789abcdef0_10.0.0.0/8",
        EC2["RouteTableAssociation"]: "rtbassoc-0123456789abcdef0",
        ROLE_POLICY: "no-role:no-policy",
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


Drift = Callable[[Made, Any, World], Any]
DRIFTS: list[tuple[str, Drift, set[str]]] = [
    (
        EC2["Vpc"],
        lambda made, session, _: session.client("ec2").modify_vpc_attribute(
            VpcId=made.id, EnableDnsHostnames={"Value": False}
        ),
        {"enableDnsHostnames"},
    ),
    (
        EC2["Subnet"],
        lambda made, session, _: session.client("ec2").modify_subnet_attribute(
            SubnetId=made.id, MapPublicIpOnLaunch={"Value": True}
        ),
        {"mapPublicIpOnLaunch"},
    ),
    (
        EC2["InternetGateway"],
        lambda made, session, _: session.client("ec2").detach_internet_gateway(
            InternetGatewayId=made.id, VpcId=made.inputs["vpcId"]
        ),
        {"vpcId"},
    ),
    (EC2["RouteTable"], tagged, {"tags.a"}),
    (
        EC2["Route"],
        lambda made, session, world: session.client("ec2").replace_route(
            RouteTableId=made.inputs["routeTableId"],
            DestinationCidrBlock=made.inputs["destinationCidrBlock"],
            NetworkInterfaceId=world["second"].id,
        ),
        {"gatewayId"},
    ),
    (
        EC2["RouteTableAssociation"],
        lambda made, session, _: session.client("ec2").disassociate_route_table(
            AssociationId=made.id
        ),
        GONE,
    ),
    (EC2["SecurityGroup"], tagged, {"tags.a"}),
    (INGRESS, other_rule, {"description"}),
    (EGRESS, other_rule, {"description"}),
    (
        EC2["NetworkInterface"],
        lambda made, session, _: session.client("ec2").modify_network_interface_attribute(
            NetworkInterfaceId=made.id, Description={"Value": "drift"}
        ),
        {"description"},
    ),
    (
        EC2["NetworkInterfaceAttachment"],
        lambda made, session, _: session.client("ec2").detach_network_interface(
            AttachmentId=made.id
        ),
        GONE,
    ),
    (EC2["PlacementGroup"], tagged, {"tags.a"}),
    (EC2["KeyPair"], tagged, {"tags.a"}),
    (
        EC2["Instance"],
        lambda made, session, _: session.client("ec2").modify_volume(
            VolumeId=made.state["rootBlockDevice"]["volumeId"], Size=21
        ),
        {"rootBlockDevice.volumeSize"},
    ),
    (EC2["Eip"], tagged, {"tags.a"}),
    (
        EC2["EipAssociation"],
        lambda made, session, _: session.client("ec2").disassociate_address(AssociationId=made.id),
        GONE,
    ),
    (
        ROLE,
        lambda made, session, _: session.client("iam").update_role(
            RoleName=made.id, Description="drift"
        ),
        {"description"},
    ),
    (
        ROLE_POLICY,
        lambda made, session, _: session.client("iam").put_role_policy(
            RoleName=made.inputs["role"],
            PolicyName=made.inputs["name"],
            PolicyDocument=other_policy(made),
        ),
        {"policy"},
    ),
    (
        PROFILE,
        lambda made, session, _: session.client("iam").remove_role_from_instance_profile(
            InstanceProfileName=made.id, RoleName=made.inputs["role"]
        ),
        {"role"},
    ),
    (
        S3["Bucket"],
        lambda made, session, _: session.client("s3").put_bucket_tagging(
            Bucket=made.id, Tagging={"TagSet": [{"Key": "a", "Value": "drift"}]}
        ),
        {"tags.a"},
    ),
    (
        S3["BucketPublicAccessBlock"],
        lambda made, session, _: session.client("s3").put_public_access_block(
            Bucket=made.id, PublicAccessBlockConfiguration={"BlockPublicAcls": False}
        ),
        {"blockPublicAcls"},
    ),
    (
        S3["BucketServerSideEncryptionConfiguration"],
        lambda made, session, _: session.client("s3").put_bucket_encryption(
            Bucket=made.id,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
        ),
        {"rules[0].applyServerSideEncryptionByDefault.sseAlgorithm"},
    ),
    (
        S3["BucketVersioning"],
        lambda made, session, _: session.client("s3").put_bucket_versioning(
            Bucket=made.id, VersioningConfiguration={"Status": "Suspended"}
        ),
        {"versioningConfiguration.status"},
    ),
    (
        S3["BucketOwnershipControls"],
        lambda made, session, _: session.client("s3").put_bucket_ownership_controls(
            Bucket=made.id, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
        {"rule.objectOwnership"},
    ),
    (
        S3["BucketPolicy"],
        lambda made, session, _: session.client("s3").put_bucket_policy(
            Bucket=made.id, Policy=other_policy(made)
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
    for token in reversed([one for one in world if one != "second"]):
        made = world[token]
        engine.delete(made)
        # a bucket that was versioned stays so: the setting is suspended, and goes with the bucket
        assert engine.read(made) is None or token == S3["BucketVersioning"], token
    engine.delete(world["second"])
    for token, made in build(engine).items():
        assert engine.diff(made) == {}, token
