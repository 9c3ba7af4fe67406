"""What a killed update was creating is found by its tags or its place, and taken in once."""

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jmespath
import pytest
from cloud.cli import pending, stack
from cloud.cli.pending import Settled, find, resolve
from cloud.lab import Lab
from cloud.providers.aws.resources import RESOURCES

pytestmark = pytest.mark.unit

STACK = "urn:pulumi:lab::mysql-ring::"
TAGS = {"Name": "mysql-ring-lab-a", "Project": "mysql-ring"}


def resource(kind: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    return {"urn": f"{STACK}{kind}::{name}", "type": kind, "custom": True, "inputs": inputs}


def table(**parts: Any) -> dict[str, Any]:
    return {"RouteTables": [parts]}


def interface(**parts: Any) -> dict[str, Any]:
    return {"NetworkInterfaces": [parts]}


def creating(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "creating", "resource": one}


class Api:
    """Answers of the API by command, and what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("_", "-"): value for name, value in answers.items()}
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *words: str) -> Any:
        self.asked.append(words)
        answer = self.answers[words[1]]
        if "--query" in words:
            return jmespath.search(words[words.index("--query") + 1], answer)
        return answer


def test_a_vpc_with_the_tags_is_taken_in() -> None:
    vpc = resource("aws:ec2/vpc:Vpc", "a", cidrBlock="10.0.0.0/24", tags=TAGS)
    deployment = {"resources": [], "pending_operations": [creating(vpc)]}
    api = Api(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}]})
    assert resolve(deployment, api) == Settled({vpc["urn"]: "vpc-1"}, [], {})
    assert deployment["pending_operations"] == []
    assert [(one["urn"], one["id"]) for one in deployment["resources"]] == [(vpc["urn"], "vpc-1")]
    assert "Name=tag:Name,Values=mysql-ring-lab-a" in api.asked[0]


def test_what_does_not_exist_is_forgotten() -> None:
    vpc = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS)
    deployment = {"resources": [], "pending_operations": [creating(vpc)]}
    nothing = Api(describe_vpcs={"Vpcs": []})
    assert resolve(deployment, nothing) == Settled({}, [vpc["urn"]], {})
    assert deployment == {"resources": [], "pending_operations": []}


def test_a_resource_of_the_state_is_not_taken_in_again() -> None:
    old = resource("aws:ec2/vpc:Vpc", "old", tags=TAGS) | {"id": "vpc-1"}
    new = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS)
    deployment = {"resources": [old], "pending_operations": [creating(new), creating(old)]}
    api = Api(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})
    assert resolve(deployment, api) == Settled({new["urn"]: "vpc-2"}, [old["urn"]], {})
    assert [one["id"] for one in deployment["resources"]] == ["vpc-1", "vpc-2"]


def test_a_resource_is_taken_in_beside_one_of_another_type_with_the_same_identifier() -> None:
    group = resource("aws:ec2/placementGroup:PlacementGroup", "spread", tags=TAGS) | {"id": "ring"}
    pair = resource("aws:ec2/keyPair:KeyPair", "key", tags=TAGS)
    deployment = {"resources": [group], "pending_operations": [creating(pair)]}
    api = Api(describe_key_pairs={"KeyPairs": [{"KeyName": "ring"}]})
    assert resolve(deployment, api) == Settled({pair["urn"]: "ring"}, [], {})


@pytest.mark.parametrize(
    ("kind", "inputs", "answers"),
    [
        (
            "aws:ec2/eip:Eip",
            {"tags": TAGS},
            {"describe_addresses": {"Addresses": [{"AllocationId": "a1"}, {"AllocationId": "a2"}]}},
        ),
        (
            "aws:iam/role:Role",
            {"name": "a2", "tags": TAGS},
            {"list_roles": {"Roles": [{"RoleName": "a1"}, {"RoleName": "a2"}]}},
        ),
    ],
)
def test_what_a_replacement_left_beside_the_known_one_is_named_and_not_taken_in(
    kind: str, inputs: dict[str, Any], answers: dict[str, Any]
) -> None:
    old = resource(kind, "a", tags=TAGS) | {"id": "a1"}
    new = resource(kind, "a", **inputs)
    deployment = {"resources": [old], "pending_operations": [creating(new)]}
    settled = resolve(deployment, Api(**answers))
    assert settled == Settled({}, [new["urn"]], {new["urn"]: ["a2"]})
    assert deployment == {"resources": [old], "pending_operations": []}


def test_a_route_of_the_state_is_not_taken_for_an_orphan_of_itself() -> None:
    inputs = {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"}
    route = resource("aws:ec2/route:Route", "a", **inputs) | {"id": "r-rtb-11080289494"}
    deployment = {"resources": [route], "pending_operations": [creating(dict(route))]}
    api = Api(describe_route_tables=table(Routes=[{"DestinationCidrBlock": "0.0.0.0/0"}]))
    assert resolve(deployment, api) == Settled({}, [route["urn"]], {})


def test_of_two_that_were_created_for_one_resource_the_second_is_named() -> None:
    vpc = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS)
    notes = [creating(vpc), creating(dict(vpc))]
    deployment = {"resources": [], "pending_operations": notes}
    api = Api(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})
    urn = vpc["urn"]
    assert resolve(deployment, api) == Settled({urn: "vpc-1"}, [urn], {urn: ["vpc-2"]})


def test_two_resources_with_the_same_tags_are_no_orphans_of_each_other() -> None:
    old = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS) | {"id": "vpc-1"}
    new = resource("aws:ec2/vpc:Vpc", "b", tags=TAGS)
    notes = [creating(dict(old)), creating(new)]
    deployment = {"resources": [old], "pending_operations": notes}
    api = Api(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})
    assert resolve(deployment, api) == Settled({new["urn"]: "vpc-2"}, [old["urn"]], {})


def test_what_takes_the_place_of_a_deleted_one_is_taken_in_before_what_depends_on_it() -> None:
    kind = "aws:ec2/instance:Instance"
    old = resource(kind, "a", tags=TAGS) | {"id": "i-1", "pendingReplacement": True}
    step = resource("command:remote:Command", "node-1-tools") | {"dependencies": [old["urn"]]}
    new = resource(kind, "a", tags=TAGS)
    deployment = {"resources": [old, step], "pending_operations": [creating(new)]}
    listed = [{"InstanceId": "i-2", "State": {"Name": "running"}}]
    api = Api(describe_instances={"Reservations": [{"Instances": listed}]})
    assert resolve(deployment, api) == Settled({new["urn"]: "i-2"}, [], {})
    assert [(one["urn"], one.get("id")) for one in deployment["resources"]] == [
        (new["urn"], "i-2"),
        (step["urn"], None),
    ]


def test_what_is_called_as_the_deleted_one_it_replaces_is_taken_in() -> None:
    old = resource("aws:iam/role:Role", "a", name="role-1")
    old |= {"id": "role-1", "pendingReplacement": True}
    new = resource("aws:iam/role:Role", "a", name="role-1")
    deployment = {"resources": [old], "pending_operations": [creating(new)]}
    api = Api(list_roles={"Roles": [{"RoleName": "role-1"}]})
    assert resolve(deployment, api) == Settled({new["urn"]: "role-1"}, [], {})
    assert [one.get("pendingReplacement") for one in deployment["resources"]] == [None]


def test_a_step_is_forgotten_without_asking() -> None:
    step = resource("command:remote:Command", "node-1-seed", create="x")
    deployment = {"resources": [], "pending_operations": [creating(step)]}
    assert resolve(deployment, Api()) == Settled({}, [step["urn"]], {})


def test_other_operations_stay_for_the_refresh() -> None:
    one = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS) | {"id": "vpc-1"}
    deleting = {"type": "deleting", "resource": one}
    deployment = {"resources": [one], "pending_operations": [deleting]}
    assert resolve(deployment, Api()) == Settled({}, [], {})
    assert deployment["pending_operations"] == [deleting]


def test_a_terminated_instance_is_not_found() -> None:
    def instance(identifier: str, state: str) -> dict[str, Any]:
        return {"InstanceId": identifier, "State": {"Name": state}}

    listed = [instance("i-1", "terminated"), instance("i-2", "pending")]
    api = Api(describe_instances={"Reservations": [{"Instances": listed}]})
    assert find(resource("aws:ec2/instance:Instance", "a", tags=TAGS), api) == ["i-2"]


@pytest.mark.parametrize(
    ("rules", "revoked"),
    [([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}], True), ([], False)],
)
def test_a_group_that_is_taken_in_lets_nothing_out(
    rules: list[dict[str, Any]], revoked: bool
) -> None:
    groups = [{"GroupId": "sg-1", "IpPermissionsEgress": rules}]
    api = Api(describe_security_groups={"SecurityGroups": groups}, revoke_security_group_egress={})
    RESOURCES["aws:ec2/securityGroup:SecurityGroup"].finish("sg-1", api)
    asked = [words for words in api.asked if words[1] == "revoke-security-group-egress"]
    assert len(asked) == revoked
    assert all("sg-1" in words and '"0.0.0.0/0"' in words[-1] for words in asked)


@pytest.mark.parametrize(
    ("kind", "inputs", "answers", "found"),
    [
        (
            "aws:ec2/route:Route",
            {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"},
            {"describe_route_tables": table(Routes=[{"DestinationCidrBlock": "0.0.0.0/0"}])},
            ["rtb-1_0.0.0.0/0"],
        ),
        (
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            {"routeTableId": "rtb-1", "subnetId": "subnet-1"},
            {"describe_route_tables": table(Associations=[{"SubnetId": "subnet-1"}])},
            ["subnet-1/rtb-1"],
        ),
        (
            "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment",
            {"networkInterfaceId": "eni-1"},
            {"describe_network_interfaces": interface(Attachment={"AttachmentId": "at-1"})},
            ["at-1"],
        ),
        (
            "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment",
            {"networkInterfaceId": "eni-1"},
            {"describe_network_interfaces": interface(Status="available")},
            [],
        ),
        (
            "aws:ec2/volumeAttachment:VolumeAttachment",
            {"deviceName": "/dev/sdf", "volumeId": "vol-1", "instanceId": "i-1"},
            {
                "describe_volumes": {
                    "Volumes": [
                        {
                            "Attachments": [
                                {"Device": "/dev/sdf", "VolumeId": "vol-1", "InstanceId": "i-1"}
                            ]
                        }
                    ]
                }
            },
            ["/dev/sdf:vol-1:i-1"],
        ),
        (
            "aws:ec2/eipAssociation:EipAssociation",
            {"allocationId": "eipalloc-1"},
            {"describe_addresses": {"Addresses": [{"AssociationId": "eipassoc-1"}]}},
            ["eipassoc-1"],
        ),
        (
            "aws:iam/rolePolicy:RolePolicy",
            {"role": "role-1", "name": "policy-1"},
            {
                "list_roles": {"Roles": [{"RoleName": "role-1"}]},
                "list_role_policies": {"PolicyNames": ["policy-1"]},
            },
            ["role-1:policy-1"],
        ),
        (
            "aws:s3/bucket:Bucket",
            {"bucket": "store-1"},
            {"list_buckets": {"Buckets": [{"Name": "other"}, {"Name": "store-1"}]}},
            ["store-1"],
        ),
    ],
)
def test_what_has_no_tags_is_found_in_its_place(
    kind: str, inputs: dict[str, Any], answers: dict[str, Any], found: list[str]
) -> None:
    assert find(resource(kind, "a", **inputs), Api(**answers)) == found


@pytest.mark.parametrize(
    ("kind", "inputs", "answers"),
    [
        (
            "aws:ec2/route:Route",
            {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"},
            {"describe_route_tables": {"RouteTables": []}},
        ),
        (
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            {"routeTableId": "rtb-1", "subnetId": "subnet-1"},
            {"describe_route_tables": {"RouteTables": []}},
        ),
        (
            "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment",
            {"networkInterfaceId": "eni-1"},
            {"describe_network_interfaces": {"NetworkInterfaces": []}},
        ),
        (
            "aws:ec2/volumeAttachment:VolumeAttachment",
            {"deviceName": "/dev/sdf", "volumeId": "vol-1", "instanceId": "i-1"},
            {"describe_volumes": {"Volumes": []}},
        ),
        (
            "aws:ec2/eipAssociation:EipAssociation",
            {"allocationId": "eipalloc-1"},
            {"describe_addresses": {"Addresses": []}},
        ),
        (
            "aws:iam/rolePolicy:RolePolicy",
            {"role": "role-1", "name": "policy-1"},
            {"list_roles": {"Roles": []}},
        ),
    ],
)
def test_what_was_in_a_place_that_is_gone_is_not_there_and_nothing_is_asked_for_by_name(
    kind: str, inputs: dict[str, Any], answers: dict[str, Any]
) -> None:
    api = Api(**answers)
    assert find(resource(kind, "a", **inputs), api) == []
    named = [word for words in api.asked for word in words if word.startswith("--")]
    assert set(named) <= {"--filters", "--query"}


def test_an_instance_that_is_shutting_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then it looks as if it were there."""
    kept = resource("aws:ec2/instance:Instance", "a") | {"id": "i-1"}
    going = {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}
    api = Api(describe_instances=going)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        api.answers["describe-instances"] = {"Reservations": []}

    monkeypatch.setattr(pending.time, "sleep", sleep)
    pending._wait_for_ends([kept, resource("command:remote:Command", "b") | {"id": "x"}], api)
    assert len(slept) == 1
    assert len(api.asked) == 2
    assert all("Name=instance-id,Values=i-1" in words for words in api.asked)
    assert all("Name=instance-state-name,Values=shutting-down" in words for words in api.asked)


def test_an_orphan_is_named_with_its_identifier_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = resource("aws:ec2/vpc:Vpc", "a", tags=TAGS)
    left = {"resources": [vpc | {"id": "vpc-1"}], "pending_operations": [creating(vpc)]}
    lab = Lab(tmp_path / "lab", tmp_path / "cache")
    lab.stack_file.parent.mkdir(parents=True)
    lab.stack_file.write_text(json.dumps({"checkpoint": {"latest": left}}))
    api = Api(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})
    document = json.dumps({"deployment": left})
    done = subprocess.CompletedProcess([], 0, document, "")
    monkeypatch.setattr(pending, "Asking", lambda _lab: nullcontext(api))
    monkeypatch.setattr(stack, "run", lambda *_: done)
    said: list[str] = []
    pending.settle(lab, said.append)
    assert said[0] == "forget that a killed update was creating a"
    assert "found vpc-2, which a killed update created as a;" in said[1]
    assert "delete the other with `scripts/lab aws`" in said[1]
    assert len(said) == 2
