"""What the verbs of backups say of themselves, and what becomes a figure of it."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from cloud.bench import archives, beside, held, replays, run
from cloud.bench.backups import figure
from cloud.bench.beside import Done
from cloud.bench.figures import Figure
from cloud.bench.filled import Restored, Taken, restored, taken
from cloud.bench.run import BACKUP, DEFAULT, wanted
from cloud.cli.errors import LabError
from rich.console import Console

pytestmark = pytest.mark.unit

MIB = 2**20
KEY = "mysql/node-1/backups/20261126T031500Z/manifest.json"
REPORT = {
    "changed": True,
    "backup": {
        "key": KEY,
        "bytes": 1000 * MIB,
        "stored_bytes": 400 * MIB,
        "locked_s": 0.03,
        "check_s": 8.0,
        "upload_s": 9.0,
    },
}
TAKEN = Taken(KEY, 20.0, 1000 * MIB, 400 * MIB, 0.03, 8.0, 9.0)
SOCKET = "/srv/mysql-ring/restored/bench/run/sock"


def test_a_backup_is_read_off_the_last_line_that_the_verb_prints() -> None:
    assert taken(20.0, f"something else\n{json.dumps(REPORT)}\n") == TAKEN


def test_a_backup_has_the_name_that_restores_take_and_its_data_beside_its_manifest() -> None:
    assert TAKEN.name == "node-1/20261126T031500Z"
    assert TAKEN.data == "mysql/node-1/backups/20261126T031500Z/data.tar.zst"


@pytest.mark.parametrize("printed", ["", "no JSON", "{}", '{"backup": {"bytes": 1}}'])
def test_a_verb_that_tells_of_no_backup_is_an_error_that_quotes_it(printed: str) -> None:
    with pytest.raises(LabError, match="found no 'backup'") as caught:
        taken(1.0, printed)
    assert repr(printed) in str(caught.value)


def test_a_restored_server_is_read_off_the_last_line_that_the_verb_prints() -> None:
    told = {"restored": {"socket": SOCKET, "as_of": None}}
    assert restored(8.0, f"something else\n{json.dumps(told)}\n") == Restored(8.0, SOCKET, None)


@pytest.mark.parametrize("printed", ["", "no JSON", "{}", '{"restored": {"as_of": null}}'])
def test_a_verb_that_tells_of_no_restored_server_is_an_error_that_quotes_it(printed: str) -> None:
    with pytest.raises(LabError, match="found no 'restored'") as caught:
        restored(1.0, printed)
    assert repr(printed) in str(caught.value)


def test_the_figure_takes_the_fastest_of_each_side() -> None:
    slower = Taken(KEY, 26.0, 1100 * MIB, 410 * MIB, 0.02, 10.0, 7.0)
    found = figure([TAKEN, slower], [20.0, 16.0])
    assert found.verdict == "aim"
    assert found.flat() == {
        "backup_ratio": 1.25,
        "backup_seconds": 20.0,
        "backup_beside_seconds": 16.0,
        "backup_mib": 1100.0,
        "backup_stored_mib": 410.0,
        "backup_locked_seconds": 0.03,
        "backup_check_seconds": 8.0,
        "backup_upload_seconds": 7.0,
    }
    assert figure([TAKEN], [10.0]).verdict == "over"


def replayed(seconds: float, as_of: dict[str, Any] | None) -> Restored:
    return Restored(seconds, SOCKET, as_of)


def test_the_replay_is_what_it_says_of_itself_against_the_seconds_of_the_load() -> None:
    found = replays.figure(
        [
            replayed(40.0, {"transactions": 6010, "seconds": 30.0}),
            replayed(35.0, {"transactions": 6010, "seconds": 20.0}),
        ],
        6000,
    )
    assert found.flat() == {
        "replay_ratio": round(20 / replays.WRITE_SECONDS, 3),
        "replay_seconds": 20.0,
        "replay_beside_seconds": replays.WRITE_SECONDS,
        "replay_transactions": 6000,
        "replay_transactions_per_second": 300.0,
        "replay_with_restore_seconds": 35.0,
    }


@pytest.mark.parametrize("as_of", [None, {"transactions": 5999, "seconds": 20.0}])
def test_a_replay_that_lacks_a_transaction_is_no_figure(as_of: dict[str, Any] | None) -> None:
    with pytest.raises(LabError, match="expected 6000 transactions or more"):
        replays.figure([replayed(35.0, as_of)], 6000)


LOG = """\
2026-11-26 12:00:00.000 INFO  cloud.api: s3 PUT: 200, 4000 bytes
2026-11-26 12:00:01.000 INFO  cloud.api: s3 POST: 200, 30 bytes
2026-11-26 12:00:01.000 INFO  cloud.api: ec2 CreateTags: 200, 700 bytes
2026-11-26 12:00:02.000 INFO  cloud.api: s3 PUT: 403, 5 bytes
2026-11-26 12:00:03.000 INFO  cloud.api: s3 DELETE: 204, 0 bytes
"""


def test_what_s3_received_is_counted_from_a_place_in_its_log_on(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text(LOG)
    assert archives.received(log, 0) == 4035
    assert archives.received(log, len(LOG.splitlines(keepends=True)[0])) == 35
    assert archives.received(log, len(LOG)) == 0


def test_a_pass_that_sends_a_byte_though_nothing_is_new_is_over_its_limit() -> None:
    assert archives.figure([0, 0], [4000, 5000], [0.5]).verdict == "aim"
    found = archives.figure([0, 50], [4000, 5000], [0.5])
    assert (found.verdict, found.ratio) == ("over", 0.01)


def test_the_load_beside_archive_and_backup_is_told_with_how_many_there_were() -> None:
    found = beside.figure([90.0, 96.0], [100.0, 99.0], Done(backups=2, passes=8))
    assert (found.ratio, found.verdict) == (0.96, "aim")
    assert found.extra == {"beside_backups": 2, "beside_passes_of_the_archive": 8}


def test_a_load_on_old_files_is_compared_with_one_on_new_files() -> None:
    found = held.figure("held_later", "a snapshot is held", ([75.0], [90.0]), [80.0, 100.0])
    assert (found.ratio, found.verdict) == (0.75, "")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["held", "restore"], {"backup": ["restore", "held"]}),
        (["backup"], {"backup": list(BACKUP)}),
        (["sysbench", "replay", "backup"], {"backup": list(BACKUP), "sysbench": []}),
        (["machine", "noop"], {"noop": [], "machine": []}),
        ([], {name: list(BACKUP) if name == "backup" else [] for name in DEFAULT}),
    ],
)
def test_parts_are_taken_in_their_order_and_all_where_the_whole_is_named(
    names: list[str], found: dict[str, list[str]]
) -> None:
    assert list(wanted(names).items()) == list(found.items())


def test_what_was_taken_before_a_part_that_fails_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @contextmanager
    def ring(*_: Any) -> Iterator[None]:
        yield

    def takes(*_: Any) -> Iterator[Figure]:
        yield archives.figure([0], [4000], [0.5])

    def fails(*_: Any) -> Iterator[Figure]:
        raise LabError("no replay")

    monkeypatch.setattr(run, "filled", ring)
    monkeypatch.setattr(run, "BACKUP", {"archive": takes, "replay": fails})
    monkeypatch.setattr(run, "Place", lambda _lab: Mock())
    out = Console(file=io.StringIO())
    with pytest.raises(LabError, match="no replay"):
        run.bench(out, out, ["archive", "replay"], tmp_path / "figures.json", 1)
    assert json.loads((tmp_path / "figures.json").read_text())["archive_beside_bytes"] == 4000
