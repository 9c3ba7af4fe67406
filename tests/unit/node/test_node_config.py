"""Files of a server that change: in place, left for a restart, exchanged, taken back."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ring_node.base import lock, paths
from ring_node.base.errors import Exit, NodeError, refused
from ring_node.base.report import Report
from ring_node.host import files
from ring_node.mysql import datadir, lifecycle, options, server_files
from ring_node.mysql.tls import Keys
from ring_node.ring import records, renewal, restart
from ring_node.ring.renewal import Act
from ring_node.verbs import config, tls
from ring_node.verbs import restart as verb

pytestmark = pytest.mark.unit


def text(connections: int) -> str:
    return f"[mysqld]\nmax_connections = {connections}\n{config.END}\n"


OLD, NEW, OTHER = text(1), text(2), text(3)


class Host:
    """A host whose server does as it is told, with files in a folder of the test."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.runs, self.greets = True, True
        self.starts_with: set[str] = {OLD, NEW, OTHER}

    def restart(self) -> None:
        text = paths.CONFIG.read_text()
        self.done.append(f"restart with {text.splitlines()[1]}")
        self.greets = self.runs = text in self.starts_with
        if not self.greets:
            raise refused("the server does not start: unknown variable", "a start", "correct it")

    def in_turn(
        self, reason: str, report: Report, only: Any = None, *, peer_must_be_healthy: bool = True
    ) -> None:
        self.done.append("its turn" if peer_must_be_healthy else "its turn in any ring")
        restart.at_once(reason, report, only)

    @property
    def place(self) -> str:
        return paths.CONFIG.read_text()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    found, me = Host(), pwd.getpwuid(os.geteuid()).pw_name
    names = {"CONFIG": "mysqld.cnf", "CA": "CA.pem", "CERTIFICATE": "mysql.pem", "KEY": "mysql.key"}
    for name, file in names.items():
        monkeypatch.setattr(paths, name, tmp_path / file)
        (tmp_path / file).write_text(OLD if name == "CONFIG" else "old\n")
    for name in ("WAITING", "FORMER", "LAID"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    kinds = {tmp_path / file: (0o644, me) for file in names.values()}
    monkeypatch.setattr(server_files, "KINDS", kinds)
    monkeypatch.setattr(server_files, "ROOT", me)
    monkeypatch.setattr(datadir, "initialised", lambda: True)
    monkeypatch.setattr(lifecycle, "running", lambda: found.runs)
    monkeypatch.setattr(lifecycle, "greets", lambda: found.greets or None)
    monkeypatch.setattr(lifecycle, "restart", found.restart)
    monkeypatch.setattr(restart, "in_turn", found.in_turn)
    monkeypatch.setattr(restart, "_refuse_a_server_without_tls", lambda: None)
    monkeypatch.setattr(options, "judge", lambda _: {})
    monkeypatch.setattr(options, "refuse_other_places", lambda _: None)
    monkeypatch.setattr(records, "node", lambda: None)
    monkeypatch.setattr(tls.tls, "check", lambda *_: None)
    return found


def bring_in() -> dict[str, Any]:
    report = Report("restart")
    renewal.bring_in(report)
    return {"done": report.done}


def killed_in_the_restart(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed() -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "restart", killed)
        with pytest.raises(SystemExit):
            bring_in()
    host.done.clear()


def test_a_server_that_runs_gets_another_my_cnf_with_its_restart_and_not_before(host: Host) -> None:
    assert config.run(NEW).done == [f"{paths.CONFIG} waits for the server's restart"]
    assert not config.run(NEW).changed
    assert (host.place, host.done) == (OLD, [])
    assert bring_in() == {"done": ["server restarted for a changed my.cnf"]}
    assert (host.place, host.done) == (NEW, ["its turn", "restart with max_connections = 2"])
    assert not server_files.restart_due()
    assert bring_in() == {"done": []}


def test_a_my_cnf_that_is_taken_back_before_the_restart_restarts_nothing(host: Host) -> None:
    config.run(NEW)
    config.run(OLD)
    assert bring_in() == {"done": []}
    assert (host.place, host.done) == (OLD, [])


def test_a_my_cnf_that_the_server_does_not_start_with_is_taken_back_and_goes_on_waiting(
    host: Host,
) -> None:
    host.starts_with = {OLD}
    config.run(NEW)
    with pytest.raises(NodeError, match="unknown variable; what was there before is back"):
        bring_in()
    assert (host.place, host.greets) == (OLD, True)
    with pytest.raises(NodeError, match="what was there before is back"):
        bring_in()
    assert not config.run(OLD).changed
    assert bring_in() == {"done": []}


def test_where_the_old_files_do_not_help_either_both_reasons_are_told(host: Host) -> None:
    host.starts_with = set()
    config.run(NEW)
    with pytest.raises(NodeError, match=r"unknown variable; with what was there before: .*unknown"):
        bring_in()
    assert server_files.left_down()


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_a_killed_restart_goes_on_with_the_new_file_and_still_knows_the_old_one(
    host: Host, monkeypatch: pytest.MonkeyPatch, bad: bool
) -> None:
    host.starts_with = {OLD} if bad else {NEW}
    config.run(NEW)
    killed_in_the_restart(host, monkeypatch)
    host.runs = host.greets = False  # systemd was told to stop it
    assert host.place == NEW
    if bad:
        with pytest.raises(NodeError, match="what was there before is back"):
            bring_in()
    else:
        bring_in()
    assert host.done[-1] == f"restart with max_connections = {1 if bad else 2}"
    assert "its turn" not in host.done, "it is down: nobody waits for it"
    assert host.greets


def test_a_my_cnf_that_is_taken_back_after_a_killed_restart_is_in_place_for_any_start(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.run(NEW)
    killed_in_the_restart(host, monkeypatch)
    config.run(OLD)
    assert host.place == OLD
    assert server_files.restart_due(), "the server may run with the other one"


def test_a_killed_restart_is_not_under_way_until_a_verb_goes_on_with_it(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "LOCK", tmp_path / "lock")
    config.run(NEW)
    with lock.host_lock(paths.LOCK, "config", 0):
        assert not server_files.under_way()
    killed_in_the_restart(host, monkeypatch)
    assert server_files.exchanged()
    assert not server_files.under_way()
    with lock.host_lock(paths.LOCK, "restart", 0):
        assert server_files.under_way()
    assert not server_files.under_way()


@pytest.mark.parametrize("down", [False, True], ids=["it runs", "it is down"])
@pytest.mark.parametrize("wanted", [OLD, OTHER], ids=["the old one", "a third one"])
def test_after_a_killed_restart_another_file_than_the_killed_one_may_come(
    host: Host, monkeypatch: pytest.MonkeyPatch, wanted: str, down: bool
) -> None:
    config.run(NEW)
    killed_in_the_restart(host, monkeypatch)
    host.runs, host.greets = True, not down  # systemd tries it again and again
    config.run(wanted)
    verb.run(digests(wanted))
    assert host.place == wanted
    assert host.done[-1] == f"restart with {wanted.splitlines()[1]}"
    assert not server_files.restart_due()


def test_the_files_of_a_server_that_is_down_are_put_in_place_and_the_restart_starts_it(
    host: Host,
) -> None:
    host.runs = host.greets = False
    assert config.run(NEW).done == [f"{paths.CONFIG} written"]
    assert host.place == NEW
    bring_in()
    assert host.done == ["restart with max_connections = 2"]


def keys(monkeypatch: pytest.MonkeyPatch, ca: str, rest: str) -> None:
    monkeypatch.setattr(tls.documents, "keys", lambda _: Keys(ca, rest, rest))


def test_another_certificate_waits_and_another_ca_does_not(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(monkeypatch, "old", "new")
    tls.run({})
    assert (host.done, paths.KEY.read_text()) == ([], "old\n")
    keys(monkeypatch, "new", "new")
    tls.run({})
    assert host.done == ["its turn in any ring", "restart with max_connections = 1"]
    assert paths.CA.read_text() == paths.CERTIFICATE.read_text() == paths.KEY.read_text() == "new\n"


def test_a_certificate_comes_at_once_where_the_one_in_use_is_not_valid_any_more(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(found: Keys, _: Any) -> None:
        if found.certificate == "old\n":
            raise refused("certificate has expired", "another", "give one")

    monkeypatch.setattr(tls.tls, "check", check)
    keys(monkeypatch, "old", "new")
    tls.run({})
    assert host.done == ["its turn in any ring", "restart with max_connections = 1"]
    assert paths.CERTIFICATE.read_text() == "new\n"
    tls.run({})
    assert len(host.done) == 2


def test_another_ca_comes_also_while_a_my_cnf_waits_that_the_server_does_not_start_with(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.starts_with = {OLD, OTHER}
    config.run(NEW)
    keys(monkeypatch, "new", "new")
    tls.run({})
    assert host.done == ["its turn in any ring", "restart with max_connections = 1"]
    assert paths.CA.read_text() == "new\n"
    config.run(OTHER)
    assert bring_in() == {"done": ["server restarted for a changed my.cnf"]}


def test_a_killed_restart_for_another_ca_is_made_at_once_by_the_next_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(monkeypatch, "new", "new")
    server_files.leave({paths.CA: b"new\n"})
    server_files.exchange()
    assert paths.CA.read_text() == "new\n"
    tls.run({})
    assert host.done[-1] == "restart with max_connections = 1"
    assert not server_files.restart_due()


def test_certificates_and_my_cnf_come_with_one_restart(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(monkeypatch, "old", "new")
    tls.run({})
    config.run(NEW)
    assert bring_in()["done"] == ["server restarted for a changed my.cnf and new certificates"]
    assert host.done == ["its turn", "restart with max_connections = 2"]


def test_an_exchange_that_ends_in_the_middle_forgets_no_file(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    config.run(NEW)
    with monkeypatch.context() as patch:
        patch.setattr(server_files, "_place", full)
        with pytest.raises(OSError, match="no space"):
            bring_in()
    assert (host.place, server_files.read_by_server(paths.CONFIG)) == (OLD, OLD.encode())
    bring_in()
    assert host.place == NEW


CASES = {
    # a restart is due, systemd calls it running, a killed restart left it down
    "as it should be": ((False, True, False), Act.NOTHING),
    "a file waits": ((True, True, False), Act.IN_TURN),
    "stopped": ((False, False, False), Act.AT_ONCE),
    "stopped, and a file waits": ((True, False, False), Act.AT_ONCE),
    "left down": ((True, True, True), Act.AT_ONCE),
    "left down, and systemd gave it up": ((True, False, True), Act.AT_ONCE),
}


@pytest.mark.parametrize(("state", "act"), CASES.values(), ids=CASES)
def test_a_running_server_is_restarted_in_its_turn_and_any_other_one_started(
    state: tuple[bool, ...], act: Act
) -> None:
    due, runs, left_down = state
    assert act is renewal.decide(due=due, runs=runs, left_down=left_down)


def digests(my_cnf: str) -> dict[str, str]:
    texts = {"my_cnf": my_cnf, "certificate": "old\n"}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def test_a_restart_is_refused_where_another_file_is_ready_than_the_update_has(host: Host) -> None:
    config.run(NEW)
    with pytest.raises(NodeError, match=r"mysqld\.cnf is not the one of this update"):
        verb.run(digests(OTHER))
    assert host.done == []
    assert verb.run(digests(NEW)).changed
    assert not verb.run(digests(NEW)).changed


def test_a_my_cnf_that_came_in_part_is_refused_before_anything_is_read(host: Host) -> None:
    for length in range(len(NEW) - 1):
        with pytest.raises(NodeError) as error:
            config.run(NEW[:length])
        assert error.value.code is Exit.INPUT
    assert (host.place, host.done, server_files.restart_due()) == (OLD, [], False)


@pytest.mark.usefixtures("host")
def test_what_waits_is_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch, "old", "new")
    tls.run({})
    for path in (paths.WAITING, paths.WAITING / "mysql.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert files.read_bytes(paths.WAITING / "mysql.key") == b"new\n"


def test_the_program_ends_its_my_cnf_as_the_verb_expects() -> None:
    node = Path(__file__).parents[1] / "components/golden/node-1.cnf"
    assert node.read_text().splitlines()[-1] == config.END


def test_a_my_cnf_that_was_changed_by_hand_is_seen_until_the_programs_is_back(host: Host) -> None:
    assert not server_files.edited(), "nothing was sent to this host yet"
    config.run(NEW)
    bring_in()
    assert not server_files.edited()
    paths.CONFIG.write_text(OTHER)
    assert server_files.edited()
    config.run(NEW)
    bring_in()
    assert (host.place, server_files.edited()) == (NEW, False)


def test_the_programs_former_my_cnf_is_no_change_by_hand_while_another_waits_or_is_taken_back(
    host: Host,
) -> None:
    config.run(OLD)
    config.run(NEW)
    assert not server_files.edited()
    host.starts_with = {OLD}
    with pytest.raises(NodeError):
        bring_in()
    assert (host.place, server_files.edited()) == (OLD, False)


def test_a_change_by_hand_that_a_failed_restart_put_back_is_still_one(host: Host) -> None:
    config.run(OLD)
    paths.CONFIG.write_text(OTHER)
    config.run(NEW)
    host.starts_with = {OTHER}
    with pytest.raises(NodeError):
        bring_in()
    assert (host.place, server_files.edited()) == (OTHER, True)
