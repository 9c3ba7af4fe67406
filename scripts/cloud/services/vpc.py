"""What serves the hosts inside a VPC: addresses and names by dnsmasq, and instance metadata."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.names import METADATA_ADDRESS, Names
from cloud.network import namespaces, resolver
from cloud.services.dnsmasq import Dnsmasq
from cloud.services.http import Server
from cloud.wanted import Vpc


class VpcServices:
    """The services of every VPC in use; `metadata` gives the application for a VPC."""

    def __init__(
        self,
        names: Names,
        folder: Path,
        mirrored: Callable[[], set[str]],
        metadata: Callable[[str], Any],
    ) -> None:
        self.names = names
        self.folder = folder
        self.mirrored = mirrored
        self.metadata = metadata
        self.resolvers: dict[str, Dnsmasq] = {}
        self.servers: dict[str, Server] = {}

    def apply(self, vpc: Vpc) -> None:
        """Serve a VPC whose router exists."""
        namespace = self.names.vpc(vpc.id)
        if vpc.id not in self.servers:
            app = self.metadata(vpc.id)
            server = namespaces.call_inside(namespace, lambda: Server(METADATA_ADDRESS, 80, app))
            server.start(f"metadata-{vpc.id}")
            self.servers[vpc.id] = server
        if vpc.id not in self.resolvers:
            self.resolvers[vpc.id] = Dnsmasq(
                namespace, self.folder / vpc.id, f"{self.names.control_group}/services"
            )
        dnsmasq = self.resolvers[vpc.id]
        dnsmasq.apply(
            resolver.vpc_config(vpc, self.mirrored(), dnsmasq.folder),
            {"dhcp-hosts": resolver.dhcp_hosts(vpc), "hosts": resolver.hosts(vpc)},
        )

    def remove(self, vpc_id: str) -> None:
        if (server := self.servers.pop(vpc_id, None)) is not None:
            server.stop()
        if (dnsmasq := self.resolvers.pop(vpc_id, None)) is not None:
            dnsmasq.stop()
            shutil.rmtree(dnsmasq.folder, ignore_errors=True)

    def stop(self) -> None:
        for vpc_id in {*self.servers, *self.resolvers}:
            self.remove(vpc_id)
