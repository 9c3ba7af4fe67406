"""Keeping the API's state on disk: one pickle for each service, replaced at once."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import moto.backends
from moto.core.base_backend import BackendDict

SERVICES = ("ec2", "iam", "sts", "s3")
"""Services whose state is kept; everything else is only seeded."""

TOGETHER = {"ec2": ("ec2",), "s3": ("s3",), "iam": ("iam", "sts"), "sts": ("iam", "sts")}
"""Which files a change through a service touches."""


def backends(service: str) -> BackendDict[Any]:
    found = moto.backends.get_backend(service)  # type: ignore[call-overload]
    assert isinstance(found, BackendDict)
    return found


def regions(service: str) -> list[Any]:
    """The backends of a service that are in use: one for each region, or one for all of AWS."""
    return [backend for _, _, backend in backends(service).iter_backends()]


class _Pickler(pickle.Pickler):
    """Refers to instance profiles by name: their home is the state of iam."""

    def persistent_id(self, obj: Any) -> Any:
        from moto.iam.models import InstanceProfile

        if isinstance(obj, InstanceProfile):
            return ("instance-profile", obj.account_id, obj.partition, obj.name)
        return None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        kind, account, partition, name = pid
        if kind != "instance-profile":
            raise pickle.UnpicklingError(f"state refers to {kind}, expected instance-profile")
        return backends("iam")[account][partition].get_instance_profile(name)


class StateUnreadable(RuntimeError):
    """A state file cannot be read; the text says which and what to do."""


class Store:
    """The folder of the state files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def path(self, service: str) -> Path:
        return self.folder / f"{service}.pickle"

    def save(self, services: tuple[str, ...] = SERVICES) -> None:
        """Write the state of services; call it under the API's lock."""
        for service in services:
            buffer = io.BytesIO()
            content = {
                (account, region): backend
                for account, region, backend in backends(service).iter_backends()
            }
            kind = pickle.Pickler if service == "iam" else _Pickler
            kind(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(content)
            self._replace(self.path(service), buffer.getbuffer())

    def load(self) -> list[str]:
        """Put the kept state into moto; the answer names the services that had one."""
        loaded = []
        for service in ("iam", *(each for each in SERVICES if each != "iam")):
            path = self.path(service)
            if not path.exists():
                continue
            try:
                with path.open("rb") as file:
                    content = _Unpickler(file).load()
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
