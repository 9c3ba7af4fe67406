"""What cloud-init finds on a host: its NoCloud source, written before each boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cloud.names import domain, guest_interface
from cloud.wanted import Host

SEED = Path("var/lib/cloud/seed/nocloud")


def meta_data(host: Host) -> dict[str, Any]:
    return {
        "instance-id": host.id,
        "local-hostname": f"{host.hostname}.{domain(host.region)}",
        "availability-zone": host.zone,
        "region": host.region,
        "public-keys": [host.public_key] if host.public_key else [],
    }


def network_config(host: Host) -> dict[str, Any]:
    """DHCP on each interface that is there at the first boot, as cloud-init makes it of EC2's
    metadata (22.4.2, DataSourceEc2.convert_ec2_metadata_network_config)."""
    ethernets: dict[str, Any] = {}
    for interface in host.interfaces:
        name = guest_interface(interface.device_index)
        ethernets[name] = {
            "dhcp4": True,
            "match": {"macaddress": interface.mac},
            "set-name": name,
        }
        if len(host.interfaces) > 1:
            metric = 100 * (interface.device_index + 1)
            ethernets[name]["dhcp4-overrides"] = {"route-metric": metric}
    return {"version": 2, "ethernets": ethernets}


def write(root: Path, host: Host) -> None:
    """Write the source's three files; only root on the host reads them, as with real user data."""
    folder = root / SEED
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    # YAML reads JSON.
    (folder / "meta-data").write_text(json.dumps(meta_data(host)))
    (folder / "network-config").write_text(json.dumps(network_config(host)))
    user_data = folder / "user-data"
    user_data.touch(mode=0o600)
    user_data.write_bytes(host.user_data)
