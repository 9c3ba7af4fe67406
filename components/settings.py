"""Every setting of a ring and its default: the arguments of the component `Ring`.

The defaults are the article's wherever the article fixes a value. Pulumi.yaml shows the same
defaults to whoever configures a stack; a test holds the two together.
"""

from dataclasses import dataclass, field

import pulumi


def camel(name: str) -> str:
    """The name of a setting in Pulumi.yaml and of an output, from its name in Python."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True)
class NodeSettings:
    """One of the two servers. Plain: it is compared with the node that stands, before anything is
    touched."""

    name: str
    client_address: str
    replication_address: str
    server_id: int
    auto_increment_offset: int


@dataclass(frozen=True)
class UserSettings:
    """An account of an application: what it may do, and in which databases. Plain: each user has a
    password, which is a resource of its own."""

    name: str
    databases: list[str]
    privileges: list[str] = field(default_factory=lambda: ["ALL"])


LATEST = "latest"
NOTHING = "nothing"


@dataclass(frozen=True)
class RestoreSettings:
    """Of what a ring begins whose nodes hold nothing yet. Plain: it says which steps there are.

    `moment`: UTC as 2026-11-26T03:15:00Z, or `latest`; with `nothing`, and no bucket, the ring that
    takes the place of a lost one is empty. An empty region is the ring's own, an empty stack this
    one, an empty ring the one of the same name.
    """

    bucket: str = ""
    moment: str = ""
    region: str = ""
    stack: str = ""
    ring: str = ""


@dataclass(frozen=True)
class NodeCertificate:
    """A server certificate that the operator brings, both parts PEM."""

    certificate: pulumi.Input[str]
    key: pulumi.Input[str] = field(repr=False)


ARTICLE_NODES = (
    NodeSettings("node-1", "192.168.100.10", "10.10.1.10", 1, 1),
    NodeSettings("node-2", "192.168.100.11", "10.10.1.11", 2, 2),
)


@dataclass(frozen=True, kw_only=True)
class RingArgs:
    """What one ring is to be. Addresses are dotted quads, ranges CIDR, sizes GiB, throughput MiB/s.

    What is typed `Input` may be an output of another resource or a secret. All else is plain, for
    one of two reasons: it says which resources there are (nodes, users, the names of accounts and
    the keys of mappings), or it is compared, before anything is touched, with what stands or with
    another setting (ranges, zone, volumes, databases, bucket, what it is restored from), or is
    written on the hosts as it is (what is archived, backed up and kept, and when).

    An empty secret or certificate is made by the program, once. No `client_ranges` are the range of
    the network for clients alone.
    """

    admin_cidrs: list[str]
    client_cidr: str = "192.168.100.0/24"
    client_ranges: list[str] = field(default_factory=list)
    replication_cidr: str = "10.10.1.0/24"
    nodes: list[NodeSettings] = field(default_factory=lambda: list(ARTICLE_NODES))
    availability_zone: str = ""
    instance_type: pulumi.Input[str] = "m6i.large"
    root_volume_gib: int = 20
    data_volume_gib: int = 20
    data_volume_type: str = "gp3"
    data_volume_iops: int = 0
    data_volume_throughput: int = 0
    protect_data: bool = True
    open_without_peer_seconds: int = 30
    mysql_archive_url: pulumi.Input[str] = (
        "https://cdn.mysql.com/archives/mysql-5.6/mysql-5.6.51-linux-glibc2.12-x86_64.tar.gz "
        "https://downloads.mysql.com/archives/get/p/23/file/"
        "mysql-5.6.51-linux-glibc2.12-x86_64.tar.gz"
    )
    mysql_archive_checksum: pulumi.Input[str] = "md5:b4a58f228dc5e2d579eb9ce59e566bd5"
    mysql_settings: dict[str, pulumi.Input[str]] = field(default_factory=dict)
    databases: list[str] = field(default_factory=lambda: ["app"])
    users: list[UserSettings] = field(default_factory=lambda: [UserSettings("app", ["app"])])
    replication_user: str = "repuser"
    require_client_tls: pulumi.Input[bool] = True
    bucket_name: str = ""
    destroy_bucket_contents: pulumi.Input[bool] = False
    keep_backups_days: int = 30
    keep_logs_days: int = 30
    keep_versions_days: int = 7
    archive_interval_seconds: int = 300
    backup_schedule: str = "*-*-* 03:15:00"
    drill_schedule: str = ""
    maintenance_schedule: str = "Sun *-*-* 04:30:00"
    keep_binlog_hours: int = 24
    disk_warn_percent: int = 80
    disk_critical_percent: int = 92
    restore_from: RestoreSettings | None = None
    tags: dict[str, pulumi.Input[str]] = field(default_factory=dict)
    ssh_private_key: pulumi.Input[str] = field(default="", repr=False)
    ca_certificate: pulumi.Input[str] = ""
    ca_private_key: pulumi.Input[str] = field(default="", repr=False)
    node_certificates: dict[str, NodeCertificate] = field(default_factory=dict, repr=False)
    passwords: dict[str, pulumi.Input[str]] = field(default_factory=dict, repr=False)

    @property
    def mysql_ranges(self) -> list[str]:
        """From where clients may reach MySQL."""
        return self.client_ranges or [self.client_cidr]

    def peer_of(self, node: NodeSettings) -> NodeSettings:
        """The other node of the ring."""
        return next(other for other in self.nodes if other.name != node.name)
