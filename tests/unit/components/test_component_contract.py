"""What holds for every component and every resource, whatever it is for."""

import ast
import json
import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
from conftest import ADMIN, ring_args, stand_up
from pulumi_aws import Provider
from recording import Recorded, Resource, run

from components import tools
from components.ring import Ring
from components.settings import RestoreSettings, RingArgs, camel

pytestmark = pytest.mark.unit

FOLDER = Path(tools.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
# Resources that AWS gives no tags, by the end of their type.
WITHOUT_TAGS = (
    ":Route",
    ":RouteTableAssociation",
    ":NetworkInterfaceAttachment",
    ":VolumeAttachment",
    ":EipAssociation",
    ":RolePolicy",
    ":BucketPublicAccessBlock",
    ":BucketServerSideEncryptionConfiguration",
    ":BucketVersioning",
    ":BucketLifecycleConfiguration",
    ":BucketOwnershipControls",
    ":BucketPolicy",
)


def component_classes() -> list[ast.ClassDef]:
    found = [
        node
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) == "pulumi.ComponentResource" for base in node.bases)
    ]
    assert len(found) >= 8
    return found


def constructor(component: ast.ClassDef) -> ast.FunctionDef:
    return next(
        node
        for node in component.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )


def test_every_aws_resource_that_can_carry_tags_says_whose_it_is(ring: Recorded) -> None:
    taggable = [
        resource
        for resource in ring.resources
        if resource.type.startswith("aws:") and not resource.type.endswith(WITHOUT_TAGS)
    ]
    assert len(taggable) > 25
    for resource in taggable:
        tags = resource.inputs["tags"]
        assert tags["Project"] == "mysql-ring", resource.name
        assert tags["Stack"] == "test", resource.name
        assert tags["Ring"] == "ring", resource.name
        assert tags["Name"].startswith("mysql-ring-test-"), resource.name


def test_no_two_resources_of_a_kind_have_the_same_name_tag(ring: Recorded) -> None:
    tags = [
        (resource.type, resource.inputs["tags"]["Name"])
        for resource in ring.resources
        if "tags" in resource.inputs
    ]
    assert len(set(tags)) == len(tags)


def test_every_resource_but_the_ring_hangs_from_a_component_of_it(ring: Recorded) -> None:
    components = {resource.urn for resource in ring.resources if not resource.custom}
    for resource in ring.resources:
        if resource.name != "ring":
            assert resource.parent in components, resource.name


def test_every_resource_is_named_after_its_parent(ring: Recorded) -> None:
    names = {resource.urn: resource.name for resource in ring.resources}
    for resource in ring.resources:
        if resource.name != "ring":
            assert resource.name.startswith(f"{names[resource.parent]}-"), resource.name


@cache
def with_all_components() -> Recorded:
    return stand_up(restore_from=RestoreSettings("old-bucket", "latest"))


def test_every_component_has_a_type_of_its_own_in_the_one_module() -> None:
    """But for those whose resources are protected: Pulumi's error shows their types."""
    ring = with_all_components()
    declared = {component.name for component in component_classes()}
    protected = {resource.parent for resource in ring.resources if resource.protect}
    used = {resource.type for resource in ring.resources if not resource.custom}
    assert {kind.split(":")[2] for kind in used} == declared
    assert len(used) == len(declared)
    for resource in ring.resources:
        if not resource.custom:
            module = "protectData" if resource.urn in protected else "index"
            assert resource.type.startswith(f"mysql-ring:{module}:"), resource.name


def names_in_aws(resources: list[Resource]) -> set[tuple[str, str]]:
    """What AWS calls things by: their Name, and the names of those that must be unique. A name that
    the program does not set begins with the resource's own."""
    found = {("own", resource.name) for resource in resources}
    for resource in resources:
        if "tags" in resource.inputs:
            found.add(("Name", resource.inputs["tags"]["Name"]))
        for key in ("bucket", "keyName", "iamInstanceProfile", "placementGroup", "role"):
            if key in resource.inputs:
                found.add((key, resource.inputs[key]))
    return found


def test_rings_of_one_stack_share_no_name(ring: Recorded) -> None:
    rings = ("orders", "orders-b", "stock")

    def program() -> dict[str, Any]:
        return {name: Ring(name, ring_args()).outputs for name in rings}

    all_of_them = run(program).resources
    by_urn = {resource.urn: resource for resource in all_of_them}
    assert len(by_urn) == len(all_of_them) == len(rings) * len(ring.resources)

    def whose(resource: Resource) -> str:
        return whose(by_urn[resource.parent]) if resource.parent in by_urn else resource.name

    names = [
        names_in_aws([resource for resource in all_of_them if whose(resource) == name])
        for name in rings
    ]
    assert min(map(len, names)) > len(ring.resources)
    assert len(set.union(*names)) == sum(map(len, names))


@pytest.mark.parametrize("name", ["Ring", "1st", "a_b", "ring-", "x" * 36, ""])
def test_a_ring_whose_name_aws_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(Exception, match="name of the ring: found"):
        run(lambda: Ring(name, ring_args()).outputs)


def test_the_longest_name_fits_into_the_name_of_a_role() -> None:
    ring = run(lambda: Ring("x" * 35, ring_args()).outputs)
    longest = max(len(f"{role.name}-1234567") for role in ring.of_type(":Role") if role.custom)
    assert longest == 64


def test_every_component_registers_its_outputs_once_and_last() -> None:
    for component in component_classes():
        body = constructor(component).body
        calls = [
            node
            for node in ast.walk(component)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.register_outputs"
        ]
        assert len(calls) == 1, component.name
        last = body[-1]
        assert isinstance(last, ast.Expr), component.name
        assert last.value is calls[0], component.name


def test_every_component_takes_a_name_its_own_arguments_and_options() -> None:
    for component in component_classes():
        arguments = constructor(component).args.args
        assert [each.arg for each in arguments] == ["self", "name", "args", "opts"]
        annotation = arguments[2].annotation
        assert annotation is not None
        assert ast.unparse(annotation) == f"{component.name}Args"


def test_no_step_takes_what_another_step_printed() -> None:
    readers = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr")
    }
    assert readers == {"keys.py"}


def test_pulumi_aws_is_imported_by_the_part_that_is_used() -> None:
    whole = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        and any(alias.name in ("pulumi_aws", "pulumi_command") for alias in node.names)
    }
    assert whole == set()


def annotated_outputs(component: ast.ClassDef) -> list[str]:
    return [
        ast.unparse(node.target)
        for node in component.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "pulumi.Output[str]"
    ]


def test_the_program_uses_every_package_that_it_asks_for() -> None:
    root = Path(__file__).parents[3]
    lines = (root / "requirements.txt").read_text().splitlines()
    asked = {line.partition("==")[0].replace("-", "_") for line in lines if line[:1].isalpha()}
    files = [root / "__main__.py", root / "scripts/keys/keys.py"]
    imported = set[str]()
    files += [*(root / "components").rglob("*.py"), *(root / "scripts/ops").rglob("*.py")]
    for file in files:
        for each in ast.walk(ast.parse(file.read_text())):
            if isinstance(each, ast.ImportFrom) and each.module:
                imported.add(each.module.partition(".")[0])
            elif isinstance(each, ast.Import):
                imported |= {name.name.partition(".")[0] for name in each.names}
    assert "pulumi" in asked
    assert asked <= imported


def test_every_component_registers_all_its_outputs_under_their_own_names() -> None:
    ring = with_all_components()
    components = {each.type.split(":")[2]: each.name for each in ring.resources if not each.custom}
    for component in component_classes():
        (registered,) = ring.registered[components[component.name]]
        wanted = {camel(name) for name in annotated_outputs(component)}
        assert wanted <= set(registered), component.name
        assert all(re.fullmatch("[a-z][A-Za-z]*", key) for key in registered), component.name


def exported(monkeypatch: pytest.MonkeyPatch) -> tuple[Recorded, dict[str, Any]]:
    """The program itself, and what it exports."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", found.__setitem__)
    pulumi.runtime.set_all_config({"mysql-ring:adminCidrs": json.dumps([ADMIN])}, [])

    def program() -> dict[str, Any]:
        runpy.run_path(str(FOLDER.parent / "__main__.py"))
        return found

    return run(program), found


def test_the_program_exports_what_the_ring_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, _ = exported(monkeypatch)
    (registered,) = recorded.registered["ring"]
    assert {name: value for name, (value, _) in recorded.outputs.items()} == registered
    assert set(registered) == {
        "bucket",
        "caCertificate",
        "endpoints",
        "login",
        "network",
        "nodes",
        "passwords",
        "port",
        "protection",
        "sshPrivateKey",
        "users",
    }


def test_the_outputs_are_what_it_takes_to_attach_to_a_ring(ring: Recorded) -> None:
    found = {name: value for name, (value, _) in ring.outputs.items()}
    assert found["nodes"]["node-2"] == {
        "clientAddress": "192.168.100.11",
        "replicationAddress": "10.10.1.11",
        "publicAddress": "203.0.113.12",
        "serverId": 2,
        "sshHostKey": "ssh-ed25519 AAAAmade mysql-ring",
        "knownHosts": "203.0.113.12 ssh-ed25519 AAAAmade mysql-ring",
        "ssh": "ssh -i ring.key -o IdentitiesOnly=yes -o UserKnownHostsFile=ring.known_hosts"
        " -o StrictHostKeyChecking=yes admin@203.0.113.12",
        "instanceId": "ring-node-2-instance-id",
        "dataVolumeId": "ring-node-2-data-volume-id",
        "clientInterfaceId": "ring-node-2-client-interface-id",
        "replicationInterfaceId": "ring-node-2-replication-interface-id",
        "replicationSecurityGroupId": "ring-network-node-2-replication-group-id",
        "roleName": "ring-node-2-role-identity",
        "roleArn": "arn:aws:iam::123456789012:role/ring-node-2-role-identity",
    }
    assert found["network"] == {
        "availabilityZone": "eu-central-1a",
        "clientCidr": "192.168.100.0/24",
        "clientRanges": ["192.168.100.0/24"],
        "clientVpcId": "ring-network-client-vpc-id",
        "clientSubnetId": "ring-network-client-subnet-id",
        "clientRouteTableId": "ring-network-routes-id",
        "clientSecurityGroupId": "ring-network-client-group-id",
        "replicationCidr": "10.10.1.0/24",
        "replicationVpcId": "ring-network-replication-vpc-id",
        "replicationSubnetId": "ring-network-replication-subnet-id",
    }
    assert found["bucket"] == {
        "name": "ring-bucket-store-id",
        "arn": "arn:aws:s3:::ring-bucket-store",
        "region": "eu-central-1",
    }
    assert found["endpoints"] == ["192.168.100.10:3306", "192.168.100.11:3306"]
    assert (found["port"], found["login"]) == (3306, "admin")
    assert found["users"] == {"root": "root", "replication": "repuser", "application": ["app"]}
    assert set(found["passwords"]) == {"root", "repuser", "app"}


def test_the_architecture_names_every_component_output_and_setting(ring: Recorded) -> None:
    text = (FOLDER.parent / "docs" / "architecture.md").read_text()
    tree = text.partition("```\n")[2].partition("```")[0]
    for component in component_classes():
        assert re.search(rf"\b{component.name}\b", tree), component.name
    for name in (*ring.outputs, *map(camel, RingArgs.__dataclass_fields__)):
        assert f"`{name}`" in text, name


def by_options(options: Any) -> Recorded:
    def program() -> dict[str, Any]:
        provider = Provider("elsewhere", region="eu-west-1")
        args = ring_args(availability_zone="eu-west-1c")
        return Ring("ring", args, options(provider)).outputs

    return run(program)


class Parent(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("test:index:Parent", name, None, opts)


@pytest.mark.parametrize(
    "options",
    [
        lambda provider: pulumi.ResourceOptions(provider=provider),
        lambda provider: pulumi.ResourceOptions(providers=[provider]),
        lambda provider: pulumi.ResourceOptions(providers={"aws": provider}),
        lambda provider: pulumi.ResourceOptions(
            parent=Parent("parent", pulumi.ResourceOptions(providers=[provider]))
        ),
    ],
)
def test_a_provider_of_the_programs_own_makes_and_is_asked_everything(options: Any) -> None:
    """Its region counts, too: the stack's own one has no zone of that name."""
    pulumi.runtime.set_all_config({"aws:region": "eu-central-1"}, [])
    recorded = by_options(options)
    made = [resource for resource in recorded.resources if resource.type.startswith("aws:")]
    assert len(made) > 30
    for resource in made:
        assert "::elsewhere::" in resource.provider, resource.name
    asked = {token: provider for token, provider in recorded.calls if token.startswith("aws:")}
    assert {token.rpartition(":")[2] for token in asked} == {
        "getRegion",
        "getParameter",
        "getInstanceTypeOfferings",
    }
    assert all("::elsewhere::" in provider for provider in asked.values())
    with pytest.raises(Exception, match="availabilityZone: found 'eu-west-1c'"):
        run(lambda: Ring("ring", ring_args(availability_zone="eu-west-1c")).outputs)


def test_the_stacks_own_provider_is_not_asked_for_its_region(ring: Recorded) -> None:
    """It would have to be started before anything else is done."""
    assert {token.rpartition(":")[2] for token, _ in ring.calls} == {
        "readStackResourceOutputs",
        "getAvailabilityZones",
        "getInstanceTypeOfferings",
        "getParameter",
    }
    assert {resource.provider for resource in ring.resources} == {""}
