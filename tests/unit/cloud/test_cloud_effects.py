"""What a verb does on a host of the lab, by the names under which tests cut and hold it."""

from typing import Any

import pytest
from cloud.hosts import gates

pytestmark = pytest.mark.unit

S3CMD = ["setpriv", "--pdeathsig", "KILL", "--", "s3cmd", "--config=/etc/mysql-ring/s3cfg"]
VOLUME = "/srv/mysql-ring"


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(gates.ON_GUEST)
    import lab_effects  # type: ignore[import-not-found] - of the guest

    return lab_effects


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/var/lib/mysql-ring/.backup.json.0a1b2c3d.new", "/var/lib/mysql-ring/.backup.json.N.new"),
        (f"{VOLUME}/snapshots/0a1b2c3d/app/t.ibd", f"{VOLUME}/snapshots/N/*"),
        (f"{VOLUME}/images/0a1b2c3d/checked/data/app/t.ibd", f"{VOLUME}/images/N/checked/*"),
        (f"{VOLUME}/images/0a1b2c3d/export/app.tables.sql", f"{VOLUME}/images/N/export/*"),
        (f"{VOLUME}/restoring/0a1b2c3d/log/bin.000012", f"{VOLUME}/restoring/N/log/*"),
        (f"{VOLUME}/restoring/0a1b2c3d", f"{VOLUME}/restoring/N"),
        ("t.ibd", "in a folder/*"),
    ],
)
def test_files_of_a_tree_that_is_nothing_yet_have_one_name(
    effects: Any, path: str, plain: str
) -> None:
    assert effects.plain(path) == plain


@pytest.mark.parametrize("what", ["put --multipart-chunk-size-mb=N -", "ls --recursive", "get"])
def test_what_an_s3cmd_does_is_in_its_name_and_its_settings_are_not(
    effects: Any, what: str
) -> None:
    words = [*S3CMD, "--no-progress", *what.replace("N", "15").split(), "s3://b/k"]
    assert effects.program(words) == f"run setpriv --pdeathsig KILL -- s3cmd {what} s3://b/k"
