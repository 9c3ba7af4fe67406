"""What others did to the resources: import by id, drift, deletion; for every type."""

from collections.abc import Callable
from typing import Any

import pytest
from cloud.providers.aws.resources import RESOURCES
from provider_engine import Engine, Made, Quick, shared
from provider_world import EC2, EGRESS, INGRESS, PROFILE, ROLE, ROLE_POLICY, S3, TRUST, build

pytestmark = pytest.mark.unit
World = dict[str, Made]
TOKENS = sorted(RESOURCES)
GONE: set[str] = set()
# A bucket that was versioned stays so, and one is always encrypted: both settings go with it.
STAYING = {S3["BucketVersioning"], S3["BucketServerSideEncryptionConfiguration"]}


@pytest.fixture(scope="module")
def engine(cloud: None) -> Engine:  # noqa: ARG001
    return Engine(shared())


@pytest.fixture(scope="module")
def world(engine: Engine) -> World:
    return build(engine)


def import_id(made: Made) -> str:
    """What `pulumi import` is given; the documented form where it is not the id."""
    inputs = made.inputs
    if made.resource.type_name == EC2["Route"]:
        return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}"
    if made.resource.type_name == EC2["RouteTableAssociation"]:
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
    default = world[EC2["Vpc"]].state["defaultSecurityGroupId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=made.id, Groups=[default])


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
    (EC2["InternetGateway"], tagged, {"tags.a"}),
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
    (
        INGRESS,
        lambda made, session, _: session.client("ec2").revoke_security_group_ingress(
            GroupId=made.inputs["securityGroupId"], SecurityGroupRuleIds=[made.id]
        ),
        GONE,
    ),
    (EGRESS, other_rule, {"description"}),
    (
        EGRESS,
        lambda made, session, _: session.client("ec2").revoke_security_group_egress(
            GroupId=made.inputs["securityGroupId"], SecurityGroupRuleIds=[made.id]
        ),
        GONE,
    ),
    (
        EC2["NetworkInterface"],
        lambda made, session, _: session.client("ec2").modify_network_interface_attribute(
            NetworkInterfaceId=made.id, Description={"Value": "drift"}
        ),
        {"description"},
    ),
    (
        EC2["NetworkInterface"],
        lambda made, session, _: session.client("ec2").modify_network_interface_attribute(
            NetworkInterfaceId=made.id, SourceDestCheck={"Value": False}
        ),
        {"sourceDestCheck"},
    ),
    (EC2["NetworkInterface"], other_group, {"securityGroups"}),
    (
        EC2["NetworkInterfaceAttachment"],
        lambda made, session, _: session.client("ec2").detach_network_interface(
            AttachmentId=made.id
        ),
        GONE,
    ),
    (EC2["PlacementGroup"], tagged, {"tags.a"}),
    (EC2["KeyPair"], tagged, {"tags.a"}),
    (EC2["Instance"], other_type, {"instanceType"}),
    (EC2["Instance"], other_profile, {"iamInstanceProfile"}),
    (
        EC2["Instance"],
        lambda made, session, _: session.client("ec2").modify_instance_metadata_options(
            InstanceId=made.id, HttpTokens="optional"
        ),
        {"metadataOptions.httpTokens"},
    ),
    (EC2["Instance"], tagged, {"tags.a"}),
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
        ROLE,
        lambda made, session, _: session.client("iam").tag_role(
            RoleName=made.id, Tags=[{"Key": "a", "Value": "drift"}]
        ),
        {"tags.a"},
    ),
    (
        ROLE,
        lambda made, session, _: session.client("iam").update_assume_role_policy(
            RoleName=made.id, PolicyDocument=TRUST.replace("ec2.", "ecs.")
        ),
        {"assumeRolePolicy"},
    ),
    (
        ROLE_POLICY,
        lambda made, session, _: session.client("iam").delete_role_policy(
            RoleName=made.inputs["role"], PolicyName=made.inputs["name"]
        ),
        GONE,
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
        lambda made, session, _: session.client("s3").delete_bucket_policy(Bucket=made.id),
        GONE,
    ),
    (
        S3["BucketPublicAccessBlock"],
        lambda made, session, _: session.client("s3").delete_public_access_block(Bucket=made.id),
        GONE,
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
    for token in reversed(world):
        made = world[token]
        engine.delete(made)
        assert engine.read(made) is None or token in STAYING, token
    for token, made in build(engine).items():
        assert engine.diff(made) == {}, token
