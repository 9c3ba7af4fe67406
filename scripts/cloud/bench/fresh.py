"""A fresh `pulumi up` against the bare script, and where the time of the `up` goes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from cloud.bench.figures import Figure
from cloud.bench.place import Place, Run
from cloud.bench.plan import plan
from cloud.bench.timeline import Link, critical_path, dependencies
from cloud.cli.errors import LabError
from cloud.cli.stack import outputs
from cloud.cli.surroundings import argv_in_world, environment
from cloud.lab import write_private
from cloud.pulumi import Span, spans

BARE_SECONDS = 600
LIMIT, AIM = 1.5, 1.25
IMAGE_PARAMETER = "/aws/service/debian/release/12/latest/amd64"


@dataclass(frozen=True)
class Fresh:
    """The figure, and the parts of the fastest turns."""

    figure: Figure
    path: list[Link]
    spans: list[Span]
    bare: dict[str, float]
    total: float


def measure(place: Place, repeat: int, say: Any) -> Fresh:
    """Bare script and `up` in turns, each in a new lab. The first `up`, which gives the plan and
    fills the caches, does not count. Leaves a ring."""
    say("fresh: a first up, which does not count")
    place.require_ring()
    todo = _plan(place)
    scripts: list[list[dict[str, Any]]] = []
    updates: list[Run] = []
    for turn in range(repeat):
        say(f"fresh: turn {turn + 1} of {repeat}, bare script")
        place.renew()
        scripts.append(_bare(place, todo))
        say(f"fresh: turn {turn + 1} of {repeat}, pulumi up")
        place.renew()
        updates.append(place.up())
    ours = [update.seconds for update in updates]
    beside = [_end(script) for script in scripts]
    fastest = min(updates, key=lambda update: update.seconds)
    done = spans(fastest.events)
    figure = Figure(
        "fresh_up",
        "fresh `pulumi up`",
        "bare script: boto3 and the same verbs over ssh",
        ours,
        beside,
        LIMIT,
        AIM,
    )
    return Fresh(
        figure,
        critical_path(done, dependencies(place.export())),
        done,
        {mark["name"]: mark["end"] - mark["start"] for mark in min(scripts, key=_end)},
        fastest.seconds,
    )


def _end(script: list[dict[str, Any]]) -> float:
    return max(mark["end"] for mark in script)


def _plan(place: Place) -> dict[str, Any]:
    lab = place.lab
    known = outputs(lab)
    config = yaml.safe_load(lab.committed_settings.read_text())["config"]
    defaults = yaml.safe_load((lab.checkout / "Pulumi.yaml").read_text())["config"]
    todo = plan(place.export(), known["nodes"])
    return todo | {
        "region": config["aws:region"],
        "access_key": config["aws:accessKey"],
        "secret_key": config["aws:secretKey"],
        "image": IMAGE_PARAMETER,
        "ranges": {
            "client": defaults["clientCidr"]["default"],
            "replication": defaults["replicationCidr"]["default"],
            "admin": config["mysql-ring:adminCidrs"][0],
        },
        "login": known["login"],
        "private_key": known["sshPrivateKey"],
        "host_keys": {name: node["sshHostKey"] for name, node in known["nodes"].items()},
    }


def _bare(place: Place, todo: dict[str, Any]) -> list[dict[str, Any]]:
    lab = place.lab
    folder = lab.folder / "bare"
    folder.mkdir(mode=0o700)
    key = folder / "key"
    write_private(key, todo["private_key"].rstrip("\n") + "\n")
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True, timeout=30
    )
    done = subprocess.run(
        argv_in_world(lab, [sys.executable, "-m", "cloud.bench.bare"]),
        env={
            **environment(lab),
            "PYTHONPATH": str(lab.checkout / "scripts"),
            "PYTHONSAFEPATH": "1",
        },
        cwd=lab.checkout,
        input=json.dumps(todo | {"folder": str(folder), "public_key": public.stdout}),
        capture_output=True,
        text=True,
        timeout=BARE_SECONDS,
    )
    if done.returncode != 0:
        raise LabError(
            f"the bare script ended with {done.returncode}: {done.stderr.strip()[-1500:]}\n"
            "expected a ring; correct that and run the bench again"
        )
    return json.loads(done.stdout)
