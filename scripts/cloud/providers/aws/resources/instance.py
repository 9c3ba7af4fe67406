"""Instance."""

import base64
import binascii
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.parameters import parameters
from cloud.providers.aws.resource import Ask, Work, listed, pairs
from cloud.providers.aws.resources import instance_update as update
from cloud.providers.aws.resources.instance_table import ROOT_DEVICE, TABLE
from cloud.providers.difference import Changes
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import Failure
from cloud.providers.values import UNKNOWN, has_unknown

_CREATE_SECONDS = 10 * MINUTE
_DELETE_SECONDS = 20 * MINUTE
_PROPAGATION_SECONDS = 2 * MINUTE  # of IAM, as the official plugin waits
_USER_DATA_BYTES = 16384  # EC2's limit, before base64


class Instance(Ec2Resource):
    type_name = "aws:ec2/instance:Instance"
    noun, kind = "Instance", "instance"
    items = "Reservations[].Instances[]"
    living = f"{items} | [?State.Name != 'terminated' && State.Name != 'shutting-down']"
    missing = ("InvalidInstanceID.NotFound",)
    table = TABLE

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        failures = []
        data, encoded = inputs.get("userData"), inputs.get("userDataBase64")
        if isinstance(data, str) and len(data.encode()) > _USER_DATA_BYTES:
            failures.append(
                Failure(
                    "userData",
                    f"expected at most {_USER_DATA_BYTES} bytes, found {len(data.encode())}",
                )
            )
        if isinstance(encoded, str) and not _is_base64(encoded):
            failures.append(Failure("userDataBase64", "must be base64-encoded"))
        return failures

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        """User data replaces when userDataReplaceOnChange is set (CustomizeDiff)."""
        changes = super().diff(state, inputs, call)
        for name in ("userData", "userDataBase64"):
            if name in changes and inputs.get("userDataReplaceOnChange"):
                changes[name] = (changes[name][0], True)
        return changes

    def computed_on_update(self, old: dict[str, Any], inputs: dict[str, Any]) -> set[str]:
        """A stop and start gives a new automatic public address."""
        restarts = any(
            name in inputs and inputs[name] != old.get(name)
            for name in ("instanceType", "userData", "userDataBase64")
        )
        return {"publicIp", "publicDns"} if restarts and old.get("publicIp") else set()

    def preview(
        self, old: dict[str, Any] | None, inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        state = super().preview(old, inputs, call)
        interface = (inputs.get("primaryNetworkInterface") or {}).get("networkInterfaceId")
        if interface:
            state["primaryNetworkInterfaceId"] = interface
        if has_unknown(inputs.get("ami")):
            state["ami"] = UNKNOWN
        return state

    # -- create

    def make(self, work: Work) -> str:
        arguments = self.given(work, "RunInstances")
        arguments["BlockDeviceMappings"] = self._devices(work)
        arguments["TagSpecifications"] = self._tags(work)
        arguments = {key: value for key, value in arguments.items() if value not in (None, {}, [])}
        answer = retrying(
            work.call,
            _PROPAGATION_SECONDS,
            _profile_not_there_yet,
            lambda: work.ec2.run_instances(MinCount=1, MaxCount=1, **arguments),
        )
        return answer["Instances"][0]["InstanceId"]

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        """What RunInstances takes in another form than ModifyInstanceAttribute or not at the top
        level."""
        inputs, arguments = work.inputs, super().given(work, operation)
        places = self.model(work).shape_for("Placement").members
        arguments["Placement"] = parameters(self.table.arguments, inputs, places)
        if inputs.get("userDataBase64"):  # botocore encodes what it gets
            arguments["UserData"] = base64.b64decode(inputs["userDataBase64"])
        if inputs.get("iamInstanceProfile"):
            arguments["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
        arguments["HibernationOptions"] = {"Configured": True} if inputs.get("hibernation") else {}
        arguments["Monitoring"] = {"Enabled": True} if inputs.get("monitoring") else {}
        interface = (inputs.get("primaryNetworkInterface") or {}).get("networkInterfaceId")
        if interface:
            arguments["NetworkInterfaces"] = [{"DeviceIndex": 0, "NetworkInterfaceId": interface}]
        elif inputs.get("associatePublicIpAddress") is not None:
            arguments["NetworkInterfaces"] = [_interface(inputs, arguments)]
        return arguments

    def _tags(self, work: Work) -> list[dict[str, Any]]:
        root = (work.inputs.get("rootBlockDevice") or {}).get("tags")
        volume = {**work.session.config.default_tags, **root} if root else {}
        specifications = self.tag_specifications(work)
        if volume:
            specifications.append({"ResourceType": "volume", "Tags": pairs(volume)})
        return specifications

    def _devices(self, work: Work) -> list[dict[str, Any]]:
        root = work.inputs.get("rootBlockDevice")
        if not root:
            return []
        image = work.inputs["ami"]
        found = first(work.ec2.describe_images, "Images", (), ImageIds=[image])
        if found is None:
            raise ProviderError(f"image {image} (ami) was not found in {work.session.region}")
        ebs = parameters(ROOT_DEVICE, root)
        ebs.pop("Tags", None)
        return [{"DeviceName": found.get("RootDeviceName", "/dev/xvda"), "Ebs": ebs}]

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self.find(work)
            return found["State"]["Name"] if found else None

        state = wait_until(
            work.call,
            _CREATE_SECONDS,
            f"instance {work.id}",
            look,
            ("running", "stopped", "shutting-down", "terminated"),
        )
        if state in ("shutting-down", "terminated"):
            reason = (self.find(work) or {}).get("StateReason", {}).get("Message", "no reason")
            raise ProviderError(f"instance {work.id} became {state} after launch: {reason}")
        if work.inputs.get("sourceDestCheck") is False:
            work.ec2.modify_instance_attribute(InstanceId=work.id, SourceDestCheck={"Value": False})

    # -- read

    def ended(self, found: dict[str, Any]) -> bool:
        return found["State"]["Name"] == "terminated"

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        places = dict.fromkeys(self.model(work).shape_for("Placement").members)
        told = super().told(work, {**places, **found.get("Placement", {}), **found})
        del told["securityGroups"]  # by name, which only a launch takes
        return {**told, **update.told(work, found)}

    def ending(self, ids: list[str], ask: Ask) -> bool:
        state = "Name=instance-state-name,Values=shutting-down"
        words = ("--filters", f"Name=instance-id,Values={','.join(ids)}", state)
        return bool(listed(ask, "ec2", self.lists, f"{self.items}.InstanceId", *words))

    # -- update

    def change(self, work: Work) -> None:
        update.change(work, lambda: (self.find(work) or {}).get("State", {}).get("Name"))

    # -- delete

    def destroy(self, work: Work) -> None:
        for name, key in (
            ("disableApiTermination", "DisableApiTermination"),
            ("disableApiStop", "DisableApiStop"),
        ):
            if work.old.get(name) and work.old.get("forceDestroy"):
                ignoring(
                    self.missing,
                    work.ec2.modify_instance_attribute,
                    InstanceId=work.id,
                    **{key: {"Value": False}},
                )
        ignoring(self.missing, work.ec2.terminate_instances, InstanceIds=[work.id])

        def look() -> str:
            found = self.find(work)
            return found["State"]["Name"] if found else "terminated"

        wait_until(work.call, _DELETE_SECONDS, f"instance {work.id}", look, ("terminated",))


def _profile_not_there_yet(code: str, message: str) -> bool:
    return code == "InvalidParameterValue" and (
        "Invalid IAM Instance Profile" in message or "has no associated IAM Roles" in message
    )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _interface(inputs: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The interface that the launch makes, out of the arguments that stand for it."""
    described = {
        "DeviceIndex": 0,
        "DeleteOnTermination": True,
        "AssociatePublicIpAddress": inputs["associatePublicIpAddress"],
        "SubnetId": arguments.pop("SubnetId", None),
        "PrivateIpAddress": arguments.pop("PrivateIpAddress", None),
        "Groups": arguments.pop("SecurityGroupIds", None),
    }
    arguments.pop("SecurityGroups", None)
    return {key: value for key, value in described.items() if value is not None}


RESOURCES = (Instance(),)
