"""The whole: two MySQL servers in circular replication.

from components.ring import Ring, RingArgs
from components.settings import Settings

ring = Ring("ring", RingArgs(Settings(admin_cidrs=("203.0.113.0/24",))))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2

from components.accounts import REPLICATION_OUTPUT
from components.bucket import Bucket, BucketArgs
from components.checks import require_sound
from components.credentials import Credentials, CredentialsArgs
from components.lookup import Lookup, look_up
from components.mysql.server import MysqlServer, MysqlServerArgs
from components.network import Network, NetworkArgs
from components.node import Node, NodeArgs
from components.replication import Replication, ReplicationArgs
from components.role import Role, RoleArgs
from components.settings import Settings
from components.step import LOGIN
from components.tags import Tags
from components.tools import SOURCE, Tools, ToolsArgs, digest


@dataclass(frozen=True)
class RingArgs:
    """Without `tags`, project and stack of the running program are used; without `lookup`, the
    ring asks AWS itself."""

    settings: Settings
    tags: Tags | None = None
    lookup: Lookup | None = None


class Ring(pulumi.ComponentResource):
    """Raises SettingsError, with every mistake in it, before it declares anything.

    The nodes' resources carry the nodes' names. A second ring in one stack needs others.
    """

    nodes: dict[str, dict[str, Any]]
    ca_certificate: pulumi.Output[str]
    users: dict[str, Any]
    passwords: pulumi.Output[dict[str, str]]
    ssh_private_key: pulumi.Output[str]
    ssh_host_keys: dict[str, pulumi.Output[str]]
    bucket_name: pulumi.Output[str]
    login: str

    def __init__(
        self, name: str, args: RingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        settings = args.settings
        require_sound(settings)
        super().__init__("mysql-ring:ring:Ring", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._settings = settings
        self._lookup = args.lookup or look_up(settings, pulumi.InvokeOutputOptions(parent=self))
        self._tags = args.tags or Tags(pulumi.get_project(), pulumi.get_stack(), settings.tags)

        # The network first: all that takes long waits for it, and the engine takes turns.
        network = Network(
            f"{name}-network", NetworkArgs(settings, self._lookup.zone, self._tags), self._child
        )
        credentials = Credentials(f"{name}-credentials", CredentialsArgs(settings), self._child)
        bucket = Bucket(
            f"{name}-bucket",
            BucketArgs(self._tags, destroy_contents=settings.destroy_bucket_contents),
            self._child,
        )
        nodes = self._nodes(name, network, credentials, bucket)
        servers = self._servers(nodes, credentials)
        Replication(
            f"{name}-replication",
            ReplicationArgs(
                settings=settings,
                hosts={each: node.host for each, node in nodes.items()},
                after=[server.last_step for server in servers],
            ),
            self._child,
        )
        self._export(credentials, bucket, nodes)
        self.register_outputs({"nodes": self.nodes, "bucket": self.bucket_name})

    def _nodes(
        self, name: str, network: Network, credentials: Credentials, bucket: Bucket
    ) -> dict[str, Node]:
        settings, tags = self._settings, self._tags
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
        for node in settings.nodes:
            role = Role(f"{node.name}-role", RoleArgs(node.name, bucket.arn, tags), self._child)
            nodes[node.name] = Node(
                node.name,
                NodeArgs(
                    node=node,
                    settings=settings,
                    tags=tags,
                    network=network,
                    image=self._lookup.image,
                    profile_name=role.profile_name,
                    placement_group=spread.name,
                    key_name=key.key_name,
                    ssh_key=credentials.ssh_key,
                    host_key=credentials.host_keys[node.name],
                    release=release,
                ),
                self._child,
            )
        return nodes

    def _servers(self, nodes: dict[str, Node], credentials: Credentials) -> list[MysqlServer]:
        """Side by side, but only one node's server restarts at a time."""
        servers: list[MysqlServer] = []
        restarted: Sequence[pulumi.Resource] = ()
        for settings in self._settings.nodes:
            node = nodes[settings.name]
            tools = Tools(
                f"{settings.name}-tools-delivery",
                ToolsArgs(node=settings, host=node.host, after=node.attached),
                pulumi.ResourceOptions(parent=node),
            )
            server = MysqlServer(
                f"{settings.name}-mysql",
                MysqlServerArgs(
                    node=settings,
                    settings=self._settings,
                    credentials=credentials,
                    host=node.host,
                    after=[tools.last_step],
                    restart_after=restarted,
                ),
                pulumi.ResourceOptions(parent=node),
            )
            servers.append(server)
            restarted = [server.config_step]
        return servers

    def _export(self, credentials: Credentials, bucket: Bucket, nodes: dict[str, Node]) -> None:
        settings = self._settings
        self.nodes = {
            node.name: {
                "client_address": node.client_address,
                "replication_address": node.replication_address,
                "public_address": nodes[node.name].public_address,
                "instance_id": nodes[node.name].instance_id,
                "server_id": node.server_id,
            }
            for node in settings.nodes
        }
        applications = [user.name for user in settings.users]
        self.users = {
            "application": applications,
            "root": "root",
            "replication": settings.replication_user,
        }
        shown = ["root", settings.replication_user, *applications]
        keys = {settings.replication_user: REPLICATION_OUTPUT}
        self.passwords = pulumi.Output.secret(
            pulumi.Output.all(
                **{keys.get(account, account): credentials.passwords[account] for account in shown}
            )
        )
        self.ca_certificate = credentials.ca_certificate
        self.ssh_private_key = credentials.ssh_key.private_key
        self.ssh_host_keys = {node: pair.public_key for node, pair in credentials.host_keys.items()}
        self.bucket_name = bucket.bucket_name
        self.login = LOGIN
