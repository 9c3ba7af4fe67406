"""Gateway endpoints as EC2 has them: each has its route in the route tables that it is in.

moto makes these routes with an endpoint and not when its tables change; it keeps an endpoint that
is deleted; and where no type is named, it has none (AWSEC2 API Reference, CreateVpcEndpoint:
"Default: Gateway").
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.vpcs import VPCBackend, VPCEndPoint

from cloud.api.patching import replace

_moto_init = VPCEndPoint.__init__
_moto_modify = VPCEndPoint.modify
_moto_delete = VPCBackend.delete_vpc_endpoints


def _init(self: Any, *arguments: Any, **named: Any) -> None:
    _moto_init(self, *arguments, **named)
    self.vpc_endpoint_type = self.vpc_endpoint_type or "Gateway"
    if self.vpc_endpoint_type == "Gateway":
        self.private_dns_enabled = False


def _modify(self: Any, *arguments: Any) -> None:
    before = list(self.route_table_ids)
    _moto_modify(self, *arguments)
    prefixes = self.destination_prefix_list_id
    for table in set(before) - set(self.route_table_ids) if prefixes else ():
        self.ec2_backend.delete_route(table, None, destination_prefix_list_id=prefixes)
    for table in set(self.route_table_ids) - set(before) if prefixes else ():
        self.ec2_backend.create_route(
            table, None, gateway_id=self.id, destination_prefix_list_id=prefixes
        )


def _delete(self: Any, vpce_ids: list[str] | None = None) -> None:
    _moto_delete(self, vpce_ids)
    for name in vpce_ids or ():
        self.vpc_end_points.pop(name, None)


def install() -> None:
    replace(VPCEndPoint, __init__=_init, modify=_modify)
    replace(VPCBackend, delete_vpc_endpoints=_delete)
