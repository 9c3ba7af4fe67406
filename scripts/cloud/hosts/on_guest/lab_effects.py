"""What a Python program on a host does that outlives it, told before it is done.

An effect is a file written, renamed or removed, a program started, a statement sent to a server
that is not a question, and going on with a stream of which a part has passed. Its name has no part
that is made up anew in each run, and no secret.
"""

import os
import re
import socket
import ssl
import sys
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

MADE = {"os.rename", "os.remove", "os.symlink", "os.link"}
PASSING = ("/dev/", "/proc/", "/tmp/")  # noqa: S108 - files that no later run looks at
# A lock of the server is taken and given back by a SELECT.
QUESTIONS = re.compile(r"SELECT (?!GET_LOCK|RELEASE_LOCK)|SHOW|SET SESSION", re.IGNORECASE)
# Programs that only look, or only forget a failure.
LOOKS = re.compile(
    r"systemctl (show|is-|reset-failed)|cloud-init |dpkg-query |ip -|ss "
    r"|\S+/mysqld .*--(version|help)|\S*nft (-j )?list |blkid |xfs_spaceman "
)
OPTION = re.compile(r" -(o \S+|qq)| --(config=\S+|no-progress|no-encrypt)(?= )")
# Names that are made up anew in each run, and what may be a secret.
MADE_UP = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-f]{8,}|\b\d+\b")
# A tree of files that counts for one: it is nothing until its folder gets its name, or ever.
TREE = re.compile(
    r"(/\.[^/]*\.new|/\.unpack\.[^/]*|/snapshots/N|/arriving/N/log|/(images|restoring)/N/\w+)/.*"
)
SAID = re.compile(r"^[A-Z_a-z ]+[\w.`]*")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Of a copy: more than any answer of a server, less than any data directory.
STREAM_BYTES = 16 << 20

Effect = Callable[[str], None]


def listen(effect: Effect) -> None:
    """Call `effect` in the thread that is about to do something, with its name."""

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        path = str(arguments[0]) if arguments else ""
        if f"{path}/".startswith(PASSING):
            return
        if event == "open":
            if isinstance(arguments[0], str) and arguments[2] & WRITES:
                effect(f"write {plain(path)}")
        elif event in MADE:
            effect(f"{event[3:]} {plain(path)}")
        elif event == "subprocess.Popen":
            name = program(arguments[1])
            if name is not None:
                effect(name)
        elif event == "urllib.Request":
            effect(f"fetch {plain(arguments[0])}")

    sys.addaudithook(heard)
    for kind in (socket.socket, ssl.SSLSocket):
        _before_sending(kind, effect)
    _before_the_second_read(effect)
    _in_the_middle_of_a_stream("sendall", "go on with what is sent", effect)
    _in_the_middle_of_a_stream("recv_into", "go on with what is received", effect)


def program(words: Any) -> str | None:
    """The effect of starting a program; None for one that only looks."""
    line = " ".join(map(str, words))
    return None if LOOKS.match(line) else f"run {MADE_UP.sub('N', OPTION.sub('', line))[:80]}"


def plain(text: str) -> str:
    if not text.startswith("/") and "/" not in text:
        return "in a folder/*"  # a tree that is removed, by names in an open folder
    return TREE.sub(r"\1/*", MADE_UP.sub("N", text))


def _before_sending(kind: Any, effect: Effect) -> None:
    """A packet to a server; the fifth byte of a statement's is 3 (COM_QUERY)."""
    original = kind.sendall

    def sendall(self: Any, data: Any, *rest: Any) -> Any:
        if bytes(data[4:5]) == b"\x03":
            text = bytes(data[5:400]).decode(errors="replace").strip()
            said = SAID.match(text)
            if said and not QUESTIONS.match(text):
                effect(f"send {MADE_UP.sub('N', said[0].strip())[:60]}")
        return original(self, data, *rest)

    kind.sendall = sendall


def _before_the_second_read(effect: Effect) -> None:
    """A download of which a part has come."""
    original = HTTPResponse.read
    begun: WeakSet[HTTPResponse] = WeakSet()
    told: WeakSet[HTTPResponse] = WeakSet()

    def read(self: HTTPResponse, amt: int | None = None) -> bytes:
        if self in begun and self not in told:
            told.add(self)
            effect("go on with what is fetched")
        begun.add(self)
        return original(self, amt)

    HTTPResponse.read = read


def _in_the_middle_of_a_stream(call: str, name: str, effect: Effect) -> None:
    original = getattr(ssl.SSLSocket, call)
    passed: WeakKeyDictionary[ssl.SSLSocket, int] = WeakKeyDictionary()

    def counted(self: ssl.SSLSocket, data: Any, *rest: Any) -> Any:
        done = original(self, data, *rest)
        before = passed.get(self, 0)
        passed[self] = before + (len(data) if done is None else done)
        if before < STREAM_BYTES <= passed[self]:
            effect(name)
        return done

    setattr(ssl.SSLSocket, call, counted)
