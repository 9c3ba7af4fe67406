"""Gates on the hosts: what runs there waits where a test says, until the test lets it go.

LAB/cloud/gates is the folder PLACE of every host from its first boot on. An order is a file in it,
put there whole: `verb-VERB` for a verb of the node tool (on_guest/lab_gate.py says how), `upload`
for what comes over SFTP (on_guest/sftp-server). Beside it those that wait write who they are. What
runs on the hosts knows of none of this: it is in their image.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PLACE = "/run/mysql-ring-lab"
ON_GUEST = Path(__file__).with_name("on_guest")
PYTHON = "usr/lib/python3/dist-packages"
SFTP_SERVER = "usr/lib/openssh/sftp-server"
HELD_BACK = "usr/lib/mysql-ring-lab/sftp-server"
"""Where the real one is."""

# Run by every Python that starts on a host: it looks for an order, and does no more without one.
AT_START = (
    "import os, sys; any(os.path.exists(f'"
    f"{PLACE}"
    "/verb-{word}') for word in sys.orig_argv[1:]) and __import__('lab_gate')\n"
)


def folder(cloud: Path) -> Path:
    return cloud / "gates"


def make(cloud: Path) -> Path:
    """The folder of the orders, open to every login of a host, as the upload's is not root."""
    made = folder(cloud)
    made.mkdir(parents=True, exist_ok=True)
    made.chmod(0o1777)
    return made


def install(layer: Path, base: Path) -> None:
    """Put the gates into a layer of the hosts' image."""
    target = layer / PYTHON
    target.mkdir(parents=True)
    for path in ON_GUEST.glob("lab_*.py"):
        shutil.copy(path, target / path.name)
    (target / "lab_gate.pth").write_text(AT_START)
    for source, place in ((ON_GUEST / "sftp-server", SFTP_SERVER), (base / SFTP_SERVER, HELD_BACK)):
        (layer / place).parent.mkdir(parents=True)
        shutil.copy(source, layer / place)


def boot_arguments(cloud: Path) -> list[str]:
    """Arguments of systemd-nspawn that give a host the folder of the orders."""
    return [f"--bind={make(cloud)}:{PLACE}"]
