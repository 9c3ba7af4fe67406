"""What AWS refuses about a launch besides its interfaces: what it names must be there."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cloud.api import lookup
from cloud.api.instances import IMAGE_GIB
from cloud.refusals.guard import Call, refuse, refuses

USER_DATA_BYTES = 16384
"""Before base64: EC2 User Guide, instancedata-add-user-data."""


@refuses("ec2", "RunInstances", code="MissingParameter")
def image_is_not_named(call: Call) -> None:
    """Neither an image nor a launch template is named.

    Source: errors-overview (MissingParameter); AWSEC2 API Reference, RunInstances (ImageId: "An
    AMI ID is required to launch an instance and must be specified here or in a launch template").
    """
    if not call.get("ImageId") and not call.get("LaunchTemplate"):
        refuse("MissingParameter", "The request must contain the parameter ImageId")


@refuses("ec2", "RunInstances", code=("InvalidAMIID.NotFound", "InvalidAMIID.Malformed"))
def image_does_not_exist(call: Call) -> None:
    """The image does not exist, or its id is not one.

    Source: errors-overview (InvalidAMIID.NotFound, InvalidAMIID.Malformed); text as observed in
    brikis98/terraform-up-and-running-code#65.
    """
    if call.get("ImageId"):
        call.backend.describe_images(ami_ids=[call.get("ImageId")])


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def instance_type_does_not_exist(call: Call) -> None:
    """The instance type is not one.

    Source: observed in getmoto/moto#1695 (code and text).
    """
    kind = call.get("InstanceType")
    if kind and not lookup.is_instance_type(call.backend, kind):
        refuse("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")


@refuses("ec2", "RunInstances", code="InvalidKeyPair.NotFound")
def key_pair_does_not_exist(call: Call) -> None:
    """The key pair does not exist.

    Source: errors-overview (InvalidKeyPair.NotFound); text as observed in
    hashicorp/vault-guides#260.
    """
    name = call.get("KeyName")
    if name and name not in call.backend.key_pairs:
        refuse("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def address_for_several_instances(call: Call) -> None:
    """A private address is named, and more than one instance is to be launched.

    Source: AWSEC2 API Reference, RunInstances (PrivateIpAddress: "You cannot specify this option
    if you're launching more than one instance in the request"); the code is inferred, the text is
    ours.
    """
    if call.get("PrivateIpAddress") and int(call.get("MaxCount", 1)) > 1:
        refuse(
            "InvalidParameterCombination",
            f"The private IP address {call.get('PrivateIpAddress')} may not be specified when"
            f" launching {call.get('MaxCount')} instances",
        )


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def user_data_is_too_large(call: Call) -> None:
    """The user data has more than 16384 bytes before base64.

    Source: EC2 User Guide, instancedata-add-user-data; code and text as observed in
    runs-on/runs-on#9 and supergiant/capacity#148.
    """
    try:
        size = len(base64.b64decode(call.get("UserData") or "", validate=True))
    except (binascii.Error, ValueError):
        return
    if size > USER_DATA_BYTES:
        refuse("InvalidParameterValue", f"User data is limited to {USER_DATA_BYTES} bytes")


@refuses("ec2", "RunInstances", code="InvalidBlockDeviceMapping")
def root_volume_is_smaller_than_the_image(call: Call) -> None:
    """The root volume is to be smaller than the image.

    Source: observed in scylladb/scylla-cluster-tests#2484 and aws/karpenter-provider-aws#3302
    (code and text).
    """
    for mapping in call.get("BlockDeviceMappings", []):
        size = (mapping.get("Ebs") or {}).get("VolumeSize")
        for image in _images(call):
            if mapping.get("DeviceName") == image.root_device_name and int(size or IMAGE_GIB) < (
                IMAGE_GIB
            ):
                refuse(
                    "InvalidBlockDeviceMapping",
                    f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}',"
                    f" expect size >= {IMAGE_GIB}GB",
                )


def _images(call: Call) -> list[Any]:
    named = call.get("ImageId")
    return call.backend.describe_images(ami_ids=[named]) if named else []
