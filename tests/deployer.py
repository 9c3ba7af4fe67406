"""The policy in docs/use/deployer-policy.md, and what was asked for under it."""

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "use" / "deployer-policy.md"
RING = "ring-"
"""What the policy's page calls the ring, at the beginning of names."""


def document() -> dict[str, Any]:
    """The policy, as an operator copies it."""
    found = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (policy,) = found
    return json.loads(policy)


def of_ring(name: str) -> str:
    """The same for a ring of another name."""
    return json.dumps(document(), separators=(",", ":")).replace(RING, f"{name}-")


def allowed() -> set[str]:
    """The actions that it allows."""
    return {action for each in document()["Statement"] for action in each["Action"]}


def explained() -> set[str]:
    """The actions of the page's table: what the lab need not call."""
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {action for row in rows for action in re.findall(r"`([^`]+)`", row)}


def asked(lines: str, user: str) -> set[str]:
    """The actions that a user asked for, by the log of the stand-in."""
    return set(re.findall(rf":user/{user}: (\w+:\w+) on ", lines))
