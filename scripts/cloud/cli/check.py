"""`scripts/lab test`: every check of the project, tier by tier, with counts."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from cloud.cli.errors import DONE, FAILED
from cloud.lab import Lab
from cloud.setup import toolchain
from cloud.setup.entry import SetupError

SHEBANG = re.compile(rb"^#!.*\b(?:ba|da)?sh\b")
LEFT_OUT = re.compile(r"^(\.git|\.lab(-.*)?|__pycache__|\.?venv|node_modules)$")
UNIT_SECONDS = 900
LAB_SECONDS = 4800
QUICK = ("lint", "unit", "refusals")
"""Tiers that need no lab. They run while the lab's set-up does."""
IN_A_LAB = {
    "lab": "test",
    "data": "data",
    "backups": "backups",
    "restores": "restores",
    "losses": "losses",
    "updates": "updates",
    "faults": "faults",
}
"""Tiers that need a lab, each with the ending of its folder's name."""
TESTS = {
    "unit": "tests/unit",
    "refusals": "tests/unit/refusals",
    "lab": "tests/lab",
    "data": "tests/lab",
    "backups": "tests/lab",
    "restores": "tests/lab",
    "losses": "tests/faults",
    "updates": "tests/faults",
    "faults": "tests/faults",
}
"""Where a tier's tests are: what is elsewhere need not be read to choose them."""
ALONE = ("faults",)
"""They say how soon something is noticed and healed: beside others they would measure those."""
PATIENCE, PATIENT = "MYSQL_RING_PATIENCE", "5"
"""Tiers beside others wait for those too: their deadlines are so many times as long."""
LAST_LINES = 40
"""So many lines of a failed check are printed again at the end, where a cut log still has them."""


@dataclass(frozen=True)
class Result:
    """How many checks of a tier passed and failed, what they printed, and how long they took.

    `failures`: what each failed check said, its name first.
    """

    tier: str
    passed: int
    failed: int
    output: str = ""
    seconds: float = 0.0
    failures: tuple[str, ...] = ()

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
    chosen = list(dict.fromkeys(arguments)) or [*QUICK, *IN_A_LAB]
    if not set(chosen) <= {*QUICK, *IN_A_LAB}:
        surroundings = environment(lab, "lab")
        done = subprocess.run(_pytest(*arguments), cwd=lab.checkout, env=surroundings)
        return done.returncode
    quick = [tier for tier in chosen if tier in QUICK]
    in_a_lab = [tier for tier in chosen if tier in IN_A_LAB]
    setup = _start_setup(lab) if in_a_lab else None
    results = _side_by_side(lab, quick)
    if setup is not None and setup.wait() != 0:
        results.append(Result("set-up", 0, 1, "it failed: see above"))
        _show(results[-1])
    else:
        results += _side_by_side(lab, [tier for tier in in_a_lab if tier not in ALONE])
        for tier in in_a_lab:
            if tier in ALONE:
                results += _side_by_side(lab, [tier])
    return summarize(results)


def _side_by_side(lab: Lab, tiers: Sequence[str]) -> list[Result]:
    """Run tiers at the same time, and show each as soon as it ends."""
    with ThreadPoolExecutor(max(1, len(tiers))) as pool:
        futures = [pool.submit(lint if tier == "lint" else _tier, lab, tier) for tier in tiers]
        results = []
        for future in as_completed(futures):
            results.append(future.result())
            _show(results[-1])
    return results


def summarize(results: Sequence[Result]) -> int:
    """Print each failure again, a line per tier, and last the totals; the exit code."""
    for result in results:
        for failure in result.failures:
            print(f"\n== {result.tier} failed: {failure}")
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


def lint(lab: Lab, tier: str = "lint") -> Result:
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
    clean: list[str] = []
    failed: list[str] = []
    try:
        checks["actionlint"] = actionlint(lab)
    except SetupError as error:
        failed.append(f"actionlint\n{error}")
    for name, argv in checks.items():
        done = subprocess.run(
            argv, cwd=lab.checkout, capture_output=True, text=True, timeout=UNIT_SECONDS
        )
        if done.returncode != 0:
            failed.append(f"{name}\n{done.stdout}{done.stderr}")
        else:
            clean.append(f"{name}: clean")
    seconds = time.monotonic() - begun
    return Result(tier, len(clean), len(failed), "\n".join(clean), seconds, tuple(failed))


def actionlint(lab: Lab) -> list[str]:
    """The command that checks the workflows, with shellcheck for the shell in them. It is built
    where it is missing."""
    program = toolchain.actionlint_entry().ensure(lab.cache, lambda _: None) / "actionlint"
    workflows = sorted((lab.checkout / ".github" / "workflows").glob("*.y*ml"))
    return [str(program), "-shellcheck", "shellcheck", *map(str, workflows)]


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


def _tier(lab: Lab, tier: str) -> Result:
    """One tier of the tests, in a lab of its own where it needs one."""
    begun = time.monotonic()
    in_a_lab = tier in IN_A_LAB
    with tempfile.TemporaryDirectory(prefix="mysql-ring-test-") as reports:
        report = Path(reports, "report.xml")
        argv = _pytest(TESTS[tier], "-m", tier, f"--junitxml={report}", "--durations=10")
        if in_a_lab:
            argv.append("-v")
        code, output = _pytest_run(lab, tier, argv)
        passed, failed, said = 0, 1, ()
        if report.exists():
            (passed, failed), said = counts(report), failures(report)
    if code != 0 and failed == 0:
        failed = 1
    return Result(tier, passed, failed, output, time.monotonic() - begun, said)


def _pytest_run(lab: Lab, tier: str, argv: list[str]) -> tuple[int, str]:
    """The exit code and the output, which a tier in a lab shows line by line instead."""
    in_a_lab = tier in IN_A_LAB
    process = subprocess.Popen(
        argv,
        cwd=lab.checkout,
        env={**environment(lab, tier), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(LAB_SECONDS if in_a_lab else UNIT_SECONDS, process.terminate)
    watchdog.start()
    kept = []
    for line in process.stdout:
        if in_a_lab:
            print(f"{tier}: {line.rstrip()}", flush=True)
        else:
            kept.append(line)
    code = process.wait()
    watchdog.cancel()
    return code, "".join(kept)


def counts(report: Path) -> tuple[int, int]:
    """Passed and failed tests of a JUnit report; a skipped test proves nothing and is a failure."""
    total = bad = 0
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
        total += int(suite.get("tests", 0))
        bad += sum(int(suite.get(kind, 0)) for kind in ("failures", "errors", "skipped"))
    return max(0, total - bad), bad


def failures(report: Path) -> tuple[str, ...]:
    """The name of each test of a JUnit report that did not pass, and the end of what it said."""
    found = []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own file
        for kind in ("failure", "error", "skipped"):
            for said in case.findall(kind):
                lines = (said.text or said.get("message") or "").splitlines()
                name = f"{case.get('classname')}.{case.get('name')} ({kind})"
                found.append("\n".join([name, *lines[-LAST_LINES:]]))
    return tuple(found)


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def environment(lab: Lab, tier: str) -> dict[str, str]:
    """The tests' labs are their own, beside the one a person works with: they are taken down."""
    surroundings = dict(os.environ)
    if tier in IN_A_LAB:
        named = surroundings.get("MYSQL_RING_LAB") or str(lab.checkout / ".lab")
        surroundings["MYSQL_RING_LAB"] = f"{named.rstrip('/')}-{IN_A_LAB[tier]}"
        if tier not in ALONE:
            surroundings.setdefault(PATIENCE, PATIENT)
    surroundings.pop("PYTHONSAFEPATH", None)
    return surroundings


def _start_setup(lab: Lab) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "cloud", "setup"],
        cwd=lab.checkout,
        env=environment(lab, "lab"),
    )
