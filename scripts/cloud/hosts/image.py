"""The image's own layer over the base tree: as Debian's cloud image, the lab's CA, gates, and a
record of the routes that a host has had."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from cloud.hosts import gates
from cloud.names import guest_interface

LOGIN = "admin"
AUTHORITY = "usr/local/share/ca-certificates/mysql-ring-lab.crt"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"

# Where the record is: a line `boot` for each boot, then what `ip monitor` says of each change.
ROUTES = "var/log/lab-routes"
ROUTES_UNIT = "lab-routes.service"
# It begins before anything configures the network: what waits for it starts when the kernel has it
# as a listener.
ROUTES_SERVICE = f"""\
[Unit]
DefaultDependencies=no
Before=cloud-init-local.service network-pre.target systemd-networkd.service shutdown.target
Conflicts=shutdown.target

[Service]
StandardOutput=append:/{ROUTES}
ExecStartPre=/bin/echo boot
ExecStart=/bin/ip -4 -tshort monitor route
ExecStartPost=/bin/sh -c '\\
  until grep -qE "^[0-9a-f]+ 0 +$MAINPID " /proc/net/netlink; do sleep 0.01; done'
"""
# Of Debian's image for NoCloud and GCE (debian-cloud-images,
# config_space/12/files/etc/netplan/90-default.yaml). The one for EC2 has netplan without this file:
# cloud-init configures what is there at the first boot, and nothing what comes later.
NETPLAN = """\
network:
    version: 2
    ethernets:
        all-en:
            match:
                name: en*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
        all-eth:
            match:
                name: eth*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
"""

WAIT_ONLINE = "systemd-networkd-wait-online.service"
ENABLED = {
    "multi-user.target.wants/systemd-networkd.service": "systemd-networkd.service",
    "dbus-org.freedesktop.network1.service": "systemd-networkd.service",
    "sockets.target.wants/systemd-networkd.socket": "systemd-networkd.socket",
    f"network-online.target.wants/{WAIT_ONLINE}": WAIT_ONLINE,
    f"sysinit.target.wants/{ROUTES_UNIT}": ROUTES_UNIT,
}
# What a container has no use for, and timers that would compete with the work of a test.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "cloud-init-hotplugd.socket",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "systemd-pstore.service",
)

# As in Debian's own cloud image: the login, hosts and package sources. The list of modules leaves
# out those that grow disks, install boot loaders or ask services that are not here.
CLOUD_CONFIG: dict[str, Any] = {
    "datasource_list": ["NoCloud", "None"],
    "manage_etc_hosts": True,
    "apt_preserve_sources_list": True,
    "system_info": {
        "default_user": {"name": LOGIN, "gecos": "Debian"},
        # Not by way of netplan, which asks udev.
        "network": {"renderers": ["networkd"]},
    },
    "cloud_init_modules": [
        "migrator",
        "bootcmd",
        "write-files",
        "mounts",
        "set_hostname",
        "update_hostname",
        "update_etc_hosts",
        "ca-certs",
        "users-groups",
        "ssh",
    ],
    "cloud_config_modules": [
        "ssh-import-id",
        "set-passwords",
        "apt-configure",
        "timezone",
        "runcmd",
    ],
    "cloud_final_modules": [
        "package-update-upgrade-install",
        "write-files-deferred",
        "scripts-vendor",
        "scripts-per-once",
        "scripts-per-boot",
        "scripts-per-instance",
        "scripts-user",
        "ssh-authkey-fingerprints",
        "keys-to-console",
        "phone-home",
        "final-message",
        "power-state-change",
    ],
}


def files(base_bundle: str, authority: str) -> dict[str, str]:
    """Content of the layer's files, by path."""
    name = guest_interface(0)
    return {
        "etc/machine-id": "",
        "etc/hostname": "localhost\n",
        "etc/netplan/90-default.yaml": NETPLAN,
        f"usr/lib/systemd/system/{ROUTES_UNIT}": ROUTES_SERVICE,
        "etc/cloud/cloud.cfg.d/90-lab.cfg": json.dumps(CLOUD_CONFIG, indent=1) + "\n",
        # cloud-init writes the file that this one adds to. The lab has no IPv6 to wait for.
        f"etc/systemd/network/10-cloud-init-{name}.network.d/lab.conf": (
            "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n[DHCPv4]\nUseMTU=no\n"
        ),
        # As a cloud image, where interfaces attached later are optional for the boot.
        f"etc/systemd/system/{WAIT_ONLINE}.d/lab.conf": (
            "[Service]\nExecStart=\n"
            f"ExecStart=/lib/systemd/systemd-networkd-wait-online --interface={name} --timeout=30\n"
        ),
        AUTHORITY: authority,
        BUNDLE: base_bundle + authority,
        f"etc/ssl/certs/{Path(AUTHORITY).stem}.pem": authority,
    }


def build(layer: Path, base: Path, authority: Path) -> None:
    """Make the layer in a folder; what an earlier start has made is replaced."""
    fresh = layer.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    pem = authority.read_text()
    for path, content in files((base / BUNDLE).read_text(), pem).items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    gates.install(fresh, base)
    units = fresh / "etc/systemd/system"
    for link, unit in ENABLED.items():
        (units / link).parent.mkdir(parents=True, exist_ok=True)
        (units / link).symlink_to(f"/lib/systemd/system/{unit}")
    for unit in MASKED:
        (units / unit).symlink_to("/dev/null")
    (fresh / f"etc/ssl/certs/{subject_hash(authority)}.0").symlink_to(f"{Path(AUTHORITY).stem}.pem")
    shutil.rmtree(layer, ignore_errors=True)
    fresh.rename(layer)


def subject_hash(certificate: Path) -> str:
    """The name under which OpenSSL looks an authority up in a folder of certificates."""
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
