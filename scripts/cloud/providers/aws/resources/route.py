"""Route table, its routes, and its association with a subnet."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.parameters import nothing, parameters, properties
from cloud.providers.aws.resource import REGION, TAGS, Ask, AwsResource, Work, placed
from cloud.providers.resource import ProviderError
from cloud.providers.schema import NETWORK4, NETWORK6, Argument, Table

_SECONDS = 5 * MINUTE


class RouteTable(Ec2Resource):
    type_name = "aws:ec2/routeTable:RouteTable"
    noun, kind = "RouteTable", "route-table"
    missing = ("InvalidRouteTableID.NotFound",)
    deleted_within = _SECONDS
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_route_table.go",
        arguments=(
            REGION,
            TAGS,
            Argument("vpcId", required=True, replace=True),
        ),
        outputs=("arn", "ownerId", "propagatingVgws", "routes"),
    )

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        routes = [
            {
                "cidrBlock": route.get("DestinationCidrBlock", ""),
                "gatewayId": route.get("GatewayId", ""),
                "networkInterfaceId": route.get("NetworkInterfaceId", ""),
            }
            for route in found.get("Routes", [])
            # those of endpoints are the endpoints' (flattenRoutes)
            if route.get("Origin") == "CreateRoute"
            and not route.get("GatewayId", "").startswith("vpce-")
        ]
        propagating = [one["GatewayId"] for one in found.get("PropagatingVgws", [])]
        return {**super().told(work, found), "propagatingVgws": propagating, "routes": routes}

    def destroy(self, work: Work) -> None:
        """The official plugin takes the associations away first, whoever made them."""
        for one in (self.find(work) or {}).get("Associations", []):
            if not one.get("Main"):
                ignoring(
                    ("InvalidAssociationID.NotFound",),
                    work.ec2.disassociate_route_table,
                    AssociationId=one["RouteTableAssociationId"],
                )
        super().destroy(work)


_TABLE = RouteTable()
_DESTINATIONS = (
    Argument("destinationCidrBlock", NETWORK4, replace=True),
    Argument("destinationIpv6CidrBlock", NETWORK6, replace=True),
    Argument("destinationPrefixListId", replace=True),
)
# Destinations that a target does not serve.
_NOT_TO = {
    "carrierGatewayId": ("destinationIpv6CidrBlock",),
    "egressOnlyGatewayId": ("destinationCidrBlock",),
    "vpcEndpointId": ("destinationPrefixListId",),
}
_TARGETS = tuple(
    Argument(
        name,
        computed=name == "networkInterfaceId",
        conflicts=_NOT_TO.get(name, ()),
        api="EgressOnlyInternetGatewayId" if name == "egressOnlyGatewayId" else "",
    )
    for name in (
        "carrierGatewayId",
        "coreNetworkArn",
        "egressOnlyGatewayId",
        "gatewayId",
        "localGatewayId",
        "natGatewayId",
        "networkInterfaceId",
        "transitGatewayId",
        "vpcEndpointId",
        "vpcPeeringConnectionId",
    )
)


class Route(AwsResource):
    type_name = "aws:ec2/route:Route"
    imports_by_place = True
    table = Table(
        source="terraform-provider-aws internal/service/ec2/vpc_route.go",
        arguments=(
            *_DESTINATIONS,
            *_TARGETS,
            REGION,
            Argument("routeTableId", required=True, replace=True),
        ),
        outputs=("instanceId", "instanceOwnerId", "origin", "state"),
        exactly_one=(
            tuple(one.name for one in _DESTINATIONS),
            tuple(one.name for one in _TARGETS),
        ),
    )

    def _destination(self, values: dict[str, Any]) -> tuple[str, str]:
        return next(iter(parameters(_DESTINATIONS, values).items()))

    def make(self, work: Work) -> str:
        inputs = work.inputs
        key, destination = self._destination(inputs)
        table = inputs["routeTableId"]
        if self._in_table(work, table, key, destination) is not None:
            raise ProviderError(
                f"RouteAlreadyExists: Route in Route Table ({table}) with destination "
                f"({destination}) already exists"
            )
        arguments = self.given(work, "CreateRoute")
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: (
                code in ("InvalidParameterException", "InvalidTransitGatewayID.NotFound")
            ),
            lambda: work.ec2.create_route(**arguments),
        )
        return f"r-{table}{_crc(destination)}"

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        table, network = inputs["routeTableId"], inputs.get("destinationCidrBlock")
        path = "RouteTables[].Routes[].DestinationCidrBlock"
        there = placed(ask, _TABLE.lists, path, "route-table-id", table)
        return [f"{table}_{network}"] if network in there else []

    def _in_table(self, work: Work, table_id: str, key: str, destination: str) -> Any:
        table = _TABLE.look_up(work, table_id)
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
        key, destination = self._destination(values)
        work.id = f"r-{values['routeTableId']}{_crc(destination)}"
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
        places = (*_DESTINATIONS, *_TARGETS)
        found.update({one.name: nothing(one) for one in places}, **properties(places, route))
        if found["gatewayId"].startswith("vpce-"):  # EC2 tells an endpoint there
            found["vpcEndpointId"], found["gatewayId"] = found["gatewayId"], ""
        return found

    def change(self, work: Work) -> None:
        if work.changed(*(one.name for one in _TARGETS if one.name in work.inputs)):
            work.ec2.replace_route(**self.given(work, "ReplaceRoute"))

    def destroy(self, work: Work) -> None:
        key, destination = self._destination(work.old)
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code == "InvalidParameterException",
            lambda: ignoring(
                ("InvalidRoute.NotFound", *_TABLE.missing),
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
    imports_by_place = True
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
        arguments = self.given(work, "AssociateRouteTable")
        return retrying(
            work.call,
            _SECONDS,
            lambda code, _: code in _TABLE.missing,
            lambda: work.ec2.associate_route_table(**arguments)["AssociationId"],
        )

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        table, subnet = inputs["routeTableId"], inputs.get("subnetId")
        path = "RouteTables[].Associations[].SubnetId"
        there = placed(ask, _TABLE.lists, path, "route-table-id", table)
        return [f"{subnet}/{table}"] if subnet in there else []

    def _find(self, work: Work) -> Any:
        by_id = [{"Name": "association.route-table-association-id", "Values": [work.id]}]
        table = first(work.ec2.describe_route_tables, "RouteTables", _TABLE.missing, Filters=by_id)
        for one in (table or {}).get("Associations", []):
            if one["RouteTableAssociationId"] == work.id:
                return one
        return None

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self._find(work)
            return found and found.get("AssociationState", {}).get("State", "associated")

        wait_until(work.call, _SECONDS, f"association {work.id}", look, ("associated",))

    def describe(self, work: Work) -> dict[str, Any] | None:
        if "/" in work.id:  # an import: SUBNET/ROUTETABLE
            target, table_id = work.id.split("/", 1)
            table = _TABLE.look_up(work, table_id)
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


RESOURCES = (_TABLE, Route(), RouteTableAssociation())
