"""The tags of every resource, and what the names of those that hold data tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

RING = "Ring"
# The module in the types of components whose resources the setting protects. A destroy does not run
# the program, and all that Pulumi's error shows of it is the resource's URN.
PROTECTED = "protectData"


@dataclass(frozen=True)
class Tags:
    """Whose the resources are: every resource that can carry tags carries these."""

    project: str
    stack: str
    ring: str
    extra: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def named(self, name: str) -> dict[str, pulumi.Input[str]]:
        """The tags of the resource called `name`."""
        return {
            **self.extra,
            "Name": f"{self.project}-{self.stack}-{name}",
            "Project": self.project,
            RING: self.ring,
            "Stack": self.stack,
        }
