"""Names and fixed addresses of a lab. Two labs on one machine share none of the names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

API_ADDRESS = "192.0.2.10"
MIRROR_ADDRESS = "192.0.2.20"
WORLD_DNS_ADDRESS = "192.0.2.53"
METADATA_ADDRESS = "169.254.169.254"
HOST_DNS_ADDRESS = "169.254.169.253"
WORLD_ADDRESS = "198.51.100.10"
WORLD_GATEWAY = "198.51.100.1"
WORLD_PREFIX = 24
PUBLIC_NETWORK = "203.0.113.0/24"
WORLD_INTERFACE = "world0"
UPLINK = "up0"

NETNS_FOLDER = Path("/run/netns")


def lab_id(folder: Path) -> str:
    """Six hexadecimal digits from the folder's absolute path.

    Everything of a lab that the whole machine sees has them in its name.
    """
    return hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:6]


@dataclass(frozen=True)
class Names:
    """Every machine-wide name of one lab, derived from its identifier."""

    lab: str

    @classmethod
    def of(cls, lab_dir: Path) -> Names:
        """Names of the lab in this folder."""
        return cls(lab_id(lab_dir))

    @property
    def prefix(self) -> str:
        return f"mr{self.lab}-"

    @property
    def cloud(self) -> str:
        return f"{self.prefix}cloud"

    @property
    def world(self) -> str:
        return f"{self.prefix}world"

    def host(self, instance_id: str) -> str:
        """Network namespace of an instance."""
        return f"{self.prefix}{instance_id[-8:]}"

    def vpc(self, vpc_id: str) -> str:
        """Network namespace of a VPC's router."""
        return f"{self.prefix}vpc-{vpc_id[-8:]}"

    @property
    def control_group(self) -> str:
        return f"mysql-ring-{self.lab}"

    def machine(self, instance_id: str) -> str:
        """Name under which systemd-nspawn knows the host."""
        return f"{self.prefix}{instance_id[-8:]}"


def cable_end(eni_id: str) -> str:
    """The router's end of a network interface's cable (an interface name has 15 characters)."""
    return f"e{eni_id[-12:]}"


def vpc_link(vpc_id: str) -> str:
    """The cloud's end of the cable to a VPC's router."""
    return f"v{vpc_id[-12:]}"


def guest_interface(device_index: int) -> str:
    """The name that a host gives to the interface at this device index, as on Nitro instances."""
    return f"ens{5 + device_index}"


def namespace_path(namespace: str) -> Path:
    return NETNS_FOLDER / namespace


def domain(region: str) -> str:
    """The domain of the private names of a region's hosts."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def host_name(address: str) -> str:
    """The name that EC2 gives a host after its private address, without the domain."""
    return f"ip-{address.replace('.', '-')}"


def private_name(address: str, region: str) -> str:
    """The same in full: ip-192-168-100-10.REGION.compute.internal."""
    return f"{host_name(address)}.{domain(region)}"
