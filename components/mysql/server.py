"""The steps that make a host a MySQL server: install, volume, keys, my.cnf, data directory,
accounts."""

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

    https://dev.mysql.com/doc/refman/5.6/en/account-names.html
    """
    return str(ipaddress.IPv4Network(cidr).with_netmask)


def my_cnf(node: NodeSettings, overrides: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """The node's my.cnf, as soon as every override is known."""
    values: pulumi.Output[Any] = pulumi.Output.from_input(overrides)
    return values.apply(lambda known: render(template(), node, known))


@dataclass(frozen=True)
class MysqlServerArgs:
    """`after` is ready before the first step. `restart_after` is the step of the other node that
    has to be done before this one may restart its server."""

    node: NodeSettings
    settings: RingArgs
    credentials: Credentials
    host: Host
    after: Sequence[pulumi.Resource]
    restart_after: Sequence[pulumi.Resource] = ()


class MysqlServer(pulumi.ComponentResource):
    """One running, secured server with its accounts, not yet replicating.

    Its accounts are made by `add_accounts`, when both servers run with the settings' files: with
    another password of the account that one node asks the other by, neither could restart in turn.
    """

    config_step: pulumi.Resource
    last_step: pulumi.Resource

    def __init__(
        self, name: str, args: MysqlServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:MysqlServer", name, None, opts)
        self._name, self._args = name, args
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
            depends_on=[install],
        )
        # Both of these restart a running server: one node after the other.
        tls = step(
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
            depends_on=[volume, *args.restart_after],
            secret=True,
        )
        self.config_step = step(
            f"{name}-config",
            "config",
            host,
            my_cnf(node, settings.mysql_settings),
            parent=self,
            depends_on=[tls],
            quiet=_may_be_secret(*settings.mysql_settings.values()),
        )
        self._server = step(
            f"{name}-server",
            "server",
            host,
            document({"root_password": args.credentials.passwords["root"]}, secret=True),
            parent=self,
            depends_on=[self.config_step],
            secret=True,
        )
        self.register_outputs({})

    def add_accounts(self, after: Sequence[pulumi.Resource]) -> None:
        self.last_step = step(
            f"{self._name}-accounts",
            "accounts",
            self._args.host,
            document(_accounts(self._args), secret=True),
            parent=self,
            depends_on=[self._server, *after],
            secret=True,
        )


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
                "host": client_host(settings.client_cidr),
                "privileges": list(user.privileges),
                "database": database,
                "require_ssl": settings.require_client_tls,
            }
            for user in settings.users
            for database in user.databases
        ],
    }
