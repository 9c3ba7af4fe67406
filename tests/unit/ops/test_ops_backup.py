"""`ring backup`: what is asked of which node, what is printed, how it ends."""

import json

import pytest
from ops import errors
from ops.ssh import Done
from ops_ring import CUT, Nodes, backup, both, broken, drill, failed, kept, run, well

pytestmark = pytest.mark.unit


def test_every_figure_of_a_backup_is_in_the_list() -> None:
    nodes = Nodes(backups=both(drills=[drill()]))
    result = run(nodes, "backup", "list")
    assert result.exit_code == errors.DONE, result.output
    line = next(each for each in result.stdout.splitlines() if "node-1/20261126T031500Z" in each)
    for figure in ("9 h ago", "3.0 GiB", "512.0 MiB", "40 tables in 12.3 s", "good, 7 h ago"):
        assert figure in line
    assert "prod/ring" in result.stdout
    assert sorted(nodes.asked) == [("node-1", "backups", None), ("node-2", "backups", None)]
    assert nodes.closed


def test_a_node_that_is_down_is_named_and_the_other_one_tells() -> None:
    result = run(Nodes(backups={"node-1": CUT, "node-2": kept("node-2")}), "backup", "list")
    assert result.exit_code == errors.DONE, result.output
    assert "node-1/20261126T031500Z" in result.stdout
    assert "node-1 does not answer over SSH" in result.stderr
    assert "Connection timed out" in result.stderr


def test_with_both_nodes_down_nothing_is_listed() -> None:
    result = run(Nodes(backups={"node-1": CUT, "node-2": CUT}), "backup", "list")
    assert result.exit_code == errors.UNREACHABLE
    assert result.stdout == ""


def test_what_a_node_says_goes_before_one_that_is_silent() -> None:
    refused = failed(errors.REFUSED, "no /etc/mysql-ring/backup.json", "run `pulumi up`")
    result = run(Nodes(backups={"node-1": CUT, "node-2": refused}), "backup", "list")
    assert result.exit_code == errors.REFUSED
    assert "node-2: no /etc/mysql-ring/backup.json" in result.stderr
    assert "run `pulumi up`" in result.stderr


def test_a_backup_that_counts_for_nothing_is_shown_with_its_next_step() -> None:
    result = run(Nodes(backups=both(backups=[backup(), broken()])), "backup", "list")
    assert "counts for nothing" in result.stdout
    assert "node-1/20261125T031500Z: its manifest was cut; next step: take another" in result.stdout


def test_a_drill_that_failed_is_said() -> None:
    bad = drill(good=False, problem="`app`.`t` differs", next_step="keep the one before")
    result = run(Nodes(backups=both(drills=[bad])), "backup", "list")
    assert "failed, 7 h ago" in result.stdout
    assert "`app`.`t` differs; next step: keep the one before" in result.stdout


def test_no_backup_at_all_is_said() -> None:
    result = run(Nodes(backups=both(backups=[])), "backup", "list")
    assert "No backup of prod/ring" in result.stdout


def test_the_list_as_json_is_one_document_with_the_nodes_that_are_silent() -> None:
    nodes = Nodes(backups={"node-1": kept("node-1", drills=[drill()]), "node-2": CUT})
    document = json.loads(run(nodes, "backup", "list", "--json").stdout)
    assert document["backups"] == [backup()]
    assert document["name"] == "prod/ring"
    assert document["drills"] == [drill()]
    assert document["silent"]["node-2"]["code"] == errors.UNREACHABLE
    assert document["first_moment"] == "2026-11-26T03:15:00Z"
    assert document["last_moment"] == "2026-11-26T11:55:00Z"


def test_the_drills_of_both_nodes_are_listed_once_each_and_the_newest_first() -> None:
    older, newer = drill("node-1", at="2026-11-26T04:00:00Z"), drill("node-2")
    nodes = Nodes(
        backups={
            "node-1": kept("node-1", drills=[older]),
            "node-2": kept("node-2", drills=[newer, older]),
        }
    )
    document = json.loads(run(nodes, "backup", "list", "--json").stdout)
    assert document["drills"] == [newer, older]


MADE = {
    "done": ["backup 20261126T120000Z of 3072 MiB in 120 files, as of bin.000012:1234"],
    "changed": True,
    "backup": {
        "key": "mysql/node-2/backups/20261126T120000Z/manifest.json",
        "bytes": 3 << 30,
        "stored_bytes": 512 << 20,
        "locked_s": 0.02,
        "check_s": 12.0,
        "upload_s": 30.0,
        "tables_checked": 40,
        "tables_left_out": 0,
    },
}


@pytest.mark.parametrize(
    ("one", "other", "chosen"),
    [
        (well(), well(), "node-2"),
        (well(connections=50), well(connections=5), "node-2"),
        (well(connections=5), well(connections=50), "node-1"),
        (well(connections=50), well(connections=5, healthy=False), "node-1"),
        (well(), CUT, "node-1"),
        (CUT, well(healthy=False), "node-2"),
    ],
)
def test_a_backup_is_taken_where_clients_feel_it_least(one: Done, other: Done, chosen: str) -> None:
    nodes = Nodes(status={"node-1": one, "node-2": other}, backup={"node-1": MADE, "node-2": MADE})
    result = run(nodes, "backup", "now")
    assert result.exit_code == errors.DONE, result.output
    assert nodes.asked[-1] == (chosen, "backup", None)
    assert f"on {chosen}" in result.stderr
    assert "mysql/node-2/backups/20261126T120000Z/manifest.json: 3.0 GiB" in result.stdout


def test_a_backup_of_a_node_that_is_named_asks_nobody_else() -> None:
    nodes = Nodes(backup={"node-1": MADE})
    result = run(nodes, "backup", "now", "node-1", "--export", "--json")
    assert nodes.asked == [("node-1", "backup --export", None)]
    assert json.loads(result.stdout)["backup"] == MADE["backup"]


def test_a_verb_that_fails_ends_the_command_with_its_own_code() -> None:
    nodes = Nodes(backup={"node-1": failed(errors.SERVER, "`app`.`t` is not sound", "mend it")})
    result = run(nodes, "backup", "now", "node-1", "--json")
    assert result.exit_code == errors.SERVER
    assert "ring: found: node-1: `app`.`t` is not sound" in result.stderr
    assert json.loads(result.stdout) == {
        "error": {
            "found": "node-1: `app`.`t` is not sound",
            "expected": "the other",
            "next_step": "mend it",
            "code": errors.SERVER,
        }
    }


def test_a_drill_says_what_it_compared() -> None:
    nodes = Nodes(drill={"node-2": {"drill": drill()}})
    result = run(nodes, "backup", "drill", "node-2")
    assert result.exit_code == errors.DONE, result.output
    assert "node-1/20261126T031500Z is good: 40 tables compared, 65 s" in result.stdout


def test_lines_of_progress_are_passed_on_with_their_node() -> None:
    nodes = Nodes(backup={"node-1": MADE})
    nodes.progress = ["ring-node: 40 % of 3072 MiB", "something else", "ring-node: found: no"]
    result = run(nodes, "backup", "now", "node-1")
    assert "node-1: 40 % of 3072 MiB\n" in result.stderr
    assert "something else" not in result.stderr
    assert "found" not in result.stderr


def test_an_interruption_ends_the_connections_and_says_what_goes_on() -> None:
    nodes = Nodes(backups={"node-1": KeyboardInterrupt(), "node-2": kept("node-2")})  # type: ignore
    result = run(nodes, "backup", "list")
    assert result.exit_code == errors.INTERRUPTED
    assert nodes.stopped
    assert nodes.closed
    assert "may go on there" in result.stderr
