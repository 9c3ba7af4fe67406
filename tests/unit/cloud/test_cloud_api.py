"""What the API answers beyond moto: placement groups, Debian's image, addresses, tags, policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.unit


def refusal(function: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        function(**arguments)
    return error.value.response["Error"]["Code"]


def test_a_placement_group_is_created_described_and_deleted(ec2: Any) -> None:
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "Name", "Value": "ring"}]}]
    made = ec2.create_placement_group(GroupName="ring", Strategy="spread", TagSpecifications=tags)
    group = ec2.describe_placement_groups(GroupNames=["ring"])["PlacementGroups"][0]
    assert group == made["PlacementGroup"]
    assert (group["Strategy"], group["State"], group["SpreadLevel"]) == (
        "spread",
        "available",
        "rack",
    )
    assert group["Tags"] == [{"Key": "Name", "Value": "ring"}]
    ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "a", "Value": "b"}])
    ec2.delete_placement_group(GroupName="ring")
    assert (
        refusal(ec2.describe_placement_groups, GroupNames=["ring"])
        == "InvalidPlacementGroup.Unknown"
    )


def test_an_instance_is_placed_in_a_group_which_is_then_in_use(
    cloud: Any, ec2: Any, network: Any
) -> None:
    interface = network.interface()
    placement = {"GroupName": "ring"}
    assert (
        refusal(lambda: network.run(interface, Placement=placement))
        == "InvalidPlacementGroup.Unknown"
    )
    ec2.create_placement_group(GroupName="ring", Strategy="spread")
    instance = network.run(interface, Placement=placement)
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert found["Placement"]["GroupName"] == "ring"
    assert refusal(ec2.delete_placement_group, GroupName="ring") == "InvalidPlacementGroup.InUse"
    ec2.terminate_instances(InstanceIds=[instance])
    cloud.api.settle(instance, "shutting-down", "terminated")
    ec2.delete_placement_group(GroupName="ring")


@pytest.mark.parametrize("region", ["eu-central-1", "us-west-2"])
def test_the_debian_parameter_leads_to_debians_image(cloud: Any, region: str) -> None:
    name = "/aws/service/debian/release/12/latest/amd64"
    value = cloud.client("ssm", region).get_parameter(Name=name)["Parameter"]["Value"]
    image = cloud.client("ec2", region).describe_images(ImageIds=[value])["Images"][0]
    assert (image["OwnerId"], image["RootDeviceName"]) == ("136693071363", "/dev/xvda")


def test_public_addresses_are_of_the_labs_network_and_free(ec2: Any) -> None:
    addresses = [ec2.allocate_address(Domain="vpc") for _ in range(3)]
    assert [each["PublicIp"] for each in addresses] == [f"203.0.113.{n}" for n in (1, 2, 3)]
    ec2.release_address(AllocationId=addresses[1]["AllocationId"])
    assert ec2.allocate_address(Domain="vpc")["PublicIp"] == "203.0.113.2"
    assert refusal(ec2.allocate_address, Address="203.0.113.1") == "InvalidAddress.InUse"


def test_an_address_is_associated_before_the_instance_exists(ec2: Any, network: Any) -> None:
    network.route_out()
    interface = network.interface("192.168.100.10")
    allocation = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=allocation["AllocationId"], NetworkInterfaceId=interface)
    free = ec2.describe_addresses()["Addresses"][0]
    assert "InstanceId" not in free
    assert free["PrivateIpAddress"] == "192.168.100.10"
    instance = network.run(interface)
    assert ec2.describe_addresses()["Addresses"][0]["InstanceId"] == instance
    found = ec2.describe_instances()["Reservations"][0]["Instances"][0]
    assert found["PublicIpAddress"] == allocation["PublicIp"]


def test_interfaces_without_a_wish_get_the_first_free_address(network: Any, ec2: Any) -> None:
    network.interface("192.168.100.5")
    network.interface()
    network.interface()
    found = {
        each["PrivateIpAddress"] for each in ec2.describe_network_interfaces()["NetworkInterfaces"]
    }
    assert found == {"192.168.100.4", "192.168.100.5", "192.168.100.6"}


def test_tags_go_with_their_resource(ec2: Any, network: Any) -> None:
    interface = network.interface()
    for resource in (interface, network.subnet):
        ec2.create_tags(Resources=[resource], Tags=[{"Key": "Name", "Value": "x"}])
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    left = {tag["ResourceId"] for tag in ec2.describe_tags()["Tags"]}
    assert left == {network.subnet}


def test_a_policy_against_plain_http_does_not_bite_requests_over_tls(cloud: Any) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(
        Bucket="ring-logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::ring-logs", "arn:aws:s3:::ring-logs/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="ring-logs", Policy=json.dumps(policy))
    s3.put_object(Bucket="ring-logs", Key="a", Body=b"1")
    statement["Condition"]["Bool"]["aws:SecureTransport"] = "true"
    s3.put_bucket_policy(Bucket="ring-logs", Policy=json.dumps(policy))
    assert refusal(s3.put_object, Bucket="ring-logs", Key="b", Body=b"1") == "AccessDenied"


def test_a_bucket_is_always_encrypted(cloud: Any) -> None:
    s3 = cloud.client("s3", "us-east-1")
    s3.create_bucket(Bucket="ring-logs")

    def algorithm() -> str:
        answer = s3.get_bucket_encryption(Bucket="ring-logs")["ServerSideEncryptionConfiguration"]
        return answer["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]

    assert algorithm() == "AES256"
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    setting = {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
    s3.put_bucket_encryption(Bucket="ring-logs", **setting)
    assert algorithm() == "aws:kms"
    s3.delete_bucket_encryption(Bucket="ring-logs")
    assert algorithm() == "AES256"
    s3.put_object(Bucket="ring-logs", Key="a", Body=b"1")
    assert s3.head_object(Bucket="ring-logs", Key="a")["ServerSideEncryption"] == "AES256"


def test_a_bucket_policy_that_is_not_json_is_refused(cloud: Any) -> None:
    s3 = cloud.client("s3", "us-east-1")
    s3.create_bucket(Bucket="ring-logs")
    assert refusal(s3.put_bucket_policy, Bucket="ring-logs", Policy="no") == "MalformedPolicy"
    s3.put_object(Bucket="ring-logs", Key="a", Body=b"1")


def test_a_call_that_nobody_implements_is_an_invalid_action(ec2: Any) -> None:
    assert refusal(ec2.describe_local_gateways) == "InvalidAction"


def test_a_service_that_nobody_implements_says_so_in_its_own_form(cloud: Any) -> None:
    bedrock, health = cloud.client("bedrock"), cloud.client("health", "us-east-1")
    for call in (bedrock.list_foundation_models, health.describe_events):
        with pytest.raises(ClientError) as error:
            call()
        told = error.value.response["Error"]
        assert told["Code"] == "InvalidAction"
        assert "not valid for this web service" in told["Message"]


def test_the_operator_is_the_accounts_root_user(cloud: Any) -> None:
    who = cloud.client("sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{who['Account']}:root"


def test_motos_own_pages_are_not_served(cloud: Any) -> None:
    assert cloud.web.post("/moto-api/reset").status_code == 404


def test_the_api_loads_the_services_ahead_of_their_first_requests(cloud: Any) -> None:
    statuses = []
    moto = cloud.api.moto

    def listening(environ: Any, start_response: Any) -> Any:
        def start(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        return moto(environ, start)

    assert not moto.app_instances
    cloud.api.moto = listening
    cloud.api.warm()
    assert statuses == ["200 OK"] * 3
    assert sorted(moto.app_instances) == ["ec2", "iam", "sts"]
