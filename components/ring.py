"""The whole: two MySQL servers in circular replication.

from components.ring import Ring, RingArgs

ring = Ring("ring", RingArgs(admin_cidrs=["203.0.113.0/24"]))
pulumi.export("endpoints", ring.endpoints)
"""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_aws import ec2

from components.backups import Backups, BackupsArgs
from components.birth import Birth, BirthArgs, to_be_born_from
from components.bucket import Bucket, BucketArgs
from components.checks import problems_in
from components.credentials import Credentials, CredentialsArgs
from components.effects import effects, stops
from components.guard import aws_provider, flaws, region_of, with_losses
from components.inputs import judged_when_known
from components.lookup import as_aws_has_it, look_up, place
from components.mysql.server import MysqlServer, MysqlServerArgs
from components.network import MYSQL_PORT, Network, NetworkArgs
from components.node import Node, NodeArgs
from components.outputs import RingBucket, RingNetwork, RingNode, RingUsers, registered
from components.problems import SettingsError
from components.replication import Replication, ReplicationArgs
from components.role import Role, RoleArgs
from components.settings import RingArgs, camel
from components.standing import Standing, read_standing
from components.step import CURRENT, LOGIN, Host, step
from components.tags import Tags
from components.tools import SOURCE, digest

__all__ = ["Ring", "RingArgs"]

PROTECTION = (
    "protectData is true: `pulumi config set protectData false`, `pulumi up`, then `pulumi destroy`"
)
# No other key is tried, and no other host is trusted.
SSH = (
    "ssh -i ring.key -o IdentitiesOnly=yes -o UserKnownHostsFile=ring.known_hosts "
    "-o StrictHostKeyChecking=yes"
)


class Ring(pulumi.ComponentResource):
    """Everything that two servers in circular replication need, in the zone of one region.

    Raises SettingsError, with every mistake in it, before it declares anything: mistakes of the
    settings, and changes that would lose the data of the ring that stands under that name in the
    stack. What comes as an output is judged when it is known.

    All resources carry the ring's name, in Pulumi and in AWS. They are made by the provider for AWS
    that the options name, or the parent's, or the stack's.
    """

    nodes: dict[str, RingNode]
    network: RingNetwork
    bucket: RingBucket
    protection: str
    """What to set before a destroy; empty where nothing is protected."""
    users: RingUsers
    passwords: dict[str, pulumi.Output[str]]
    """Of every account in `users`, each a secret."""
    endpoints: list[str]
    """Address and port of each server for clients, in the order of the nodes."""
    port: int
    ca_certificate: pulumi.Output[str]
    """What a client checks the servers by."""
    ssh_private_key: pulumi.Output[str]
    """A secret."""
    login: str
    """Whom the key logs in as."""

    def __init__(
        self, name: str, args: RingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        region = region_of(opts)
        found = flaws(name, args, region)
        # Asked before the engine is: the plugin that answers starts meanwhile.
        lookup = None if found else look_up(args, aws_provider(opts))
        standing = as_aws_has_it(read_standing(name), aws_provider(opts))
        found = with_losses(found, standing, args, region)
        if found or lookup is None:
            raise SettingsError(found)
        super().__init__("mysql-ring:index:Ring", name, None, opts)
        if pulumi.runtime.is_dry_run():
            for line in effects(standing, args):
                pulumi.log.info(line, self)
        self._name, self._args = name, judged_when_known(args, problems_in)
        self._child = pulumi.ResourceOptions(parent=self)
        self._lookup = lookup
        self._tags = Tags(pulumi.get_project(), pulumi.get_stack(), name, self._args.tags)

        # Not the subnet's own zone: a volume must not be made anew with a subnet.
        self._place = place(self._args, standing, lookup.zones, aws_provider(opts))

        # The network first: all that takes long waits for it, and the engine takes turns.
        network = Network(
            f"{name}-network", NetworkArgs(self._args, self._place.zone, self._tags), self._child
        )
        credentials = Credentials(f"{name}-credentials", CredentialsArgs(self._args), self._child)
        roles = {
            node.name: Role(
                f"{name}-{node.name}-role", RoleArgs(node.name, self._tags), self._child
            )
            for node in self._args.nodes
        }
        bucket = Bucket(
            f"{name}-bucket",
            BucketArgs(
                self._tags,
                roles,
                existing=self._args.bucket_name,
                keep_backups_days=self._args.keep_backups_days,
                keep_logs_days=self._args.keep_logs_days,
                keep_versions_days=self._args.keep_versions_days,
                destroy_contents=self._args.destroy_bucket_contents,
                protect=self._args.protect_data,
            ),
            self._child,
        )
        nodes = self._nodes(network, credentials, roles, stops(standing, args))
        servers = self._servers(nodes, credentials)
        hosts = {each: node.host for each, node in nodes.items()}
        replication = Replication(
            f"{name}-replication",
            ReplicationArgs(
                settings=self._args,
                hosts=hosts,
                files={each: server.files for each, server in zip(nodes, servers, strict=True)},
                after=self._born(
                    standing, hosts, roles, bucket, [server.last_step for server in servers]
                ),
            ),
            self._child,
        )
        Backups(
            f"{name}-backups",
            BackupsArgs(
                ring=name,
                settings=self._args,
                hosts=hosts,
                bucket=bucket,
                after=replication.last_steps,
            ),
            self._child,
        )
        self._show(network, credentials, bucket, roles, nodes)
        self.register_outputs(self.outputs)

    @property
    def outputs(self) -> dict[str, Any]:
        """All of them, as they are registered and as a stack exports them."""
        return {camel(name): registered(getattr(self, name)) for name in Ring.__annotations__}

    def _nodes(
        self,
        network: Network,
        credentials: Credentials,
        roles: dict[str, Role],
        one_at_a_time: bool,
    ) -> dict[str, Node]:
        """The nodes, with the tool in its place on each. `one_at_a_time`: an instance is changed
        when the node before it serves again; else side by side."""
        name, tags = self._name, self._tags
        spread = ec2.PlacementGroup(
            f"{name}-spread",
            strategy="spread",
            tags=tags.named(f"{name}-spread"),
            opts=self._child,
        )
        # Another key takes the same name, or a replaced instance would ask for a name that is gone:
        # it is launched with the old inputs of what it ignores.
        key = ec2.KeyPair(
            f"{name}-key",
            key_name=spread.name,
            public_key=credentials.ssh_key.public_key,
            tags=tags.named(f"{name}-key"),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        release = digest(SOURCE)
        nodes: dict[str, Node] = {}
        serves: list[pulumi.Resource] = []
        for node in self._args.nodes:
            built = nodes[node.name] = Node(
                f"{name}-{node.name}",
                NodeArgs(
                    node=node,
                    settings=self._args,
                    tags=tags,
                    network=network,
                    place=self._place,
                    image=self._lookup.image,
                    profile_name=roles[node.name].profile_name,
                    placement_group=spread.name,
                    key_name=key.key_name,
                    ssh_key=credentials.ssh_key,
                    host_key=credentials.host_keys[node.name],
                    release=release,
                    after=serves if one_at_a_time else [],
                ),
                self._child,
            )
            # Another type stops the instance: this runs again then, and on nothing else.
            serving = step(
                f"{name}-{node.name}-serving",
                "wait-serving",
                built.host,
                "",
                parent=built,
                depends_on=[built.tools_step],
                program=f"{CURRENT}/ring-node",
                triggers=[self._args.instance_type],
            )
            serves = [*serves, serving]
        return nodes

    def _servers(self, nodes: dict[str, Node], credentials: Credentials) -> list[MysqlServer]:
        """Side by side, but only one of them gets another CA at a time."""
        servers: list[MysqlServer] = []
        certificates: Sequence[pulumi.Resource] = ()
        for settings in self._args.nodes:
            name, node = f"{self._name}-{settings.name}", nodes[settings.name]
            server = MysqlServer(
                f"{name}-mysql",
                MysqlServerArgs(
                    node=settings,
                    settings=self._args,
                    credentials=credentials,
                    host=node.host,
                    after=[node.tools_step],
                    volume_after=node.attached,
                    certificates_after=certificates,
                ),
                pulumi.ResourceOptions(parent=node),
            )
            servers.append(server)
            certificates = [server.certificates_step]
        return servers

    def _born(
        self,
        standing: Standing,
        hosts: dict[str, Host],
        roles: dict[str, Role],
        bucket: Bucket,
        after: Sequence[pulumi.Resource],
    ) -> Sequence[pulumi.Resource]:
        """The steps before the nodes are wired: those of the servers, and where their data is
        restored that too."""
        source = to_be_born_from(standing, self._args)
        if source is None:
            return after
        return Birth(
            f"{self._name}-birth",
            BirthArgs(
                ring=self._name,
                source=source,
                reads=self._args.restore_from is not None,
                settings=self._args,
                hosts=hosts,
                roles=roles,
                bucket=bucket,
                own_bucket=self._args.bucket_name or standing.bucket or "",
                after=after,
            ),
            self._child,
        ).last_steps

    def _show(
        self,
        network: Network,
        credentials: Credentials,
        bucket: Bucket,
        roles: dict[str, Role],
        nodes: dict[str, Node],
    ) -> None:
        args = self._args
        self.nodes = {
            node.name: RingNode(
                client_address=node.client_address,
                replication_address=node.replication_address,
                public_address=nodes[node.name].public_address,
                server_id=node.server_id,
                ssh_host_key=credentials.host_keys[node.name].public_key,
                known_hosts=pulumi.Output.all(
                    nodes[node.name].public_address, credentials.host_keys[node.name].public_key
                ).apply(lambda both: f"{both[0]} {both[1].strip()}"),
                ssh=nodes[node.name].public_address.apply(lambda host: f"{SSH} {LOGIN}@{host}"),
                instance_id=nodes[node.name].instance_id,
                data_volume_id=nodes[node.name].data_volume_id,
                client_interface_id=nodes[node.name].client_interface_id,
                replication_interface_id=nodes[node.name].replication_interface_id,
                replication_security_group_id=network.replication_security_group_ids[node.name],
                role_name=roles[node.name].role_name,
                role_arn=roles[node.name].role_arn,
            )
            for node in args.nodes
        }
        self.network = RingNetwork(
            availability_zone=network.availability_zone,
            client_cidr=args.client_cidr,
            client_ranges=args.mysql_ranges,
            client_vpc_id=network.client_vpc_id,
            client_subnet_id=network.client_subnet_id,
            client_route_table_id=network.client_route_table_id,
            client_security_group_id=network.client_security_group_id,
            replication_cidr=args.replication_cidr,
            replication_vpc_id=network.replication_vpc_id,
            replication_subnet_id=network.replication_subnet_id,
        )
        self.protection = PROTECTION if args.protect_data else ""
        self.bucket = RingBucket(name=bucket.bucket_name, arn=bucket.arn, region=bucket.region)
        applications = [user.name for user in args.users]
        self.users = RingUsers("root", args.replication_user, applications)
        shown = ["root", args.replication_user, *applications]
        self.passwords = {account: credentials.passwords[account] for account in shown}
        self.port = MYSQL_PORT
        self.endpoints = [f"{node.client_address}:{MYSQL_PORT}" for node in args.nodes]
        self.ca_certificate = credentials.ca_certificate
        self.ssh_private_key = credentials.ssh_key.private_key
        self.login = LOGIN
