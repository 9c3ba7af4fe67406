"""`scripts/lab test`: every check of the project, tier by tier, with counts."""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cloud.cli.errors import DONE, FAILED
from cloud.lab import Lab

SHEBANG = re.compile(rb"^#!.*\b(?:ba|da)?sh\b")
LEFT_OUT = re.compile(r"^(\.git|\.lab(-.*)?|__pycache__|\.venv|node_modules)$")
UNIT_SECONDS = 900
LAB_SECONDS = 5400


@dataclass(frozen=True)
class Result:
    """How many checks of a tier passed and failed, what they printed, and how long they took."""

    tier: str
    passed: int
    failed: int
    output: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.failed == 0 and self.passed > 0

    def __str__(self) -> str:
        none = " (a tier without a check counts as failed)" if not self.passed + self.failed else ""
        return (
            f"{self.tier}: {self.passed} passed, {self.failed} failed{none}, {self.seconds:.0f} s"
        )


def run(lab: Lab, arguments: Sequence[str]) -> int:
    """Run all tiers, those named, or pytest with its own arguments; the exit code."""
    tiers = {"lint": lint, "unit": unit, "lab": lab_tier}
    chosen = list(dict.fromkeys(arguments)) or list(tiers)
    if not set(chosen) <= set(tiers):
        done = subprocess.run(_pytest(*arguments), cwd=lab.checkout, env=_environment(lab))
        return done.returncode
    setup = _start_setup(lab) if "lab" in chosen else None
    results: list[Result] = []
    with ThreadPoolExecutor(2) as pool:
        quick = [pool.submit(tiers[tier], lab) for tier in chosen if tier != "lab"]
        for future in quick:
            results.append(future.result())
            _show(results[-1])
    if setup is not None and setup.wait() != 0:
        results.append(Result("lab", 0, 1, "the set-up failed: see above"))
        _show(results[-1])
    elif "lab" in chosen:
        results.append(lab_tier(lab))
        _show(results[-1])
    return summarize(results)


def summarize(results: Sequence[Result]) -> int:
    """Print a line per tier and the last line with the totals; the exit code."""
    print()
    for result in results:
        print(result)
    failed = sum(result.failed + (not result.good and not result.failed) for result in results)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed", flush=True)
    return DONE if results and all(result.good for result in results) else FAILED


def _show(result: Result) -> None:
    if result.output.strip():
        print(result.output.rstrip(), flush=True)
    print(f"== {result}", flush=True)


def lint(lab: Lab) -> Result:
    """The linters, each one check."""
    tools = Path(sys.executable).parent
    python = [str(tools / "basedpyright"), "--pythonpath", sys.executable]
    checks = {
        "ruff check": [str(tools / "ruff"), "check", "--no-cache", "."],
        "ruff format": [str(tools / "ruff"), "format", "--no-cache", "--check", "."],
        "basedpyright": python,
        "shellcheck": ["shellcheck", *map(str, shell_files(lab.checkout))],
    }
    begun = time.monotonic()
    lines: list[str] = []
    failed = 0
    for name, argv in checks.items():
        done = subprocess.run(
            argv, cwd=lab.checkout, capture_output=True, text=True, timeout=UNIT_SECONDS
        )
        if done.returncode != 0:
            failed += 1
            lines.append(f"{name} failed:\n{done.stdout}{done.stderr}")
        else:
            lines.append(f"{name}: clean")
    output = "\n".join(lines)
    return Result("lint", len(checks) - failed, failed, output, time.monotonic() - begun)


def shell_files(root: Path) -> Iterator[Path]:
    """Every shell script below a folder, by its first line or its name."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not LEFT_OUT.match(name))
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_symlink():
                continue
            with path.open("rb") as file:
                first = file.readline(200)
            if SHEBANG.match(first) or name.endswith(".sh"):
                yield path


def unit(lab: Lab) -> Result:
    return _tier("unit", lab, capture=True, seconds=UNIT_SECONDS)


def lab_tier(lab: Lab) -> Result:
    return _tier("lab", lab, capture=False, seconds=LAB_SECONDS)


def _tier(tier: str, lab: Lab, *, capture: bool, seconds: float) -> Result:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mysql-ring-test-") as folder:
        report = Path(folder, "report.xml")
        done = subprocess.run(
            _pytest("-m", tier, f"--junitxml={report}", "--durations=10"),
            cwd=lab.checkout,
            env=_environment(lab),
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            text=True,
            timeout=seconds,
        )
        passed, failed = counts(report) if report.exists() else (0, 1)
    if done.returncode != 0 and failed == 0:
        failed = 1
    return Result(tier, passed, failed, done.stdout or "", time.monotonic() - begun)


def counts(report: Path) -> tuple[int, int]:
    """Passed and failed tests of a JUnit report; a skipped test proves nothing and is a failure."""
    total = bad = 0
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
        total += int(suite.get("tests", 0))
        bad += sum(int(suite.get(kind, 0)) for kind in ("failures", "errors", "skipped"))
    return max(0, total - bad), bad


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def _environment(lab: Lab) -> dict[str, str]:
    """The tests' lab is one of their own, beside the one a person works with."""
    surroundings = dict(os.environ)
    surroundings.setdefault("MYSQL_RING_LAB", str(lab.checkout / ".lab-test"))
    surroundings.pop("PYTHONSAFEPATH", None)
    return surroundings


def _start_setup(lab: Lab) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "cloud", "setup"], cwd=lab.checkout, env=_environment(lab)
    )
