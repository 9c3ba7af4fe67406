"""What the bare script is to do, read off a ring that `pulumi up` made: the same steps, with the
same documents, in the same order."""

import json
from collections.abc import Mapping
from typing import Any

from cloud.pulumi import SECRET, SIGNATURE, urn_name

LOCAL = "command:local:Command"
COPY = "command:remote:CopyToRemote"
REMOTE = "command:remote:Command"
INSTANCE = "aws:ec2/instance:Instance"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"


def opened(value: Any) -> Any:
    """A value of an export with --show-secrets, without its wrapping."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET:
            return json.loads(value["plaintext"])
        return {key: opened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [opened(inner) for inner in value]
    return value


def plan(export: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The plan from a stack's export and its output `nodes`. It holds secrets.

    A step names the steps and the hosts that it waits for: its own, and one whose instance its
    document names. What else it waits for in AWS is there before any step.
    """
    resources = [one for one in export["deployment"]["resources"] if one.get("custom")]
    of_type: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        of_type.setdefault(resource["type"], []).append(resource)
    commands = {
        resource["urn"] for kind in (LOCAL, COPY, REMOTE) for resource in of_type.get(kind, ())
    }
    macs = {
        urn_name(one["urn"]): opened(one["outputs"])["macAddress"]
        for one in of_type.get(INTERFACE, ())
    }
    hosts = {}
    for instance in of_type[INSTANCE]:
        name, node = next(
            (name, node) for name, node in nodes.items() if node["instanceId"] == instance["id"]
        )
        component = urn_name(instance["urn"]).removesuffix("-instance")
        hosts[name] = {
            "public_address": node["publicAddress"],
            "client_address": node["clientAddress"],
            "replication_address": node["replicationAddress"],
            "instance_id": node["instanceId"],
            "user_data": opened(instance["inputs"])["userData"],
            "mac": macs[f"{component}-replication-interface"],
            "after": _waits(instance, commands),
        }
    steps = [_step(one, commands, hosts) for kind in (LOCAL, COPY, REMOTE)
             for one in of_type.get(kind, ())]  # fmt: skip
    return {"hosts": hosts, "steps": steps}


def _waits(resource: Mapping[str, Any], commands: set[str]) -> list[str]:
    return [urn_name(urn) for urn in resource.get("dependencies") or () if urn in commands]


def _step(
    resource: Mapping[str, Any], commands: set[str], hosts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    inputs = opened(resource["inputs"])
    name = urn_name(resource["urn"])
    kind = resource["type"]
    node = None
    if kind != LOCAL:
        address = inputs["connection"]["host"]
        node = next(one for one, host in hosts.items() if host["public_address"] == address)
    stdin = inputs.get("stdin") or ""
    named = [one for one, host in hosts.items() if one == node or host["instance_id"] in stdin]
    step = {
        "name": name,
        "node": node,
        "hosts": named if node else [],
        "command": inputs.get("create"),
        "stdin": stdin,
        "after": _waits(resource, commands),
    }
    if kind == COPY:
        step |= {
            "command": None,
            "source": inputs["source"]["path"],
            "target": inputs["remotePath"],
        }
    return step
