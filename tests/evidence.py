"""What can be seen of a lab when a test with it has failed, past its API and its network."""

import subprocess
from pathlib import Path

from cloud import groups
from cloud.names import Names

LOG_LINES, HOST_LINES = 40, 12
SECONDS = 20


def of(folder: Path) -> str:
    """The last events of the stand-in cloud; of each host its processes, its network and its last
    words. It never fails: what cannot be read is said."""
    cloud, names = folder / "cloud", Names.of(folder)
    parts = [_said("tail", "-n", str(LOG_LINES), str(cloud / "daemon.log"))]
    for place in sorted((cloud / "hosts").glob("i-*")):
        running = len(groups.processes(f"{names.control_group}/{place.name}"))
        journal = str(place / "upper/var/log/journal")
        parts += [
            f"-- {place.name}: {running} processes",
            _said("ip", "-n", names.host(place.name), "-brief", "address"),
            _said("tail", "-n", str(HOST_LINES), str(place / "console.log")),
            _said("journalctl", "--no-pager", "-D", journal, "-n", str(HOST_LINES)),
        ]
    return "\n".join(part for part in parts if part)


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}"
    return (done.stdout + done.stderr).rstrip()
