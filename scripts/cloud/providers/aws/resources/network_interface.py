"""Network interface and its attachment to an instance."""

import time
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Ask, AwsResource, Work, placed
from cloud.providers.difference import UPDATE, Changes
from cloud.providers.resource import Call
from cloud.providers.schema import BOOLEAN, INTEGER, LIST, SET, Argument, Failure, Table
from cloud.providers.values import has_unknown

_ATTACHED_SECONDS = 5 * MINUTE
_DETACHED_SECONDS = 10 * MINUTE


class NetworkInterface(Ec2Resource):
    type_name = "aws:ec2/networkInterface:NetworkInterface"
    noun, kind = "NetworkInterface", "network-interface"
    missing = ("InvalidNetworkInterfaceID.NotFound",)
    available = ("available", "in-use")
    available_within, deleted_within = 5 * MINUTE, _DETACHED_SECONDS
    modifies = "ModifyNetworkInterfaceAttribute"
    held = ("InvalidNetworkInterface.InUse",)
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_network_interface.go",
        arguments=(
            Argument("description"),
            Argument("interfaceType", replace=True, computed=True),
            # a new primary address replaces, see diff
            Argument("privateIps", SET, computed=True, conflicts=("privateIpLists",)),
            Argument("privateIpLists", LIST, computed=True),
            Argument("privateIpListEnabled", BOOLEAN, default=False),
            REGION,
            Argument("securityGroups", SET, computed=True, api="Groups"),
            Argument("sourceDestCheck", BOOLEAN, default=True),
            Argument("subnetId", required=True, replace=True),
            TAGS,
        ),
        outputs=(
            "arn",
            "attachments",
            "macAddress",
            "outpostArn",
            "ownerId",
            "privateDnsName",
            "privateIp",
            "privateIpsCount",
        ),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        if inputs.get("privateIpLists") is None or inputs.get("privateIpListEnabled"):
            return []
        reason = "'privateIpLists' has no effect without privateIpListEnabled=true"
        return [Failure("privateIpLists", reason)]

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        """The primary address stays for the interface's life (CustomizeDiff)."""
        changes = super().diff(state, inputs, call)
        primary = (state.get("privateIpLists") or [state.get("privateIp")])[0]
        if inputs.get("privateIpListEnabled"):
            wanted = (inputs.get("privateIpLists") or [None])[:1]
            name = "privateIpLists"
        else:
            wanted, name = inputs.get("privateIps") or [], "privateIps"
        if name in changes and (has_unknown(wanted) or primary not in wanted):
            changes[name] = (UPDATE, True)
        return changes

    def computed_on_update(self, old: dict[str, Any], inputs: dict[str, Any]) -> set[str]:
        names = ("privateIps", "privateIpLists", "privateIpsCount")  # follow one another
        touched = any(name in inputs and inputs[name] != old.get(name) for name in names)
        return {name for name in names if name not in inputs} if touched else set()

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        arguments = super().given(work, operation)
        addresses = work.inputs.get(self._listed(work)) or []
        if addresses:
            arguments["PrivateIpAddresses"] = [
                {"PrivateIpAddress": address, "Primary": index == 0}
                for index, address in enumerate(addresses)
            ]
        return arguments

    def _listed(self, work: Work) -> str:
        return "privateIpLists" if work.inputs.get("privateIpListEnabled") else "privateIps"

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        addresses = sorted(
            found.get("PrivateIpAddresses", []), key=lambda one: not one.get("Primary")
        )
        ordered = [one["PrivateIpAddress"] for one in addresses]
        attached = found.get("Attachment") or {}
        attachment = {
            "attachmentId": attached.get("AttachmentId"),
            "deviceIndex": attached.get("DeviceIndex", 0),
            "instance": attached.get("InstanceId", ""),
        }
        return {
            **super().told(work, found),
            "attachments": [attachment] if attachment["attachmentId"] else [],
            "privateIp": found["PrivateIpAddress"],
            "privateIps": ordered,
            "privateIpLists": ordered,
            "privateIpsCount": len(ordered) - 1,
            "securityGroups": [one["GroupId"] for one in found.get("Groups", [])],
        }

    def change(self, work: Work) -> None:
        listed = self._listed(work)
        if listed not in work.inputs:
            return
        before, after = set(work.old.get("privateIps") or []), set(work.inputs[listed])
        if before - after:
            work.ec2.unassign_private_ip_addresses(
                NetworkInterfaceId=work.id, PrivateIpAddresses=sorted(before - after)
            )
        if after - before:
            work.ec2.assign_private_ip_addresses(
                NetworkInterfaceId=work.id, PrivateIpAddresses=sorted(after - before)
            )

    def destroy(self, work: Work) -> None:
        found = self.find(work)
        if found is None:
            return
        attached = found.get("Attachment") or {}
        # index 0 cannot be detached: it is freed when its instance is terminated
        if attached.get("AttachmentId") and attached.get("DeviceIndex", 0) > 0:
            detach(work, work.id, attached["AttachmentId"])
        super().destroy(work)


_INTERFACE = NetworkInterface()


def detach(work: Work, interface_id: str, attachment_id: str) -> None:
    """Detaches and waits until the interface is free. Index 0 only goes with its instance."""
    missing = ("InvalidAttachmentID.NotFound",)
    retrying(
        work.call,
        _DETACHED_SECONDS,
        lambda code, _: code == "IncorrectState",
        lambda: ignoring(
            missing, work.ec2.detach_network_interface, AttachmentId=attachment_id, Force=True
        ),
    )

    def look() -> str:
        found = _INTERFACE.look_up(work, interface_id)
        attached = (found or {}).get("Attachment") or {}
        return "detached" if attached.get("AttachmentId") != attachment_id else "attached"

    what = f"attachment {attachment_id}"
    wait_until(work.call, _DETACHED_SECONDS, what, look, ("detached",))


class NetworkInterfaceAttachment(AwsResource):
    type_name = "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_network_interface_attachment.go",
        arguments=(
            Argument("deviceIndex", INTEGER, required=True, replace=True),
            Argument("instanceId", required=True, replace=True),
            Argument("networkCardIndex", INTEGER, replace=True, computed=True),
            Argument("networkInterfaceId", required=True, replace=True),
            REGION,
        ),
        outputs=("attachmentId", "status"),
    )

    def make(self, work: Work) -> str:
        arguments = self.given(work, "AttachNetworkInterface")
        return work.ec2.attach_network_interface(**arguments)["AttachmentId"]

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        path = "NetworkInterfaces[].Attachment.AttachmentId"
        interface = inputs["networkInterfaceId"]
        return placed(ask, _INTERFACE.lists, path, "network-interface-id", interface)

    def _attached(self, work: Work) -> Any:
        values = {**work.old, **work.inputs}
        found: Any
        if values.get("networkInterfaceId"):
            found = _INTERFACE.look_up(work, values["networkInterfaceId"])
        else:
            by_id = [{"Name": "attachment.attachment-id", "Values": [work.id]}]
            found = first(
                work.ec2.describe_network_interfaces, "NetworkInterfaces", (), Filters=by_id
            )
        attached = (found or {}).get("Attachment") or {}
        if attached.get("AttachmentId") != work.id:
            return None
        return {**attached, "NetworkInterfaceId": found["NetworkInterfaceId"]}

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self._attached(work)
            return found and found.get("Status", "attached")

        wait_until(work.call, _ATTACHED_SECONDS, f"attachment {work.id}", look, ("attached",))

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._attached(work)
        if found is None:
            return None
        return {
            "attachmentId": work.id,
            "deviceIndex": found.get("DeviceIndex", 0),
            "instanceId": found.get("InstanceId", ""),
            "networkCardIndex": found.get("NetworkCardIndex", 0),
            "networkInterfaceId": found["NetworkInterfaceId"],
            "status": found.get("Status", "attached"),
        }

    def destroy(self, work: Work) -> None:
        started = time.monotonic()
        detach(work, work.old["networkInterfaceId"], work.id)
        work.call.log("debug", f"detached after {time.monotonic() - started:.1f} s")


RESOURCES = (_INTERFACE, NetworkInterfaceAttachment())
