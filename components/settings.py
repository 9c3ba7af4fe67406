"""Every setting of the ring and its default.

The defaults are the article's wherever the article fixes a value. Pulumi.yaml shows the same
defaults to whoever configures a stack; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeSettings:
    """One of the two servers."""

    name: str
    client_address: str
    replication_address: str
    server_id: int
    auto_increment_offset: int


@dataclass(frozen=True)
class UserSettings:
    """An account of an application: what it may do, and in which databases."""

    name: str
    databases: tuple[str, ...]
    privileges: tuple[str, ...] = ("ALL",)


@dataclass(frozen=True)
class NodeCertificate:
    """A server certificate that the operator brings, both parts PEM."""

    certificate: str
    key: str = field(repr=False)


ARTICLE_NODES = (
    NodeSettings("node-1", "192.168.100.10", "10.10.1.10", 1, 1),
    NodeSettings("node-2", "192.168.100.11", "10.10.1.11", 2, 2),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one ring is to be. Addresses are dotted quads, ranges CIDR, sizes GiB."""

    admin_cidrs: tuple[str, ...]
    client_cidr: str = "192.168.100.0/24"
    replication_cidr: str = "10.10.1.0/24"
    nodes: tuple[NodeSettings, ...] = ARTICLE_NODES
    availability_zone: str = ""
    instance_type: str = "m6i.large"
    root_volume_gib: int = 20
    mysql_archive_url: str = (
        "https://downloads.mysql.com/archives/get/p/23/file/"
        "mysql-5.6.51-linux-glibc2.12-x86_64.tar.gz"
    )
    mysql_archive_checksum: str = "md5:b4a58f228dc5e2d579eb9ce59e566bd5"
    mysql_settings: Mapping[str, str] = field(default_factory=dict)
    databases: tuple[str, ...] = ("app",)
    users: tuple[UserSettings, ...] = (UserSettings("app", ("app",)),)
    replication_user: str = "repuser"
    require_client_tls: bool = True
    destroy_bucket_contents: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    # Secrets that the operator brings; an empty one is made by the program.
    ssh_private_key: str = field(default="", repr=False)
    ca_certificate: str = ""
    ca_private_key: str = field(default="", repr=False)
    node_certificates: Mapping[str, NodeCertificate] = field(default_factory=dict, repr=False)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    def peer_of(self, node: NodeSettings) -> NodeSettings:
        """The other node of the ring."""
        return next(other for other in self.nodes if other.name != node.name)
