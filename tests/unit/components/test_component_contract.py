"""What holds for every component and every resource, whatever it is for."""

import ast
from pathlib import Path

import pytest
from recording import Recorded

from components import tools

pytestmark = pytest.mark.unit

FOLDER = Path(tools.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
# Resources that AWS gives no tags, by the end of their type.
WITHOUT_TAGS = (
    ":Route",
    ":RouteTableAssociation",
    ":NetworkInterfaceAttachment",
    ":EipAssociation",
    ":RolePolicy",
    ":BucketPublicAccessBlock",
    ":BucketServerSideEncryptionConfiguration",
    ":BucketVersioning",
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


def test_every_resource_is_named_after_the_ring_or_a_node(ring: Recorded) -> None:
    for resource in ring.resources:
        assert resource.name.startswith(("ring", "node-1", "node-2")), resource.name


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
