"""Entries of the set-up's cache: whole, interrupted, and asked for twice at once."""

import threading
from pathlib import Path

import pytest
from cloud.setup import entry as module
from cloud.setup.entry import MARKER, Entry, Report, SetupError, Stopped, digest_of

pytestmark = pytest.mark.unit
LONGEST = 60
"""Seconds. Nothing here takes as long."""


def quiet(_text: str) -> None:
    pass


class Builder:
    """Builds a file, counts its runs, fails when told to, and waits for the gate in the middle."""

    def __init__(self, fail: int = 0, gate: threading.Event | None = None) -> None:
        self.runs = 0
        self.fail = fail
        self.gate = gate
        self.begun = threading.Event()

    def __call__(self, folder: Path, _report: Report) -> None:
        self.runs += 1
        assert list(folder.iterdir()) == []
        (folder / "half").write_text("half")
        self.begun.set()
        if self.gate is not None:
            assert self.gate.wait(LONGEST), "nobody lets the build go on"
        if self.runs <= self.fail:
            raise SetupError("no network")
        (folder / "whole").write_text("whole")


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    builder = Builder()
    entry = Entry("thing", "0123456789ab", builder)
    first = entry.ensure(tmp_path, quiet)
    assert entry.ensure(tmp_path, quiet) == first == tmp_path / "thing-0123456789ab"
    assert (first / "whole").read_text() == "whole"
    assert builder.runs == 1


def test_a_failed_build_is_not_complete_and_the_next_one_starts_from_an_empty_folder(
    tmp_path: Path,
) -> None:
    builder = Builder(fail=1)
    entry = Entry("thing", "0", builder)
    with pytest.raises(SetupError, match="no network"):
        entry.ensure(tmp_path, quiet)
    assert not entry.is_complete(tmp_path)
    assert (entry.path(tmp_path) / "half").exists()
    entry.ensure(tmp_path, quiet)
    assert builder.runs == 2
    assert entry.is_complete(tmp_path)


def test_what_an_interrupted_build_left_is_removed_and_said(tmp_path: Path) -> None:
    entry = Entry("thing", "0", Builder())
    leftover = entry.path(tmp_path) / "deep" / "leftover"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("x")
    said: list[str] = []
    entry.ensure(tmp_path, said.append)
    assert not leftover.exists()
    assert any("interrupted" in text for text in said)


def test_two_builds_at_once_are_one_build_and_the_waiting_one_says_for_whom(
    tmp_path: Path,
) -> None:
    builder = Builder(gate=threading.Event())
    assert builder.gate is not None
    entry = Entry("thing", "0", builder)
    said: list[str] = []
    waits = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        waits.set()

    first = threading.Thread(target=entry.ensure, args=(tmp_path, quiet))
    first.start()
    assert builder.begun.wait(LONGEST)
    second = threading.Thread(target=entry.ensure, args=(tmp_path, say))
    second.start()
    assert waits.wait(LONGEST), "it waits and does not say so"
    builder.gate.set()
    for thread in (first, second):
        thread.join(LONGEST)
    assert builder.runs == 1
    assert any(text.startswith("wait for the set-up of process") for text in said), said


def test_a_waiting_build_ends_when_the_set_up_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "stop", threading.Event())
    gate = threading.Event()
    builder = Builder(gate=gate)
    thread = threading.Thread(target=Entry("thing", "0", builder).ensure, args=(tmp_path, quiet))
    thread.start()
    assert builder.begun.wait(LONGEST)
    module.stop.set()
    with pytest.raises(Stopped):
        Entry("thing", "0", Builder()).ensure(tmp_path, quiet)
    gate.set()
    thread.join(LONGEST)


def test_the_marker_is_written_last(tmp_path: Path) -> None:
    seen: list[bool] = []

    def build(folder: Path, _report: Report) -> None:
        seen.append((folder / MARKER).exists())

    Entry("thing", "0", build).ensure(tmp_path, quiet)
    assert seen == [False]


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("a", "b"), ("b", "a")), (("a",), ("a", "")), (("1:a",), ("a",))],
)
def test_digests_tell_apart_what_differs_only_in_its_borders(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert digest_of(*one) != digest_of(*other)


def test_a_digest_is_the_same_for_text_and_its_bytes() -> None:
    assert digest_of("a", "b") == digest_of(b"a", b"b")
    assert len(digest_of("a")) == 12
