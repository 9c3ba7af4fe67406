"""One host: its folder, its network namespace and its systemd-nspawn process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from cloud import groups
from cloud.hosts import firstboot
from cloud.names import Names, namespace_path
from cloud.network import namespaces
from cloud.network.router import NO_IPV6
from cloud.wanted import Host, Part

BOOT = Path(__file__).with_name("boot")
REBOOT_STATUS = 133
"""What systemd-nspawn ends with when the host reboots and its caller starts it again."""

# The last of what cloud-init does once for an instance. It notes each thing before it does it, and
# that it knows the instance before it configures the network: what a boot was cut short in no later
# one does again.
ALL_DONE = "sem/config_keys_to_console"
# Should something on the host switch IPv6 on, its addresses are there at once.
HOST_SETTINGS = {
    **NO_IPV6,
    "ipv6.conf.all.accept_dad": "0",
    "ipv6.conf.default.accept_dad": "0",
}


@dataclass
class Guest:
    """A host that the lab runs, or has run, on behalf of an instance."""

    id: str
    folder: Path
    names: Names
    process: subprocess.Popen[bytes] | None = None
    reboots: int = 0
    since: float = 0.0
    """When the present change (boot, shutdown, reboot) began, on the monotonic clock."""
    asked: str | None = None
    """What the host was asked for and has not finished: shutdown or reboot."""
    failures: int = 0
    ended: int | None = None
    """Status that the last process ended with, until somebody has acted on it."""
    fitted: dict[str, Part] = field(default_factory=dict)
    """The parts that are in the host, by identifier."""
    booted: bool = False
    """By this daemon."""

    @property
    def namespace(self) -> str:
        return self.names.host(self.id)

    @property
    def group(self) -> str:
        return f"{self.names.control_group}/{self.id}"

    def poll(self) -> None:
        """Notice that the process has ended."""
        if self.process is not None and (status := self.process.poll()) is not None:
            self.process, self.ended = None, status
            groups.end(self.group)

    def prepare(self, host: Host) -> None:
        """Make the folders, the seed and the namespace, ready for cables and boot."""
        groups.end(self.group)
        if (self.failures or not self.booted) and not self.is_made():
            self._forget_root()
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        firstboot.write(self.folder / "upper", host)
        namespaces.delete(self.namespace)
        namespaces.create(self.namespace, HOST_SETTINGS)

    def is_made(self) -> bool:
        """Whether its first boot came to its end, once."""
        return (self.folder / "upper/var/lib/cloud/instances" / self.id / ALL_DONE).exists()

    def _forget_root(self) -> None:
        """A first boot that nobody asked to end begins anew, as that of a launch."""
        for name in ("upper", "work"):
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)

    def boot(self, lower: list[Path], more: list[str]) -> None:
        """Start systemd-nspawn, with more arguments of it."""
        arguments = [
            self.group,
            str(namespace_path(self.namespace)),
            ":".join(str(path) for path in lower),
            *(str(self.folder / name) for name in ("upper", "work", "root")),
            self.names.machine(self.id),
            *more,
        ]
        with (self.folder / "console.log").open("ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(BOOT), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.since, self.asked, self.ended, self.booted = time.monotonic(), None, None, True

    def ask(self, what: str) -> None:
        """Ask the host to shut down or reboot, as its power button would."""
        self.since, self.asked = time.monotonic(), what
        if self.process is None:
            return
        groups.thaw(self.group)
        nspawn, init = self.processes()
        if what == "shutdown":
            if nspawn is None or init is None:
                self.kill()  # nothing is there yet that would listen
            else:
                os.kill(nspawn, signal.SIGTERM)
        elif init is not None:
            os.kill(init, signal.SIGINT)

    def processes(self) -> tuple[int | None, int | None]:
        """Those of systemd-nspawn and of the host's systemd, as the machine numbers them."""
        nspawn = _child(self.process.pid) if self.process is not None else None
        return nspawn, _child(nspawn) if nspawn is not None else None

    def root(self) -> Path | None:
        """The root folder of a host whose systemd has started, as seen from here."""
        _, init = self.processes()
        try:
            started = init is not None and os.readlink(f"/proc/{init}/exe").endswith("/systemd")
        except OSError:
            return None
        return Path(f"/proc/{init}/root") if started else None

    def kill(self) -> None:
        groups.end(self.group)
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=5)
            self.ended, self.process = self.process.returncode, None

    def unplug_namespace(self) -> None:
        namespaces.delete(self.namespace)
        self.fitted.clear()

    def remove(self) -> None:
        """Remove the host's disk."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _child(pid: int) -> int | None:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None
