"""What the API has and what the stack's state has: after each update they must be the same."""

import zlib
from collections import Counter
from typing import Any

from labs import Lab

ALIVE = "Name=instance-state-name,Values=pending,running,stopping,stopped"
NAMED = {
    "aws:iam/role:Role": "role",
    "aws:iam/instanceProfile:InstanceProfile": "profile",
    "aws:s3/bucket:Bucket": "bucket",
}
"""Resources that are known by a name of their own rather than by the tag Name."""
KNOWN_BY_NAME = ("aws:ec2/keyPair:KeyPair", "aws:ec2/placementGroup:PlacementGroup")
"""Resources whose identifier in the state is not the one that their tags belong to."""
ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment"
"""Imported by its place, DEVICE:VOLUME:INSTANCE; the state calls it otherwise."""
RULES = ("aws:vpc/securityGroupEgressRule:", "aws:vpc/securityGroupIngressRule:")

Held = dict[str, list[str]]


def of_the_api(lab: Lab) -> Held:
    """Identifiers of all that the ring made, by what tells it: the tag Name or the name."""
    held: Held = {}

    def add(key: str, identifier: str) -> None:
        held.setdefault(key, []).append(identifier)

    ask = lab.aws
    for tag in ask("ec2", "describe-tags", "--filters", "Name=key,Values=Name")["Tags"]:
        if tag["ResourceType"] not in ("instance", "volume"):
            add(tag["Value"], tag["ResourceId"])
    for reservation in ask("ec2", "describe-instances", "--filters", ALIVE)["Reservations"]:
        for instance in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
            add(tags.get("Name", "without a name"), instance["InstanceId"])
    for volume in ask("ec2", "describe-volumes")["Volumes"]:
        attachments = volume["Attachments"]
        if not any(each["DeleteOnTermination"] for each in attachments):
            tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}
            add(tags.get("Name", "without a name"), volume["VolumeId"])
            for each in attachments:
                place = ":".join((each["Device"], each["VolumeId"], each["InstanceId"]))
                add(f"attachment of {each['VolumeId']}", place)
    groups = ask("ec2", "describe-security-groups")["SecurityGroups"]
    own = {group["GroupId"] for group in groups if group["GroupName"] != "default"}
    for rule in ask("ec2", "describe-security-group-rules")["SecurityGroupRules"]:
        if rule["GroupId"] in own:
            add("rules", rule["SecurityGroupRuleId"])
    for role in ask("iam", "list-roles")["Roles"]:
        add(f"role {role['RoleName']}", role["RoleName"])
        policies = ask("iam", "list-role-policies", "--role-name", role["RoleName"])
        for policy in policies["PolicyNames"]:
            add(f"policy of {role['RoleName']}", f"{role['RoleName']}:{policy}")
    for profile in ask("iam", "list-instance-profiles")["InstanceProfiles"]:
        name = profile["InstanceProfileName"]
        add(f"profile {name}", name)
    for bucket in ask("s3api", "list-buckets").get("Buckets", []):
        add(f"bucket {bucket['Name']}", bucket["Name"])
    return held


def of_the_state(resources: list[dict[str, Any]]) -> Held:
    """The same as the resources of a stack have it; key pairs and placement groups by name."""
    held: Held = {}
    for resource in resources:
        if resource["type"].startswith("aws:"):
            held.setdefault(key(resource), []).append(resource["id"])
            if resource["type"].startswith(RULES):
                held.setdefault("rules", []).append(resource["id"])
    held.pop("", None)
    return held


def key(resource: dict[str, Any]) -> str:
    """By what the API knows it; empty for what is only a part or a tie of something else."""
    kind, inputs = resource["type"], resource.get("inputs") or {}
    if kind in NAMED:
        name = inputs["bucket" if kind.endswith("Bucket") else "name"]
        return f"{NAMED[kind]} {name}"
    if kind == "aws:iam/rolePolicy:RolePolicy":
        return f"policy of {inputs['role']}"
    if kind == ATTACHMENT:
        return f"attachment of {inputs['volumeId']}"
    return (inputs.get("tags") or {}).get("Name", "")


def identifier(resource: dict[str, Any], held: str) -> str:
    """What an import calls the thing to which the API gave the identifier `held`."""
    inputs = resource["inputs"]
    if resource["type"] in KNOWN_BY_NAME:
        return inputs.get("keyName") or inputs["name"]
    return held


def kept_as(resource: dict[str, Any], imported: str) -> str:
    """What the state calls the thing that was imported by this identifier. Of an attachment it is
    the official plugin's own (terraform-provider-aws, volumeAttachmentID)."""
    if resource["type"] != ATTACHMENT:
        return imported
    device, volume, instance = imported.split(":")
    return f"vai-{zlib.crc32(f'{device}-{instance}-{volume}-'.encode())}"


def difference(lab: Lab) -> dict[str, tuple[int, int]]:
    """Where API and state do not have the same number of a thing: first the API's."""
    there, known = of_the_api(lab), of_the_state(lab.resources())
    counts = [Counter({name: len(ids) for name, ids in held.items()}) for held in (there, known)]
    return {
        name: (counts[0][name], counts[1][name])
        for name in sorted({*counts[0], *counts[1]})
        if counts[0][name] != counts[1][name]
    }
