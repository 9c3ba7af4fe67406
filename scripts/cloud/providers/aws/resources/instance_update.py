"""What an instance is, read from the API, and what can change while it lives."""

import base64
from collections.abc import Callable
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import Work, pairs, unpair

_SECONDS = 10 * MINUTE
_OPTIONS = (
    ("httpEndpoint", "HttpEndpoint"),
    ("httpProtocolIpv6", "HttpProtocolIpv6"),
    ("httpPutResponseHopLimit", "HttpPutResponseHopLimit"),
    ("httpTokens", "HttpTokens"),
    ("instanceMetadataTags", "InstanceMetadataTags"),
)


def metadata_options(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[name] for name, key in _OPTIONS if options.get(name) is not None}


def describe(work: Work, found: dict[str, Any]) -> dict[str, Any]:
    """The instance's arguments and outputs."""
    placement = found.get("Placement", {})
    interfaces = sorted(
        found.get("NetworkInterfaces", []),
        key=lambda one: one.get("Attachment", {}).get("DeviceIndex", 0),
    )
    primary = interfaces[0] if interfaces else {}
    profile = (found.get("IamInstanceProfile") or {}).get("Arn", "")
    root = _root_device(work, found)
    groups = [one["GroupId"] for one in found.get("SecurityGroups", [])]
    given = {**work.old, **work.inputs}
    attachment = primary.get("Attachment", {})
    # an import has nothing to go by but this: what RunInstances made itself goes with the instance
    imported = not given and attachment.get("DeleteOnTermination") is False
    own_interface = bool(given.get("primaryNetworkInterface")) or imported
    state = {
        "ami": found["ImageId"],
        "arn": work.session.arn("ec2", f"instance/{work.id}"),
        "availabilityZone": placement.get("AvailabilityZone", ""),
        "ebsOptimized": found.get("EbsOptimized", False),
        "iamInstanceProfile": profile.rsplit("/", 1)[-1],
        "instanceLifecycle": found.get("InstanceLifecycle", ""),
        "instanceState": found["State"]["Name"],
        "instanceType": found["InstanceType"],
        "keyName": found.get("KeyName", ""),
        "metadataOptions": _metadata(found),
        "monitoring": found.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        "outpostArn": found.get("OutpostArn", ""),
        "passwordData": "",
        "placementGroup": placement.get("GroupName") or "",
        "placementGroupId": placement.get("GroupId") or "",
        "placementPartitionNumber": placement.get("PartitionNumber") or 0,
        "primaryNetworkInterfaceId": primary.get("NetworkInterfaceId", ""),
        "privateDns": found.get("PrivateDnsName", ""),
        "privateIp": found.get("PrivateIpAddress", ""),
        "publicDns": found.get("PublicDnsName", ""),
        "publicIp": found.get("PublicIpAddress", ""),
        "rootBlockDevice": root,
        "sourceDestCheck": found.get("SourceDestCheck", True),
        "spotInstanceRequestId": found.get("SpotInstanceRequestId", ""),
        "subnetId": found.get("SubnetId", ""),
        "tags": unpair(found.get("Tags")),
        "tenancy": placement.get("Tenancy", "default"),
        "vpcSecurityGroupIds": groups,
        **_attributes(work),
    }
    if own_interface and primary:
        state["primaryNetworkInterface"] = {
            "deleteOnTermination": attachment.get("DeleteOnTermination", False),
            "networkInterfaceId": primary["NetworkInterfaceId"],
        }
    return state


def _metadata(found: dict[str, Any]) -> dict[str, Any] | None:
    options = found.get("MetadataOptions")
    if not options:
        return None
    return {name: options[key] for name, key in _OPTIONS if options.get(key) is not None}


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
        return {
            "deleteOnTermination": ebs.get("DeleteOnTermination", True),
            "deviceName": name,
            "encrypted": volume.get("Encrypted", False),
            "iops": volume.get("Iops", 0),
            "kmsKeyId": volume.get("KmsKeyId", ""),
            "tags": {key: value for key, value in tags.items() if defaults.get(key) != value},
            "tagsAll": tags,
            "throughput": volume.get("Throughput", 0),
            "volumeId": ebs["VolumeId"],
            "volumeSize": volume.get("Size", 0),
            "volumeType": volume.get("VolumeType", ""),
        }
    return None


def change(work: Work, state_of: Callable[[], str | None]) -> None:
    """Brings a living instance to its new arguments; type and user data need it stopped."""
    inputs, old = work.inputs, work.old
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
    options = metadata_options(inputs.get("metadataOptions") or {})
    if options and options != metadata_options(
        {
            key: value
            for key, value in (old.get("metadataOptions") or {}).items()
            if key in (inputs.get("metadataOptions") or {})
        }
    ):
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
    sizes = {
        key: new[name]
        for key, name in (
            ("Size", "volumeSize"),
            ("VolumeType", "volumeType"),
            ("Iops", "iops"),
            ("Throughput", "throughput"),
        )
        if new.get(name) is not None and new[name] != old.get(name)
    }
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
