"""What a host is told at its first boot: who it is, and the address of its second interface."""

import re

REPLICATION_NETWORK = "/etc/systemd/network/05-replication.network"


def user_data(host_private_key: str, host_public_key: str, mac: str, address: str) -> str:
    """cloud-init's document. `address` is in CIDR form, such as 10.10.1.10/24.

    The SSH host key comes from outside so that the first connection is verified already. DHCP on
    EC2 names a router to every interface, and the replication network leads nowhere. So networkd
    gets a file of its own for that interface, matched by MAC, without DHCP and without a gateway,
    which sorts before those of netplan and cloud-init. Nothing of user data acts before networkd
    at a first boot (cloud-init 22.4.2, DataSourceEc2Local is of dsmode "net"): so the interface is
    attached when that boot is over.
    """
    key = "\n".join(f"    {line}" for line in host_private_key.strip().splitlines())
    return f"""#cloud-config
ssh_keys:
  ed25519_private: |
{key}
  ed25519_public: {host_public_key.strip()}
write_files:
  - path: {REPLICATION_NETWORK}
    content: |
      [Match]
      MACAddress={mac}

      [Link]
      RequiredForOnline=no

      [Network]
      Address={address}
      LinkLocalAddressing=no
      IPv6AcceptRA=no
runcmd:
  - [networkctl, reload]
"""


def address_in(document: str) -> str | None:
    """The address that a host was told in this way."""
    found = re.search(r"^ *Address=(\S+)$", document, re.MULTILINE)
    return found[1] if found else None
