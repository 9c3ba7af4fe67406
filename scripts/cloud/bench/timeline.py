"""Where the time of an update went: its resources as spans, and the path that made it last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.pulumi import Span


@dataclass(frozen=True)
class Link:
    """A span on the critical path, and how long it had to wait after what it waited for."""

    span: Span
    waited: float


def dependencies(export: Mapping[str, Any]) -> dict[str, set[str]]:
    """Which resources each one waited for, from a `pulumi stack export`."""
    return {
        resource["urn"]: set(resource.get("dependencies") or ())
        for resource in export["deployment"]["resources"]
    }


def critical_path(done: Iterable[Span], waits: Mapping[str, set[str]]) -> list[Link]:
    """Back from the last to end, each time to the dependency that ended last."""
    by_urn = {span.urn: span for span in done}
    path: list[Link] = []
    current = max(by_urn.values(), key=lambda span: span.end, default=None)
    while current is not None:
        before = [by_urn[urn] for urn in waits.get(current.urn, ()) if urn in by_urn]
        earlier = [span for span in before if span.end <= current.start + 0.5]
        last = max(earlier, key=lambda span: span.end, default=None)
        waited = current.start - (last.end if last else 0.0)
        path.append(Link(current, max(0.0, waited)))
        current = last
    return path[::-1]
