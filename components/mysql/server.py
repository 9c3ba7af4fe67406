"""The steps that make a host a MySQL server: install, volume, keys, my.cnf, data directory,
accounts."""

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.accounts import HEARTBEAT_USER, PEER_USER
from components.credentials import Credentials
from components.mysql.configuration import render, template
from components.settings import NodeSettings, RingArgs
from components.step import Host, document, step


def client_host(cidr: str) -> str:
    """The host part of an account for a whole range, in the form that MySQL 5.6 compares by mask.

    Its manual names masks of 8, 16, 24 and 32 bits alone; 5.6.24 takes all from 1 to 32.
    https://dev.mysql.com/doc/refman/5.6/en/account-names.html
    """
    return str(ipaddress.IPv4Network(cidr).with_netmask)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def my_cnf(node: NodeSettings, overrides: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """The node's my.cnf, as soon as every override is known."""
    values: pulumi.Output[Any] = pulumi.Output.from_input(overrides)
    return values.apply(lambda known: render(template(), node, known))


@dataclass(frozen=True)
class MysqlServerArgs:
    """`after` is ready before the first step, `volume_after` before the volume is looked at,
    `certificates_after` before another CA comes."""

    node: NodeSettings
    settings: RingArgs
    credentials: Credentials
    host: Host
    after: Sequence[pulumi.Resource]
    volume_after: Sequence[pulumi.Resource]
    certificates_after: Sequence[pulumi.Resource] = ()


class MysqlServer(pulumi.ComponentResource):
    """One running, secured server with its accounts, not yet replicating.

    If it ran before, another my.cnf and other certificates wait for its restart: `files` is what it
    has to run with then. Another CA is brought in at once.
    """

    certificates_step: pulumi.Resource
    files: pulumi.Output[dict[str, str]]
    """SHA-256 of my.cnf and certificate, as the host has them."""
    last_step: pulumi.Resource

    def __init__(
        self, name: str, args: MysqlServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:MysqlServer", name, None, opts)
        node, settings, host = args.node, args.settings, args.host
        certificate = args.credentials.certificates[node.name]
        install = step(
            f"{name}-install",
            "install",
            host,
            document(
                {"url": settings.mysql_archive_url, "checksum": settings.mysql_archive_checksum}
            ),
            parent=self,
            depends_on=args.after,
            quiet=_may_be_secret(settings.mysql_archive_url, settings.mysql_archive_checksum),
        )
        volume = step(
            f"{name}-volume",
            "volume",
            host,
            document({"volume_id": host.volume_id, "size_gib": settings.data_volume_gib}),
            parent=self,
            depends_on=[install, *args.volume_after],
        )
        # With another CA it restarts a running server: one node after the other.
        self.certificates_step = step(
            f"{name}-tls",
            "tls",
            host,
            document(
                {
                    "ca": args.credentials.ca_certificate,
                    "certificate": certificate.certificate,
                    "key": certificate.key,
                },
                secret=True,
            ),
            parent=self,
            depends_on=[volume, *args.certificates_after],
            secret=True,
        )
        text = my_cnf(node, settings.mysql_settings)
        config = step(
            f"{name}-config",
            "config",
            host,
            text,
            parent=self,
            depends_on=[self.certificates_step],
            quiet=_may_be_secret(*settings.mysql_settings.values()),
        )
        server = step(
            f"{name}-server",
            "server",
            host,
            document({"root_password": args.credentials.passwords["root"]}, secret=True),
            parent=self,
            depends_on=[config],
            secret=True,
        )
        self.last_step = step(
            f"{name}-accounts",
            "accounts",
            host,
            document(_accounts(args), secret=True),
            parent=self,
            depends_on=[server],
            secret=True,
        )
        self.files = pulumi.Output.all(text, certificate.certificate).apply(
            lambda known: {
                "my_cnf": sha256(known[0]),
                "certificate": sha256(known[1].strip() + "\n"),
            }
        )
        self.register_outputs({})


def _may_be_secret(*given: pulumi.Input[str]) -> bool:
    """Whether a verb that prints what it was given may print a secret: an output may be one."""
    return not all(isinstance(value, str) for value in given)


def _accounts(args: MysqlServerArgs) -> dict[str, Any]:
    settings, passwords = args.settings, args.credentials.passwords

    def account(user: str) -> dict[str, Any]:
        return {"user": user, "password": passwords[user]}

    return {
        "replication": account(settings.replication_user),
        "peer": account(PEER_USER),
        "heartbeat": account(HEARTBEAT_USER),
        "peer_address": settings.peer_of(args.node).replication_address,
        "databases": list(settings.databases),
        "users": [
            {
                "name": user.name,
                "password": passwords[user.name],
                "host": client_host(cidr),
                "privileges": list(user.privileges),
                "database": database,
                "require_ssl": settings.require_client_tls,
            }
            for user in settings.users
            for cidr in settings.mysql_ranges
            for database in user.databases
        ],
    }
