"""What single types do besides: see test_aws_provider_reality for what each of them does."""

import base64
from typing import Any

import pytest
import volumes
from cloud.providers.aws.errors import AwsError
from cloud.providers.resource import CreatedPartly, ProviderError
from moto.ec2.models import ec2_backends
from provider_engine import REGION, Engine, Made, configured
from provider_types import (
    ASSOCIATION,
    BUCKET,
    EGRESS,
    GATEWAY,
    GROUP,
    INGRESS,
    INSTANCE,
    INTERFACE,
    ROUTE,
    SUBNET,
    TABLE,
    VERSIONING,
    VOLUME,
    VOLUME_ATTACHMENT,
    VPC,
)
from provider_world import IMAGE

pytestmark = pytest.mark.unit


def subnet(engine: Engine) -> Made:
    vpc = engine.create(VPC, cidrBlock="192.168.100.0/24")
    return engine.create(
        SUBNET, vpcId=vpc.id, cidrBlock="192.168.100.0/24", availabilityZone="eu-central-1a"
    )


def interface(engine: Engine, place: Made, address: str) -> Made:
    group = engine.create(GROUP, vpcId=place.inputs["vpcId"], description="d")
    return engine.create(
        INTERFACE, subnetId=place.id, privateIps=[address], securityGroups=[group.id]
    )


def instance(engine: Engine, place: Made, **more: Any) -> Made:
    client = interface(engine, place, "192.168.100.10")
    return engine.create(
        INSTANCE,
        ami=IMAGE,
        instanceType="t3.small",
        primaryNetworkInterface={"networkInterfaceId": client.id},
        **more,
    )


def test_a_route_is_not_made_over_another_one(aws: Engine) -> None:
    vpc = subnet(aws).inputs["vpcId"]
    gateway, table = aws.create(GATEWAY, vpcId=vpc), aws.create(TABLE, vpcId=vpc)
    route = {
        "routeTableId": table.id,
        "destinationCidrBlock": "0.0.0.0/0",
        "gatewayId": gateway.id,
    }
    assert aws.create(ROUTE, **route).state["state"] == "active"
    with pytest.raises(ProviderError, match="RouteAlreadyExists"):
        aws.create(ROUTE, **route)


def test_a_new_group_lets_nothing_out_until_a_rule_says_so(aws: Engine) -> None:
    place = subnet(aws)
    group = aws.create(GROUP, vpcId=place.inputs["vpcId"], description="d", tags={"a": "b"})
    client = aws.provider.session.client("ec2")
    rules = client.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group.id]}]
    )["SecurityGroupRules"]
    assert rules == []


def test_a_group_whose_create_was_cut_short_is_closed_by_the_next_up(
    aws: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = subnet(aws).inputs["vpcId"]
    client = aws.provider.session.client("ec2")

    def fail(**_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(client, "revoke_security_group_egress", fail)
    resource = aws.resource(GROUP)
    inputs = aws.checked(GROUP, vpcId=vpc, description="d")
    with pytest.raises(CreatedPartly) as raised:
        resource.create(inputs, aws.call())
    monkeypatch.undo()
    cut = Made(resource, raised.value.resource_id, inputs, raised.value.state)
    found = aws.read(cut)  # a refresh in between changes nothing of it
    assert found is not None
    cut = Made(resource, cut.id, inputs, found[1])
    assert aws.diff(cut) == {"__unfinished": ("update", False)}
    repaired = aws.update(cut)
    assert aws.diff(repaired) == {}
    groups = client.describe_security_groups(GroupIds=[cut.id])["SecurityGroups"]
    assert groups[0]["IpPermissionsEgress"] == []


def test_a_subnet_changes_its_route_table_in_place(aws: Engine) -> None:
    place = subnet(aws)
    first, second = (aws.create(TABLE, vpcId=place.inputs["vpcId"]) for _ in range(2))
    made = aws.create(
        ASSOCIATION,
        routeTableId=first.id,
        subnetId=place.id,
    )
    moved = aws.update(made, routeTableId=second.id)
    assert aws.diff(moved) == {}
    found = aws.read(moved)
    assert found is not None
    assert found[0] != made.id  # a refresh tells the engine the new id
    assert found[1]["routeTableId"] == second.id
    aws.delete(moved)
    assert aws.read(moved) is None


def test_rules_of_a_group_for_every_protocol_and_for_another_group(aws: Engine) -> None:
    group = aws.create(GROUP, vpcId=subnet(aws).inputs["vpcId"], description="d")
    out = aws.create(EGRESS, securityGroupId=group.id, ipProtocol="ALL", cidrIpv4="0.0.0.0/0")
    ports = {"ipProtocol": "TCP", "fromPort": 1, "toPort": 2}
    peer = aws.create(
        INGRESS, securityGroupId=group.id, referencedSecurityGroupId=group.id, **ports
    )
    assert (out.state["ipProtocol"], peer.state["ipProtocol"]) == ("-1", "tcp")
    for made in (out, peer):
        assert aws.diff(made) == {}
        found = aws.read(made)
        assert found is not None
        assert found[2] == made.inputs
    assert aws.diff(aws.update(peer, toPort=3, description="peer")) == {}


def test_a_type_is_changed_while_the_instance_is_stopped(aws: Engine) -> None:
    made = instance(aws, subnet(aws), tags={"Name": "node-1"})
    assert made.state["privateIp"] == "192.168.100.10"
    made = aws.update(made, instanceType="t3.medium", tags={"Name": "other"})
    assert (made.state["instanceType"], made.state["instanceState"]) == ("t3.medium", "running")
    assert made.state["tagsAll"] == {"Name": "other"}


def test_user_data_given_encoded_reaches_the_instance_as_it_is(aws: Engine) -> None:
    encoded = base64.b64encode(b"\x1f\x8bbinary").decode()
    made = instance(aws, subnet(aws), userDataBase64=encoded)
    assert made.state["userDataBase64"] == encoded


def test_an_instance_ended_by_someone_else_is_gone(aws: Engine) -> None:
    made = instance(aws, subnet(aws))
    aws.provider.session.client("ec2").terminate_instances(InstanceIds=[made.id])
    assert aws.read(made) is not None  # it is shutting down
    aws.call().pause(0)
    assert aws.read(made) is None


def test_the_last_tag_of_a_bucket_can_go(aws: Engine) -> None:
    made = aws.update(aws.create(BUCKET, tags={"a": "b"}), tags={})
    assert made.state["tagsAll"] == {}
    assert aws.diff(made) == {}


def test_a_bucket_is_emptied_of_every_version_when_told(aws: Engine) -> None:
    bucket = aws.create(BUCKET, forceDestroy=True)
    aws.create(VERSIONING, bucket=bucket.id, versioningConfiguration={"status": "Enabled"})
    client = aws.provider.session.client("s3")
    client.put_object(Bucket=bucket.id, Key="a", Body=b"1")
    client.delete_object(Bucket=bucket.id, Key="a")
    aws.delete(bucket)
    assert aws.read(bucket) is None


def test_a_bucket_with_objects_is_kept_unless_told(aws: Engine) -> None:
    bucket = aws.create(BUCKET)
    aws.provider.session.client("s3").put_object(Bucket=bucket.id, Key="a", Body=b"1")
    with pytest.raises(AwsError, match="BucketNotEmpty") as raised:
        aws.delete(bucket)
    assert raised.value.code == "BucketNotEmpty"


def test_default_tags_are_on_everything_and_not_in_the_resources_own(aws: Engine) -> None:
    engine = Engine(configured(default_tags={"Project": "ring"}))
    made = engine.create(VPC, cidrBlock="10.10.1.0/24", tags={"Name": "a"})
    assert made.state["tags"] == {"Name": "a"}
    assert made.state["tagsAll"] == {"Name": "a", "Project": "ring"}
    assert engine.diff(made) == {}
    other = Engine(configured(default_tags={"Project": "other"}))
    assert other.diff(made) == {"tagsAll.Project": ("update", False)}
    assert aws.diff(made) == {"tagsAll.Project": ("delete", False)}


def disk(engine: Engine, **more: Any) -> Made:
    return engine.create(
        VOLUME, **{"availabilityZone": "eu-central-1a", "size": 20, "type": "gp3", **more}
    )


def attached(engine: Engine, made: Made, host: Made, **more: Any) -> Made:
    return engine.create(
        VOLUME_ATTACHMENT, deviceName="/dev/sdf", instanceId=host.id, volumeId=made.id, **more
    )


def test_a_volume_grows_and_gets_faster_in_place(aws: Engine) -> None:
    made = disk(aws, iops=4000, throughput=500)
    grown = aws.update(made, size=40)
    assert {name: grown.state[name] for name in ("size", "iops", "throughput")} == {
        "size": 40,
        "iops": 4000,
        "throughput": 500,
    }
    faster = aws.update(grown, iops=5000)
    assert (faster.state["iops"], faster.state["throughput"]) == (5000, 500)
    assert faster.id == made.id
    assert len(modifications(made)) == 2


def test_a_volume_keeps_a_speed_that_is_named_no_more_and_takes_back_one_that_is(
    aws: Engine,
) -> None:
    """Why the program names what it would have by itself."""
    fast = disk(aws, iops=4000, throughput=500)
    kept = aws.update(fast, iops=None, throughput=None)
    assert (kept.state["iops"], kept.state["throughput"]) == (4000, 500)
    assert modifications(fast) == []
    back = aws.update(fast, iops=3000, throughput=125)
    assert (back.state["iops"], back.state["throughput"]) == (3000, 125)


def test_a_volume_becomes_another_type_with_the_speed_that_is_named_for_that(aws: Engine) -> None:
    small = disk(aws, type="gp2")
    fast = aws.update(small, type="gp3", iops=3000, throughput=125)
    assert (fast.state["iops"], fast.state["throughput"]) == (3000, 125)
    again = aws.update(fast, type="gp2", iops=None, throughput=None)
    assert (again.state["type"], again.state["iops"]) == ("gp2", 100)


def modifications(made: Made) -> list[Any]:
    backends: list[Any] = [
        backend for _, region, backend in ec2_backends.iter_backends() if region == REGION
    ]
    return backends[0].volumes[made.id].modifications


def test_what_is_no_modification_does_not_use_one_up(aws: Engine) -> None:
    made = aws.update(disk(aws), tags={"a": "b"})
    assert made.state["tags"] == {"a": "b"}
    assert modifications(made) == []


def test_a_volume_that_would_shrink_is_told_with_awss_words(aws: Engine) -> None:
    made = disk(aws)
    with pytest.raises(AwsError, match="New size cannot be smaller than existing size") as caught:
        aws.update(made, size=10)
    assert caught.value.code == "InvalidParameterValue"


def test_an_attachment_that_was_cut_short_is_waited_for_by_the_next_up(aws: Engine) -> None:
    made, host = disk(aws), instance(aws, subnet(aws))
    client = aws.provider.session.client("ec2")
    client.attach_volume(Device="/dev/sdf", InstanceId=host.id, VolumeId=made.id)
    assert aws.read(attached(aws, made, host)) is not None


def test_a_volume_that_its_host_uses_is_not_waited_for(
    aws: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official plugin gives up as soon as it is told of the state busy."""
    made, host = disk(aws), instance(aws, subnet(aws))
    place = attached(aws, made, host)
    monkeypatch.setitem(volumes.REACHED, "detaching", "busy")
    monkeypatch.delitem(volumes.REACHED, "busy")
    with pytest.raises(ProviderError, match="unexpected state 'busy'"):
        aws.delete(place)
    monkeypatch.undo()
    volumes.arrive()
    aws.delete(place)
    assert aws.read(place) is None


def test_a_volume_is_detached_when_its_host_has_stopped_if_the_program_says_so(
    aws: Engine,
) -> None:
    made, host = disk(aws), instance(aws, subnet(aws))
    aws.delete(attached(aws, made, host, stopInstanceBeforeDetaching=True))
    found = aws.read(host)
    assert found is not None
    assert found[1]["instanceState"] == "stopped"


def test_an_attachment_ends_with_its_instance_and_the_volume_stays(aws: Engine) -> None:
    made, host = disk(aws), instance(aws, subnet(aws))
    place = attached(aws, made, host)
    aws.delete(host)
    assert aws.read(place) is None
    aws.delete(place)
    assert aws.read(made) is not None


def test_a_volume_made_of_a_snapshot_has_its_size(aws: Engine) -> None:
    first = disk(aws)
    client = aws.provider.session.client("ec2")
    copy = client.create_snapshot(VolumeId=first.id)["SnapshotId"]
    volumes.arrive()
    second = disk(aws, size=None, snapshotId=copy)
    assert second.state["size"] == 20
    assert second.state["snapshotId"] == copy
