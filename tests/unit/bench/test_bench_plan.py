"""What the bare script is told, from an export of a ring."""

import json
from typing import Any

import pytest
from cloud.bench.plan import opened, plan
from cloud.pulumi import SECRET, SIGNATURE

pytestmark = pytest.mark.unit

PREFIX = "urn:pulumi:lab::mysql-ring::"
NODES = {
    f"node-{number}": {
        "publicAddress": f"203.0.113.{number}",
        "clientAddress": f"192.168.100.{number}",
        "replicationAddress": f"10.10.1.{number}",
        "instanceId": f"i-{number}",
    }
    for number in (1, 2)
}


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "plaintext": json.dumps(value)}


def resource(kind: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "urn": f"{PREFIX}{kind}::{name}",
        "type": kind,
        "custom": True,
        "inputs": {},
        "outputs": {},
        "dependencies": [],
        **changes,
    }


CONNECTION = secret({"host": "203.0.113.1", "user": "admin"})

KEY = resource(
    "command:local:Command", "ring-credentials-node-1-ssh-host-key", inputs={"create": "make-key"}
)
INTERFACE = resource(
    "aws:ec2/networkInterface:NetworkInterface",
    "ring-node-1-replication-interface",
    outputs={"macAddress": "02:00:00:00:00:01"},
)
INSTANCE = resource(
    "aws:ec2/instance:Instance",
    "ring-node-1-instance",
    id="i-1",
    inputs={"userData": secret("#cloud-config\n")},
    dependencies=[KEY["urn"], INTERFACE["urn"]],
)
UPLOAD = resource(
    "command:remote:CopyToRemote",
    "ring-node-1-tools-upload",
    inputs={
        "source": {"path": "scripts/node/"},
        "remotePath": "/home/admin/x",
        "connection": CONNECTION,
    },
    dependencies=[INSTANCE["urn"]],
)
TLS = resource(
    "command:remote:Command",
    "ring-node-1-mysql-tls",
    inputs={
        "create": "sudo ring-node tls",
        "stdin": secret('{"ca": "x"}'),
        "connection": CONNECTION,
    },
    dependencies=[INSTANCE["urn"], UPLOAD["urn"]],
)
SEED = resource(
    "command:remote:Command",
    "ring-replication-node-1-seed",
    inputs={
        "create": "sudo ring-node seed",
        "stdin": '{"node": "i-1", "peer": "i-2"}',
        "connection": CONNECTION,
    },
    dependencies=[TLS["urn"]],
)
OTHER_INTERFACE, OTHER_INSTANCE = (
    {**one, "urn": one["urn"].replace("node-1", "node-2"), "id": "i-2", "dependencies": []}
    for one in (INTERFACE, INSTANCE)
)
EXPORT = {
    "deployment": {
        "resources": [
            KEY, INTERFACE, INSTANCE, UPLOAD, TLS, SEED, OTHER_INTERFACE, OTHER_INSTANCE,
        ]
    }
}  # fmt: skip


def steps() -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in plan(EXPORT, NODES)["steps"]}


def test_the_steps_keep_their_order_among_themselves() -> None:
    assert {name: step["after"] for name, step in steps().items()} == {
        "ring-credentials-node-1-ssh-host-key": [],
        "ring-node-1-tools-upload": [],
        "ring-node-1-mysql-tls": ["ring-node-1-tools-upload"],
        "ring-replication-node-1-seed": ["ring-node-1-mysql-tls"],
    }


def test_a_step_waits_for_another_host_only_when_its_document_names_the_instance() -> None:
    assert {name: step["hosts"] for name, step in steps().items()} == {
        "ring-credentials-node-1-ssh-host-key": [],
        "ring-node-1-tools-upload": ["node-1"],
        "ring-node-1-mysql-tls": ["node-1"],
        "ring-replication-node-1-seed": ["node-1", "node-2"],
    }


def test_a_step_has_the_command_and_the_document_of_the_ring() -> None:
    tls = steps()["ring-node-1-mysql-tls"]
    assert (tls["node"], tls["command"], tls["stdin"]) == (
        "node-1",
        "sudo ring-node tls",
        '{"ca": "x"}',
    )


def test_a_copy_names_its_source_and_its_target() -> None:
    upload = steps()["ring-node-1-tools-upload"]
    assert (upload["source"], upload["target"]) == ("scripts/node/", "/home/admin/x")


def test_a_host_waits_for_the_keys_that_its_user_data_holds() -> None:
    host = plan(EXPORT, NODES)["hosts"]["node-1"]
    assert host["after"] == ["ring-credentials-node-1-ssh-host-key"]
    assert host["user_data"] == "#cloud-config\n"
    assert host["mac"] == "02:00:00:00:00:01"


def test_secrets_are_opened_at_every_depth() -> None:
    assert opened({"a": [secret({"b": 1})], "c": "d"}) == {"a": [{"b": 1}], "c": "d"}
