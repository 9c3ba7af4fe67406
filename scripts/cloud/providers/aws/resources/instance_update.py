"""What an instance is, read from the API, and what can change while it lives."""

import base64
from collections.abc import Callable
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.parameters import parameters, properties
from cloud.providers.aws.resource import Work, pairs, unpair
from cloud.providers.aws.resources.instance_table import METADATA_OPTIONS, ROOT_DEVICE

_SECONDS = 10 * MINUTE


def told(work: Work, found: dict[str, Any]) -> dict[str, Any]:
    """What the API tells in another form than it takes, or in another answer."""
    interfaces = sorted(
        found.get("NetworkInterfaces", []),
        key=lambda one: one.get("Attachment", {}).get("DeviceIndex", 0),
    )
    primary = interfaces[0] if interfaces else {}
    attachment = primary.get("Attachment", {})
    given = {**work.old, **work.inputs}
    # an import has nothing to go by but this: what RunInstances made itself goes with the instance
    imported = not given and attachment.get("DeleteOnTermination") is False
    profile = (found.get("IamInstanceProfile") or {}).get("Arn", "")
    state = {
        "iamInstanceProfile": profile.rsplit("/", 1)[-1],
        "instanceState": found["State"]["Name"],
        "monitoring": found.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        "primaryNetworkInterfaceId": primary.get("NetworkInterfaceId", ""),
        "privateDns": found.get("PrivateDnsName", ""),
        "publicDns": found.get("PublicDnsName", ""),
        "publicIp": found.get("PublicIpAddress", ""),
        "rootBlockDevice": _root_device(work, found),
        "vpcSecurityGroupIds": [one["GroupId"] for one in found.get("SecurityGroups", [])],
        **_attributes(work),
    }
    if primary and (given.get("primaryNetworkInterface") or imported):
        state["primaryNetworkInterface"] = {
            "deleteOnTermination": attachment.get("DeleteOnTermination", False),
            "networkInterfaceId": primary["NetworkInterfaceId"],
        }
    return state


def _attribute(work: Work, name: str, key: str, value: Any = None) -> Any:
    answer = ignoring(
        ("InvalidParameterValue", "InvalidParameterCombination", "UnsupportedOperation"),
        work.ec2.describe_instance_attribute,
        InstanceId=work.id,
        Attribute=name,
    )
    return ((answer or {}).get(key) or {}).get("Value", value)


def _attributes(work: Work) -> dict[str, Any]:
    """What DescribeInstances does not tell."""
    encoded = _attribute(work, "userData", "UserData")
    state: dict[str, Any] = {
        "disableApiTermination": _attribute(
            work, "disableApiTermination", "DisableApiTermination", False
        ),
        "instanceInitiatedShutdownBehavior": _attribute(
            work,
            "instanceInitiatedShutdownBehavior",
            "InstanceInitiatedShutdownBehavior",
            "stop",
        ),
    }
    given = {**work.old, **work.inputs}
    if given.get("userDataBase64"):
        state["userDataBase64"] = encoded or ""
    elif encoded:
        try:
            state["userData"] = base64.b64decode(encoded).decode()
        except ValueError:
            state["userDataBase64"] = encoded
    elif given.get("userData"):
        state["userData"] = ""
    return state


def _root_device(work: Work, found: dict[str, Any]) -> dict[str, Any] | None:
    name = found.get("RootDeviceName")
    for mapping in found.get("BlockDeviceMappings", []):
        if mapping.get("DeviceName") != name or "Ebs" not in mapping:
            continue
        ebs = mapping["Ebs"]
        volume = (
            first(
                work.ec2.describe_volumes,
                "Volumes",
                ("InvalidVolume.NotFound",),
                VolumeIds=[ebs["VolumeId"]],
            )
            or {}
        )
        tags = unpair(volume.get("Tags"))
        defaults = work.session.config.default_tags
        named = {"KmsKeyId": "", **ebs, **volume, "VolumeSize": volume.get("Size")}
        return {
            **properties(ROOT_DEVICE, named),
            "deviceName": name,
            "tags": {key: value for key, value in tags.items() if defaults.get(key) != value},
            "tagsAll": tags,
            "volumeId": ebs["VolumeId"],
        }
    return None


def change(work: Work, state_of: Callable[[], str | None]) -> None:
    """Brings a living instance to its new arguments; type and user data need it stopped."""
    inputs = work.inputs
    if _given_change(work, "iamInstanceProfile"):
        _profile(work)
    for name, key in (
        ("disableApiTermination", "DisableApiTermination"),
        ("disableApiStop", "DisableApiStop"),
        ("sourceDestCheck", "SourceDestCheck"),
        ("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
    ):
        if _given_change(work, name):
            work.ec2.modify_instance_attribute(InstanceId=work.id, **{key: {"Value": inputs[name]}})
    if _given_change(work, "vpcSecurityGroupIds") and not inputs.get("primaryNetworkInterface"):
        work.ec2.modify_instance_attribute(InstanceId=work.id, Groups=inputs["vpcSecurityGroupIds"])
    if _given_change(work, "monitoring"):
        toggle = (
            work.ec2.monitor_instances if inputs["monitoring"] else work.ec2.unmonitor_instances
        )
        toggle(InstanceIds=[work.id])
    if _given_change(work, "metadataOptions"):
        options = parameters(METADATA_OPTIONS, inputs["metadataOptions"])
        work.ec2.modify_instance_metadata_options(InstanceId=work.id, **options)
    if _given_change(work, "creditSpecification"):
        work.ec2.modify_instance_credit_specification(
            InstanceCreditSpecifications=[
                {"InstanceId": work.id, "CpuCredits": inputs["creditSpecification"]["cpuCredits"]}
            ]
        )
    if _given_change(work, "maintenanceOptions"):
        work.ec2.modify_instance_maintenance_options(
            InstanceId=work.id, AutoRecovery=inputs["maintenanceOptions"]["autoRecovery"]
        )
    _volume(work)
    if any(_given_change(work, name) for name in ("instanceType", "userData", "userDataBase64")):
        _while_stopped(work, state_of)


def _given_change(work: Work, name: str) -> bool:
    if name not in work.inputs:
        return False
    new, old = work.inputs[name], work.old.get(name)
    if isinstance(new, list):
        return sorted(new) != sorted(old or [])
    if isinstance(new, dict):
        return any((old or {}).get(key) != value for key, value in new.items())
    return new != old


def _profile(work: Work) -> None:
    associations = work.ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [work.id]}]
    )["IamInstanceProfileAssociations"]
    current = next(
        (one for one in associations if one.get("State") in ("associated", "associating")), None
    )
    wanted = work.inputs.get("iamInstanceProfile")
    if current and not wanted:
        work.ec2.disassociate_iam_instance_profile(AssociationId=current["AssociationId"])
    elif current:
        _propagated(
            work,
            lambda: work.ec2.replace_iam_instance_profile_association(
                AssociationId=current["AssociationId"], IamInstanceProfile={"Name": wanted}
            ),
        )
    elif wanted:
        _propagated(
            work,
            lambda: work.ec2.associate_iam_instance_profile(
                InstanceId=work.id, IamInstanceProfile={"Name": wanted}
            ),
        )


def _propagated(work: Work, function: Callable[[], Any]) -> None:
    retrying(
        work.call,
        2 * MINUTE,
        lambda code, message: code == "InvalidParameterValue" and "Instance Profile" in message,
        function,
    )


def _volume(work: Work) -> None:
    new, old = work.inputs.get("rootBlockDevice") or {}, work.old.get("rootBlockDevice") or {}
    if not old.get("volumeId"):
        return
    volume = old["volumeId"]
    resized = {name: value for name, value in new.items() if value != old.get(name)}
    sizes = parameters(ROOT_DEVICE, resized, ("Iops", "Throughput", "VolumeSize", "VolumeType"))
    if "VolumeSize" in sizes:
        sizes["Size"] = sizes.pop("VolumeSize")
    if sizes:
        work.ec2.modify_volume(VolumeId=volume, **sizes)
    if "deleteOnTermination" in new and new["deleteOnTermination"] != old["deleteOnTermination"]:
        work.ec2.modify_instance_attribute(
            InstanceId=work.id,
            BlockDeviceMappings=[
                {
                    "DeviceName": old["deviceName"],
                    "Ebs": {"DeleteOnTermination": new["deleteOnTermination"]},
                }
            ],
        )
    before, after = old.get("tags") or {}, new.get("tags") or {}
    removed = [{"Key": key} for key in before if key not in after]
    if removed and "tags" in new:
        work.ec2.delete_tags(Resources=[volume], Tags=removed)
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    if changed:
        work.ec2.create_tags(Resources=[volume], Tags=pairs(changed))


def _while_stopped(work: Work, state_of: Callable[[], str | None]) -> None:
    running = state_of() != "stopped"
    if running:
        work.ec2.stop_instances(InstanceIds=[work.id])
        wait_until(work.call, _SECONDS, f"instance {work.id}", state_of, ("stopped",))
    inputs = work.inputs
    modify = work.ec2.modify_instance_attribute
    if _given_change(work, "instanceType"):
        modify(InstanceId=work.id, InstanceType={"Value": inputs["instanceType"]})
    if _given_change(work, "userData"):
        modify(InstanceId=work.id, UserData={"Value": inputs["userData"].encode()})
    if _given_change(work, "userDataBase64"):
        data = base64.b64decode(inputs["userDataBase64"])
        modify(InstanceId=work.id, UserData={"Value": data})
    if running:
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code in ("IncorrectInstanceState", "InsufficientInstanceCapacity"),
            lambda: work.ec2.start_instances(InstanceIds=[work.id]),
        )
        wait_until(work.call, _SECONDS, f"instance {work.id}", state_of, ("running",))
