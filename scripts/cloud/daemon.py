"""The stand-in cloud: `python -m cloud.daemon --lab DIR --base DIR --mirror DIR`.

Runs in the foreground until SIGTERM. When it serves, LAB/cloud/ready names its process.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloud import groups
from cloud.lab import write_process
from cloud.names import (
    API_ADDRESS,
    MIRROR_ADDRESS,
    WORLD_DNS_ADDRESS,
    Names,
)
from cloud.network import namespaces, resolver
from cloud.network.router import Routers, make_cloud
from cloud.processes import Process
from cloud.wanted import Disk, Interface

log = logging.getLogger("cloud")

AWS_NAME = re.compile(r"([a-z0-9][a-z0-9.-]*\.)?amazonaws\.com", re.IGNORECASE)


class Refused(RuntimeError):
    """The daemon cannot start; the text says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)-5s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    folder = options.lab.absolute() / "cloud"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            left = clean_up(folder, Names.of(options.lab))
            if left:
                log.info("removed what was left over: %s", ", ".join(left))
            if options.cleanup:
                return 0
            return Daemon(options.lab.absolute(), options.base, options.mirror).run()
    except Refused as error:
        log.error("%s", error)
        return 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cloud.daemon", description=__doc__)
    parser.add_argument("--lab", type=Path, required=True, help="the lab's folder")
    parser.add_argument("--base", type=Path, help="the hosts' base tree (Debian 12)")
    parser.add_argument("--mirror", type=Path, help="root of the local mirror")
    parser.add_argument("--cleanup", action="store_true", help="remove what a killed daemon left")
    options = parser.parse_args(arguments)
    if not options.cleanup and not (options.base and options.mirror):
        parser.error("--base and --mirror are needed to serve")
    return options


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lab's lock: one daemon for one lab."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"a cloud for {folder.parent} is running already; stop it first"
            ) from error
        yield


def clean_up(folder: Path, names: Names) -> list[str]:
    """Remove what a daemon of this lab has left on the machine, its state aside.

    The answer names the namespaces that were there.
    """
    found = []
    (folder / "ready").unlink(missing_ok=True)
    groups.end(names.control_group)
    for namespace in sorted(namespaces.existing()):
        if namespace.startswith(names.prefix):
            namespaces.delete(namespace)
            found.append(namespace)
    return found


class Daemon:
    """Everything of one lab's cloud, in one process."""

    def __init__(self, lab: Path, base: Path, mirror: Path) -> None:
        self.folder = lab / "cloud"
        self.names = Names.of(lab)
        self.base = base.absolute()
        self.mirror_root = mirror.absolute()
        self.ended = threading.Event()
        if not (self.base / "usr/lib/systemd/systemd").exists():
            raise Refused(f"{self.base}: expected the root of a Debian 12 with systemd")

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ended.set())
        make_cloud(self.names)
        # Threads start after this: everything the daemon opens is in the cloud's namespace.
        namespaces.enter(self.names.cloud)
        try:
            return self._serve()
        finally:
            clean_up(self.folder, self.names)

    def _serve(self) -> int:
        from cloud import aws
        from cloud.api.application import Api
        from cloud.api.faults import Faulty
        from cloud.api.state import SERVICES, StateUnreadable, Store, locked
        from cloud.hosts import image
        from cloud.hosts.complaints import Complaints
        from cloud.hosts.disks import Disks
        from cloud.hosts.fittings import Cables
        from cloud.hosts.reconciler import Reconciler
        from cloud.services.dnsmasq import Dnsmasq
        from cloud.services.http import Server
        from cloud.services.instance_data import Directory
        from cloud.services.metadata import Metadata
        from cloud.services.mirror import Mirror
        from cloud.services.tls import Authority, ServerContexts
        from cloud.services.vpc import VpcServices

        authority = Authority(self.folder)
        authority.write_bundle(self.folder / "ca-bundle.pem")
        (self.folder / "resolv.conf").write_text(f"nameserver {WORLD_DNS_ADDRESS}\n")
        layer = self.folder / "image"
        image.build(layer, self.base, authority.certificate_path)
        mirror = Mirror(self.mirror_root)

        aws.install()
        wake = threading.Event()
        api = Api(Store(self.folder / "state"), wake.set)
        try:
            kept = api.store.load()
        except StateUnreadable as error:
            raise Refused(str(error)) from error
        directory = Directory(changing=lambda: api.changing("iam", "sts"), orders=self.folder)

        def metadata(vpc_id: str) -> Any:
            def find(address: str) -> Any:
                with locked("ec2", "iam", "sts"):
                    return directory.find(vpc_id, address)

            return Metadata(find)

        services = VpcServices(self.names, self.folder / "vpc", mirror.names, metadata)
        complaints = Complaints()
        reconciler = Reconciler(
            api,
            self.names,
            {
                Interface: Cables(Routers(self.names), services, complaints),
                Disk: Disks(self.folder, api.reach, complaints),
            },
            complaints,
            self.folder / "hosts",
            [layer, self.base],
            wake,
        )
        contexts = ServerContexts(
            authority,
            self.folder / "tls",
            lambda name: bool(AWS_NAME.fullmatch(name)) or name.lower() in mirror.names(),
        )
        servers = {
            "api": Server(API_ADDRESS, 443, Faulty(api, self.folder), contexts.context),
            "mirror": Server(MIRROR_ADDRESS, 80, mirror),
            "mirror-tls": Server(MIRROR_ADDRESS, 443, mirror, contexts.context),
        }
        world = Dnsmasq(
            self.names.cloud, self.folder / "world", f"{self.names.control_group}/services"
        )
        try:
            world.apply(resolver.world_config(mirror.names(), world.folder), {})
            for name, server in servers.items():
                server.start(name)
            thread = threading.Thread(target=reconciler.run, name="reconciler")
            thread.start()
            this = Process.of(os.getpid())
            assert this is not None
            write_process(self.folder / "ready", this)
            threading.Thread(target=api.warm, name="warm", daemon=True).start()
            log.info("serving; state kept of: %s", ", ".join(kept) or "nothing")
            self.ended.wait()
            log.info("stopping")
            (self.folder / "ready").unlink(missing_ok=True)
            reconciler.ending.set()
            wake.set()
            thread.join()
            for server in servers.values():
                server.stop()
            with locked(*SERVICES):
                api.store.save()
        finally:
            services.stop()
            world.stop()
        log.info("stopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
