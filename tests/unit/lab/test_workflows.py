"""What the workflows may do, and for whom."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloud.cli import check
from cloud.setup.toolchain import CLI_VERSION

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PREVIEW = ROOT / ".github" / "workflows" / "preview.yml"
SCRIPT = ROOT / "scripts" / "ci" / "admin-cidrs"
NO_FORK = "github.event.pull_request.head.repo.full_name == github.repository"


def loaded(path: Path) -> dict[str, Any]:
    # YAML 1.1 has `on` for true.
    document = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def jobs() -> list[tuple[Path, dict[str, Any]]]:
    return [(path, job) for path in WORKFLOWS for job in loaded(path)["jobs"].values()]


def test_no_workflow_runs_a_forks_code_with_what_is_this_repositorys() -> None:
    assert PREVIEW in WORKFLOWS
    for path in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run"} & set(loaded(path)["on"]), path
        assert loaded(path)["permissions"] == {"contents": "read"}, path


def test_a_job_with_a_secret_or_a_token_is_not_for_forks() -> None:
    guarded = []
    for path, job in jobs():
        writes = {right for right, value in job.get("permissions", {}).items() if value == "write"}
        if writes or "secrets." in yaml.safe_dump(job):
            assert job["if"].startswith(f"{NO_FORK} && "), path
            guarded.append(path)
    assert guarded == [PREVIEW]


def test_every_workflow_takes_the_cli_that_the_lab_builds() -> None:
    versions = [
        step["with"]["pulumi-version"]
        for _, job in jobs()
        for step in job["steps"]
        if "pulumi-version" in step.get("with", {})
    ]
    assert len(versions) == 2
    assert set(versions) == {CLI_VERSION.removeprefix("v")}


def test_all_shell_of_the_preview_is_in_files_that_the_linters_and_the_tests_know() -> None:
    """tests/lab/test_preview_workflow.py runs it."""
    (job,) = loaded(PREVIEW)["jobs"].values()
    shell = [step["run"] for step in job["steps"] if "run" in step]
    assert shell == [f'{SCRIPT.relative_to(ROOT)} "$STACK"']
    assert SCRIPT in set(check.shell_files(ROOT))


def test_the_page_on_ci_names_each_variable_and_secret() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    names = re.findall(r"\b(?:vars|secrets)\.(\w+)", PREVIEW.read_text())
    assert len(set(names)) > 5
    for name in names:
        assert f"`{name}`" in page, name


@pytest.mark.parametrize(("cidrs", "said"), [("", "gh secret set"), (" \n ", "203.0.113.7/32")])
def test_ranges_that_are_not_there_are_asked_for(cidrs: str, said: str) -> None:
    done = subprocess.run(
        [str(SCRIPT), "dev"],
        env={"PATH": "/usr/bin:/bin", "ADMIN_CIDRS": cidrs},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "found nothing in ADMIN_CIDRS" in done.stderr
    assert said in done.stderr
