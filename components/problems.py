"""What is wrong with the settings, as data and as one error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Problem:
    """One mistake. `found` never is the value of a secret.

    `compared` names another setting without which there would be no mistake.
    """

    setting: str
    found: str
    expected: str
    compared: str = ""

    @property
    def root(self) -> str:
        """The setting as `pulumi config set` knows it, without the path into its value."""
        return self.setting.split(".")[0].split("[")[0]

    def __str__(self) -> str:
        return f"{self.setting}: found {self.found}, expected {self.expected}"


Found = Iterator[Problem]


class SettingsError(pulumi.RunError):
    """The settings cannot make a ring. The message lists every mistake.

    `late`: they are in outputs, and were seen when these were known.
    """

    def __init__(self, problems: Sequence[Problem], *, late: bool = False) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        when = "seen when outputs were known" if late else "nothing was changed"
        head = f"{count} mistake{'s' if count > 1 else ''} in the settings, {when}:"
        lines = [f"  - {problem}" for problem in self.problems]
        foot = (
            "Change them with `pulumi config set` or in the stack's Pulumi.<stack>.yaml; in a "
            "program of your own, in RingArgs."
        )
        super().__init__("\n".join([head, *lines, foot]))
