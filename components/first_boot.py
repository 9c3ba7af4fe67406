"""What a host is told at its first boot: who it is, and the address of its second interface."""

import re

REPLICATION_NETWORK = "/etc/systemd/network/05-replication.network"


def user_data(host_private_key: str, host_public_key: str, mac: str, address: str) -> str:
    """cloud-init's document. `address` is in CIDR form, such as 10.10.1.10/24.

    The SSH host key comes from outside so that the first connection is verified already. The
    interface is attached while the host boots, which cloud-init does not reliably notice, so
    networkd gets a file of its own, matched by MAC, without a gateway.
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
