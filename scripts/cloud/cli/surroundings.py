"""The surroundings of a program in the lab: its environment and its place in the network."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud.lab import STACK, Lab
from cloud.names import Names, namespace_path

KEPT = ("TERM", "COLORTERM", "COLUMNS", "LINES", "LANG", "LANGUAGE", "TZ", "NO_COLOR")
NO_SIDE_FILES = "?metadata=skip"
"""Beside each file the backend writes one with attributes, in place: a CLI that is killed then
leaves it empty, and every command ends with "failed to load checkpoint: EOF" from there on. Nothing
reads the attributes (gocloud.dev/blob/fileblob, URLOpener)."""
VIRTUAL_ENVIRONMENT = "venv"
"""The option `virtualenv` of Pulumi.yaml."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# $1 is the lab's folder of the daemon, $2 the lab's virtual environment, $3 the place where
# Pulumi.yaml has the checkout's; the rest is the command. Go programs and the resolver read the two
# files only at their fixed places, and the language host its Python, hence a mount namespace of the
# command's own: outside of it the checkout's virtual environment is the operator's own, or empty.
_MOUNT_AND_RUN = """\
set -e
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/ca-bundle.pem" /etc/ssl/certs/ca-certificates.crt
mkdir -p "$3"
mount --bind "$2" "$3"
shift 3
exec "$@"
"""


def environment(lab: Lab, caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment of a program in the lab; nothing of the caller's credentials is in it.

    The virtual environment comes first on PATH: programs without one of their own start its Python.
    Before it there is only the folder for programs that a test puts in the place of others.
    """
    kept = {key: value for key, value in caller.items() if key in KEPT or key.startswith("LC_")}
    toolchain = (lab.folder / "toolchain").read_text().strip()
    path = os.pathsep.join([str(lab.bin), str(Path(sys.prefix) / "bin"), toolchain, SYSTEM_PATH])
    return {
        **kept,
        "PATH": path,
        "HOME": str(lab.home),
        "USER": "root",
        "LOGNAME": "root",
        "PULUMI_HOME": str(lab.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{lab.state}{NO_SIDE_FILES}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(lab.passphrase),
        "PULUMI_STACK": STACK,
        "PULUMI_OPTION_CONFIG_FILE": str(lab.settings),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",  # of any version on PATH, before the lab's own
        "AWS_CA_BUNDLE": str(lab.bundle),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "SSL_CERT_FILE": str(lab.bundle),
        "PYTHONPYCACHEPREFIX": str(lab.cache / "pycache"),
    }


def aws_environment(lab: Lab) -> dict[str, str]:
    """The same with the region and the keys of the lab's settings."""
    import yaml  # not at every start of the lab's program

    settings = yaml.safe_load(lab.settings.read_text())["config"]
    return {
        **environment(lab),
        "AWS_DEFAULT_REGION": str(settings["aws:region"]),
        "AWS_ACCESS_KEY_ID": str(settings["aws:accessKey"]),
        "AWS_SECRET_ACCESS_KEY": str(settings["aws:secretKey"]),
    }


def argv_in_world(lab: Lab, argv: list[str]) -> list[str]:
    """The command line that starts a program where the operator of the lab is, with the lab's
    resolver, authorities and virtual environment.

    The stand-in cloud must be serving: it makes the namespace and the two files.
    """
    return [
        "nsenter",
        f"--net={namespace_path(Names(lab.id).world)}",
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
        str(lab.cloud),
        sys.prefix,
        str(lab.checkout / VIRTUAL_ENVIRONMENT),
        *argv,
    ]
