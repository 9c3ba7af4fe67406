"""Two VPCs: one where clients and operators come in, one for replication alone.

One VPC cannot hold a range of 192.168.0.0/16 and one of 10.0.0.0/8
(https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc

from components.settings import RingArgs
from components.tags import Tags

MYSQL_PORT = 3306
SSH_PORT = 22
# Where a node sends its peer a copy of its data.
COPY_PORT = 3307
EVERYWHERE = "0.0.0.0/0"
# What a host fetches: Debian's packages over HTTP (signed), the MySQL archive and AWS's own
# services over HTTPS. Names and time need no rule: AWS's resolver and its time service are
# link-local, and security groups do not filter those
# (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html).
FETCHED_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class NetworkArgs:
    """The settings give the ranges and the nodes' addresses."""

    settings: RingArgs
    zone: pulumi.Input[str]
    tags: Tags


class Network(pulumi.ComponentResource):
    """Subnets in one zone, and for each kind of interface the security groups it carries."""

    availability_zone: pulumi.Output[str]
    client_vpc_id: pulumi.Output[str]
    client_subnet_id: pulumi.Output[str]
    client_route_table_id: pulumi.Output[str]
    client_security_group_id: pulumi.Output[str]
    replication_vpc_id: pulumi.Output[str]
    replication_subnet_id: pulumi.Output[str]
    replication_security_group_ids: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        settings = args.settings

        client_vpc = self._vpc("client", settings.client_cidr)
        client_subnet = self._subnet("client", client_vpc, settings.client_cidr, args.zone)
        routes = self._way_out(client_vpc, client_subnet)
        replication_vpc = self._vpc("replication", settings.replication_cidr)
        # An interface can only join an instance of its own zone.
        replication_subnet = self._subnet(
            "replication",
            replication_vpc,
            settings.replication_cidr,
            args.zone,
        )

        self.availability_zone = client_subnet.availability_zone
        self.client_vpc_id = client_vpc.id
        self.client_subnet_id = client_subnet.id
        self.client_route_table_id = routes.id
        self.client_security_group_id = self._client_group(client_vpc).id
        self.replication_vpc_id = replication_vpc.id
        self.replication_subnet_id = replication_subnet.id
        self.replication_security_group_ids = self._replication_groups(replication_vpc)
        self.register_outputs(
            {
                "availabilityZone": self.availability_zone,
                "clientVpcId": self.client_vpc_id,
                "clientSubnetId": self.client_subnet_id,
                "clientRouteTableId": self.client_route_table_id,
                "clientSecurityGroupId": self.client_security_group_id,
                "replicationVpcId": self.replication_vpc_id,
                "replicationSubnetId": self.replication_subnet_id,
                "replicationSecurityGroupIds": self.replication_security_group_ids,
            }
        )

    def _tags(self, part: str) -> dict[str, pulumi.Input[str]]:
        return self._args.tags.named(f"{self._name}-{part}")

    def _vpc(self, part: str, cidr: str) -> ec2.Vpc:
        return ec2.Vpc(
            f"{self._name}-{part}-vpc",
            cidr_block=cidr,
            tags=self._tags(f"{part}-vpc"),
            opts=self._child,
        )

    def _subnet(self, part: str, within: ec2.Vpc, cidr: str, zone: pulumi.Input[str]) -> ec2.Subnet:
        return ec2.Subnet(
            f"{self._name}-{part}-subnet",
            vpc_id=within.id,
            cidr_block=cidr,
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags=self._tags(f"{part}-subnet"),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Another zone has the same range.
                delete_before_replace=True,
            ),
        )

    def _way_out(self, client_vpc: ec2.Vpc, client_subnet: ec2.Subnet) -> ec2.RouteTable:
        gateway = ec2.InternetGateway(
            f"{self._name}-gateway",
            vpc_id=client_vpc.id,
            tags=self._tags("gateway"),
            opts=self._child,
        )
        table = ec2.RouteTable(
            f"{self._name}-routes",
            vpc_id=client_vpc.id,
            tags=self._tags("routes"),
            opts=self._child,
        )
        ec2.Route(
            f"{self._name}-default-route",
            route_table_id=table.id,
            destination_cidr_block=EVERYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        ec2.RouteTableAssociation(
            f"{self._name}-client-routes",
            route_table_id=table.id,
            subnet_id=client_subnet.id,
            opts=self._child,
        )
        # What goes to S3 stays in AWS's network and costs nothing. Only to buckets of the region
        # (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html).
        ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=client_vpc.id,
            service_name=client_vpc.region.apply(lambda region: f"com.amazonaws.{region}.s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id],
            tags=self._tags("s3"),
            opts=self._child,
        )
        return table

    def _client_group(self, client_vpc: ec2.Vpc) -> ec2.SecurityGroup:
        settings = self._args.settings
        group = self._group("client", client_vpc, "Clients of MySQL, and operators")
        for cidr in settings.mysql_ranges:
            part = f"client-mysql-{cidr.replace('/', '-')}"
            self._allow_in(group, part, MYSQL_PORT, cidr, "MySQL clients")
        for cidr in settings.admin_cidrs:
            part = f"client-ssh-{cidr.replace('/', '-')}"
            self._allow_in(group, part, SSH_PORT, cidr, "SSH of operators")
        for protocol, port in FETCHED_PORTS.items():
            self._allow_out(group, f"client-{protocol}", port, EVERYWHERE, "Packages and AWS")
        return group

    def _replication_groups(self, replication_vpc: ec2.Vpc) -> dict[str, pulumi.Output[str]]:
        groups: dict[str, pulumi.Output[str]] = {}
        for node in self._args.settings.nodes:
            peer = self._args.settings.peer_of(node)
            part = f"{node.name}-replication"
            group = self._group(part, replication_vpc, f"Replication of {node.name}")
            cidr = f"{peer.replication_address}/32"
            self._allow_in(group, f"{part}-in", MYSQL_PORT, cidr, f"{peer.name} reads from here")
            self._allow_out(group, f"{part}-out", MYSQL_PORT, cidr, f"reads from {peer.name}")
            copy = f"{part}-copy"
            self._allow_in(group, f"{copy}-in", COPY_PORT, cidr, f"{peer.name} copies from here")
            self._allow_out(group, f"{copy}-out", COPY_PORT, cidr, f"copies from {peer.name}")
            groups[node.name] = group.id
        return groups

    def _group(self, part: str, within: ec2.Vpc, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            f"{self._name}-{part}-group",
            vpc_id=within.id,
            description=description,
            tags=self._tags(f"{part}-group"),
            opts=self._child,
        )

    def _allow_in(
        self, group: ec2.SecurityGroup, part: str, port: int, cidr: str, description: str
    ) -> None:
        self._allow(vpc.SecurityGroupIngressRule, group, part, port, cidr, description)

    def _allow_out(
        self, group: ec2.SecurityGroup, part: str, port: int, cidr: str, description: str
    ) -> None:
        self._allow(vpc.SecurityGroupEgressRule, group, part, port, cidr, description)

    def _allow(
        self,
        rule: type[vpc.SecurityGroupIngressRule] | type[vpc.SecurityGroupEgressRule],
        group: ec2.SecurityGroup,
        part: str,
        port: int,
        cidr: str,
        description: str,
    ) -> None:
        rule(
            f"{self._name}-{part}",
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr,
            description=description,
            tags=self._tags(part),
            opts=self._child,
        )
