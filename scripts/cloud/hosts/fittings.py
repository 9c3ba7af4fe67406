"""What is put into hosts, and who puts it in: one fitter for each kind of part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cloud.hosts.complaints import Complaints
from cloud.hosts.guest import Guest
from cloud.names import namespace_path
from cloud.network.router import Routers
from cloud.wanted import Interface, Part, Snapshot, Vpc


class Fitter(Protocol):
    """Puts parts of one kind into hosts and takes them out. Whoever is asked twice does it anew."""

    def follow(self, snapshot: Snapshot) -> None:
        """Bring up to date what does not go in or out; called before everything else of a pass."""
        ...

    def check(self, part: Any) -> None:
        """Raise unless the part can be put in in this pass."""
        ...

    def fit(self, guest: Guest, part: Any) -> bool:
        """Put a part into a host that runs or is about to boot. False: the host is not ready for
        it yet, and the next pass asks again."""
        ...

    def boot_arguments(self, guest: Guest) -> list[str]:
        """What systemd-nspawn must be told about the parts that are in the host."""
        ...

    def unfit(self, guest: Guest, part: Any) -> bool:
        """Take a part out of a host that runs. False: the host uses it, and the next pass asks
        again."""
        ...

    def forget(self, guest: Guest) -> None:
        """The host is off: free what its parts still hold."""
        ...

    def tidy(self, snapshot: Snapshot) -> None:
        """Remove what no host needs any more; called after everything else of a pass."""
        ...


Fitters = Mapping[type[Part], Fitter]


class VpcServices(Protocol):
    """What runs in a VPC's router: DHCP, names and metadata."""

    def apply(self, vpc: Vpc) -> None: ...
    def remove(self, vpc_id: str) -> None: ...


class Cables:
    """Network interfaces: each is a cable from its host to the router of its VPC."""

    def __init__(self, routers: Routers, services: VpcServices, complaints: Complaints) -> None:
        self.routers = routers
        self.services = services
        self.complaints = complaints
        self.ready: dict[str, Vpc] = {}
        """VPCs that are up to date in this pass."""

    def follow(self, snapshot: Snapshot) -> None:
        self.ready = {}
        for vpc in snapshot.vpcs.values():
            with self.complaints.about(vpc.id):
                self.routers.add_missing(vpc)
                self.routers.apply(vpc)
                self.services.apply(vpc)
                self.ready[vpc.id] = vpc

    def check(self, part: Interface) -> None:
        if part.vpc_id not in self.ready:
            raise RuntimeError(f"no router yet for {part.vpc_id}")

    def fit(self, guest: Guest, part: Interface) -> bool:
        self.check(part)
        self.routers.plug(part, guest.namespace, self.ready[part.vpc_id])
        return True

    def boot_arguments(self, guest: Guest) -> list[str]:
        return [
            f"--network-namespace-path={namespace_path(guest.namespace)}",
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
        ]

    def unfit(self, guest: Guest, part: Interface) -> bool:  # noqa: ARG002 - other parts need it
        self.routers.unplug(part.id)
        return True

    def forget(self, guest: Guest) -> None:
        self.routers.forget(guest.id)

    def tidy(self, snapshot: Snapshot) -> None:
        for vpc_id in self.routers.superfluous(snapshot):
            with self.complaints.about(vpc_id):
                self.services.remove(vpc_id)
                self.routers.remove(vpc_id)
