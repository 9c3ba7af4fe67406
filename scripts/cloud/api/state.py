"""Keeping the API's state on disk: one pickle for each service, replaced at once."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import moto.backends
from moto.core.base_backend import BackendDict

from cloud.api import objects
from cloud.api.objects import Piece

SERVICES = ("ec2", "iam", "sts", "s3")
"""Services whose state is kept; everything else is only seeded."""

TOGETHER = {"ec2": ("ec2",), "s3": ("s3",), "iam": ("iam", "sts"), "sts": ("iam", "sts")}
"""Which files a change through a service touches."""

_s3 = threading.RLock()
_others = threading.RLock()


@contextlib.contextmanager
def locked(*services: str) -> Iterator[None]:
    """Hold the state of services: one lock for S3, whose requests may be long, one for the rest.

    S3's comes first: whoever holds the other one must not ask for S3's.
    """
    with contextlib.ExitStack() as stack:
        if "s3" in services:
            stack.enter_context(_s3)
        if set(services) - {"s3"}:
            stack.enter_context(_others)
        yield


def backends(service: str) -> BackendDict[Any]:
    found = moto.backends.get_backend(service)  # type: ignore[call-overload]
    assert isinstance(found, BackendDict)
    return found


def regions(service: str) -> list[Any]:
    """The backends of a service that are in use: one for each region, or one for all of AWS.

    Others may come into use meanwhile.
    """
    accounts = list(backends(service).values())
    return [backend for by_region in accounts for backend in list(by_region.values())]


class _Pickler(pickle.Pickler):
    """Refers to instance profiles by name, outside of their home, the state of iam. Notes which
    files of objects it has named."""

    def __init__(self, file: Any, service: str) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.service = service
        self.files: set[str] = set()

    def persistent_id(self, obj: Any) -> Any:
        from moto.iam.models import InstanceProfile

        if isinstance(obj, InstanceProfile) and self.service != "iam":
            return ("instance-profile", obj.account_id, obj.partition, obj.name)
        if isinstance(obj, Piece):
            self.files.add(obj.file)
            return ("piece", *obj)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.files: set[str] = set()

    def persistent_load(self, pid: Any) -> Any:
        kind, *of = pid
        if kind == "piece":
            piece = Piece(*of)
            self.files.add(piece.file)
            return piece
        if kind != "instance-profile":
            raise pickle.UnpicklingError(f"state refers to {kind}, expected instance-profile")
        account, partition, name = of
        return backends("iam")[account][partition].get_instance_profile(name)


class StateUnreadable(RuntimeError):
    """A state file cannot be read; the text says which and what to do."""


class Store:
    """The folder of the state files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.files = objects.use(folder / "objects")

    def path(self, service: str) -> Path:
        return self.folder / f"{service}.pickle"

    def save(self, services: tuple[str, ...] = SERVICES) -> None:
        """Write the state of services; call it while they are `locked`."""
        for service in services:
            buffer = io.BytesIO()
            content = {
                (account, region): backend
                for account, region, backend in backends(service).iter_backends()
            }
            pickler = _Pickler(buffer, service)
            pickler.dump(content)
            self._replace(self.path(service), buffer.getbuffer())
            if service == "s3":
                self.files.kept(pickler.files)

    def load(self) -> list[str]:
        """Put the kept state into moto; the answer names the services that had one."""
        loaded = []
        for service in ("iam", *(each for each in SERVICES if each != "iam")):
            path = self.path(service)
            if not path.exists():
                if service == "s3":
                    self.files.found(set())
                continue
            try:
                with path.open("rb") as file:
                    unpickler = _Unpickler(file)
                    content = unpickler.load()
                if service == "s3":
                    self.files.found(unpickler.files)
            except Exception as error:
                raise StateUnreadable(
                    f"{path}: the cloud's state cannot be read ({error!r}); expected a file that"
                    " this version wrote. Remove the lab with `scripts/lab down`, then start again."
                ) from error
            for (account, region), backend in content.items():
                backends(service)[account][region] = backend
            loaded.append(service)
        return loaded

    @staticmethod
    def _replace(path: Path, data: memoryview) -> None:
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
        new.replace(path)
