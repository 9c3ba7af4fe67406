"""The functions of the plugin that stands in for AWS's."""

from typing import Any

import pytest
from cloud.providers.resource import ProviderError
from provider_engine import REGION, Engine

pytestmark = pytest.mark.unit

BUCKET = "aws:s3/getBucket:getBucket"
VOLUMES = "aws:ebs/getEbsVolumes:getEbsVolumes"
OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"


def offered(aws: Engine, **arguments: Any) -> set[tuple[str, str, str]]:
    found = aws.provider.invoke(OFFERINGS, arguments, aws.call())
    lists = (found["instanceTypes"], found["locations"], found["locationTypes"])
    return set(zip(*lists, strict=True))


def by_type(name: str) -> list[dict[str, Any]]:
    return [{"name": "instance-type", "values": [name]}]


def test_the_zones_that_have_an_instance_type_are_told(aws: Engine) -> None:
    assert offered(aws, locationType="availability-zone", filters=by_type("mac1.metal")) == {
        ("mac1.metal", f"eu-central-1{letter}", "availability-zone") for letter in "ac"
    }
    assert offered(aws, filters=by_type("t3.small")) == {("t3.small", "eu-central-1", "region")}


def test_an_instance_type_that_there_is_not_is_offered_nowhere(aws: Engine) -> None:
    assert offered(aws, locationType="availability-zone", filters=by_type("t3.huge")) == set()


def test_a_bucket_that_there_is_tells_its_region_and_one_that_there_is_not_is_named(
    aws: Engine,
) -> None:
    s3 = aws.provider.session.client("s3")
    s3.create_bucket(
        Bucket="logs-of-mine", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    found = aws.provider.invoke(BUCKET, {"bucket": "logs-of-mine"}, aws.call())
    assert (found["id"], found["bucketRegion"]) == ("logs-of-mine", REGION)
    assert found["arn"] == "arn:aws:s3:::logs-of-mine"
    with pytest.raises(ProviderError, match="logs-of-yours"):
        aws.provider.invoke(BUCKET, {"bucket": "logs-of-yours"}, aws.call())


def test_the_volumes_that_there_are_among_some_are_told(aws: Engine) -> None:
    ec2 = aws.provider.session.client("ec2")
    made = [ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=4)["VolumeId"] for _ in range(3)]
    named = {"name": "volume-id", "values": [*made[:2], "vol-0123456789abcdef0"]}
    found = aws.provider.invoke(VOLUMES, {"filters": [named]}, aws.call())
    assert sorted(found["ids"]) == sorted(made[:2])
