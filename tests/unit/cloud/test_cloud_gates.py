"""What a host brings to hold a verb or an upload, run here as it is there."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud.hosts import gates

pytestmark = pytest.mark.unit

LONGEST = 60
VERB = """
import os, subprocess, sys
import lab_gate
print("begun", flush=True)
open("{folder}/half", "w").close()
subprocess.run(["true", "once"])
os.rename("{folder}/half", "{folder}/whole")
"""


class Guest:
    """A folder in which the gates look for their orders, and a verb that does three things."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders = gates.make(folder)
        for path in gates.ON_GUEST.iterdir():
            if path.is_file():
                text = path.read_text().replace(gates.PLACE, str(self.orders))
                text = text.replace(f"/{gates.HELD_BACK}", "/bin/cat")
                (folder / path.name).write_text(text)
        (folder / "ring-node").write_text(VERB.format(folder=folder))
        (folder / "sftp-server").chmod(0o755)
        self.started: list[subprocess.Popen[str]] = []

    def order(self, name: str, content: object) -> Path:
        path = self.orders / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            argv,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def verb(self, *options: str) -> "subprocess.Popen[str]":
        return self.start(sys.executable, str(self.folder / "ring-node"), "tools", *options)

    def held(self) -> dict[str, str]:
        found = {path.name: path.read_text().strip() for path in self.orders.glob("[!.]*.held.*")}
        return {name: text for name, text in found.items() if text}

    @property
    def files(self) -> set[str]:
        return {name for name in ("half", "whole") if (self.folder / name).exists()}


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    # PASSING in lab_effects.py has /tmp/, and pytest's folders are there.
    made = Guest(tmp_path)
    effects = tmp_path / "lab_effects.py"
    effects.write_text(effects.read_text().replace('"/tmp/"', '"/nowhere/"'))
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def wait(what: str, seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONGEST
    while not seen():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("at", "effect", "there"),
    [
        ("", "its start", set()),
        ("write ", "write {folder}/half", set()),
        ("run true", "run true once", {"half"}),
        ("rename ", "rename {folder}/half", {"half"}),
    ],
)
def test_a_verb_is_held_before_what_the_order_names_and_goes_on_when_that_is_lifted(
    guest: Guest, at: str, effect: str, there: set[str]
) -> None:
    order = guest.order("verb-tools", {"id": "7", "at": at, "seconds": LONGEST})
    verb = guest.verb()
    wait("nothing is held", guest.held)
    ((name, what),) = guest.held().items()
    assert name == f"verb-tools.held.7.{os.uname().nodename}.{verb.pid}"
    assert what.endswith(effect.format(folder="").rpartition("/")[2])
    assert guest.files == there
    order.unlink()
    assert verb.wait(LONGEST) == 0
    assert guest.files == {"whole"}


def test_a_verb_with_options_is_held_and_none_of_its_options_is_a_verb(guest: Guest) -> None:
    guest.order("verb-install", {"id": "6", "at": "", "seconds": LONGEST})
    order = guest.order("verb-tools", {"id": "7", "at": "", "seconds": LONGEST})
    verb = guest.verb("--for", "install")
    wait("nothing is held", guest.held)
    assert list(guest.held()) == [f"verb-tools.held.7.{os.uname().nodename}.{verb.pid}"]
    order.unlink()
    assert verb.wait(LONGEST) == 0


@pytest.mark.parametrize(
    "words",
    [["ring-node", "tools"], ["ring-node", "rejoin", "--discard", "node-2"], ["ring-node", "send"]],
)
def test_every_python_of_a_host_looks_for_an_order_for_each_of_its_words(
    tmp_path: Path, words: list[str]
) -> None:
    """What a .pth file has is run as it stands there."""
    (tmp_path / "lab_gate.py").write_text("print('an order')\n")
    (tmp_path / "ring-node").write_text("")
    at_start = gates.AT_START.replace(gates.PLACE, str(tmp_path))
    (tmp_path / "lab_gate.pth").write_text(at_start)
    python = f"import site; site.addsitedir({str(tmp_path)!r})"

    def said() -> str:
        command = [sys.executable, "-c", python, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert said() == ""
    (tmp_path / f"verb-{words[1]}").write_text("{}")
    assert said() == "an order\n"


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("verb-install", {"at": ""}),
        ("verb-tools", {"at": "", "host": "another"}),
        ("verb-tools", {"at": "send "}),
    ],
    ids=["of another verb", "for another host", "for what it does not do"],
)
def test_a_verb_without_an_order_for_it_is_not_held(
    guest: Guest, name: str, order: dict[str, str]
) -> None:
    guest.order(name, {"id": "7", "seconds": LONGEST, **order})
    assert guest.verb().wait(LONGEST) == 0
    assert (guest.held(), guest.files) == ({}, {"whole"})


def test_a_verb_that_nobody_lets_go_ends_and_says_what_it_waited_for(guest: Guest) -> None:
    order = guest.order("verb-tools", {"id": "7", "at": "run true", "seconds": 0.1})
    _, problems = (verb := guest.verb()).communicate(timeout=LONGEST)
    assert verb.returncode == 70
    assert f"before `run true once`, and not let go for 0.1 s: {order} is still there" in problems
    assert guest.files == {"half"}


def test_a_verb_does_not_wait_for_an_order_that_went_while_it_was_read(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(guest.folder)
    import lab_gate  # type: ignore[import-not-found] - of the guest

    order = guest.order("verb-tools", {"id": "7", "at": "", "seconds": 0.1})

    def read(file: io.TextIOBase) -> object:
        order.unlink()
        return json.loads(file.read())

    monkeypatch.setattr(lab_gate.json, "load", read)
    gate = lab_gate.Gate(order)
    assert not gate.stands()
    guest.order("verb-tools", {"id": "8", "at": "", "seconds": 0.1})
    assert not gate.stands()


def test_an_upload_is_held_when_a_part_of_it_has_come(guest: Guest) -> None:
    order = guest.order("upload", f"3 {LONGEST} 7\n")
    upload = guest.start(str(guest.folder / "sftp-server"))
    assert upload.stdin is not None
    assert upload.stdout is not None
    upload.stdin.write("abcdef")
    upload.stdin.close()
    upload.stdin = None
    wait("nothing is held", guest.held)
    assert upload.stdout.read(3) == "abc"
    assert upload.poll() is None
    order.unlink()
    assert upload.communicate(timeout=LONGEST)[0] == "def"
    assert upload.returncode == 0


def test_without_an_order_an_upload_passes(guest: Guest) -> None:
    upload = guest.start(str(guest.folder / "sftp-server"))
    assert upload.communicate("abcdef", timeout=LONGEST) == ("abcdef", "")


def test_an_upload_passes_when_its_order_went_before_it_was_read(guest: Guest) -> None:
    server = guest.folder / "sftp-server"
    text = server.read_text()
    begin = "pass() {\n"
    assert begin in text
    server.write_text(text.replace(begin, f'{begin}rm "$order"\n'))
    guest.order("upload", f"3 {LONGEST} 7\n")
    assert guest.start(str(server)).communicate("abcdef", timeout=LONGEST)[0] == "abcdef"
