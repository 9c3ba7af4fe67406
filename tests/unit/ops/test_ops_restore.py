"""`ring restore`: what is typed, what each node is told, how it ends."""

import json
from typing import Any

import pytest
from ops import errors
from ops_ring import CUT, Nodes, backup, both, failed, kept, logs, replayed, restored, run, well

pytestmark = pytest.mark.unit
AT = ("--at", "2026-11-26T04:20:00+01:00")
TOLD = {"at": "2026-11-26T03:20:00Z"}
SCRATCH = {"changed": True, "done": ["restored"], "restored": restored()}
TABLE = {
    "changed": True,
    "done": ["restored"],
    "table": {
        "from": "`app`.`orders`",
        "into": "`app`.`before`",
        "rows": 12,
        "seconds": 3.4,
        "backup": "node-1/20261126T031500Z",
        "moment": TOLD,
        "as_of": None,
    },
}
RESTORED = {
    "restored": {
        "backup": "node-1/20261126T031500Z",
        "moment": TOLD,
        "as_of": None,
        "server_uuid": "x",
        "former": "/srv/mysql-ring/incarnations/0123",
        "next": ["on node-2: sudo ring-node rejoin --discard node-2"],
        "seconds": 60,
    }
}


def status(**changes: Any) -> dict[str, Any]:
    return {"node-1": well(), "node-2": well(), **changes}


def test_the_list_says_which_moments_can_be_asked_for_and_what_stands() -> None:
    said = both()
    said["node-2"] = kept("node-2", restored=[restored()])
    result = run(Nodes(backups=said), "restore", "list")
    assert result.exit_code == errors.DONE, result.output
    assert "from 2026-11-26T03:15:00Z on can be" in result.stdout
    assert "end at 2026-11-26T11:55:00Z" in result.stdout
    assert "bin.000012" in result.stdout
    assert (
        "node-2 has the scratch server night, which runs: the data as of 2026-11-26T03:20:00Z"
        in (result.stdout)
    )
    assert restored()["connect"] in result.stdout


def test_gaps_in_the_logs_are_said() -> None:
    gap = "between bin.000003 and bin.000005"
    result = run(Nodes(backups=both(logs=[logs(gaps=[gap])])), "restore", "list")
    assert gap in result.stdout
    assert "The logs have gaps" in result.stdout


def test_without_a_good_backup_nothing_can_be_restored() -> None:
    result = run(Nodes(backups=both(backups=[])), "restore", "list")
    assert "Nothing of prod/ring can be restored" in result.stdout


TURN = "2026-11-26T08:00:00Z"


def test_to_a_moment_after_the_ring_was_put_back_nothing_leads_but_a_new_backup() -> None:
    result = run(Nodes(backups=both(turns=[TURN])), "restore", "list")
    assert f"from 2026-11-26T03:15:00Z to right before {TURN} can be" in result.stdout
    assert f"put back at {TURN}: no moment since can be restored" in result.stdout
    assert " on can be asked for" not in result.stdout


def test_with_a_backup_since_the_ring_was_put_back_moments_after_it_can_be_restored() -> None:
    since = [backup(), backup("node-2", "20261126T091500Z"), backup("node-2", "20261126T101500Z")]
    result = run(Nodes(backups=both(turns=[TURN], backups=since)), "restore", "list")
    assert f"from 2026-11-26T03:15:00Z to right before {TURN} can be" in result.stdout
    assert "from 2026-11-26T09:15:00Z on can be" in result.stdout
    assert "no moment since" not in result.stdout


def test_a_backup_of_the_very_second_in_which_the_ring_was_put_back_is_of_no_use() -> None:
    result = run(Nodes(backups=both(turns=["2026-11-26T03:15:00Z"])), "restore", "list")
    assert "can be asked for" not in result.stdout
    assert "no moment since can be restored" in result.stdout


def test_backups_without_logs_are_restored_as_they_are() -> None:
    result = run(Nodes(backups=both(logs=[])), "restore", "list")
    assert "--as-it-is" in result.stdout


@pytest.mark.parametrize(
    ("words", "moment", "name"),
    [
        (AT, TOLD, "at-2026-11-26t032000z"),
        (("--latest",), {"latest": True}, "latest"),
        (("--as-it-is",), {"as_it_is": True}, "as-it-is"),
        (
            ("--coordinates", "node-1", "bin.000012", "1234"),
            {"node": "node-1", "file": "bin.000012", "position": 1234},
            "node-1-bin-000012-1234",
        ),
        ((*AT, "--name", "night"), TOLD, "night"),
    ],
)
def test_a_scratch_server_is_restored_as_of_a_moment(
    words: tuple[str, ...], moment: dict[str, Any], name: str
) -> None:
    nodes = Nodes(status=status(), restore_scratch={"node-2": SCRATCH})
    result = run(nodes, "restore", "to-scratch", *words)
    assert result.exit_code == errors.DONE, result.output
    told = {"name": name, "moment": moment, "backup": None}
    assert nodes.asked[-1] == ("node-2", "restore-scratch", told)
    first = [(node, verb) for node, verb, _ in nodes.asked if verb.startswith("archive")]
    wanted = [] if moment == {"as_it_is": True} else ["node-1", "node-2"]
    assert sorted(first) == [(node, "archive --now") for node in wanted]
    assert restored()["connect"] in result.stdout
    assert "--remove night" in result.stdout


def test_how_far_a_restore_came_is_said_with_what_did_not_fit() -> None:
    as_of = replayed(misfits=2, misfits_from="bin.000011:99", notes=["the peer's logs end before"])
    nodes = Nodes(restore_table={"node-1": {"table": {**TABLE["table"], "as_of": as_of}}})
    words = ("table", "app.orders", "--as", "app.before", *AT, "--node", "node-1")
    result = run(nodes, "restore", *words)
    assert "of server 2: 7 transactions, the last of 2026-11-26T03:19:59Z" in result.stdout
    assert "2 changes of rows did not fit and were passed over, from bin.000011:99" in result.stdout
    assert "the peer's logs end before" in result.stdout


def test_a_node_that_cannot_bring_in_its_last_log_is_named_and_the_restore_says_the_rest() -> None:
    nodes = Nodes(
        archive={"node-1": CUT, "node-2": failed(errors.UNREACHABLE, "S3 does not answer")},
        restore_scratch={"node-2": SCRATCH},
    )
    result = run(nodes, "restore", "to-scratch", *AT, "--node", "node-2")
    assert result.exit_code == errors.DONE, result.output
    assert "may be missing: node-1 does not answer over SSH" in result.stderr
    assert "may be missing: node-2: S3 does not answer" in result.stderr


def test_a_scratch_server_that_is_there_already_is_said_to_be_old() -> None:
    nodes = Nodes(restore_scratch={"node-1": {**SCRATCH, "changed": False}})
    result = run(nodes, "restore", "to-scratch", "--latest", "--node", "node-1")
    assert "It was there already, since 2026-11-26T11:00:00Z" in result.stdout


def test_the_moment_is_said_back_in_utc_before_it_begins() -> None:
    nodes = Nodes(restore_scratch={"node-1": SCRATCH})
    result = run(nodes, "restore", "to-scratch", *AT, "--node", "node-1")
    assert "restore 2026-11-26T03:20:00Z" in result.stderr


def test_the_backup_to_begin_with_can_be_named() -> None:
    nodes = Nodes(restore_scratch={"node-1": SCRATCH})
    words = ("--as-it-is", "--backup", "node-2/20261126T031500Z", "--node", "node-1")
    run(nodes, "restore", "to-scratch", *words)
    assert nodes.asked[-1][2]["backup"] == "node-2/20261126T031500Z"


@pytest.mark.parametrize(
    ("words", "mistakes"),
    [
        (("to-scratch",), ["no moment: one of --at, --latest, --coordinates, --as-it-is"]),
        (("to-scratch", "--latest", *AT), ["--at and --latest: one of"]),
        (
            ("to-scratch", "--at", "noon", "--name", "A b", "--node", "node-3"),
            ["'noon' is not a time", "'A b' is not a name", "no node 'node-3': there are node-1,"],
        ),
        (
            ("to-scratch", "--coordinates", "node-9", "bin", "x", "--backup", "latest"),
            ["'bin' is not", "'x' is not a position", "--backup 'latest'", "no node 'node-9'"],
        ),
        (("to-scratch", *AT, "--name", ""), ["'' is not a name"]),
        (("to-scratch", "--remove", "night", "--latest"), ["--remove with a moment"]),
        (("table", *AT), ["no table", "no --as"]),
        (
            ("table", "orders", "--as", "x.y.z", "--at", "2026-11-26T03:00"),
            ["table 'orders'", "--as 'x.y.z'", "has no zone"],
        ),
        (("to-ring", "--node", "node-7"), ["no moment", "no node 'node-7'"]),
        (("to-ring", *AT, "--without-peer", "node-7"), ["no node 'node-7'"]),
    ],
)
def test_all_that_is_wrong_is_said_at_once_and_nothing_is_touched(
    words: tuple[str, ...], mistakes: list[str]
) -> None:
    nodes = Nodes()
    result = run(nodes, "restore", *words)
    assert result.exit_code == errors.INPUT, result.output
    for mistake in mistakes:
        assert mistake in result.stderr
    assert len(result.stderr.splitlines()) == len(mistakes) + 1 - ("'bin' is not" in mistakes)
    assert f"ring restore {words[0]} --help" in result.stderr
    assert nodes.asked == []


def test_what_is_wrong_with_the_words_goes_before_what_is_wrong_with_the_stack() -> None:
    gone = errors.OpsError("no stack", "one", "make it", errors.HOST)
    assert run(Nodes(), "restore", "table", *AT, stack=gone).exit_code == errors.INPUT
    words = ("restore", "to-scratch", *AT)
    assert run(Nodes(), *words, stack=gone).exit_code == errors.HOST


def test_a_scratch_server_is_removed_wherever_it_is() -> None:
    there = {"changed": True, "done": ["removed night"]}
    nodes = Nodes(restore_scratch={"node-1": {}, "node-2": there})
    result = run(nodes, "restore", "to-scratch", "--remove", "night")
    assert result.exit_code == errors.DONE, result.output
    assert sorted(nodes.asked) == [
        ("node-1", "restore-scratch --remove night", None),
        ("node-2", "restore-scratch --remove night", None),
    ]
    assert result.stdout == "node-1: no change\nnode-2: removed night\n"


def test_a_node_that_is_down_may_keep_its_scratch_server() -> None:
    nodes = Nodes(restore_scratch={"node-1": CUT, "node-2": {}})
    result = run(nodes, "restore", "to-scratch", "--remove", "night", "--json")
    assert result.exit_code == errors.UNREACHABLE
    document = json.loads(result.stdout)
    assert document["node-1"]["error"]["code"] == errors.UNREACHABLE
    assert document["node-2"]["done"] == ["no change"]


@pytest.mark.parametrize(
    ("one", "other", "chosen"),
    [
        (well(), well(), "node-1"),
        (well(connections=5), well(connections=50), "node-2"),
        (well(connections=5), well(connections=50, gate="closed"), "node-1"),
        (CUT, well(), "node-2"),
    ],
)
def test_a_table_is_restored_where_clients_write(one: Any, other: Any, chosen: str) -> None:
    nodes = Nodes(
        status={"node-1": one, "node-2": other},
        restore_table={"node-1": TABLE, "node-2": TABLE},
    )
    result = run(nodes, "restore", "table", "app.orders", "--as", "app.before", *AT)
    assert result.exit_code == errors.DONE, result.output
    told = {
        "table": {"schema": "app", "table": "orders"},
        "into": {"schema": "app", "table": "before"},
        "moment": TOLD,
        "backup": None,
    }
    assert nodes.asked[-1] == (chosen, "restore-table", told)
    assert "`app`.`before` has 12 rows of `app`.`orders`: the data as of 2026-11-26T03:20:00Z" in (
        result.stdout
    )


def test_no_table_is_restored_where_nobody_serves() -> None:
    nodes = Nodes(status={"node-1": well(gate="closed"), "node-2": CUT})
    result = run(nodes, "restore", "table", "app.orders", "--as", "app.before", *AT)
    assert result.exit_code == errors.UNREACHABLE
    assert all(verb == "status" for _, verb, _ in nodes.asked)


@pytest.mark.parametrize(
    "words",
    [
        ("to-scratch", *AT, "--node", "node-1"),
        ("to-scratch", "--remove", "night"),
        ("table", "app.orders", "--as", "app.before", *AT, "--node", "node-1"),
    ],
)
def test_a_dry_run_prints_the_command_and_touches_no_node(words: tuple[str, ...]) -> None:
    nodes = Nodes()
    result = run(nodes, "restore", *words, "--dry-run")
    assert result.exit_code == errors.DONE, result.output
    assert "/opt/mysql-ring/current/ring-node restore-" in result.stdout
    assert "Nothing was done." in result.stdout
    assert nodes.asked == []


def whole() -> Nodes:
    return Nodes(
        backups=both(),
        restore_ring={"node-2": {"gives_way": True}, "node-1": RESTORED},
        rejoin={"node-1": {"done": ["follows"]}, "node-2": {"done": ["copied"]}},
    )


STEPS = [
    ("node-2", "restore-ring", {"gives_way": "prod/ring"}),
    (
        "node-1",
        "restore-ring",
        {"moment": TOLD, "backup": None, "destroys": "prod/ring", "without_peer": None},
    ),
    ("node-2", "rejoin --discard node-2", None),
    ("node-1", "rejoin", None),
]
TO_RING = ("restore", "to-ring", *AT)


def changes(nodes: Nodes) -> list[tuple[str, str, Any]]:
    return [each for each in nodes.asked if each[1] not in ("backups", "archive --now")]


def test_a_ring_is_restored_on_one_node_and_copied_by_the_other_one() -> None:
    nodes = whole()
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.DONE, result.output
    assert changes(nodes) == STEPS
    assert "node-1 and node-2 of the ring prod/ring give up what they hold" in result.stderr
    assert "for 2026-11-26T03:20:00Z" in result.stderr
    assert "node-1 has the data as of 2026-11-26T03:20:00Z" in result.stdout


@pytest.mark.parametrize(("runs", "without"), [(True, None), (False, "node-2")])
def test_a_node_that_gave_way_and_whose_server_is_broken_is_not_asked(
    runs: bool, without: str | None
) -> None:
    nodes = whole()
    given_way, restored = nodes.said["restore-ring"]["node-2"], nodes.said["restore-ring"]["node-1"]
    assert isinstance(given_way, dict)
    nodes.said["restore-ring"] = {"node-2": {**given_way, "runs": runs}, "node-1": restored}
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.DONE, result.output
    _, (_, _, told), *_ = changes(nodes)
    assert told["without_peer"] == without


def test_what_the_nodes_note_is_said_once() -> None:
    nodes = whole()
    given_way, restored = nodes.said["restore-ring"]["node-2"], nodes.said["restore-ring"]["node-1"]
    assert isinstance(given_way, dict)
    assert isinstance(restored, dict)
    lost = "not all that this node has logged is in the bucket: S3 is away"
    nodes.said["restore-ring"] = {
        "node-2": {**given_way, "notes": [lost]},
        "node-1": {**restored, "notes": ["another", "another"]},
    }
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    lines = result.stdout.splitlines()
    assert [lines.count(note) for note in (lost, "another")] == [1, 1]


def test_the_node_to_restore_can_be_named() -> None:
    nodes = whole()
    nodes.said["restore-ring"] = {"node-1": {"gives_way": True}, "node-2": RESTORED}
    run(nodes, *TO_RING, "--yes-really", "prod/ring", "--node", "node-2")
    assert [(node, verb) for node, verb, _ in changes(nodes)] == [
        ("node-1", "restore-ring"),
        ("node-2", "restore-ring"),
        ("node-1", "rejoin --discard node-1"),
        ("node-2", "rejoin"),
    ]


@pytest.mark.parametrize("words", [(), ("--yes-really", "ring"), ("--yes-really", "")])
def test_without_the_name_of_the_ring_nothing_is_touched(words: tuple[str, ...]) -> None:
    nodes = whole()
    result = run(nodes, *TO_RING, *words)
    assert result.exit_code == errors.NOT_CONFIRMED
    assert "prod/ring" in result.stderr
    assert changes(nodes) == []


@pytest.mark.parametrize(
    ("answer", "code"), [("prod/ring", errors.DONE), ("yes", errors.NOT_CONFIRMED)]
)
def test_the_name_of_the_ring_is_typed_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    from ops import command

    monkeypatch.setattr(command, "at_terminal", lambda: True)
    nodes = whole()
    result = run(nodes, *TO_RING, input=f"{answer}\n")
    assert result.exit_code == code, result.output
    assert changes(nodes) == (STEPS if code == errors.DONE else [])


def test_a_dry_run_of_a_ring_prints_every_step_and_changes_nothing() -> None:
    nodes = whole()
    result = run(nodes, *TO_RING, "--dry-run")
    assert result.exit_code == errors.DONE, result.output
    assert changes(nodes) == []
    assert "ring-node rejoin --discard node-2\n" in result.stdout
    assert '"destroys": "prod/ring"' in result.stdout
    document = json.loads(run(nodes, *TO_RING, "--dry-run", "--json").stdout)
    assert [(each["node"], each["document"]) for each in document["would"]] == [
        ("node-1", None),
        ("node-2", None),
        *((node, told) for node, _, told in STEPS),
    ]


def test_a_peer_that_is_silent_is_not_taken_for_dead() -> None:
    nodes = whole()
    nodes.said["backups"]["node-2"] = CUT
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.UNREACHABLE
    assert "--without-peer node-2" in result.stderr
    assert changes(nodes) == []


def test_a_ring_whose_other_node_is_dead_is_restored_on_one() -> None:
    nodes = whole()
    nodes.said["backups"]["node-2"] = CUT
    words = ("--yes-really", "prod/ring", "--without-peer", "node-2")
    result = run(nodes, *TO_RING, *words)
    assert result.exit_code == errors.DONE, result.output
    told = {**STEPS[1][2], "without_peer": "node-2"}
    assert changes(nodes) == [("node-1", "restore-ring", told)]
    assert "when node-2 is back, on node-2: sudo ring-node rejoin --discard" in result.stdout


@pytest.mark.parametrize("code", [1, 3, 5, 6, 7, 8])
def test_a_node_whose_tool_fails_is_not_dead(code: int) -> None:
    """Its server may serve clients as before."""
    nodes = whole()
    nodes.said["backups"]["node-2"] = failed(code, "no room on the disk")
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring", "--without-peer", "node-2")
    assert result.exit_code == errors.REFUSED
    assert "node-2 answers, though with an error: node-2: no room on the disk" in result.stderr
    assert changes(nodes) == []


def test_a_node_that_answers_is_not_dead() -> None:
    nodes = whole()
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring", "--without-peer", "node-2")
    assert result.exit_code == errors.REFUSED
    assert changes(nodes) == []


def test_a_node_cannot_be_both_the_dead_one_and_the_restored_one() -> None:
    words = ("--node", "node-2", "--without-peer", "node-2", "--yes-really", "prod/ring")
    nodes = whole()
    assert run(nodes, *TO_RING, *words).exit_code == errors.INPUT
    assert changes(nodes) == []


def test_a_ring_without_a_good_backup_is_left_alone() -> None:
    nodes = whole()
    nodes.said["backups"] = both(backups=[])
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.REFUSED
    assert changes(nodes) == []


@pytest.mark.parametrize(
    ("verb", "node", "said", "steps"),
    [
        ("restore-ring", "node-2", "no change", 1),
        ("restore-ring", "node-1", "node-2 has given way", 2),
        ("rejoin", "node-2", "node-1 is restored. Left to do: on node-2: `sudo", 3),
        ("rejoin", "node-1", "node-1 is restored. Left to do: on node-1: `sudo", 4),
    ],
)
def test_a_step_that_fails_is_the_last_one_and_what_is_left_is_said(
    verb: str, node: str, said: str, steps: int
) -> None:
    nodes = whole()
    nodes.said[verb][node] = failed(errors.BUSY, "no change: another verb runs")
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.BUSY
    assert changes(nodes) == STEPS[:steps]
    assert said in result.stderr


def test_an_interruption_says_what_is_left_too() -> None:
    nodes = whole()
    nodes.said["rejoin"]["node-2"] = KeyboardInterrupt()  # type: ignore
    result = run(nodes, *TO_RING, "--yes-really", "prod/ring")
    assert result.exit_code == errors.INTERRUPTED
    assert "Left to do: on node-2" in result.stderr
