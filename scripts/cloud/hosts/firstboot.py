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
    """DHCP on the primary interface alone, as EC2 tells cloud-init at the first boot."""
    primary = host.interfaces[0]
    name = guest_interface(0)
    settings = {"dhcp4": True, "match": {"macaddress": primary.mac}, "set-name": name}
    return {"version": 2, "ethernets": {name: settings}}


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
