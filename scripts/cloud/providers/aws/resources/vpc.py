"""VPC."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, filters, first
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.difference import Changes
from cloud.providers.resource import Call
from cloud.providers.schema import BOOLEAN, NETWORK4, Argument, Failure, Table
from cloud.providers.values import Unknown

_LARGEST, _SMALLEST = 16, 28  # vpcCIDRMinIPv4Netmask, vpcCIDRMaxIPv4Netmask


class Vpc(Ec2Resource):
    type_name = "aws:ec2/vpc:Vpc"
    noun, kind = "Vpc", "vpc"
    missing = ("InvalidVpcID.NotFound",)
    available_within = 10 * MINUTE
    modifies = "ModifyVpcAttribute"
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

    def find(self, work: Work) -> dict[str, Any] | None:
        """Each attribute is told in an answer of its own."""
        found = super().find(work)
        for name in ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"):
            if found is not None:
                answer = work.ec2.describe_vpc_attribute(VpcId=work.id, Attribute=name)
                parameter = self.table.by_name[name].parameter
                found[parameter] = answer.get(parameter, {}).get("Value", False)
        return found

    def change(self, work: Work) -> None:
        if work.old.get("instanceTenancy") != work.inputs.get("instanceTenancy", "default"):
            work.ec2.modify_vpc_tenancy(VpcId=work.id, InstanceTenancy="default")

    def describe(self, work: Work) -> dict[str, Any] | None:
        described = super().describe(work)
        if described is None:
            return None
        ec2, own = work.ec2, filters(vpc_id=work.id)
        main = {"Name": "association.main", "Values": ["true"]}
        acl = first(
            ec2.describe_network_acls, "NetworkAcls", (), Filters=[*own, *filters(default="true")]
        )
        table = first(ec2.describe_route_tables, "RouteTables", (), Filters=[*own, main])
        group = first(
            ec2.describe_security_groups,
            "SecurityGroups",
            (),
            Filters=[*own, *filters(group_name="default")],
        )
        table_id = (table or {}).get("RouteTableId", "")
        return {
            **described,
            "defaultNetworkAclId": (acl or {}).get("NetworkAclId", ""),
            "defaultRouteTableId": table_id,
            "mainRouteTableId": table_id,
            "defaultSecurityGroupId": (group or {}).get("GroupId", ""),
        }


RESOURCES = (Vpc(),)
