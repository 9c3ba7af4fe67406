"""The provider: no configuration, three resource types, no function."""

import threading
from typing import Any

from cloud.providers.command import copy, local, remote
from cloud.providers.plugin import Provider
from cloud.providers.resource import ProviderError
from cloud.providers.schema import Failure

_ENGINE_KEYS = ("version", "pluginDownloadURL")


class CommandProvider(Provider):
    name = "command"
    accept_secrets = True

    def __init__(self) -> None:
        super().__init__()
        self._loading = False
        self.resources = {
            one.type_name: one
            for one in (local.LocalCommand(), remote.RemoteCommand(), copy.Copy())
        }

    def changing(self) -> None:
        """Imports the SSH client; an update without a change never needs it."""

        def load() -> None:
            import paramiko  # noqa: F401

        if not self._loading:
            self._loading = True
            threading.Thread(target=load, daemon=True).start()

    def check_config(self, inputs: dict[str, Any]) -> list[Failure]:
        return [
            Failure(name, f"{name!r} is no setting of the command provider; it takes none")
            for name in inputs
            if name not in _ENGINE_KEYS and not name.startswith("__")
        ]

    def configure(self, inputs: dict[str, Any]) -> None:
        failures = self.check_config(inputs)
        if failures:
            raise ProviderError("; ".join(one.reason for one in failures))
