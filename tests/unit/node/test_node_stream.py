"""The stream that carries a copy: half of it never counts, and nobody but the peer gets any."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError, refused
from ring_node.base.waiting import Deadline, poll
from ring_node.ring import stream
from ring_node.ring.stream import CHUNK, FRAME, Broken, Frame, Stream

pytestmark = pytest.mark.unit

DONOR, RECEIVER = "127.0.0.2", "127.0.0.3"
PATIENCE = 30.0  # for what must happen at once
SHORT = 0.05  # silence that is waited for on purpose
DATA = os.urandom(CHUNK + 5000)
CONTEXT = stream.context


class Written:
    """A link that keeps what was sent, and one that has nothing but that to read."""

    def __init__(self, content: bytes = b"", piece: int = 1 << 30) -> None:
        self.sent, self.content, self.piece = bytearray(), content, piece

    def settimeout(self, _seconds: float) -> None: ...

    def close(self) -> None: ...

    def sendall(self, data: memoryview) -> None:
        self.sent += data

    def recv_into(self, place: memoryview) -> int:
        size = min(len(place), len(self.content), self.piece)
        place[:size] = self.content[:size]
        self.content = self.content[size:]
        return size


def on(link: Any, silence: float = PATIENCE) -> Stream:
    return Stream(link, "node-1", silence)


def send(source: Stream, content: bytes) -> None:
    reader, writer = os.pipe()
    feeder = threading.Thread(target=lambda: (os.write(writer, content), os.close(writer)))
    feeder.start()
    try:
        source.send_data(reader)
    finally:
        os.close(reader)
        feeder.join(PATIENCE)


def whole(content: bytes = DATA) -> bytes:
    """A stream from its header to its trailer, as bytes."""
    link = Written()
    source = on(link)
    source.say(Frame.HEADER, {"bytes": len(content)})
    send(source, content)
    source.end()
    return bytes(link.sent)


def received(content: bytes, piece: int = 1 << 30) -> bytes:
    found = bytearray()
    target = on(Written(content, piece))
    target.hear(Frame.HEADER)
    target.receive_data(found.extend)
    return bytes(found)


def boundaries(content: bytes) -> Iterator[int]:
    """Where each frame of a stream begins, and where the last one ends."""
    at = 0
    while at < len(content):
        yield at
        at += FRAME.size + FRAME.unpack_from(content, at)[1]
    yield at


def test_what_was_sent_is_what_arrives() -> None:
    assert received(whole()) == DATA
    assert received(whole(b"")) == b""


def test_a_link_that_moves_by_single_bytes_is_slow_and_not_broken() -> None:
    assert received(whole(b"slow"), piece=1) == b"slow"


def test_a_stream_that_is_cut_anywhere_is_not_received() -> None:
    content = whole()
    places = list(boundaries(content))
    assert len(places) > 4, "a header, several frames of data, a trailer"
    cuts = {
        cut
        for begin, end in pairwise(places)
        for cut in (begin, begin + 1, begin + FRAME.size, (begin + end) // 2, end - 1)
    }
    for cut in sorted(cuts):
        with pytest.raises(Broken, match="ended the connection"):
            received(content[:cut])


def test_data_that_changed_on_its_way_is_not_received() -> None:
    content = bytearray(whole())
    content[len(content) // 2] ^= 1
    with pytest.raises(Broken, match="with digest"):
        received(bytes(content))


def test_a_frame_of_data_that_is_lost_or_comes_twice_is_seen() -> None:
    content = whole()
    header, first, *rest = boundaries(content)
    lost = content[:first] + content[rest[0] :]
    twice = content[: rest[0]] + content[first:]
    assert header == 0
    for wrong in (lost, twice):
        with pytest.raises(Broken, match="with digest"):
            received(wrong)


@pytest.mark.parametrize(
    "sent",
    [
        FRAME.pack(b"?", 3) + b"abc",
        FRAME.pack(b"D", 3) + b"abc",
        FRAME.pack(b"H", 3) + b"abc",
        FRAME.pack(b"H", 0xFFFFFFFF),
        FRAME.pack(b"H", len(zlib.compress(b"[]"))) + zlib.compress(b"[]"),
    ],
    ids=["unknown", "not awaited", "not packed", "endless", "no object"],
)
def test_what_is_no_frame_of_the_protocol_ends_it(sent: bytes) -> None:
    with pytest.raises(Broken):
        on(Written(sent)).hear(Frame.HEADER)


def test_data_longer_than_a_chunk_is_refused_before_it_is_read() -> None:
    link = Written(FRAME.pack(b"D", CHUNK + 1) + bytes(CHUNK + 1))
    with pytest.raises(Broken, match="sent a frame DATA"):
        on(link).receive_data(lambda _: None)
    assert len(link.content) == CHUNK + 1


def test_an_error_of_the_other_end_is_told_in_its_own_words() -> None:
    link = Written()
    on(link).refuse(refused("a long statement of app, 300 s old", "none", "KILL it on node-1"))
    with pytest.raises(NodeError) as caught:
        on(Written(bytes(link.sent))).receive_data(lambda _: None)
    assert caught.value.code is Exit.REFUSED
    assert caught.value.found == "node-1 says: a long statement of app, 300 s old"
    assert caught.value.next_step == "KILL it on node-1"


def test_signs_of_life_are_heard_until_what_is_awaited_comes() -> None:
    one, other = socket.socketpair()
    heard = threading.Event()
    told: list[Any] = []

    def tell(sign: Any) -> None:
        told.append(sign)
        heard.set()

    def give() -> None:
        source = on(one)
        with source.waiting("a snapshot"):
            heard.wait(PATIENCE)
        source.say(Frame.HEADER, {"bytes": 1})

    giver = threading.Thread(target=give)
    giver.start()
    assert on(other).hear(Frame.HEADER, tell) == {"bytes": 1}
    giver.join(PATIENCE)
    assert told[0] == {"what": "a snapshot"}


def test_a_silent_end_is_given_up() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(Broken, match="nothing moved between here and node-1"):
        on(other, SHORT).hear(Frame.HEADER)


def test_an_end_that_reads_nothing_is_given_up() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(Broken, match="nothing moved between here and node-1"):
        send(on(one, SHORT), bytes(8 * CHUNK))


# ---- TLS -------------------------------------------------------------------------------------


class Authority:
    """A CA of the ring, another one, and certificates of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ring", "elsewhere"):
            self._openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.ca", "-days", "2",
                "-subj", "/CN=ring",
            )  # fmt: skip
        self.made: dict[str, str] = {}
        self.make("donor", f"/CN={DONOR}", f"IP:{DONOR}")
        self.make("receiver", f"/CN={RECEIVER}", f"IP:{RECEIVER}")
        self.make("by alternative name", "/CN=node-2", f"IP:{RECEIVER}")
        self.make("application", "/CN=app", "DNS:app")
        self.make("third node", "/CN=127.0.0.9", "IP:127.0.0.9")
        self.make("elsewhere", f"/CN={RECEIVER}", f"IP:{RECEIVER}", ca="elsewhere")
        self.make("for servers only", f"/CN={RECEIVER}", f"IP:{RECEIVER}", usage="serverAuth")

    def make(
        self, name: str, subject: str, also: str, *, ca: str = "ring", usage: str = ""
    ) -> None:
        key = self.made.setdefault(name, f"{len(self.made)}.pem")
        extra = f"extendedKeyUsage={usage}\n" if usage else ""
        (self.folder / "extensions").write_text(f"subjectAltName={also}\n{extra}")
        self._openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{key}.key", "-subj", subject, "-out", "asked",
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", "asked", "-CA", f"{ca}.ca", "-CAkey", f"{ca}.key",
            "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", key,
        )  # fmt: skip

    def context(self, side: int, name: str) -> ssl.SSLContext:
        old = paths.CA, paths.CERTIFICATE, paths.KEY
        file = self.folder / self.made[name]
        paths.CA, paths.CERTIFICATE = self.folder / "ring.ca", file
        paths.KEY = file.with_name(f"{file.name}.key")
        try:
            return CONTEXT(side)
        finally:
            paths.CA, paths.CERTIFICATE, paths.KEY = old

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("keys"))


@contextmanager
def donor(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    certificates: dict[int, str],
    serve: Callable[[Stream], object],
    expected: str = RECEIVER,
) -> Iterator[list[NodeError]]:
    """A donor that serves one connection; what it refused, once the block has ended."""
    contexts = {side: authority.context(side, name) for side, name in certificates.items()}
    monkeypatch.setattr(stream, "context", contexts.__getitem__)
    errors: list[NodeError] = []
    with socket.create_server((DONOR, 0)) as listener:
        monkeypatch.setattr(stream, "PORT", listener.getsockname()[1])

        def accept() -> None:
            plain, _ = listener.accept()
            try:
                source = stream.accept(plain, "node-2", expected)
                try:
                    serve(source)
                finally:
                    source.close()
            except NodeError as error:
                errors.append(error)

        server = threading.Thread(target=accept)
        server.start()
        yield errors
        server.join(PATIENCE)
        assert not server.is_alive()


def both(receiver: str, sender: str = "donor") -> dict[int, str]:
    return {ssl.PROTOCOL_TLS_SERVER: sender, ssl.PROTOCOL_TLS_CLIENT: receiver}


def serve(source: Stream) -> None:
    source.hear(Frame.ASK)
    source.say(Frame.HEADER, {"bytes": len(DATA)})
    send(source, DATA)
    source.end()
    source.hear(Frame.RECEIVED)


def ask(found: bytearray) -> Stream:
    target = stream.connect("node-1", DONOR, RECEIVER)
    try:
        target.say(Frame.ASK, {})
        target.hear(Frame.HEADER)
        target.receive_data(found.extend)
        target.say(Frame.RECEIVED, {})
    finally:
        target.close()
    return target


@pytest.mark.parametrize("certificate", ["receiver", "by alternative name"])
def test_the_peer_gets_all_over_tls(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, certificate: str
) -> None:
    found = bytearray()
    with donor(monkeypatch, authority, both(certificate), serve) as errors:
        ask(found)
    assert errors == []
    assert found == DATA


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ("application", "is of app"),
        ("third node", "is of 127.0.0.9"),
        ("elsewhere", "no TLS with node-2"),
        ("for servers only", "no TLS with node-2"),
    ],
)
def test_another_certificate_gets_nothing_from_the_donor(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, certificate: str, said: str
) -> None:
    found = bytearray()
    with (
        donor(monkeypatch, authority, both(certificate), serve) as errors,
        pytest.raises(NodeError),
    ):
        ask(found)
    assert found == b""
    assert said in errors[0].found


@pytest.mark.parametrize(
    ("certificate", "said"),
    [("third node", "is of 127.0.0.9"), ("elsewhere", "no TLS with node-1")],
)
def test_a_donor_with_another_certificate_is_not_listened_to(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, certificate: str, said: str
) -> None:
    with (
        donor(monkeypatch, authority, both("receiver", certificate), serve),
        pytest.raises(NodeError, match=said),
    ):
        ask(bytearray())


def test_another_address_gets_not_even_a_handshake(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    certificates = both("receiver")
    with (
        donor(monkeypatch, authority, certificates, serve, expected="127.0.0.8") as errors,
        pytest.raises(NodeError),
    ):
        ask(bytearray())
    assert "a connection from 127.0.0.3" in errors[0].found


def test_a_connection_that_is_reset_in_the_middle_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    def reset(source: Stream) -> None:
        source.hear(Frame.ASK)
        source.say(Frame.HEADER, {"bytes": len(DATA)})
        send(source, DATA)
        link = cast("Any", source)._link
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    found = bytearray()
    with (
        donor(monkeypatch, authority, both("receiver"), reset),
        pytest.raises(Broken, match="node-1"),
    ):
        ask(found)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_receiver_that_is_gone_is_seen_and_one_that_waits_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, reset: bool
) -> None:
    gone = threading.Event()

    def work(source: Stream) -> None:
        source.hear(Frame.ASK)
        with source.waiting("a snapshot"):
            source.refuse_a_lost_end()
        source.say(Frame.HEADER, {})
        assert gone.wait(PATIENCE)
        poll(source.refuse_a_lost_end, Deadline(PATIENCE))

    with donor(monkeypatch, authority, both("receiver"), work) as errors:
        target = stream.connect("node-1", DONOR, RECEIVER)
        target.say(Frame.ASK, {})
        target.hear(Frame.HEADER)
        if reset:
            link = cast("Any", target)._link
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        target.close()
        gone.set()
    assert [each.found for each in errors] == ["node-2 has ended the connection"]


def test_a_port_where_nobody_listens_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((DONOR, 0)) as taken:
        monkeypatch.setattr(stream, "PORT", taken.getsockname()[1])
    with pytest.raises(Broken, match=r"does not answer at 127\.0\.0\.2"):
        stream.connect("node-1", DONOR, RECEIVER)
