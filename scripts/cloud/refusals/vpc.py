"""What AWS refuses about VPCs and their blocks of addresses."""

from __future__ import annotations

from ipaddress import IPv4Network

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.refusal import dependencies

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918."""
LINK_LOCAL = IPv4Network("169.254.0.0/16")
BENCHMARK = IPv4Network("198.19.0.0/16")
LARGEST, SMALLEST = 16, 28
"""Prefix lengths of VPCs and subnets: VPC User Guide, "VPC CIDR blocks", "Subnet sizing"."""

_FIRST_PAIR = IPv4Network("10.0.0.0/15")
_FIRST = IPv4Network("10.0.0.0/16")
_DEFAULT_VPCS = IPv4Network("172.31.0.0/16")


def _blocks(vpc: object) -> list[IPv4Network]:
    associations = vpc.get_cidr_block_association_set(ipv6=False)  # type: ignore[attr-defined]
    return [
        IPv4Network(each["cidr_block"], strict=False)
        for each in associations
        if each["cidr_block_state"]["state"] == "associated"
    ]


def _private_range(block: IPv4Network) -> IPv4Network | None:
    return next((each for each in PRIVATE if block.overlaps(each)), None)


def restricted(existing: list[IPv4Network], new: IPv4Network) -> bool:
    """Whether AWS keeps a block from joining a VPC that has these blocks."""
    if new.overlaps(LINK_LOCAL):
        return True
    present = {found for block in existing if (found := _private_range(block))}
    wanted = _private_range(new)
    if wanted is not None:
        return (
            present != {wanted}
            or any(block.overlaps(BENCHMARK) for block in existing)
            or (new.overlaps(_FIRST) and any(block.overlaps(_FIRST_PAIR) for block in existing))
            or new.overlaps(_DEFAULT_VPCS)
        )
    return new.overlaps(BENCHMARK) and any(not block.overlaps(BENCHMARK) for block in existing)


def _size_is_legal(block: IPv4Network) -> bool:
    return LARGEST <= block.prefixlen <= SMALLEST


@refuses("ec2", "CreateVpc", "AssociateVpcCidrBlock", code="InvalidParameterValue")
def block_is_not_a_network(call: Call) -> str | None:
    """The IPv4 block is not in CIDR notation.

    Source: AWSEC2 API Reference, errors-overview (InvalidParameterValue); moto's text.
    """
    block = call.get("CidrBlock")
    if block is not None and lookup.network(block) is None:
        return (
            f"Value ({block}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        )
    return None


@refuses("ec2", "CreateVpc", "AssociateVpcCidrBlock", code="InvalidVpc.Range")
def block_has_an_illegal_size(call: Call) -> str | None:
    """The IPv4 block is larger than /16 or smaller than /28.

    Source: VPC User Guide, vpc-cidr-blocks; the code as observed in grycap/im#1011. The API
    Reference's errors-overview spells it InvalidVpcRange.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is not None and not _size_is_legal(block):
        return f"The CIDR '{call.get('CidrBlock')}' is invalid."
    return None


@refuses("ec2", "CreateVpc", code="InvalidVpc.Range")
def block_is_link_local(call: Call) -> str | None:
    """The block lies in 169.254.0.0/16.

    Source: VPC User Guide, vpc-cidr-blocks ("cannot be assigned to VPCs"); the code is inferred
    from AssociateVpcCidrBlock.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is not None and block.overlaps(LINK_LOCAL):
        return f"The CIDR '{call.get('CidrBlock')}' is invalid."
    return None


@refuses("ec2", "AssociateVpcCidrBlock", code="InvalidVpc.Range")
def block_is_restricted_by_the_others(call: Call) -> str | None:
    """The block is of another RFC 1918 range than the VPC's blocks, or otherwise restricted by
    them (the table "IPv4 CIDR block association restrictions").

    Source: VPC User Guide, vpc-cidr-blocks; code and text as observed in the EKS workshop's
    custom networking lesson and by users of terraform-provider-aws.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is None:
        return None
    if restricted(_blocks(call.backend.get_vpc(call.get("VpcId"))), block):
        return (
            f"The CIDR '{call.get('CidrBlock')}' is restricted. Use a CIDR from the same private"
            " address range as the current VPC CIDR, or use a publicly-routable CIDR. For"
            " additional restrictions, see"
            " https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html"
        )
    return None


@refuses("ec2", "AssociateVpcCidrBlock", code="InvalidVpc.Range")
def block_overlaps_another_of_the_vpc(call: Call) -> str | None:
    """The block overlaps one that the VPC has.

    Source: VPC User Guide, vpc-cidr-blocks ("must not overlap"); no observation of the code was
    found, InvalidVpc.Range is inferred from the other refusals of this call.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is None:
        return None
    vpc = call.backend.get_vpc(call.get("VpcId"))
    if any(block.overlaps(other) for other in _blocks(vpc)):
        return f"The CIDR '{call.get('CidrBlock')}' conflicts with another CIDR of {vpc.id}."
    return None


@refuses("ec2", "DeleteVpc", code="DependencyViolation")
def vpc_is_not_empty(call: Call) -> str | None:
    """The VPC has a subnet, an attached internet gateway, an endpoint, a route table besides the
    main one, or a security group besides the default one.

    Source: AWSEC2 API Reference, DeleteVpc and errors-overview (DependencyViolation); text as
    observed in the log of rebuy-de/aws-nuke.
    """
    vpc = call.backend.get_vpc(call.get("VpcId"))
    tables = [
        table
        for table in call.backend.route_tables.values()
        if table.vpc_id == vpc.id and not table.main_association_id
    ]
    groups = [
        group for group in call.backend.groups.get(vpc.id, {}).values() if not group.is_default
    ]
    if (
        lookup.subnets(call.backend, vpc.id)
        or lookup.gateway_of(call.backend, vpc.id)
        or tables
        or groups
        or _endpoints(call, vpc.id)
    ):
        return dependencies("vpc", vpc)
    return None


def _endpoints(call: Call, vpc_id: str) -> list[object]:
    points = call.backend.vpc_end_points.values()
    return [each for each in points if each.vpc_id == vpc_id and each.state == "available"]
