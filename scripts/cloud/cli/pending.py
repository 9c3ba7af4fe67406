"""What an update that was killed has left between the cloud and the state.

Pulumi writes down that it is about to create a resource, and after the answer that it has. Killed
in between, it does not know the resource: the next update would make a second one, and where the
first holds a fixed address or its parent's only place, AWS refuses. Pulumi leaves the decision to
a person (`pulumi refresh`, interactively). The lab looks the resources up by their tags or their
place, takes those that exist into the state, and drops the other notes: what Pulumi's own question
asks for, answered by the API.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.cli import stack
from cloud.cli.ask import Ask, Asking
from cloud.cli.errors import LabError
from cloud.cli.take_down import processes_inside
from cloud.lab import STACK, Lab

SECONDS = 120
REFRESH_SECONDS = 600
"""A refresh asks for each of its targets, and there may be some dozens."""
END_SECONDS = 120
PLUGIN_SECONDS = 10
PLUGINS = (b"cloud.providers", b"pulumi-resource-")
INSTANCE = "aws:ec2/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
GONE = ("terminated", "shutting-down")


def settle(lab: Lab, say: Callable[[str], None]) -> None:
    """See what became of each operation that a killed update had begun, and say so in the state."""
    if not lab.stack_file.exists() or not _operations(_kept(lab)):
        return
    _wait_for_plugins(lab)
    document = json.loads(_pulumi(lab, "stack", "export"))
    deployment = document["deployment"]
    with Asking(lab) as ask:
        adopted, dropped = resolve(deployment, ask)
        for urn, identifier in adopted.items():
            say(f"take into the state what a killed update created: {_name(urn)} ({identifier})")
            if _type(urn) == GROUP:
                close(identifier, ask)
        for urn in dropped:
            say(f"forget that a killed update was creating {_name(urn)}")
        if adopted or dropped:
            _pulumi(lab, "stack", "import", stdin=json.dumps(document))
        there = {each["urn"]: each for each in deployment["resources"]}
        unsure = sorted({*adopted, *(set(there) & set(_urns(_operations(deployment))))})
        _wait_for_ends([there[urn] for urn in unsure], ask)
    for urn in unsure:
        if urn not in adopted:
            say(f"look what became of {_name(urn)}, which a killed update was at")
    if unsure:
        targets = [word for urn in unsure for word in ("--target", urn)]
        _pulumi(lab, "refresh", "--yes", "--skip-preview", "--non-interactive", *targets)


def _wait_for_plugins(lab: Lab) -> None:
    """Plugins outlive a CLI that was killed by some seconds, and may finish a call in them."""
    deadline = time.monotonic() + PLUGIN_SECONDS
    while time.monotonic() < deadline and any(map(_is_plugin, processes_inside(lab))):
        time.sleep(0.1)


def _is_plugin(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(name in words for name in PLUGINS)


def _wait_for_ends(resources: list[dict[str, Any]], ask: Ask) -> None:
    """An instance that is shutting down looks as if it were still there; wait until it is not."""
    instances = [each["id"] for each in resources if each["type"] == INSTANCE and each.get("id")]
    deadline = time.monotonic() + END_SECONDS
    while instances:
        filters = [
            f"Name=instance-id,Values={','.join(instances)}",
            "Name=instance-state-name,Values=shutting-down",
        ]
        if not ask("ec2", "describe-instances", "--filters", *filters).get("Reservations"):
            return
        if time.monotonic() > deadline:
            raise LabError(
                f"found {', '.join(instances)} still shutting down after {END_SECONDS} s; expected "
                "them to be terminated; run `scripts/lab up` again later"
            )
        time.sleep(1)


def _kept(lab: Lab) -> dict[str, Any]:
    return json.loads(lab.stack_file.read_text()).get("checkpoint", {}).get("latest") or {}


def _operations(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return deployment.get("pending_operations") or []


def _urns(operations: list[dict[str, Any]]) -> list[str]:
    return [each["resource"]["urn"] for each in operations]


def _creating(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in _operations(deployment) if each["type"] == "creating"]


def resolve(deployment: dict[str, Any], ask: Ask) -> tuple[dict[str, str], list[str]]:
    """Change a deployment in place: the identifiers taken in, by URN, and the URNs forgotten."""
    resources: list[dict[str, Any]] = deployment["resources"]
    known = {each["urn"] for each in resources}
    # Of one type: a key pair may well be called as a placement group is.
    taken = {(each["type"], each.get("id")) for each in resources}
    adopted: dict[str, str] = {}
    dropped: list[str] = []
    for operation in _creating(deployment):
        resource = operation["resource"]
        urn, kind = resource["urn"], resource["type"]
        found = [] if urn in known else find(resource, ask)
        fresh = [each for each in found if (kind, each) not in taken]
        if fresh:
            resource["id"] = adopted[urn] = fresh[0]
            resource.setdefault("outputs", {})
            resources.append(resource)
            known.add(urn)
            taken.add((kind, fresh[0]))
        else:
            dropped.append(urn)
    deployment["pending_operations"] = [
        each for each in _operations(deployment) if each["type"] != "creating"
    ]
    return adopted, dropped


def close(group: str, ask: Ask) -> None:
    """End the creation of a security group: AWS makes it with a rule that lets everything out.

    The plugin takes that rule away after it made the group, and would not do it later. No rule of
    the program is there yet: each comes after its group is in the state.
    """
    (found,) = ask("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
    rules = found.get("IpPermissionsEgress")
    if rules:
        words = ("--group-id", group, "--ip-permissions", json.dumps(rules))
        ask("ec2", "revoke-security-group-egress", *words)


def find(resource: dict[str, Any], ask: Ask) -> list[str]:
    """Identifiers of what the API has under a resource's tags or in its place."""
    kind, inputs = resource["type"], resource.get("inputs") or {}
    if kind in _TAGGED:
        command, path = _TAGGED[kind]
        wanted = dict(inputs.get("tags") or {})
        if not wanted:
            return []
        filters = [f"Name=tag:{key},Values={value}" for key, value in sorted(wanted.items())]
        answer = ask("ec2", command, "--filters", *filters)
        return _walk(answer, path.split("."))
    if kind in _PLACED:
        return _PLACED[kind](inputs, ask)
    return []


def _walk(value: Any, path: list[str]) -> list[str]:
    """The values at a path through nested objects and lists; what is gone is left out."""
    if isinstance(value, list):
        return [found for each in value for found in _walk(each, path)]
    if not path:
        return [value]
    if not isinstance(value, dict) or path[0] not in value:
        return []
    state = value.get("State")
    if isinstance(state, dict) and state.get("Name") in GONE:
        return []
    return _walk(value[path[0]], path[1:])


_TAGGED = {
    "aws:ec2/eip:Eip": ("describe-addresses", "Addresses.AllocationId"),
    INSTANCE: ("describe-instances", "Reservations.Instances.InstanceId"),
    "aws:ec2/internetGateway:InternetGateway": (
        "describe-internet-gateways",
        "InternetGateways.InternetGatewayId",
    ),
    "aws:ec2/keyPair:KeyPair": ("describe-key-pairs", "KeyPairs.KeyName"),
    "aws:ec2/networkInterface:NetworkInterface": (
        "describe-network-interfaces",
        "NetworkInterfaces.NetworkInterfaceId",
    ),
    "aws:ec2/placementGroup:PlacementGroup": (
        "describe-placement-groups",
        "PlacementGroups.GroupName",
    ),
    "aws:ec2/routeTable:RouteTable": ("describe-route-tables", "RouteTables.RouteTableId"),
    GROUP: ("describe-security-groups", "SecurityGroups.GroupId"),
    "aws:ec2/subnet:Subnet": ("describe-subnets", "Subnets.SubnetId"),
    "aws:ec2/vpc:Vpc": ("describe-vpcs", "Vpcs.VpcId"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        "describe-security-group-rules",
        "SecurityGroupRules.SecurityGroupRuleId",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "describe-security-group-rules",
        "SecurityGroupRules.SecurityGroupRuleId",
    ),
}
"""The command that lists a kind of resource by its tags, and where the identifiers are."""


def _route(inputs: dict[str, Any], ask: Ask) -> list[str]:
    table, network = inputs["routeTableId"], inputs.get("destinationCidrBlock")
    answer = ask("ec2", "describe-route-tables", "--route-table-ids", table)
    there = _walk(answer, ["RouteTables", "Routes", "DestinationCidrBlock"])
    return [f"{table}_{network}"] if network in there else []


def _table_association(inputs: dict[str, Any], ask: Ask) -> list[str]:
    table, subnet = inputs["routeTableId"], inputs.get("subnetId")
    answer = ask("ec2", "describe-route-tables", "--route-table-ids", table)
    there = _walk(answer, ["RouteTables", "Associations", "SubnetId"])
    return [f"{subnet}/{table}"] if subnet in there else []


def _attachment(inputs: dict[str, Any], ask: Ask) -> list[str]:
    interface = inputs["networkInterfaceId"]
    answer = ask("ec2", "describe-network-interfaces", "--network-interface-ids", interface)
    return _walk(answer, ["NetworkInterfaces", "Attachment", "AttachmentId"])


def _address_association(inputs: dict[str, Any], ask: Ask) -> list[str]:
    answer = ask("ec2", "describe-addresses", "--allocation-ids", inputs["allocationId"])
    return _walk(answer, ["Addresses", "AssociationId"])


def _role_policy(inputs: dict[str, Any], ask: Ask) -> list[str]:
    role, policy = inputs["role"], inputs.get("name")
    there = ask("iam", "list-role-policies", "--role-name", role)["PolicyNames"]
    return [f"{role}:{policy}"] if policy in there else []


def _listed(service: str, command: str, path: str, name: str) -> Callable[..., list[str]]:
    def look(inputs: dict[str, Any], ask: Ask) -> list[str]:
        names = _walk(ask(service, command), path.split("."))
        return [inputs[name]] if inputs.get(name) in names else []

    return look


_PLACED: dict[str, Callable[..., list[str]]] = {
    "aws:ec2/eipAssociation:EipAssociation": _address_association,
    "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment": _attachment,
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _table_association,
    "aws:iam/instanceProfile:InstanceProfile": _listed(
        "iam", "list-instance-profiles", "InstanceProfiles.InstanceProfileName", "name"
    ),
    "aws:iam/role:Role": _listed("iam", "list-roles", "Roles.RoleName", "name"),
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:s3/bucket:Bucket": _listed("s3api", "list-buckets", "Buckets.Name", "bucket"),
}
"""What carries no tags, or has a name of its own: where it would have to be."""


def _type(urn: str) -> str:
    return urn.rsplit("::", 2)[1].rsplit("$", 1)[-1]


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[1]


def _pulumi(lab: Lab, *words: str, stdin: str = "") -> str:
    argv = ["pulumi", *words]
    done = stack.run(lab, argv, REFRESH_SECONDS if words[0] == "refresh" else SECONDS, stdin)
    if done.returncode != 0:
        raise LabError(
            f"`{' '.join(argv[:3])}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}\n"
            f"expected the stack {STACK} to be freed of what an interrupted update left; run "
            "`scripts/lab pulumi refresh` and answer its questions, then `scripts/lab up`"
        )
    return done.stdout
