"""Requests that lack something, or name what there is not: refused, and never an error of S3 or
EC2 itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import volumes
from aws_world import REGION, TRUST, World, refused, status

pytestmark = pytest.mark.refusals

RULE = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
OWNERSHIP = {"ObjectOwnership": "BucketOwnerEnforced"}


def permission(**changes: Any) -> list[dict[str, Any]]:
    ports = {"FromPort": 3306, "ToPort": 3306}
    given = {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}], **ports, **changes}
    return [{name: value for name, value in given.items() if value is not None}]


@pytest.fixture
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="ring-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "ring-logs"


def test_a_subnet_names_its_block(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    with refused("MissingParameter", "cidrBlock"):
        ec2.create_subnet(VpcId=vpc)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.1.0/24")


@pytest.mark.parametrize("way", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"FromPort": None, "ToPort": None}, "Must specify both from and to ports"),
        ({"ToPort": None}, "Must specify both from and to ports"),
        ({"FromPort": 3307}, "(3307:3306)"),
        ({"ToPort": 65536}, "65536"),
    ],
)
def test_a_rule_for_tcp_has_a_range_of_ports(
    ec2: Any, world: World, way: str, changes: dict[str, Any], words: str
) -> None:
    group = world.group(world.vpc())
    authorize = getattr(ec2, f"authorize_security_group_{way}")
    with refused("InvalidParameterValue", words):
        authorize(GroupId=group, IpPermissions=permission(**changes))
    authorize(GroupId=group, IpPermissions=permission())


def test_a_rule_is_changed_to_something(ec2: Any, world: World) -> None:
    group = world.group(world.vpc())
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission())
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    wanted = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIpv4": "10.0.0.0/8"}
    with refused("MissingParameter", "SecurityGroupRule"):
        ec2.modify_security_group_rules(
            GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule}]
        )
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": wanted}],
    )


def test_a_filter_is_one_that_there_is(ec2: Any, world: World) -> None:
    world.group(world.vpc())
    with refused("InvalidParameterValue", "The filter 'colour' is invalid"):
        ec2.describe_security_group_rules(Filters=[{"Name": "colour", "Values": ["red"]}])
    ec2.describe_security_group_rules(Filters=[{"Name": "tag:colour", "Values": ["red"]}])


def test_a_group_lies_in_a_vpc_that_exists(ec2: Any, world: World) -> None:
    missing = {"GroupName": "g", "Description": "g", "VpcId": "vpc-0123456789abcdef0"}
    with refused("InvalidVpcID.NotFound", "vpc-0123456789abcdef0"):
        ec2.create_security_group(**missing)
    world.group(world.vpc())


def test_an_address_to_recover_is_an_address(ec2: Any) -> None:
    with refused("InvalidParameterValue", "(home)"):
        ec2.allocate_address(Domain="vpc", Address="home")
    ec2.allocate_address(Domain="vpc", Address="203.0.113.9")


def test_a_volume_does_not_shrink(ec2: Any) -> None:
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=10)["VolumeId"]
    volumes.arrive()
    with refused("InvalidParameterValue", "New size cannot be smaller than existing size"):
        ec2.modify_volume(VolumeId=volume, Size=9)
    ec2.modify_volume(VolumeId=volume, Size=11)


def test_a_subnet_has_one_route_table_of_its_own_vpc(ec2: Any, world: World) -> None:
    def table(vpc: str) -> str:
        return ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]

    vpc = world.vpc()
    subnet, own, other = world.subnet(vpc), table(vpc), table(vpc)
    foreign = table(world.vpc("10.20.0.0/16"))
    with refused("InvalidRouteTableID.NotFound", "rtb-0123456789abcdef0"):
        ec2.associate_route_table(RouteTableId="rtb-0123456789abcdef0", SubnetId=subnet)
    with refused("InvalidParameterValue", foreign, subnet):
        ec2.associate_route_table(RouteTableId=foreign, SubnetId=subnet)
    first = ec2.associate_route_table(RouteTableId=own, SubnetId=subnet)["AssociationId"]
    assert ec2.associate_route_table(RouteTableId=own, SubnetId=subnet)["AssociationId"] == first
    with refused("Resource.AlreadyAssociated", first):
        ec2.associate_route_table(RouteTableId=other, SubnetId=subnet)
    ec2.replace_route_table_association(AssociationId=first, RouteTableId=other)


def test_a_role_leaves_the_profile_that_holds_it(iam: Any) -> None:
    iam.create_role(RoleName="ring", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="ring")
    both = {"InstanceProfileName": "ring", "RoleName": "ring"}
    with refused("NoSuchEntity", "Role ring in instance profile ring"):
        iam.remove_role_from_instance_profile(**both)
    iam.add_role_to_instance_profile(**both)
    iam.remove_role_from_instance_profile(**both)


@pytest.mark.parametrize("rules", [[], [RULE, RULE]])
def test_a_bucket_is_encrypted_in_one_way(s3: Any, bucket: str, rules: list[Any]) -> None:
    def put(wanted: list[Any]) -> None:
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": wanted})

    with refused("MalformedXML"):
        put(rules)
    put([RULE])


def test_the_owner_of_objects_is_told_by_one_rule(s3: Any, bucket: str) -> None:
    with refused("MalformedXML"):
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": []})
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [OWNERSHIP]})


def test_a_part_belongs_to_an_upload_that_goes_on(s3: Any, bucket: str) -> None:
    part = {"Bucket": bucket, "Key": "a", "PartNumber": 1, "Body": b"x"}
    with refused("NoSuchUpload"):
        s3.upload_part(UploadId="nothing", **part)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    with refused("InvalidArgument", "between 1 and 10000"):
        s3.upload_part(UploadId=upload, **{**part, "PartNumber": 10001})
    tag = s3.upload_part(UploadId=upload, **part)["ETag"]
    done = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    with refused("MalformedXML"):
        s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload)
    s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload=done)
    with refused("NoSuchUpload"):
        s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload=done)


def test_a_list_goes_on_where_a_list_ended(s3: Any, bucket: str) -> None:
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    with refused("InvalidArgument", "continuation token"):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="nothing")
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
    token = first["NextContinuationToken"]
    assert s3.list_objects_v2(Bucket=bucket, ContinuationToken=token)["Contents"][0]["Key"] == "b"


def test_a_range_that_is_none_is_no_range(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"xyz")
    for wanted, answer in (("all of it", b"xyz"), ("bytes=1-2", b"yz")):
        assert s3.get_object(Bucket=bucket, Key="a", Range=wanted)["Body"].read() == answer


def test_a_principal_of_a_bucket_policy_is_a_name(s3: Any, bucket: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": 5},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    with refused("MalformedPolicy", "Invalid principal in policy (5)"):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    statement["Principal"] = {"AWS": "*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


MISSING = {
    "Vpc": "vpc-0123456789abcdef0",
    "Subnet": "subnet-0123456789abcdef0",
    "InternetGateway": "igw-0123456789abcdef0",
    "RouteTable": "rtb-0123456789abcdef0",
    "Group": "sg-0123456789abcdef0",
    "NetworkInterface": "eni-0123456789abcdef0",
    "Instance": "i-0123456789abcdef0",
    "Volume": "vol-0123456789abcdef0",
    "Allocation": "eipalloc-0123456789abcdef0",
    "Association": "eipassoc-0123456789abcdef0",
}
# The calls of the aws provider that name a resource, with what they need beside its id.
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("describe_vpc_attribute", "Vpc", {"Attribute": "enableDnsSupport"}),
    ("modify_vpc_attribute", "Vpc", {"EnableDnsSupport": {"Value": True}}),
    ("modify_vpc_tenancy", "Vpc", {"InstanceTenancy": "default"}),
    ("delete_vpc", "Vpc", {}),
    ("create_subnet", "Vpc", {"CidrBlock": "10.0.0.0/24"}),
    ("create_route_table", "Vpc", {}),
    ("modify_subnet_attribute", "Subnet", {"MapPublicIpOnLaunch": {"Value": True}}),
    ("create_network_interface", "Subnet", {}),
    ("delete_subnet", "Subnet", {}),
    ("attach_internet_gateway", "InternetGateway", {"VpcId": MISSING["Vpc"]}),
    ("detach_internet_gateway", "InternetGateway", {"VpcId": MISSING["Vpc"]}),
    ("delete_internet_gateway", "InternetGateway", {}),
    ("create_route", "RouteTable", {"DestinationCidrBlock": "0.0.0.0/0"}),
    ("replace_route", "RouteTable", {"DestinationCidrBlock": "0.0.0.0/0"}),
    ("delete_route", "RouteTable", {"DestinationCidrBlock": "0.0.0.0/0"}),
    ("delete_route_table", "RouteTable", {}),
    ("authorize_security_group_ingress", "Group", {"IpPermissions": permission()}),
    ("revoke_security_group_egress", "Group", {"IpPermissions": permission()}),
    ("delete_security_group", "Group", {}),
    ("modify_network_interface_attribute", "NetworkInterface", {"Description": {"Value": "x"}}),
    ("assign_private_ip_addresses", "NetworkInterface", {"PrivateIpAddresses": ["10.0.0.9"]}),
    ("unassign_private_ip_addresses", "NetworkInterface", {"PrivateIpAddresses": ["10.0.0.9"]}),
    (
        "attach_network_interface",
        "NetworkInterface",
        {"DeviceIndex": 1, "InstanceId": MISSING["Instance"]},
    ),
    ("delete_network_interface", "NetworkInterface", {}),
    ("describe_instance_attribute", "Instance", {"Attribute": "userData"}),
    ("modify_instance_attribute", "Instance", {"SourceDestCheck": {"Value": False}}),
    ("modify_instance_metadata_options", "Instance", {"HttpTokens": "required"}),
    ("modify_volume", "Volume", {"Size": 10}),
    ("associate_address", "Allocation", {"NetworkInterfaceId": MISSING["NetworkInterface"]}),
    ("disassociate_address", "Association", {}),
    ("release_address", "Allocation", {}),
]


@pytest.mark.parametrize(("name", "kind", "more"), CALLS, ids=[call[0] for call in CALLS])
def test_what_is_not_there_is_refused(ec2: Any, name: str, kind: str, more: dict[str, Any]) -> None:
    call: Callable[..., Any] = getattr(ec2, name)
    assert status(call, **{f"{kind}Id": MISSING[kind]}, **more) == 400
