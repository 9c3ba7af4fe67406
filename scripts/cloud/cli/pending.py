"""What an update that was killed has left between the cloud and the state.

Pulumi writes down that it is about to create a resource, and after the answer that it has. Killed
in between, it does not know the resource: the next update would make a second one, and where the
first holds a fixed address or its parent's only place, AWS refuses. Pulumi leaves the decision to
a person (`pulumi refresh`, interactively). The lab looks the resources up by their tags or their
place, takes those that exist into the state, and drops the other notes: what Pulumi's own question
asks for, answered by the API.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.cli import stack
from cloud.cli.ask import Ask, Asking
from cloud.cli.errors import LabError
from cloud.cli.take_down import processes_inside
from cloud.lab import STACK, Lab
from cloud.pulumi import urn_name, urn_type

SECONDS = 120
REFRESH_SECONDS = 600
"""A refresh asks for each of its targets, and there may be some dozens."""
END_SECONDS = 120
PLUGIN_SECONDS = 10
PLUGINS = (b"cloud.providers", b"pulumi-resource-")


def kinds() -> Mapping[str, Any]:
    """The types of AWS's resources. Loading them takes a while, and most updates left nothing."""
    from cloud.providers.aws.resources import RESOURCES

    return RESOURCES


def settle(lab: Lab, say: Callable[[str], None]) -> None:
    """See what became of each operation that a killed update had begun, and say so in the state."""
    if not lab.stack_file.exists() or not _operations(_kept(lab)):
        return
    _wait_for_plugins(lab)
    document = json.loads(_pulumi(lab, "stack", "export"))
    deployment = document["deployment"]
    with Asking(lab) as ask:
        settled = resolve(deployment, ask)
        adopted = settled.adopted
        there = {each["urn"]: each for each in deployment["resources"]}
        for urn, identifier in adopted.items():
            say(f"take into the state what a killed update created: {urn_name(urn)} ({identifier})")
            kinds()[urn_type(urn)].finish(identifier, ask)
        for urn in settled.dropped:
            say(f"forget that a killed update was creating {urn_name(urn)}")
        for urn, orphans in settled.orphans.items():
            say(
                f"found {', '.join(orphans)}, which a killed update created as {urn_name(urn)}; "
                "expected only the one that the state knows; delete the other with `scripts/lab "
                "aws`: nothing uses it"
            )
        if adopted or settled.dropped:
            _pulumi(lab, "stack", "import", stdin=json.dumps(document))
        unsure = sorted({*adopted, *(set(there) & set(_urns(_operations(deployment))))})
        _wait_for_ends([there[urn] for urn in unsure], ask)
    for urn in unsure:
        if urn not in adopted:
            say(f"look what became of {urn_name(urn)}, which a killed update was at")
    if unsure:
        targets = [word for urn in unsure for word in ("--target", urn)]
        _pulumi(lab, "refresh", "--yes", "--skip-preview", "--non-interactive", *targets)


def _wait_for_plugins(lab: Lab) -> None:
    """Plugins outlive a CLI that was killed by some seconds, and may finish a call in them."""
    deadline = time.monotonic() + PLUGIN_SECONDS
    while time.monotonic() < deadline and any(map(_is_plugin, processes_inside(lab))):
        time.sleep(0.1)


def _is_plugin(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(name in words for name in PLUGINS)


def _wait_for_ends(resources: list[dict[str, Any]], ask: Ask) -> None:
    """What is shutting down looks as if it were still there; wait until it is not."""
    ids: dict[str, list[str]] = {}
    for each in resources:
        if each["type"] in kinds() and each.get("id"):
            ids.setdefault(each["type"], []).append(each["id"])
    deadline = time.monotonic() + END_SECONDS
    while going := [kind for kind in ids if kinds()[kind].ending(ids[kind], ask)]:
        if time.monotonic() > deadline:
            raise LabError(
                f"found {', '.join(each for kind in going for each in ids[kind])} still shutting "
                f"down after {END_SECONDS} s; expected them to be gone; run `scripts/lab up` again "
                "later"
            )
        time.sleep(1)


def _kept(lab: Lab) -> dict[str, Any]:
    return json.loads(lab.stack_file.read_text()).get("checkpoint", {}).get("latest") or {}


def _operations(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return deployment.get("pending_operations") or []


def _urns(operations: list[dict[str, Any]]) -> list[str]:
    return [each["resource"]["urn"] for each in operations]


def _creating(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in _operations(deployment) if each["type"] == "creating"]


@dataclass(frozen=True)
class Settled:
    """What became of the notes of creations, by URN.

    `adopted`: the identifier of what was taken in. `dropped`: nothing was. `orphans`: identifiers
    of what else was found and is no resource of the state.
    """

    adopted: dict[str, str]
    dropped: list[str]
    orphans: dict[str, list[str]]


def resolve(deployment: dict[str, Any], ask: Ask) -> Settled:
    """Change a deployment in place: no note of a creation is left in it."""
    resources: list[dict[str, Any]] = deployment["resources"]
    # What was deleted to be replaced stays in the state until its successor is there.
    present = [each for each in resources if not each.get("pendingReplacement")]
    known = {each["urn"] for each in present}
    # Of one type: a key pair may well be called as a placement group is.
    taken = {(each["type"], each.get("id")) for each in present}
    adopted: dict[str, str] = {}
    dropped: list[str] = []
    seen: dict[str, set[str]] = {}
    for operation in _creating(deployment):
        resource = operation["resource"]
        urn, kind = resource["urn"], resource["type"]
        by_place = kind in kinds() and kinds()[kind].imports_by_place
        found = [] if urn in known and by_place else find(resource, ask)
        fresh = [each for each in found if (kind, each) not in taken]
        if fresh and urn not in known:
            resource["id"] = adopted[urn] = fresh[0]
            resource.setdefault("outputs", {})
            _put(resources, resource)
            known.add(urn)
            taken.add((kind, fresh[0]))
        else:
            dropped.append(urn)
        seen.setdefault(urn, set()).update(fresh)
    orphans = {
        urn: left
        for urn, found in seen.items()
        if (left := sorted(each for each in found if (urn_type(urn), each) not in taken))
    }
    deployment["pending_operations"] = [
        each for each in _operations(deployment) if each["type"] != "creating"
    ]
    return Settled(adopted, dropped, orphans)


def _put(resources: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    """In the place of the one that it replaces, before all that depends on it, or at the end."""
    for place, each in enumerate(resources):
        if each["urn"] == resource["urn"] and each.get("pendingReplacement"):
            resources[place] = resource
            return
    resources.append(resource)


def find(resource: dict[str, Any], ask: Ask) -> list[str]:
    """Identifiers of what the API has under a resource's tags or in its place."""
    kind = kinds().get(resource["type"])
    return kind.left(resource.get("inputs") or {}, ask) if kind else []


def _pulumi(lab: Lab, *words: str, stdin: str = "") -> str:
    argv = ["pulumi", *words]
    done = stack.run(lab, argv, REFRESH_SECONDS if words[0] == "refresh" else SECONDS, stdin)
    if done.returncode != 0:
        raise LabError(
            f"`{' '.join(argv[:3])}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}\n"
            f"expected the stack {STACK} to be freed of what an interrupted update left; run "
            "`scripts/lab pulumi refresh` and answer its questions, then `scripts/lab up`"
        )
    return done.stdout
