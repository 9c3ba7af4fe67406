"""dnsmasq processes: one for the world, one in the router of each VPC."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from cloud import groups
from cloud.network import namespaces
from cloud.network.namespaces import CommandFailed

STOP_SECONDS = 3.0


class Dnsmasq:
    """One process with its configuration; it is started again when the configuration changes."""

    def __init__(self, namespace: str, folder: Path, group: str) -> None:
        self.namespace = namespace
        self.folder = folder
        self.group = group
        self.process: subprocess.Popen[bytes] | None = None
        self.config = ""
        self.files: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def apply(self, config: str, files: dict[str, str]) -> None:
        """Run with this configuration and these files of hosts."""
        changed = files != self.files
        for name, content in files.items():
            (self.folder / name).write_text(content)
        self.files = dict(files)
        alive = self.process is not None and self.process.poll() is None
        if config != self.config or not alive or self._stale_leases():
            self.stop()
            self._start(config)
        elif changed and self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def _stale_leases(self) -> list[str]:
        """Leases of interfaces that are gone: while one lasts, no other gets its address."""
        leases, hosts = self.folder / "leases", self.files.get("dhcp-hosts", "")
        lines = leases.read_text().splitlines() if leases.exists() else []
        return [line for line in lines if line.split()[1] not in hosts]

    def drop_stale_leases(self) -> None:
        stale = self._stale_leases()
        if stale:
            leases = self.folder / "leases"
            kept = [line for line in leases.read_text().splitlines() if line not in stale]
            leases.write_text("".join(f"{line}\n" for line in kept))

    def _start(self, config: str) -> None:
        self.drop_stale_leases()
        path = self.folder / "dnsmasq.conf"
        path.write_text(config)
        try:
            namespaces.run(["dnsmasq", "--test", f"--conf-file={path}"])
        except CommandFailed as error:
            raise CommandFailed(f"{path} is refused by dnsmasq: {error}") from error
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig", "KILL",
                    *namespaces.inside(self.namespace, ["dnsmasq", f"--conf-file={path}"]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        groups.join(self.group, self.process.pid)
        self.config = config

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self.process, self.config = None, ""
