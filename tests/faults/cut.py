"""Runs a verb of the node tool on its host and kills it with SIGKILL at something that it does.

An effect is what outlives the process: a file written, renamed or removed, a program started, a
statement sent to a server that is not a question. The verb dies before the first effect at which it
was not cut before, and of a program also when that has been at work for a while: alone, so that the
program goes on, and with all that it started. It runs there as root, with Debian's Python.
Arguments: the file that names the cuts so far, the entry of the tool, the verb. Standard error says
which cut it was.
"""

import os
import re
import runpy
import signal
import socket
import ssl
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

AT_WORK_SECONDS = 0.25
MADE = {"os.rename", "os.remove", "os.symlink", "os.link"}
PASSING = ("/dev/", "/proc/", "/tmp/")  # noqa: S108 - files that no later run looks at
# A lock of the server is taken and given back by a SELECT.
QUESTIONS = re.compile(r"SELECT (?!GET_LOCK|RELEASE_LOCK)|SHOW|SET SESSION", re.IGNORECASE)
# Programs that only look, or only forget a failure.
LOOKS = re.compile(
    r"systemctl (show|is-|reset-failed)|cloud-init |dpkg-query |ip -|ss "
    r"|\S+/mysqld .*--(version|help)"
)
OPTION = re.compile(r" -(o \S+|qq)")
# Names that are made up anew in each run, and what may be a secret.
MADE_UP = re.compile(r"[0-9a-f]{8,}|\b\d+\b")
# A tree of files that counts for one: it is nothing until its folder gets its name.
TREE = re.compile(r"(/\.[^/]*\.new|/\.unpack\.[^/]*)/.*")
SAID = re.compile(r"^[A-Z_a-z ]+[\w.`]*")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Cutter:
    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.seen: Counter[str] = Counter()
        self.armed = False
        self.lock = threading.Lock()

    def effect(self, what: str, program: bool = False) -> None:
        with self.lock:
            self.seen[what] += 1
            name = f"{what} ({self.seen[what]})"
            if what.endswith("*") and self.seen[what] > 1:
                return
            if name not in self.known:
                self.kill(name, len(self.known) % 2 == 0)
            if self.armed or not program:
                return
            for group in (False, True):
                later = f"{name} at work, {'with it' if group else 'alone'}"
                if later not in self.known:
                    self.armed = True
                    say("armed", later)
                    timer = threading.Timer(AT_WORK_SECONDS, self.kill, (later, group))
                    timer.daemon = True
                    timer.start()
                    return

    def kill(self, name: str, group: bool) -> None:
        say("cut", name)
        if group:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = str(arguments[0]) if arguments else ""
        if path.startswith(PASSING):
            return
        if event == "open":
            if isinstance(arguments[0], str) and arguments[2] & WRITES:
                self.effect(f"write {plain(path)}")
        elif event in MADE:
            self.effect(f"{event[3:]} {plain(path)}")
        elif event == "subprocess.Popen":
            words = " ".join(map(str, arguments[1]))
            if not LOOKS.match(words):
                self.effect(f"run {MADE_UP.sub('N', OPTION.sub('', words))[:80]}", program=True)
        elif event == "urllib.Request":
            self.effect(f"fetch {plain(arguments[0])}", program=True)

    def sent(self, data: Any) -> None:
        """A packet to a server; the fifth byte of a statement's is 3 (COM_QUERY)."""
        if bytes(data[4:5]) == b"\x03":
            text = bytes(data[5:400]).decode(errors="replace").strip()
            said = SAID.match(text)
            if said and not QUESTIONS.match(text):
                self.effect(f"send {MADE_UP.sub('N', said[0].strip())[:60]}")


def plain(text: str) -> str:
    if not text.startswith("/") and "/" not in text:
        return "in a folder/*"  # a tree that is removed, by names in an open folder
    return TREE.sub(r"\1/*", MADE_UP.sub("N", text))


def say(what: str, name: str) -> None:
    os.write(2, f"{what}: {name}\n".encode())


def listen(cutter: Cutter) -> None:
    sys.addaudithook(cutter.heard)
    for kind in (socket.socket, ssl.SSLSocket):
        original = kind.sendall

        def sendall(self: Any, data: Any, *rest: Any, original: Any = original) -> Any:
            cutter.sent(data)
            return original(self, data, *rest)

        setattr(kind, "sendall", sendall)  # noqa: B010 - the type of a socket has no other way


def main() -> None:
    cuts, entry, verb = sys.argv[1:]
    sys.dont_write_bytecode = True
    sys.argv = [entry, verb]
    listen(Cutter(set(Path(cuts).read_text().splitlines())))
    runpy.run_path(entry, run_name="__main__")


if __name__ == "__main__":
    main()
