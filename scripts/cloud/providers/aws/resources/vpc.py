"""VPC."""

from typing import Any

from cloud.providers.aws.ec2 import (
    DELETE_SECONDS,
    MINUTE,
    Ec2Resource,
    dependency,
    filters,
    first,
)
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.difference import Changes
from cloud.providers.resource import Call
from cloud.providers.schema import BOOLEAN, NETWORK4, Argument, Failure, Table
from cloud.providers.values import Unknown

_MISSING = ("InvalidVpcID.NotFound",)
_LARGEST, _SMALLEST = 16, 28  # vpcCIDRMinIPv4Netmask, vpcCIDRMaxIPv4Netmask
_ATTRIBUTES = (
    ("enableDnsSupport", "EnableDnsSupport"),
    ("enableDnsHostnames", "EnableDnsHostnames"),
    ("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"),
)


class Vpc(Ec2Resource):
    type_name = "aws:ec2/vpc:Vpc"
    kind = "vpc"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_.go",
        arguments=(
            Argument("cidrBlock", NETWORK4, replace=True, computed=True),
            Argument("enableDnsHostnames", BOOLEAN, computed=True),
            Argument("enableDnsSupport", BOOLEAN, default=True),
            Argument("enableNetworkAddressUsageMetrics", BOOLEAN, computed=True),
            # replaces on the way to dedicated only, see diff
            Argument("instanceTenancy", default="default", choices=("default", "dedicated")),
            REGION,
            TAGS,
        ),
        outputs=(
            "arn",
            "defaultNetworkAclId",
            "defaultRouteTableId",
            "defaultSecurityGroupId",
            "dhcpOptionsId",
            "ipv6AssociationId",
            "mainRouteTableId",
            "ownerId",
        ),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        block = inputs.get("cidrBlock")
        if block is None or isinstance(block, Unknown):
            return []
        if _LARGEST <= int(block.rpartition("/")[2]) <= _SMALLEST:
            return []
        reason = f"expected a network from /{_LARGEST} to /{_SMALLEST}, found {block!r}"
        return [Failure("cidrBlock", reason)]

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        """A VPC can give up dedicated tenancy and not take it on (resourceVPCCustomizeDiff)."""
        changes = super().diff(state, inputs, call)
        name = "instanceTenancy"
        if name in changes and inputs.get(name, "default") != "default":
            changes[name] = (changes[name][0], True)
        return changes

    def make(self, work: Work) -> str:
        arguments = work.pick(
            CidrBlock="cidrBlock",
            InstanceTenancy="instanceTenancy",
        )
        arguments["TagSpecifications"] = self.tag_specifications(work)
        return work.ec2.create_vpc(**arguments)["Vpc"]["VpcId"]

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = first(work.ec2.describe_vpcs, "Vpcs", _MISSING, VpcIds=[work.id])
            return found and found.get("State", "available")

        wait_until(work.call, 10 * MINUTE, f"VPC {work.id}", look, ("available",))
        self.change(work)

    def change(self, work: Work) -> None:
        if work.old and work.old.get("instanceTenancy") != work.inputs.get(
            "instanceTenancy", "default"
        ):
            work.ec2.modify_vpc_tenancy(VpcId=work.id, InstanceTenancy="default")
        current = self._attributes(work)
        for name, key in _ATTRIBUTES:
            wanted = work.inputs.get(name, self.table.by_name[name].default)
            if wanted is not None and wanted != current[name]:
                work.ec2.modify_vpc_attribute(VpcId=work.id, **{key: {"Value": wanted}})

    def _attributes(self, work: Work) -> dict[str, bool]:
        values = {}
        for name, key in _ATTRIBUTES:
            answer = work.ec2.describe_vpc_attribute(VpcId=work.id, Attribute=name)
            values[name] = answer.get(key, {}).get("Value", False)
        return values

    def describe(self, work: Work) -> dict[str, Any] | None:
        ec2, session = work.ec2, work.session
        found = first(ec2.describe_vpcs, "Vpcs", _MISSING, VpcIds=[work.id])
        if found is None:
            return None
        acl = first(
            ec2.describe_network_acls,
            "NetworkAcls",
            (),
            Filters=filters(vpc_id=work.id, default="true"),
        )
        main = first(
            ec2.describe_route_tables,
            "RouteTables",
            (),
            Filters=[
                *filters(vpc_id=work.id),
                {"Name": "association.main", "Values": ["true"]},
            ],
        )
        group = first(
            ec2.describe_security_groups,
            "SecurityGroups",
            (),
            Filters=filters(vpc_id=work.id, group_name="default"),
        )
        table_id = (main or {}).get("RouteTableId", "")
        return {
            "arn": session.arn("ec2", f"vpc/{work.id}"),
            "cidrBlock": found["CidrBlock"],
            "instanceTenancy": found.get("InstanceTenancy", "default"),
            "dhcpOptionsId": found.get("DhcpOptionsId", ""),
            "ownerId": found.get("OwnerId") or session.account,
            "defaultNetworkAclId": (acl or {}).get("NetworkAclId", ""),
            "defaultRouteTableId": table_id,
            "mainRouteTableId": table_id,
            "defaultSecurityGroupId": (group or {}).get("GroupId", ""),
            "ipv6AssociationId": "",
            "tags": unpair(found.get("Tags")),
            **self._attributes(work),
        }

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            DELETE_SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_vpc, VpcId=work.id),
        )


RESOURCES = (Vpc(),)
