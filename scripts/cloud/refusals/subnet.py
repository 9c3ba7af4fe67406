"""What AWS refuses about subnets."""

from __future__ import annotations

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.refusal import dependencies
from cloud.refusals.vpc import LARGEST, SMALLEST


@refuses("ec2", "CreateSubnet", code="MissingParameter")
def subnet_has_no_block(call: Call) -> str | None:
    """No block is named: of IPv4, of IPv6, or of a pool.

    Source: errors-overview (MissingParameter); AWSEC2 API Reference, CreateSubnet; the text is
    ours.
    """
    names = ("CidrBlock", "Ipv6CidrBlock", "Ipv4IpamPoolId", "Ipv6IpamPoolId")
    if not any(call.get(name) for name in names):
        return "The request must contain the parameter cidrBlock"
    return None


@refuses("ec2", "CreateSubnet", code="InvalidSubnet.Range")
def subnet_has_an_illegal_size(call: Call) -> str | None:
    """The block is larger than /16 or smaller than /28.

    Source: AWSEC2 API Reference, errors-overview (InvalidSubnet.Range); VPC User Guide,
    subnet-sizing.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is not None and not LARGEST <= block.prefixlen <= SMALLEST:
        return f"The CIDR '{call.get('CidrBlock')}' is invalid."
    return None


@refuses("ec2", "CreateSubnet", code="InvalidSubnet.Range")
def subnet_is_outside_its_vpc(call: Call) -> str | None:
    """The block does not lie in a block of the VPC.

    Source: observed in pulumi/pulumi-awsx#111.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is None:
        return None
    vpc = call.backend.get_vpc(call.get("VpcId"))
    own = [
        lookup.network(each["cidr_block"])
        for each in vpc.get_cidr_block_association_set(ipv6=False)
        if each["cidr_block_state"]["state"] == "associated"
    ]
    if not any(each is not None and block.subnet_of(each) for each in own):
        return f"The CIDR '{call.get('CidrBlock')}' is invalid."
    return None


@refuses("ec2", "CreateSubnet", code="InvalidSubnet.Conflict")
def subnet_overlaps_another(call: Call) -> str | None:
    """The block overlaps another subnet of the VPC.

    Source: AWSEC2 API Reference, errors-overview (InvalidSubnet.Conflict); text as observed in
    waterbear-cloud/paco#40.
    """
    block = lookup.network(call.get("CidrBlock", ""))
    if block is None:
        return None
    for other in lookup.subnets(call.backend, call.get("VpcId")):
        if block.overlaps(other.cidr):
            return f"The CIDR '{call.get('CidrBlock')}' conflicts with another subnet"
    return None


@refuses("ec2", "DeleteSubnet", code="DependencyViolation")
def subnet_has_interfaces(call: Call) -> str | None:
    """An interface lies in the subnet, attached or not.

    Source: AWSEC2 API Reference, DeleteSubnet and errors-overview (DependencyViolation); text as
    observed in hashicorp/terraform#31658.
    """
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    if lookup.interfaces(call.backend, subnet_id=subnet.id):
        return dependencies("subnet", subnet)
    return None
