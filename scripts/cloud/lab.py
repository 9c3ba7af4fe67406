"""One lab: its folder, the names that derive from it, and the processes that belong to it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cloud.names import lab_id
from cloud.processes import Process

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_CACHE = "/var/cache/mysql-ring"
STACK = "lab"
PROJECT = "mysql-ring"


@dataclass(frozen=True)
class Lab:
    """Where the parts of a lab are."""

    folder: Path
    cache: Path
    checkout: Path = CHECKOUT

    @classmethod
    def from_environment(cls) -> "Lab":
        folder = Path(os.environ.get("MYSQL_RING_LAB") or CHECKOUT / ".lab").absolute()
        cache = Path(os.environ.get("MYSQL_RING_CACHE") or DEFAULT_CACHE).absolute()
        return cls(folder, cache)

    @property
    def id(self) -> str:
        return lab_id(self.folder)

    @property
    def cloud(self) -> Path:
        return self.folder / "cloud"

    @property
    def ready(self) -> Path:
        return self.cloud / "ready"

    @property
    def pulumi_home(self) -> Path:
        return self.folder / "pulumi-home"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def stack_file(self) -> Path:
        return self.state / ".pulumi/stacks" / PROJECT / f"{STACK}.json"

    @property
    def locks(self) -> Path:
        return self.state / ".pulumi/locks/organization" / PROJECT / STACK

    @property
    def passphrase(self) -> Path:
        return self.folder / "passphrase"

    @property
    def settings(self) -> Path:
        return self.folder / f"Pulumi.{STACK}.yaml"

    @property
    def committed_settings(self) -> Path:
        return self.checkout / f"Pulumi.{STACK}.yaml"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def bin(self) -> Path:
        """Programs that take the place of the machine's own; without a test there are none."""
        return self.folder / "bin"

    @property
    def mirror(self) -> Path:
        return self.folder / "mirror"

    @property
    def bundle(self) -> Path:
        """The machine's certificates and the lab's own CA."""
        return self.cloud / "ca-bundle.pem"

    def exists(self) -> bool:
        return (self.folder / "lab.json").is_file()

    def is_foreign(self) -> bool:
        """Whether the folder is there and holds something that is not a lab."""
        if self.exists() or not self.folder.exists():
            return False
        return not self.folder.is_dir() or any(
            not path.name.startswith(".lab.json.") for path in self.folder.iterdir()
        )

    def create(self) -> None:
        """Make the lab's folder, closed to others, and write its lab.json.

        The caller has seen to it that the folder is not foreign.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        document = {"id": self.id, "folder": str(self.folder), "checkout": str(self.checkout)}
        write_private(self.folder / "lab.json", json.dumps(document) + "\n")


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read; the old or the new content is there, never less.

    It is never readable by others, also while it is written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    draft.replace(path)


def write_process(path: Path, process: Process) -> None:
    """Write down which process does something, for those who look for it later."""
    write_private(path, json.dumps(process._asdict()) + "\n")


def read_process(path: Path) -> Process | None:
    """The process that such a file names, if it is there."""
    try:
        process = Process(**json.loads(path.read_text()))
    except (FileNotFoundError, TypeError, ValueError):
        return None
    return process if process.is_alive() else None
