"""Subnet."""

from typing import Any

from cloud.providers.aws.ec2 import DELETE_SECONDS, MINUTE, Ec2Resource
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.schema import BOOLEAN, NETWORK4, Argument, Table


class Subnet(Ec2Resource):
    type_name = "aws:ec2/subnet:Subnet"
    noun, kind = "Subnet", "subnet"
    missing = ("InvalidSubnetID.NotFound",)
    available_within, deleted_within = 10 * MINUTE, 2 * DELETE_SECONDS
    modifies = "ModifySubnetAttribute"
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
            Argument(
                "enableResourceNameDnsAaaaRecordOnLaunch",
                BOOLEAN,
                default=False,
                api="EnableResourceNameDnsAAAARecordOnLaunch",
            ),
            Argument("mapPublicIpOnLaunch", BOOLEAN, default=False),
            Argument("privateDnsHostnameTypeOnLaunch", computed=True),
            REGION,
            TAGS,
            Argument("vpcId", required=True, replace=True),
        ),
        outputs=("arn", "ipv6CidrBlockAssociationId", "ownerId"),
    )

    def find(self, work: Work) -> dict[str, Any] | None:
        """What instances are called, the API tells in a place of its own."""
        found = super().find(work)
        if found is None:
            return None
        options = found.get("PrivateDnsNameOptionsOnLaunch", {})
        return {
            **found,
            **{f"{name}OnLaunch": value for name, value in options.items()},
            "PrivateDnsHostnameTypeOnLaunch": options.get("HostnameType", "ip-name"),
        }


RESOURCES = (Subnet(),)
