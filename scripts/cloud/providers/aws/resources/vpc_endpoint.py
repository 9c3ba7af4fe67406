"""VPC endpoint, of the type Gateway."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource
from cloud.providers.aws.errors import ignoring, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.aws.resources.iam import check_policy
from cloud.providers.schema import JSON, SET, Argument, Failure, Table


class VpcEndpoint(Ec2Resource):
    type_name = "aws:ec2/vpcEndpoint:VpcEndpoint"
    noun, kind = "VpcEndpoint", "vpc-endpoint"
    missing = ("InvalidVpcEndpointId.NotFound",)
    available_within, deleted_within = 10 * MINUTE, 10 * MINUTE
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_endpoint.go",
        arguments=(
            Argument("policy", JSON, computed=True, api="PolicyDocument"),
            REGION,
            Argument("routeTableIds", SET, computed=True),
            Argument("serviceName", replace=True),
            TAGS,
            Argument("vpcEndpointType", replace=True, default="Gateway", choices=("Gateway",)),
            Argument("vpcId", required=True, replace=True),
        ),
        outputs=(
            "arn",
            "cidrBlocks",
            "dnsEntries",
            "networkInterfaceIds",
            "ownerId",
            "prefixListId",
            "requesterManaged",
            "state",
        ),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        return check_policy(inputs, "policy")

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        """The prefix list is one of the service's, which EC2 tells by its name."""
        service = found.get("ServiceName", "")
        named = [{"Name": "prefix-list-name", "Values": [service]}]
        lists = work.ec2.describe_prefix_lists(Filters=named)["PrefixLists"] or [{}]
        return {
            **super().told(work, found),
            "cidrBlocks": lists[0].get("Cidrs", []),
            "dnsEntries": found.get("DnsEntries", []),
            "networkInterfaceIds": found.get("NetworkInterfaceIds", []),
            "prefixListId": lists[0].get("PrefixListId", ""),
            "requesterManaged": found.get("RequesterManaged", False),
            "routeTableIds": sorted(found.get("RouteTableIds", [])),
        }

    def change(self, work: Work) -> None:
        changes: dict[str, Any] = {}
        if "routeTableIds" in work.inputs:
            before = set(work.old.get("routeTableIds") or ())
            after = set(work.inputs["routeTableIds"])
            changes = {
                "AddRouteTableIds": sorted(after - before),
                "RemoveRouteTableIds": sorted(before - after),
            }
        if "policy" in work.inputs and work.changed("policy"):
            changes["PolicyDocument"] = work.inputs["policy"]
        changes = {name: value for name, value in changes.items() if value}
        if changes:
            work.ec2.modify_vpc_endpoint(VpcEndpointId=work.id, **changes)

    def destroy(self, work: Work) -> None:
        ignoring(self.missing, work.ec2.delete_vpc_endpoints, VpcEndpointIds=[work.id])

        def look() -> str:
            return (self.find(work) or {}).get("State", "deleted").lower()

        what = f"VPC endpoint {work.id}"
        wait_until(work.call, self.deleted_within, what, look, ("deleted",))


RESOURCES = (VpcEndpoint(),)
