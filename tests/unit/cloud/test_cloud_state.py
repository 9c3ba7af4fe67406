"""The API's state survives the daemon."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from cloud.api import application
from cloud.api.application import Api
from cloud.api.state import StateUnreadable, Store, locked
from moto.core.base_backend import BackendDict
from werkzeug.test import EnvironBuilder

pytestmark = pytest.mark.unit


def fill(cloud: Any, network: Any, make_profile: Any) -> dict[str, str]:
    """One of everything that must be found again."""
    ec2, s3 = cloud.client("ec2"), cloud.client("s3")
    network.route_out()
    ec2.create_placement_group(GroupName="ring", Strategy="spread")
    make_profile("node")
    interface = network.interface("192.168.100.10", [network.group()])
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
    instance = network.run(
        interface,
        IamInstanceProfile={"Name": "node"},
        Placement={"GroupName": "ring"},
        UserData="#cloud-config\n",
    )
    s3.create_bucket(
        Bucket="ring-logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    s3.put_bucket_versioning(Bucket="ring-logs", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="ring-logs", Key="node-1/bin.000001", Body=b"log" * 1000)
    return {"instance": instance, "interface": interface, "public": address["PublicIp"]}


def test_everything_is_found_again_after_a_restart(
    cloud: Any, network: Any, make_profile: Any, tmp_path: Path
) -> None:
    made = fill(cloud, network, make_profile)
    before = cloud.api.snapshot()
    BackendDict.reset()
    cloud.api = Api(Store(tmp_path / "state"), lambda: None)
    cloud.web.application = cloud.api
    assert sorted(cloud.api.store.load()) == ["ec2", "iam", "s3", "sts"]

    assert cloud.api.snapshot() == before
    ec2, iam, s3 = (cloud.client(service) for service in ("ec2", "iam", "s3"))
    found = ec2.describe_instances(InstanceIds=[made["instance"]])["Reservations"][0]["Instances"]
    assert found[0]["PublicIpAddress"] == made["public"]
    assert found[0]["Placement"]["GroupName"] == "ring"
    associations = ec2.describe_iam_instance_profile_associations()
    assert associations["IamInstanceProfileAssociations"][0]["InstanceId"] == made["instance"]
    roles = iam.get_instance_profile(InstanceProfileName="node")["InstanceProfile"]["Roles"]
    assert [role["RoleName"] for role in roles] == ["node"]
    body = s3.get_object(Bucket="ring-logs", Key="node-1/bin.000001")["Body"].read()
    assert body == b"log" * 1000
    assert s3.get_bucket_versioning(Bucket="ring-logs")["Status"] == "Enabled"


def test_what_is_made_after_a_restart_has_identifiers_of_its_own(
    cloud: Any, network: Any, make_profile: Any, tmp_path: Path
) -> None:
    made = fill(cloud, network, make_profile)
    BackendDict.reset()
    cloud.api = Api(Store(tmp_path / "state"), lambda: None)
    cloud.web.application = cloud.api
    cloud.api.store.load()
    fresh = network.interface()
    assert fresh != made["interface"]
    cloud.api.store.load()
    names = {
        each["NetworkInterfaceId"]
        for each in cloud.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    }
    assert names == {fresh, made["interface"]}


def test_a_change_is_on_disk_when_its_answer_comes(ec2: Any, tmp_path: Path) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    assert vpc.encode() in (tmp_path / "state/ec2.pickle").read_bytes()


def test_the_state_is_for_its_owner_alone(ec2: Any, tmp_path: Path) -> None:
    ec2.create_vpc(CidrBlock="10.9.0.0/24")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state/ec2.pickle").stat().st_mode & 0o777 == 0o600


def test_a_state_that_cannot_be_read_is_named_with_the_next_step(
    cloud: Any, tmp_path: Path
) -> None:
    (tmp_path / "state/ec2.pickle").write_bytes(b"torn")
    with pytest.raises(StateUnreadable, match=r"ec2\.pickle.*scripts/lab down"):
        cloud.api.store.load()


@pytest.mark.parametrize("host", ["sts.amazonaws.com", "sts.eu-central-1.amazonaws.com"])
def test_a_session_that_no_signature_asked_for_is_kept(
    cloud: Any, make_profile: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A web identity is the proof itself: clients do not sign that request."""
    make_profile("node")
    kept: list[tuple[str, ...]] = []
    held: list[tuple[str, ...]] = []

    def hold(*services: str) -> contextlib.AbstractContextManager[None]:
        held.append(services)
        return locked(*services)

    monkeypatch.setattr(cloud.api.store, "save", kept.append)
    monkeypatch.setattr(application, "locked", hold)
    answer = cloud.web.post(
        base_url=f"https://{host}",
        data={
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": "arn:aws:iam::123456789012:role/node",
            "RoleSessionName": "i-1",
            "WebIdentityToken": "token",
        },
    )
    assert answer.status_code == 200
    assert (held, kept) == ([("sts",)], [("iam", "sts")])


@pytest.mark.parametrize(
    "host",
    ["s3.amazonaws.com", "sts.s3.amazonaws.com", "sts.s3-us-west-2.amazonaws.com", "localhost"],
)
def test_a_request_that_is_not_signed_is_one_to_s3_also_for_a_bucket_named_as_a_service(
    host: str,
) -> None:
    environ = EnvironBuilder(base_url=f"https://{host}", path="/key").get_environ()
    assert application.identify(environ) == ("s3", "GET")
