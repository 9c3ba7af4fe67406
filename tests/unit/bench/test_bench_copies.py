"""What a copy of the peer says of itself, and what becomes a figure of it."""

import json

import pytest
from cloud.bench.copies import Copied, copied, figure
from cloud.cli.errors import LabError

pytestmark = pytest.mark.unit

MIB = 2**20
REPORT = {"changed": True, "copy": {"bytes": 1000 * MIB, "seconds": 8.0, "locked_s": 0.03}}


def test_a_copy_is_read_off_the_last_line_that_the_verb_prints() -> None:
    found = copied(12.5, f"something else\n{json.dumps(REPORT)}\n")
    assert found == Copied(12.5, 1000 * MIB, 8.0, 0.03)
    assert found.rate == 125.0


@pytest.mark.parametrize("printed", ["", "no JSON", "{}", '{"copy": {"bytes": 1}}'])
def test_a_verb_that_tells_of_no_copy_is_an_error_that_quotes_it(printed: str) -> None:
    with pytest.raises(LabError, match="found no copy") as caught:
        copied(1.0, printed)
    assert repr(printed) in str(caught.value)


def test_the_figure_takes_the_fastest_of_each_side_and_the_longest_time_that_a_writer_waited() -> (
    None
):
    copies = [Copied(12.0, 1000 * MIB, 8.0, 0.03), Copied(11.0, 1100 * MIB, 10.0, 0.02)]
    hands = [{"files": 8.0, "running": 10.0}, {"files": 9.0, "running": 11.5}]
    loaded = [Copied(30.0, 1100 * MIB, 20.0, 0.04)]
    found = figure(copies, loaded, hands, [0.001] * 98 + [0.01, 0.2], [0.001, 0.1])
    assert found.ratio == 1.1
    assert found.verdict == "aim"
    assert found.flat() == {
        "copy_ratio": 1.1,
        "copy_seconds": 11.0,
        "copy_beside_seconds": 10.0,
        "copy_mib": 1100.0,
        "copy_mib_per_second": 125.0,
        "copy_locked_seconds": 0.04,
        "copy_by_hand_files_seconds": 8.0,
        "copy_longest_write_seconds": 0.2,
        "copy_longest_write_without_copy_seconds": 0.1,
        "copy_p99_write_seconds": 0.01,
        "copy_p99_write_without_copy_seconds": 0.1,
    }


def test_a_copy_that_takes_half_as_long_again_as_by_hand_misses_its_aim() -> None:
    found = figure(
        [Copied(15.0, MIB, 1.0, 0.0)], [], [{"files": 9.0, "running": 10.0}], [0.1], [0.1]
    )
    assert found.verdict == "over"
