"""What a backup says of itself, and what becomes a figure of it."""

import json

import pytest
from cloud.bench.backups import Taken, figure, taken
from cloud.cli.errors import LabError

pytestmark = pytest.mark.unit

MIB = 2**20
REPORT = {
    "changed": True,
    "backup": {
        "bytes": 1000 * MIB,
        "stored_bytes": 400 * MIB,
        "locked_s": 0.03,
        "check_s": 8.0,
        "upload_s": 9.0,
    },
}
TAKEN = Taken(20.0, 1000 * MIB, 400 * MIB, 0.03, 8.0, 9.0)


def test_a_backup_is_read_off_the_last_line_that_the_verb_prints() -> None:
    assert taken(20.0, f"something else\n{json.dumps(REPORT)}\n") == TAKEN


@pytest.mark.parametrize("printed", ["", "no JSON", "{}", '{"backup": {"bytes": 1}}'])
def test_a_verb_that_tells_of_no_backup_is_an_error_that_quotes_it(printed: str) -> None:
    with pytest.raises(LabError, match="found no backup") as caught:
        taken(1.0, printed)
    assert repr(printed) in str(caught.value)


def test_the_figure_takes_the_fastest_of_each_side() -> None:
    slower = Taken(26.0, 1100 * MIB, 410 * MIB, 0.02, 10.0, 7.0)
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
