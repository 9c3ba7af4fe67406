"""Elastic IP address and its association."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, first
from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.resource import REGION, TAGS, Ask, AwsResource, Work, placed
from cloud.providers.schema import BOOLEAN, Argument, Table

_MISSING = ("InvalidAllocationID.NotFound", "InvalidAddress.NotFound")
_SECONDS = 5 * MINUTE


def _attaching(code: str, message: str) -> bool:
    """An instance that is still pending takes no address yet."""
    return code in _MISSING or (code == "InvalidInstanceID" and "pending" in message)


class Eip(Ec2Resource):
    type_name = "aws:ec2/eip:Eip"
    kind, identifier = "elastic-ip", "AllocationId"
    creates, lists, deletes = "AllocateAddress", "DescribeAddresses", "ReleaseAddress"
    items = "Addresses[]"
    missing = _MISSING
    held = ("AuthFailure", "InvalidIPAddress.InUse")
    deleted_within = _SECONDS
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_eip.go",
        arguments=(
            Argument("address", replace=True),
            Argument("associateWithPrivateIp"),
            Argument("domain", choices=("vpc", "standard"), replace=True, computed=True),
            Argument("instance", computed=True, api="InstanceId"),
            Argument("networkBorderGroup", replace=True, computed=True),
            Argument("networkInterface", computed=True, api="NetworkInterfaceId"),
            Argument("publicIpv4Pool", replace=True, computed=True),
            REGION,
            TAGS,
        ),
        outputs=(
            "allocationId",
            "arn",
            "associationId",
            "carrierIp",
            "customerOwnedIp",
            "privateDns",
            "privateIp",
            "ptrRecord",
            "publicDns",
            "publicIp",
        ),
    )

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        return {"Domain": "vpc", **super().given(work, operation)}

    def settle(self, work: Work) -> None:
        inputs = work.inputs
        instance, interface = inputs.get("instance"), inputs.get("networkInterface")
        if not instance and not interface:
            return
        found = self.find(work) or {}
        if interface and found.get("NetworkInterfaceId") == interface:
            return
        if instance and not interface and found.get("InstanceId") == instance:
            return
        target = {"NetworkInterfaceId": interface} if interface else {"InstanceId": instance}
        arguments = work.pick(PrivateIpAddress="associateWithPrivateIp")
        retrying(
            work.call,
            _SECONDS,
            _attaching,
            lambda: work.ec2.associate_address(AllocationId=work.id, **target, **arguments),
        )

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        public, region = found["PublicIp"], work.session.region
        private = found.get("PrivateIpAddress", "")
        suffix = f"{region}.compute" if region != "us-east-1" else "compute-1"
        inside = f"{region}.compute.internal" if region != "us-east-1" else "ec2.internal"
        return {
            **super().told(work, found),
            "networkBorderGroup": found.get("NetworkBorderGroup") or region,
            "privateIp": private,
            "privateDns": f"ip-{private.replace('.', '-')}.{inside}" if private else "",
            "publicDns": f"ec2-{public.replace('.', '-')}.{suffix}.{work.session.dns_suffix}",
            "publicIpv4Pool": found.get("PublicIpv4Pool") or "amazon",
        }

    def change(self, work: Work) -> None:
        names = ("instance", "networkInterface", "associateWithPrivateIp")
        if work.changed(*(name for name in names if name in work.inputs)):
            self._disassociate(work)

    def _disassociate(self, work: Work) -> None:
        association = (self.find(work) or {}).get("AssociationId")
        if association:
            ignoring(
                ("InvalidAssociationID.NotFound",),
                work.ec2.disassociate_address,
                AssociationId=association,
            )

    def destroy(self, work: Work) -> None:
        self._disassociate(work)
        super().destroy(work)


class EipAssociation(AwsResource):
    type_name = "aws:ec2/eipAssociation:EipAssociation"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_eip_association.go",
        arguments=(
            Argument("allocationId", replace=True, computed=True),
            Argument("allowReassociation", BOOLEAN, replace=True),
            Argument("instanceId", replace=True, computed=True),
            Argument("networkInterfaceId", replace=True, computed=True),
            Argument("privateIpAddress", replace=True, computed=True),
            Argument("publicIp", replace=True, computed=True),
            REGION,
        ),
    )

    def make(self, work: Work) -> str:
        arguments = self.given(work, "AssociateAddress")
        return retrying(
            work.call,
            _SECONDS,
            _attaching,
            lambda: work.ec2.associate_address(**arguments)["AssociationId"],
        )

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        path, address = "Addresses[].AssociationId", inputs["allocationId"]
        return placed(ask, "DescribeAddresses", path, "allocation-id", address)

    def describe(self, work: Work) -> dict[str, Any] | None:
        by_id = [{"Name": "association-id", "Values": [work.id]}]
        found = first(work.ec2.describe_addresses, "Addresses", _MISSING, Filters=by_id)
        if found is None:
            return None
        return {
            "allocationId": found["AllocationId"],
            "instanceId": found.get("InstanceId") or "",
            "networkInterfaceId": found.get("NetworkInterfaceId") or "",
            "privateIpAddress": found.get("PrivateIpAddress") or "",
            "publicIp": found["PublicIp"],
        }

    def destroy(self, work: Work) -> None:
        ignoring(
            ("InvalidAssociationID.NotFound",),
            work.ec2.disassociate_address,
            AssociationId=work.id,
        )


RESOURCES = (Eip(), EipAssociation())
