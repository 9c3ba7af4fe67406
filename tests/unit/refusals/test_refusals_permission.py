"""What credentials may do on the services besides S3: permission is asked first."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
import volumes
from aws_world import IMAGE, REGION, TRUST, World, refused, status
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cloud.refusals import access
from cloud.refusals.refusal import WORDS, Access
from moto.sts.models import sts_backends

pytestmark = pytest.mark.refusals

ACCOUNT = "123456789012"
CALLS: dict[str, Callable[[Any], Any]] = {
    "ec2": lambda client: client.describe_vpcs(),
    "iam": lambda client: client.list_roles(),
    "ssm": lambda client: client.get_parameter(Name="/aws/service/debian/release/12/latest/amd64"),
    "sts": lambda client: client.get_access_key_info(AccessKeyId="AKIAIOSFODNN7EXAMPLE"),
    "s3": lambda client: client.list_buckets(),
}
ACTIONS = {
    "ec2": "ec2:DescribeVpcs",
    "iam": "iam:ListRoles",
    "ssm": "ssm:GetParameter",
    "sts": "sts:GetAccessKeyInfo",
    "s3": "s3:ListAllMyBuckets",
}
STATUS = {
    "AccessDeniedException": 400,
    "AuthFailure": 401,
    "ExpiredTokenException": 400,
    "MissingAuthenticationTokenException": 400,
    "RequestExpired": 400,
    "UnrecognizedClientException": 400,
}
"""Of the codes that have another HTTP status than 403."""

Session = dict[str, str]
Assume = Callable[..., Session]


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def of(session: Session, service: str, region: str = REGION) -> Any:
    """A client of a service with these credentials."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=region,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session.get("SessionToken"),
    )


@pytest.fixture
def assume(iam: Any, sts: Any) -> Assume:
    """Make a role with these statements, and a session of it."""

    def make(*statements: dict[str, Any], **more: str) -> Session:
        iam.create_role(RoleName="node-1", AssumeRolePolicyDocument=json.dumps(TRUST))
        if statements:
            iam.put_role_policy(
                RoleName="node-1", PolicyName="p", PolicyDocument=document(*statements)
            )
        arn = f"arn:aws:iam::{ACCOUNT}:role/node-1"
        return sts.assume_role(RoleArn=arn, RoleSessionName="i-1", **more)["Credentials"]

    return make


def user(iam: Any, *statements: dict[str, Any]) -> Session:
    iam.create_user(UserName="backup")
    if statements:
        iam.put_user_policy(UserName="backup", PolicyName="p", PolicyDocument=document(*statements))
    return iam.create_access_key(UserName="backup")["AccessKey"]


def arn(kind: str, name: str) -> str:
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/{name}"


@pytest.mark.parametrize("why", list(Access))
@pytest.mark.parametrize("service", WORDS)
def test_each_service_refuses_a_caller_in_its_own_words(
    iam: Any, assume: Assume, service: str, why: Access
) -> None:
    good = assume(allow(ACTIONS[service]))
    client = of(good, service)
    CALLS[service](client)
    if why is Access.UNSIGNED:
        client = boto3.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            config=Config(signature_version=UNSIGNED),
        )
    elif why is Access.UNKNOWN_KEY:
        client = of({**good, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, service)
    elif why is Access.WRONG_TOKEN:
        client = of({**good, "SessionToken": "wrong"}, service)
    elif why is Access.ENDED:
        (kept,) = sts_backends[ACCOUNT]["aws"].assumed_roles
        kept.expiration -= timedelta(hours=2)
    else:
        iam.delete_role_policy(RoleName="node-1", PolicyName="p")
    code, text = WORDS[service][why]
    with pytest.raises(ClientError) as caught:
        CALLS[service](client)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert error["Message"].startswith(text.partition("{")[0])
    if why is Access.DENIED:
        assert (
            f"assumed-role/node-1/i-1 is not authorized to perform: {ACTIONS[service]}"
            in (error["Message"])
        )
    expected = 400 if (service, code) in {("s3", "ExpiredToken"), ("s3", "InvalidToken")} else 403
    got = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert got == STATUS.get(code, expected)


def test_a_role_moves_addresses_to_the_interfaces_that_its_policy_names(
    ec2: Any, world: World, assume: Assume
) -> None:
    subnet = world.subnet()
    own, other = world.interface(subnet), world.interface(subnet)
    moving = ("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses")
    node = of(assume(allow(*moving, on=arn("network-interface", own))), "ec2")
    wanted = {"PrivateIpAddresses": ["10.10.1.100"]}
    node.assign_private_ip_addresses(NetworkInterfaceId=own, **wanted)
    node.unassign_private_ip_addresses(NetworkInterfaceId=own, **wanted)
    for action, call in zip(
        moving, (node.assign_private_ip_addresses, node.unassign_private_ip_addresses), strict=True
    ):
        with refused("UnauthorizedOperation", action, arn("network-interface", other)):
            call(NetworkInterfaceId=other, **wanted)
    with refused("UnauthorizedOperation", "ec2:DescribeNetworkInterfaces", '"*"'):
        node.describe_network_interfaces()
    ec2.assign_private_ip_addresses(NetworkInterfaceId=other, **wanted)


def test_every_resource_of_a_call_needs_the_permission(
    ec2: Any, world: World, assume: Assume, iam: Any
) -> None:
    instance = world.instance(SubnetId=world.subnet())
    world.run()
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    volumes.arrive()
    named = {"InstanceId": instance, "VolumeId": volume, "Device": "/dev/sdf"}
    node = of(assume(allow("ec2:AttachVolume", on=arn("volume", volume))), "ec2")
    with refused("UnauthorizedOperation", arn("instance", instance)):
        node.attach_volume(**named)
    both = [arn("volume", volume), arn("instance", instance)]
    statement = {"Effect": "Allow", "Action": "ec2:AttachVolume", "Resource": both}
    iam.put_role_policy(RoleName="node-1", PolicyName="p", PolicyDocument=document(statement))
    node.attach_volume(**named)


def test_a_list_of_resources_is_looked_at_one_by_one(world: World, assume: Assume) -> None:
    subnet = world.subnet()
    own, other = world.instance(SubnetId=subnet), world.instance(SubnetId=subnet)
    node = of(assume(allow("ec2:RebootInstances", on=arn("instance", own))), "ec2")
    node.reboot_instances(InstanceIds=[own])
    with refused("UnauthorizedOperation", arn("instance", other)):
        node.reboot_instances(InstanceIds=[own, other])


def test_a_dry_run_tells_whether_the_caller_may(ec2: Any, world: World, assume: Assume) -> None:
    own = world.instance()
    node = of(assume(allow("ec2:TerminateInstances")), "ec2")
    with refused("DryRunOperation"):
        node.terminate_instances(InstanceIds=[own], DryRun=True)
    with refused("UnauthorizedOperation", "ec2:StopInstances"):
        node.stop_instances(InstanceIds=[own], DryRun=True)
    assert status(ec2.describe_vpcs, DryRun=True) == 412
    (found,) = ec2.describe_instances(InstanceIds=[own])["Reservations"][0]["Instances"]
    assert found["State"]["Name"] == "pending"


def test_permission_is_asked_before_the_rules(ec2: Any, world: World, assume: Assume) -> None:
    vpc = world.vpc()
    world.subnet(vpc)
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)
    with refused("UnauthorizedOperation"):
        of(assume(), "ec2").delete_vpc(VpcId=vpc)


def test_a_denial_and_a_condition_count(assume: Assume) -> None:
    session = assume(
        allow("ec2:Describe*", Condition={"StringEquals": {"aws:RequestedRegion": REGION}}),
        {"Effect": "Deny", "Action": "ec2:DescribeSubnets", "Resource": "*"},
    )
    node = of(session, "ec2")
    node.describe_vpcs()
    with refused("UnauthorizedOperation", "explicit deny in an identity-based policy"):
        node.describe_subnets()
    with refused("UnauthorizedOperation", "no identity-based policy allows"):
        of(session, "ec2", "us-west-2").describe_vpcs()


def test_a_sessions_own_policy_limits(assume: Assume) -> None:
    narrow = document(allow("ec2:DescribeVpcs"))
    node = of(assume(allow("ec2:*"), Policy=narrow), "ec2")
    node.describe_vpcs()
    with refused("UnauthorizedOperation", "no session policy or permissions boundary allows"):
        node.describe_subnets()


def test_a_user_may_do_what_its_policies_allow(iam: Any) -> None:
    backup = of(user(iam, allow("iam:ListRoles")), "iam")
    backup.list_roles()
    with refused("AccessDenied", "user/backup", "iam:CreateRole"):
        backup.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(TRUST))
    with refused("AccessDenied", "iam:PutUserPolicy"):
        backup.put_user_policy(
            UserName="backup", PolicyName="p", PolicyDocument=document(allow("*"))
        )


def test_everybody_may_ask_who_it_is(sts: Any, iam: Any, assume: Assume) -> None:
    denied = {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}
    session, backup = assume(denied), user(iam)
    names = {
        "assumed-role/node-1/i-1": of(session, "sts"),
        "user/backup": of(backup, "sts"),
        ":root": sts,
    }
    for name, client in names.items():
        assert client.get_caller_identity()["Arn"].endswith(name)
    with refused("InvalidClientTokenId"):
        of({**session, "SessionToken": "wrong"}, "sts").get_caller_identity()


def test_what_an_action_is_about_is_named_by_a_parameter_of_it(ec2: Any) -> None:
    for action, named in access.RESOURCES.items():
        operation = ec2.meta.service_model.operation_model(action.removeprefix("ec2:"))
        assert set(named.values()) <= set(operation.input_shape.members), action


def test_a_role_that_comes_to_an_instance_needs_a_permission_of_its_own(
    iam: Any, world: World
) -> None:
    iam.create_role(RoleName="node-1", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="node-1")
    session = user(iam, allow("iam:AddRoleToInstanceProfile", "ec2:RunInstances"))
    role = f"arn:aws:iam::{ACCOUNT}:role/node-1"
    named = {"InstanceProfileName": "node-1", "RoleName": "node-1"}
    with refused("AccessDenied", "iam:PassRole", role):
        of(session, "iam").add_role_to_instance_profile(**named)
    iam.add_role_to_instance_profile(**named)

    launch = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "DryRun": True}
    launch["SubnetId"] = world.subnet()
    profile = iam.get_instance_profile(InstanceProfileName="node-1")["InstanceProfile"]["Arn"]
    for by in ({"Name": "node-1"}, {"Arn": profile}):
        with refused("UnauthorizedOperation", "iam:PassRole", role):
            of(session, "ec2").run_instances(**launch, IamInstanceProfile=by)
    with refused("DryRunOperation"):
        of(session, "ec2").run_instances(**launch)
    passing = allow("iam:PassRole", on=role)
    iam.put_user_policy(UserName="backup", PolicyName="more", PolicyDocument=document(passing))
    with refused("DryRunOperation"):
        of(session, "ec2").run_instances(**launch, IamInstanceProfile={"Name": "node-1"})


def test_tags_that_are_made_with_a_resource_need_the_permission_to_tag(iam: Any) -> None:
    session = user(iam, allow("ec2:CreateVpc", "iam:CreateRole"))
    tags = [{"Key": "a", "Value": "b"}]
    vpc = {"CidrBlock": "10.0.0.0/16", "DryRun": True}
    with refused("DryRunOperation"):
        of(session, "ec2").create_vpc(**vpc)
    with refused("UnauthorizedOperation", "ec2:CreateTags"):
        specified = [{"ResourceType": "vpc", "Tags": tags}]
        of(session, "ec2").create_vpc(**vpc, TagSpecifications=specified)
    role = {"RoleName": "node-1", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    with refused("AccessDenied", "iam:TagRole", f"arn:aws:iam::{ACCOUNT}:role/node-1"):
        of(session, "iam").create_role(**role, Tags=tags)
    of(session, "iam").create_role(**role)


def test_roles_profiles_and_parameters_are_allowed_by_name(iam: Any) -> None:
    public = "/aws/service/debian/release/12/latest/amd64"
    session = user(
        iam,
        allow("iam:*", on="arn:aws:iam::*:role/node-*"),
        allow("iam:*", on="arn:aws:iam::*:instance-profile/node-*"),
        allow("ssm:GetParameter", on=f"arn:aws:ssm:*::parameter{public}"),
    )
    own = of(session, "iam")
    own.create_role(RoleName="node-1", AssumeRolePolicyDocument=json.dumps(TRUST))
    own.create_instance_profile(InstanceProfileName="node-1")
    own.add_role_to_instance_profile(InstanceProfileName="node-1", RoleName="node-1")
    with refused("AccessDenied", f"arn:aws:iam::{ACCOUNT}:role/other"):
        own.get_role(RoleName="other")
    with refused("AccessDenied", f"arn:aws:iam::{ACCOUNT}:instance-profile/other"):
        own.create_instance_profile(InstanceProfileName="other")
    of(session, "ssm").get_parameter(Name=public)
    with refused("AccessDeniedException", f":{ACCOUNT}:parameter/mine"):
        of(session, "ssm").get_parameter(Name="/mine")
