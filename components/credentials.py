"""SSH keys, the CA, server certificates and passwords: made once, or given by settings."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.accounts import HEARTBEAT_USER, PEER_USER
from components.inputs import given as is_given
from components.keys import made, script
from components.settings import NodeSettings, RingArgs


@dataclass(frozen=True)
class KeyPair:
    """An SSH key. The private half is a secret, the public half is not."""

    private_key: pulumi.Output[str]
    public_key: pulumi.Output[str]


@dataclass(frozen=True)
class Certificate:
    """A server certificate with its RSA key (PKCS#1, the only form that 5.6 reads)."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]


@dataclass(frozen=True)
class CredentialsArgs:
    """The settings name the nodes and the accounts, and what the operator brings."""

    settings: RingArgs


class Credentials(pulumi.ComponentResource):
    """Everything secret that a ring needs."""

    ssh_key: KeyPair
    host_keys: dict[str, KeyPair]
    ca_certificate: pulumi.Output[str]
    certificates: dict[str, Certificate]
    passwords: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Credentials", name, None, opts)
        settings = args.settings
        self.ssh_key = self._ssh_key(f"{name}-ssh-key", given=settings.ssh_private_key)
        self.host_keys = {
            node.name: self._ssh_key(f"{name}-{node.name}-ssh-host-key") for node in settings.nodes
        }
        self.ca_certificate, ca_key = self._authority(f"{name}-ca", settings)
        self.certificates = {
            node.name: self._certificate(f"{name}-{node.name}-certificate", node, settings, ca_key)
            for node in settings.nodes
        }
        accounts = [
            "root",
            settings.replication_user,
            PEER_USER,
            HEARTBEAT_USER,
            *(user.name for user in settings.users),
        ]
        self.passwords = {
            account: self._password(f"{name}-password-{account}", account, settings.passwords)
            for account in accounts
        }
        self.register_outputs({"caCertificate": self.ca_certificate})

    def _ssh_key(self, name: str, given: pulumi.Input[str] = "") -> KeyPair:
        if is_given(given):
            # The public half of a given key is read again when another key is given.
            pair = made(name, script("ssh-key", "read"), parent=self, stdin=given, once=False)
        else:
            pair = made(name, script("ssh-key", "make"), parent=self)
        return KeyPair(
            private_key=pair.apply(lambda made: made["private_key"]),
            public_key=pulumi.Output.unsecret(pair.apply(lambda made: made["public_key"])),
        )

    def _authority(
        self, name: str, settings: RingArgs
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        if is_given(settings.ca_certificate):
            return (
                pulumi.Output.from_input(settings.ca_certificate),
                pulumi.Output.secret(settings.ca_private_key),
            )
        pair = made(name, script("authority"), parent=self)
        return (
            pulumi.Output.unsecret(pair.apply(lambda made: made["certificate"])),
            pair.apply(lambda made: made["key"]),
        )

    def _certificate(
        self, name: str, node: NodeSettings, settings: RingArgs, ca_key: pulumi.Output[str]
    ) -> Certificate:
        given = settings.node_certificates.get(node.name)
        if given:
            return Certificate(
                certificate=pulumi.Output.from_input(given.certificate),
                key=pulumi.Output.secret(given.key),
            )
        # The addresses are in the certificate: another address or another CA makes another one.
        pair = made(
            name,
            script("server-certificate", node.name, node.replication_address, node.client_address),
            parent=self,
            stdin=pulumi.Output.concat(self.ca_certificate, "\n", ca_key, "\n"),
            once=False,
        )
        return Certificate(
            certificate=pulumi.Output.unsecret(pair.apply(lambda made: made["certificate"])),
            key=pair.apply(lambda made: made["key"]),
        )

    def _password(
        self, name: str, account: str, given: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Output[str]:
        if account in given:
            return pulumi.Output.secret(given[account])
        return made(name, script("password"), parent=self).apply(lambda made: made["password"])
