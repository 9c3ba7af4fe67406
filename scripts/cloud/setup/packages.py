"""The Debian packages of the hosts, in one place. Those of the machine are in scripts/lab."""

BASE = (
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "netplan.io",
    "dbus",
    "openssh-server",
    "cloud-init",
    "python3",
    # debootstrap does not resolve the virtual package through which cryptography asks for it
    "python3-cffi-backend",
    "iproute2",
    "iputils-ping",
    "nftables",
    "ca-certificates",
    "sudo",
    "cron",
    "netbase",
    "procps",
    "less",
)
"""On the hosts' disk image from the start, as on Debian's own image for AWS."""

MIRRORED = (
    "libaio1",
    "libnuma1",
    "libncurses5",
    "libtinfo5",
    "python3-pymysql",
    "mariadb-client-core",
    "logrotate",
    "xfsprogs",
    "nftables",
    "zstd",
    "s3cmd",
    "mydumper",
    "sysbench",
    "faketime",
)
"""What hosts install from the mirror; it holds them with all that they depend on.

The node tool asks for all but sysbench, with which the bench loads the ring, and faketime, with
which the tests set a program's clock.
"""
