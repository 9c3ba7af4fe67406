"""Ratios, percentiles and the flat object, from samples given by hand."""

import io

import pytest
from cloud.bench.figures import Figure, flat, percentile, turns
from cloud.bench.report import figures_table
from cloud.bench.run import stolen_percent
from rich.console import Console

pytestmark = pytest.mark.unit


def figure(**changes: object) -> Figure:
    values: dict[str, object] = {
        "name": "noop_up",
        "title": "`up` without a change",
        "against": "imports",
        "ours": [3.3, 9.0, 3.2],
        "beside": [2.0, 2.9, 2.1],
        "limit": 2.0,
        "aim": 1.5,
        **changes,
    }
    return Figure(**values)  # type: ignore[arg-type]


def test_slow_turns_do_not_move_the_ratio() -> None:
    assert figure(ours=[30.0, 3.2, 3.3], beside=[2.0, 9.0, 8.0]).ratio == pytest.approx(1.6)


def test_turns_with_few_transactions_do_not_move_the_ratio() -> None:
    found = figure(ours=[90.0, 120.0], beside=[100.0, 20.0], more_is_better=True)
    assert found.ratio == pytest.approx(1.2)


def test_the_share_that_the_host_took_is_of_the_time_between() -> None:
    assert stolen_percent((100, 1000), (150, 1400)) == 12.5


def test_the_99th_percentile_of_a_hundred_samples_is_the_99th() -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], 0.99) == 99.0


def test_the_99th_percentile_of_few_samples_is_the_largest() -> None:
    assert percentile([4.0, 1.0, 2.0], 0.99) == 4.0


@pytest.mark.parametrize(
    ("ours", "verdict"), [([2.9], "aim"), ([3.0], "aim"), ([3.9], "within"), ([4.1], "over")]
)
def test_less_is_better_up_to_the_limit(ours: list[float], verdict: str) -> None:
    assert figure(ours=ours, beside=[2.0]).verdict == verdict


@pytest.mark.parametrize(("ours", "verdict"), [([101.0], "aim"), ([99.0], "over")])
def test_more_is_better_for_transactions(ours: list[float], verdict: str) -> None:
    found = figure(ours=ours, beside=[100.0], limit=1.0, aim=1.0, more_is_better=True)
    assert found.verdict == verdict


@pytest.mark.parametrize(("ours", "verdict"), [([1.5], "aim"), ([1.6], "over")])
def test_a_figure_by_difference_is_held_against_the_seconds_more(
    ours: list[float], verdict: str
) -> None:
    found = figure(ours=ours, beside=[1.0], limit=None, aim=0.5, by_difference=True)
    assert found.verdict == verdict


def test_a_figure_without_a_limit_has_no_verdict() -> None:
    assert figure(limit=None, aim=None).verdict == ""


def test_all_figures_make_one_flat_object() -> None:
    load = figure(
        name="sysbench",
        ours=[200.0],
        beside=[160.0],
        unit="transactions_per_second",
        extra={"replication_lag_p99_ms": 12.3456},
    )
    assert flat([figure(), load], {"cpus": 2}) == {
        "cpus": 2,
        "noop_up_ratio": 1.6,
        "noop_up_seconds": 3.2,
        "noop_up_beside_seconds": 2.0,
        "sysbench_ratio": 1.25,
        "sysbench_transactions_per_second": 200.0,
        "sysbench_beside_transactions_per_second": 160.0,
        "replication_lag_p99_ms": 12.346,
    }


def test_the_table_says_of_each_figure_how_it_stands() -> None:
    out = Console(file=io.StringIO(), width=140)
    more = figure(title="wiring", ours=[1.7], limit=None, aim=0.5, by_difference=True, beside=[1.0])
    out.print(figures_table([figure(), figure(title="slow", beside=[1.0]), more]))
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    assert any("without a change" in line and "1.60" in line and "within" in line for line in lines)
    assert any("slow" in line and "3.20" in line and "MISSED" in line for line in lines)
    assert any("wiring" in line and "≤ 0.5 more" in line and "MISSED" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "numbers"), [(100.0, [1, 2, 3]), (15.0, [1, 2]), (5.0, [1]), (-1.0, [1])]
)
def test_no_further_turn_begins_when_the_time_is_over(seconds: float, numbers: list[int]) -> None:
    clock = iter((1000.0, 1010.0, 1020.0))
    assert list(turns(3, seconds, lambda: next(clock))) == numbers
