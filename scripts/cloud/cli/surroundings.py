"""The surroundings of a program in the lab: its environment and its place in the network."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud.lab import STACK, Lab
from cloud.world import command as in_world

KEPT = ("TERM", "COLORTERM", "COLUMNS", "LINES", "LANG", "LANGUAGE", "TZ", "NO_COLOR")
NO_SIDE_FILES = "?metadata=skip"
"""Beside each file the backend writes one with attributes, in place: a CLI that is killed then
leaves it empty, and every command ends with "failed to load checkpoint: EOF" from there on. Nothing
reads the attributes (gocloud.dev/blob/fileblob, URLOpener)."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(lab: Lab, caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment of a program in the lab; nothing of the caller's credentials is in it.

    The virtual environment comes first on PATH: the language host starts its Python from there.
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
        "AWS_CA_BUNDLE": str(lab.bundle),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "SSL_CERT_FILE": str(lab.bundle),
        "PYTHONPYCACHEPREFIX": str(lab.cache / "pycache"),
    }


def argv_in_world(lab: Lab, argv: list[str]) -> list[str]:
    """The command line that starts a program where the operator of the lab is."""
    return in_world(lab.folder, argv)
