"""The place of the operator: commands that run where the lab's cloud can be reached."""

from __future__ import annotations

from pathlib import Path

from cloud.names import Names, namespace_path

# $1 is the lab's folder of the daemon; the rest is the command. Go programs and the resolver read
# these two files only at their fixed places, hence a mount namespace of the command's own.
_MOUNT_AND_RUN = """\
set -e
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/ca-bundle.pem" /etc/ssl/certs/ca-certificates.crt
shift
exec "$@"
"""


def command(lab_dir: Path, argv: list[str]) -> list[str]:
    """The command that runs `argv` in the lab's world, with the lab's resolver and authorities.

    The daemon must be serving: it makes the namespace and the two files.
    """
    names = Names.of(lab_dir)
    return [
        "nsenter",
        f"--net={namespace_path(names.world)}",
        "--",
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--",
        "sh",
        "-c",
        _MOUNT_AND_RUN,
        "mysql-ring-world",
        str(lab_dir.absolute() / "cloud"),
        *argv,
    ]
