"""What sysbench prints, the article's my.cnf, and the shares of a first `up`."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from cloud.bench import load
from cloud.bench.hosts import Hosts
from cloud.bench.load import ARTICLES, OURS, article_text, rate
from cloud.bench.machine import machine
from cloud.cli.errors import LabError

pytestmark = pytest.mark.unit

OUTPUT = """\
SQL statistics:
    queries performed:
        read:                            39200
    transactions:                        2800   (279.64 per sec.)
    queries:                             56000  (5592.84 per sec.)
"""


def test_the_rate_is_that_of_transactions() -> None:
    assert rate(OUTPUT) == 279.64


def test_output_without_a_rate_is_an_error_that_quotes_it() -> None:
    with pytest.raises(LabError, match="FATAL: no connection"):
        rate("FATAL: no connection")


def test_the_articles_my_cnf_has_the_nodes_own_values() -> None:
    text = article_text({"serverId": 2, "replicationAddress": "10.10.1.11"})
    lines = text.splitlines()
    assert {"server-id = 2", "auto_increment_offset = 2", "bind_address=10.10.1.11"} <= set(lines)
    assert "$" not in text


def test_the_articles_my_cnf_keeps_what_is_not_safe_in_a_crash() -> None:
    text = article_text({"serverId": 1, "replicationAddress": "10.10.1.10"})
    assert "relay_log_recovery" not in text
    assert "repository" not in text


def test_each_my_cnf_bears_the_load_on_each_ring_beside_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second ring is twice as fast, our my.cnf by a tenth."""
    texts = {OURS: {"node-1": "ours"}, ARTICLES: {"node-1": "article"}}
    under: dict[Hosts, str] = {}

    def configure(ring: Hosts, text: Mapping[str, str]) -> None:
        under[ring] = text["node-1"]

    def bear(ring: Hosts) -> tuple[float, list[float]]:
        tenth = 1.1 if under[ring] == "ours" else 1.0
        return 100.0 * tenth * (2 if ring == rings[1] else 1), [tenth]

    rings = cast(Any, ("ring 1", "ring 2"))
    monkeypatch.setattr(load, "_texts", lambda _ring: texts)
    monkeypatch.setattr(load, "_prepare", lambda _ring: None)
    monkeypatch.setattr(load, "_configure", configure)
    monkeypatch.setattr(load, "_load", bear)
    figure = load._compare(rings, 2, lambda _text: None)
    assert list(figure.ours) == pytest.approx([165, 165])
    assert list(figure.beside) == pytest.approx([150, 150])
    assert figure.extra["replication_lag_p99_ms"] == 1.1
    assert figure.extra["replication_lag_article_p99_ms"] == 1.0


def test_the_bare_machine_is_compared_with_its_downloads_and_builds() -> None:
    found = machine(
        {
            "total": 500.0,
            "phases": {"packages": 20.0, "environment": 80.0, "set-up": 300.0, "pulumi up": 90.0},
            "parts": {"pulumi CLI": 290.0},
        }
    )
    assert found.figure.flat() == {
        "bare_machine_ratio": 1.25,
        "bare_machine_seconds": 500.0,
        "bare_machine_beside_seconds": 400.0,
    }
