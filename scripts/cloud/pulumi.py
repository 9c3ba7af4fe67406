"""How Pulumi writes things down: names of resources, secrets, events, versions of plugins."""

import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The signatures are fixed by the engine (sdk/go/common/resource/properties.go).
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a signature, not a password)


def urn_name(urn: str) -> str:
    """A resource's own name."""
    return urn.rsplit("::", 1)[1]


def urn_type(urn: str) -> str:
    """A resource's own type, without those that it is below."""
    return urn.rsplit("::", 2)[1].rsplit("$", 1)[-1]


@dataclass(frozen=True)
class Span:
    """One resource at work, in seconds since the update was started."""

    urn: str
    start: float
    end: float

    @property
    def name(self) -> str:
        return urn_name(self.urn)

    @property
    def seconds(self) -> float:
        return self.end - self.start


def spans(events: Iterable[tuple[float, Mapping[str, Any]]]) -> list[Span]:
    """The resources that did something, from the CLI's events with the times they came at.

    Components are left out: they last as long as their children.
    """
    begun: dict[str, float] = {}
    found: list[Span] = []
    for when, event in events:
        if "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            if (metadata.get("new") or metadata.get("old") or {}).get("custom"):
                begun[metadata["urn"]] = when
        elif "resOutputsEvent" in event:
            urn = event["resOutputsEvent"]["metadata"]["urn"]
            if urn in begun:
                found.append(Span(urn, begun.pop(urn), when))
    return sorted(found, key=lambda span: span.start)


def plugin_version(name: str) -> str:
    """The version of the provider plugin that the installed SDK goes with."""
    spec = importlib.util.find_spec(f"pulumi_{name}")
    if spec is None or spec.origin is None:
        raise ImportError(f"the package pulumi_{name} is not installed: pip install pulumi-{name}")
    return json.loads(Path(spec.origin).with_name("pulumi-plugin.json").read_text())["version"]
