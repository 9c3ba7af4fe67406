"""Subnet."""

from typing import Any

from cloud.providers.aws.ec2 import DELETE_SECONDS, MINUTE, Ec2Resource, dependency, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.schema import BOOLEAN, NETWORK4, Argument, Table

_MISSING = ("InvalidSubnetID.NotFound",)
_ATTRIBUTES = (
    ("assignIpv6AddressOnCreation", "AssignIpv6AddressOnCreation"),
    ("mapPublicIpOnLaunch", "MapPublicIpOnLaunch"),
    ("enableDns64", "EnableDns64"),
    ("enableResourceNameDnsARecordOnLaunch", "EnableResourceNameDnsARecordOnLaunch"),
    ("enableResourceNameDnsAaaaRecordOnLaunch", "EnableResourceNameDnsAAAARecordOnLaunch"),
)


class Subnet(Ec2Resource):
    type_name = "aws:ec2/subnet:Subnet"
    kind = "subnet"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_subnet.go",
        arguments=(
            Argument("assignIpv6AddressOnCreation", BOOLEAN, default=False),
            Argument(
                "availabilityZone", replace=True, computed=True, conflicts=("availabilityZoneId",)
            ),
            Argument("availabilityZoneId", replace=True, computed=True),
            Argument("cidrBlock", NETWORK4, replace=True, computed=True),
            Argument("enableDns64", BOOLEAN, default=False),
            Argument("enableResourceNameDnsARecordOnLaunch", BOOLEAN, default=False),
            Argument("enableResourceNameDnsAaaaRecordOnLaunch", BOOLEAN, default=False),
            Argument("mapPublicIpOnLaunch", BOOLEAN, default=False),
            Argument("privateDnsHostnameTypeOnLaunch", computed=True),
            REGION,
            TAGS,
            Argument("vpcId", required=True, replace=True),
        ),
        outputs=("arn", "ipv6CidrBlockAssociationId", "ownerId"),
    )

    def make(self, work: Work) -> str:
        arguments = work.pick(
            AvailabilityZone="availabilityZone",
            AvailabilityZoneId="availabilityZoneId",
            CidrBlock="cidrBlock",
            VpcId="vpcId",
        )
        arguments["TagSpecifications"] = self.tag_specifications(work)
        return work.ec2.create_subnet(**arguments)["Subnet"]["SubnetId"]

    def _find(self, work: Work) -> Any:
        return first(work.ec2.describe_subnets, "Subnets", _MISSING, SubnetIds=[work.id])

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self._find(work)
            return found and found.get("State", "available")

        wait_until(work.call, 10 * MINUTE, f"subnet {work.id}", look, ("available",))
        self.change(work)

    def change(self, work: Work) -> None:
        current = self._attributes(self._find(work) or {})
        for name, key in _ATTRIBUTES:
            wanted = work.inputs.get(name, False)
            if wanted != current[name]:
                work.ec2.modify_subnet_attribute(SubnetId=work.id, **{key: {"Value": wanted}})
        kind = work.inputs.get("privateDnsHostnameTypeOnLaunch")
        if kind and kind != current["privateDnsHostnameTypeOnLaunch"]:
            work.ec2.modify_subnet_attribute(SubnetId=work.id, PrivateDnsHostnameTypeOnLaunch=kind)

    def _attributes(self, found: dict[str, Any]) -> dict[str, Any]:
        options = found.get("PrivateDnsNameOptionsOnLaunch", {})
        merged = {**found, **options}
        values: dict[str, Any] = {
            name: bool(merged.get(key.replace("OnLaunch", ""), merged.get(key, False)))
            for name, key in _ATTRIBUTES
        }
        values["mapPublicIpOnLaunch"] = bool(found.get("MapPublicIpOnLaunch", False))
        values["privateDnsHostnameTypeOnLaunch"] = options.get("HostnameType", "ip-name")
        return values

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        return {
            "arn": found.get("SubnetArn") or work.session.arn("ec2", f"subnet/{work.id}"),
            "availabilityZone": found["AvailabilityZone"],
            "availabilityZoneId": found.get("AvailabilityZoneId", ""),
            "cidrBlock": found["CidrBlock"],
            "vpcId": found["VpcId"],
            "ownerId": found.get("OwnerId") or work.session.account,
            "ipv6CidrBlockAssociationId": "",
            "tags": unpair(found.get("Tags")),
            **self._attributes(found),
        }

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            2 * DELETE_SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_subnet, SubnetId=work.id),
        )


RESOURCES = (Subnet(),)
