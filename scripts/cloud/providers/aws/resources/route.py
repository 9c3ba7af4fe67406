"""Route table, its routes, and its association with a subnet."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, dependency, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import REGION, TAGS, AwsResource, Work, unpair
from cloud.providers.resource import ProviderError
from cloud.providers.schema import NETWORK4, NETWORK6, Argument, Table

_MISSING = ("InvalidRouteTableID.NotFound",)
_SECONDS = 5 * MINUTE


def _find_table(work: Work, table_id: str) -> Any:
    return first(work.ec2.describe_route_tables, "RouteTables", _MISSING, RouteTableIds=[table_id])


class RouteTable(Ec2Resource):
    type_name = "aws:ec2/routeTable:RouteTable"
    kind = "route-table"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_route_table.go",
        arguments=(
            REGION,
            TAGS,
            Argument("vpcId", required=True, replace=True),
        ),
        outputs=("arn", "ownerId", "propagatingVgws", "routes"),
    )

    def make(self, work: Work) -> str:
        answer = work.ec2.create_route_table(
            VpcId=work.inputs["vpcId"], TagSpecifications=self.tag_specifications(work)
        )
        return answer["RouteTable"]["RouteTableId"]

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = _find_table(work, work.id)
        if found is None:
            return None
        routes = [
            {
                "cidrBlock": route.get("DestinationCidrBlock", ""),
                "gatewayId": route.get("GatewayId", ""),
                "networkInterfaceId": route.get("NetworkInterfaceId", ""),
            }
            for route in found.get("Routes", [])
            if route.get("Origin") == "CreateRoute"
        ]
        return {
            "arn": work.session.arn("ec2", f"route-table/{work.id}"),
            "ownerId": found.get("OwnerId") or work.session.account,
            "propagatingVgws": [one["GatewayId"] for one in found.get("PropagatingVgws", [])],
            "routes": routes,
            "vpcId": found["VpcId"],
            "tags": unpair(found.get("Tags")),
        }

    def destroy(self, work: Work) -> None:
        """The official plugin takes the associations away first, whoever made them."""
        for one in (_find_table(work, work.id) or {}).get("Associations", []):
            if not one.get("Main"):
                ignoring(
                    ("InvalidAssociationID.NotFound",),
                    work.ec2.disassociate_route_table,
                    AssociationId=one["RouteTableAssociationId"],
                )
        retrying(
            work.call,
            _SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_route_table, RouteTableId=work.id),
        )


_DESTINATIONS = (
    ("destinationCidrBlock", "DestinationCidrBlock"),
    ("destinationIpv6CidrBlock", "DestinationIpv6CidrBlock"),
    ("destinationPrefixListId", "DestinationPrefixListId"),
)
_TARGETS = (
    ("carrierGatewayId", "CarrierGatewayId"),
    ("coreNetworkArn", "CoreNetworkArn"),
    ("egressOnlyGatewayId", "EgressOnlyInternetGatewayId"),
    ("gatewayId", "GatewayId"),
    ("localGatewayId", "LocalGatewayId"),
    ("natGatewayId", "NatGatewayId"),
    ("networkInterfaceId", "NetworkInterfaceId"),
    ("transitGatewayId", "TransitGatewayId"),
    ("vpcEndpointId", "VpcEndpointId"),
    ("vpcPeeringConnectionId", "VpcPeeringConnectionId"),
)
# Destinations that a target does not serve.
_NOT_TO = {
    "carrierGatewayId": ("destinationIpv6CidrBlock",),
    "egressOnlyGatewayId": ("destinationCidrBlock",),
    "vpcEndpointId": ("destinationPrefixListId",),
}


class Route(AwsResource):
    type_name = "aws:ec2/route:Route"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_route.go",
        arguments=(
            Argument("destinationCidrBlock", NETWORK4, replace=True),
            Argument("destinationIpv6CidrBlock", NETWORK6, replace=True),
            Argument("destinationPrefixListId", replace=True),
            *(
                Argument(
                    name,
                    computed=name == "networkInterfaceId",
                    conflicts=_NOT_TO.get(name, ()),
                )
                for name, _ in _TARGETS
            ),
            REGION,
            Argument("routeTableId", required=True, replace=True),
        ),
        outputs=("instanceId", "instanceOwnerId", "origin", "state"),
        exactly_one=(
            tuple(name for name, _ in _DESTINATIONS),
            tuple(name for name, _ in _TARGETS),
        ),
    )

    def _destination(self, values: dict[str, Any]) -> tuple[str, str]:
        return next((key, values[name]) for name, key in _DESTINATIONS if values.get(name))

    def make(self, work: Work) -> str:
        inputs = work.inputs
        key, destination = self._destination(inputs)
        table = inputs["routeTableId"]
        if self._in_table(work, table, key, destination) is not None:
            raise ProviderError(
                f"RouteAlreadyExists: Route in Route Table ({table}) with destination "
                f"({destination}) already exists"
            )
        arguments = {api: inputs[name] for name, api in _TARGETS if inputs.get(name)}
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: (
                code in ("InvalidParameterException", "InvalidTransitGatewayID.NotFound")
            ),
            lambda: work.ec2.create_route(RouteTableId=table, **{key: destination}, **arguments),
        )
        return f"r-{table}{_crc(destination)}"

    def _in_table(self, work: Work, table_id: str, key: str, destination: str) -> Any:
        table = _find_table(work, table_id)
        for route in (table or {}).get("Routes", []):
            if route.get(key) == destination and route.get("Origin") != "CreateRouteTable":
                return route
        return None

    def settle(self, work: Work) -> None:
        key, destination = self._destination(work.inputs)

        def look() -> str | None:
            route = self._in_table(work, work.inputs["routeTableId"], key, destination)
            return route and route.get("State", "active")

        wait_until(work.call, _SECONDS, f"route to {destination}", look, ("active", "blackhole"))

    def describe(self, work: Work) -> dict[str, Any] | None:
        values = {**work.old, **work.inputs}
        if not values.get("routeTableId"):  # an import: ROUTETABLE_DESTINATION
            table, _, destination = work.id.partition("_")
            name = (
                "destinationIpv6CidrBlock"
                if ":" in destination
                else "destinationCidrBlock"
                if "." in destination
                else "destinationPrefixListId"
            )
            values = {"routeTableId": table, name: destination}
            work.id = f"r-{table}{_crc(destination)}"
        key, destination = self._destination(values)
        route = self._in_table(work, values["routeTableId"], key, destination)
        if route is None:
            return None
        found: dict[str, Any] = {
            "routeTableId": values["routeTableId"],
            "instanceId": route.get("InstanceId", ""),
            "instanceOwnerId": route.get("InstanceOwnerId", ""),
            "origin": route.get("Origin", ""),
            "state": route.get("State", ""),
        }
        for name, api in (*_DESTINATIONS, *_TARGETS):
            found[name] = route.get(api, "")
        if found["gatewayId"].startswith("vpce-"):  # EC2 tells an endpoint there
            found["vpcEndpointId"], found["gatewayId"] = found["gatewayId"], ""
        return found

    def change(self, work: Work) -> None:
        targets = {api: work.inputs[name] for name, api in _TARGETS if work.inputs.get(name)}
        if work.changed(*(name for name, _ in _TARGETS if name in work.inputs)):
            key, destination = self._destination(work.inputs)
            work.ec2.replace_route(
                RouteTableId=work.inputs["routeTableId"], **{key: destination}, **targets
            )

    def destroy(self, work: Work) -> None:
        key, destination = self._destination(work.old)
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code == "InvalidParameterException",
            lambda: ignoring(
                ("InvalidRoute.NotFound", *_MISSING),
                work.ec2.delete_route,
                RouteTableId=work.old["routeTableId"],
                **{key: destination},
            ),
        )


def _crc(text: str) -> int:
    """The hash in the official plugin's ids of routes (CRC-32 of the destination)."""
    import zlib

    return zlib.crc32(text.encode())


class RouteTableAssociation(AwsResource):
    type_name = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_route_table_association.go",
        arguments=(
            Argument("gatewayId", replace=True),
            REGION,
            Argument("routeTableId", required=True),
            Argument("subnetId", replace=True),
        ),
        exactly_one=(("gatewayId", "subnetId"),),
    )

    def make(self, work: Work) -> str:
        arguments = work.pick(
            GatewayId="gatewayId", RouteTableId="routeTableId", SubnetId="subnetId"
        )
        return retrying(
            work.call,
            5 * MINUTE,
            lambda code, _: code == "InvalidRouteTableID.NotFound",
            lambda: work.ec2.associate_route_table(**arguments)["AssociationId"],
        )

    def _find(self, work: Work) -> Any:
        by_id = [
            {"Name": "association.route-table-association-id", "Values": [work.id]},
        ]
        table = first(work.ec2.describe_route_tables, "RouteTables", _MISSING, Filters=by_id)
        for one in (table or {}).get("Associations", []):
            if one["RouteTableAssociationId"] == work.id:
                return one
        return None

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self._find(work)
            return found and found.get("AssociationState", {}).get("State", "associated")

        wait_until(work.call, 5 * MINUTE, f"association {work.id}", look, ("associated",))

    def describe(self, work: Work) -> dict[str, Any] | None:
        if "/" in work.id:  # an import: SUBNET/ROUTETABLE
            target, table_id = work.id.split("/", 1)
            table = _find_table(work, table_id)
            for one in (table or {}).get("Associations", []):
                if target in (one.get("SubnetId"), one.get("GatewayId")):
                    work.id = one["RouteTableAssociationId"]
        found = self._find(work)
        if found is None:
            return None
        return {
            "gatewayId": found.get("GatewayId", ""),
            "routeTableId": found["RouteTableId"],
            "subnetId": found.get("SubnetId", ""),
        }

    def change(self, work: Work) -> None:
        """In place, and the association gets a new id (resourceRouteTableAssociationUpdate)."""
        if not work.changed("routeTableId"):
            return
        answer = ignoring(
            ("InvalidAssociationID.NotFound",),
            work.ec2.replace_route_table_association,
            AssociationId=work.id,
            RouteTableId=work.inputs["routeTableId"],
        )
        work.id = answer["NewAssociationId"] if answer else self.make(work)

    def destroy(self, work: Work) -> None:
        ignoring(
            ("InvalidAssociationID.NotFound",),
            work.ec2.disassociate_route_table,
            AssociationId=work.id,
        )


RESOURCES = (RouteTable(), Route(), RouteTableAssociation())
