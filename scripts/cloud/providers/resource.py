"""The shape every resource type of a stand-in has."""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloud.providers.difference import Changes, difference
from cloud.providers.schema import Failure, Table, check_table
from cloud.pulumi import urn_name


class ProviderError(Exception):
    """A refusal or failure to show as it stands; never holds a secret."""


class CreatedPartly(ProviderError):
    """The resource exists and is not ready: the engine keeps it and tries an update next time."""

    def __init__(self, resource_id: str, state: dict[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.resource_id = resource_id
        self.state = state


def describe_error(error: Exception) -> str:
    """The text to show. An unforeseen error is told by its place only: its own text may hold an
    argument's value, and that may be a secret."""
    if isinstance(error, ProviderError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
    return f"the provider stand-in failed with {type(error).__name__} at {place}"


@dataclass
class Call:
    """One request of the engine.

    provider: what the stand-in keeps (clients, configuration).
    timeout: seconds the resource option customTimeouts allows, 0 when none was given.
    log: writes a line below the resource's own row; second argument: kept after the update.
    """

    provider: Any
    urn: str = ""
    timeout: float = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: Callable[[str, str], None] = lambda _severity, _text: None

    @property
    def name(self) -> str:
        return urn_name(self.urn)

    def deadline(self, default: float) -> float:
        """The monotonic time at which to give up; `default` is the official one, in seconds."""
        return time.monotonic() + (self.timeout or default)

    def pause(self, seconds: float) -> None:
        """Sleeps, and ends the call when the engine cancels the update."""
        if self.cancelled.wait(seconds):
            raise ProviderError(f"{self.name}: the update was cancelled while it was waiting")


class Resource:
    """A resource type: a table and what the API does for it."""

    type_name: str
    """The type as the engine names it: PACKAGE:MODULE/FILE:NAME."""
    table: Table

    def check(self, inputs: dict[str, Any], _call: Call) -> tuple[dict[str, Any], list[Failure]]:
        return check_table(self.table, inputs)

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], _call: Call) -> Changes:
        return difference(self.table, state, inputs)

    def preview(
        self, old: dict[str, Any] | None, inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        """The outputs a create (old is None) or update will have, UNKNOWN where not known yet."""
        raise NotImplementedError

    def create(self, inputs: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def read(
        self, resource_id: str, state: dict[str, Any], inputs: dict[str, Any], call: Call, /
    ) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Id, state and inputs as they are now; None when the resource is gone."""
        raise NotImplementedError

    def update(
        self, resource_id: str, old: dict[str, Any], inputs: dict[str, Any], call: Call, /
    ) -> dict[str, Any]:
        raise NotImplementedError

    def delete(self, resource_id: str, state: dict[str, Any], call: Call, /) -> None:
        raise NotImplementedError
