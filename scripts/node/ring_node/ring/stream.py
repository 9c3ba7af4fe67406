"""One stream between two nodes: what it is, its data, and a digest of the data at its end.

A frame is a letter, a length of four bytes and as many bytes. Text is JSON, packed by zlib. Data
counts only when the trailer came and both ends have the same digest: half a stream never does.

Nothing waits without an end: a link that carries no byte for SILENCE_SECONDS is given up, be it
cut, swallowing or stalled. One that is slow and moves is not.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import select
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused

PORT = 3307
PROTOCOL = 2
SILENCE_SECONDS = 30.0
HANDSHAKE_SECONDS = 15.0
WAIT_SECONDS = 5.0  # between two signs of life of an end that is at work
CHUNK = 1 << 20
# socket.settimeout bounds a whole write: a slow link must get this much through in time.
SLICE = 64 << 10
TEXT_LARGEST = 64 << 20
UNPACKED_LARGEST = 512 << 20
FRAME = struct.Struct("!cI")
# Operators bring certificates of 1024 bits, which 5.6 takes.
CIPHERS = "ECDHE+AESGCM:@SECLEVEL=1"
NEXT_STEP = "see that both hosts run and that the replication link is open, then run this again"


class Frame(Enum):
    """What a frame is, by its letter."""

    ASK = b"A"  # what is wanted
    HEADER = b"H"  # what comes
    WAIT = b"W"  # still at work
    DATA = b"D"
    TRAILER = b"T"  # digest and length of all data
    REFUSAL = b"R"  # an error of the other end
    RECEIVED = b"K"  # the data is whole at the other end


class Broken(NodeError):
    """The link ended, or what came over it was not whole. Trying again is right."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(Exit.UNREACHABLE, found, expected, NEXT_STEP)


class Digest:
    """SHA-256 of data, computed in a thread beside what else is done with it."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None
        self.bytes = 0

    def add(self, data: memoryview) -> None:
        """The data must stay as it is until the next call has returned, or `text` was asked for."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "digest")
        former, self._last = self._last, self._thread.submit(self._digest.update, data)
        self.bytes += len(data)
        if former is not None:
            former.result()

    @property
    def text(self) -> str:
        if self._last is not None:
            self._last.result()
        return self._digest.hexdigest()


class Stream:
    """One end of it. `who` is the other one."""

    def __init__(self, link: socket.socket, who: str, silence: float = SILENCE_SECONDS) -> None:
        self._link = link
        self.who = who
        self._silence = silence
        self._digest = Digest()
        link.settimeout(silence)

    @property
    def bytes(self) -> int:
        """Of data, so far."""
        return self._digest.bytes

    def say(self, frame: Frame, document: Mapping[str, Any]) -> None:
        text = zlib.compress(json.dumps(document).encode(), 1)
        if len(text) > TEXT_LARGEST:
            raise refused(
                f"{len(text)} bytes of JSON to send", f"at most {TEXT_LARGEST}", "report this"
            )
        self._send(memoryview(FRAME.pack(frame.value, len(text)) + text))

    def hear(
        self, wanted: Frame, told: Callable[[Mapping[str, Any]], object] = lambda _: None
    ) -> Mapping[str, Any]:
        """The next document, which must be `wanted`. Signs of life go to `told`."""
        while True:
            frame, length = self._head()
            if frame is Frame.WAIT:
                told(self._text(length))
            elif frame is wanted:
                return self._text(length)
            else:
                self._unexpected(frame, length, wanted)

    def send_data(self, descriptor: int) -> None:
        """All that can be read there, up to its end."""
        for whole in _in_turns(FRAME.size + CHUNK):
            size = os.readv(descriptor, [whole[FRAME.size :]])
            if size == 0:
                return
            FRAME.pack_into(whole, 0, Frame.DATA.value, size)
            self._digest.add(whole[FRAME.size : FRAME.size + size])
            self._send(whole[: FRAME.size + size])

    def end(self) -> None:
        """The trailer: without it nothing that was sent counts."""
        self.say(Frame.TRAILER, self._sum())

    def receive_data(self, write: Callable[[memoryview], object]) -> None:
        """All data up to the trailer, which must be right."""
        buffers = _in_turns(CHUNK)
        while True:
            frame, length = self._head()
            if frame is Frame.DATA and length <= CHUNK:
                data = next(buffers)[:length]
                self._receive(data)
                self._digest.add(data)
                write(data)
            elif frame is Frame.TRAILER:
                named = self._text(length)
                break
            elif frame is Frame.WAIT:
                self._text(length)
            else:
                self._unexpected(frame, length, Frame.DATA)
        if named != self._sum():
            raise Broken(
                f"{self.bytes} bytes from {self.who} with digest {self._digest.text}",
                f"{named.get('bytes')} bytes with digest {named.get('sha256')}, as it named them",
            )

    def refuse(self, error: NodeError) -> None:
        """Tells the other end what this one found, as far as it still listens."""
        document = {
            "code": int(error.code),
            "found": error.found,
            "expected": error.expected,
            "next_step": error.next_step,
        }
        with suppress(NodeError):
            self.say(Frame.REFUSAL, document)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Signs of life while this end is at work. Nothing else may be sent inside."""
        over = threading.Event()

        def tell() -> None:
            with suppress(NodeError):
                while not over.is_set():
                    self.say(Frame.WAIT, {"what": what})
                    over.wait(WAIT_SECONDS)

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def refuse_a_lost_end(self) -> None:
        """Raises when the other end has closed the connection, or its kernel is known to be gone.
        It must have nothing to say: what it said would be left unread."""
        watch = select.poll()
        watch.register(self._link, select.POLLRDHUP)
        if watch.poll(0):
            raise Broken(f"{self.who} has ended the connection", "it waiting for an answer")

    def close(self) -> None:
        with suppress(OSError):
            self._link.close()

    def _sum(self) -> dict[str, Any]:
        return {"sha256": self._digest.text, "bytes": self.bytes}

    def _unexpected(self, frame: Frame, length: int, wanted: Frame) -> None:
        if frame is not Frame.REFUSAL:
            raise Broken(
                f"{self.who} sent a frame {frame.name} of {length} bytes", f"{wanted.name}"
            )
        said = self._text(length)
        try:
            raise NodeError(
                Exit(said["code"]),
                f"{self.who} says: {said['found']}",
                str(said["expected"]),
                str(said["next_step"]),
            )
        except (KeyError, ValueError):
            raise Broken(f"{self.who} sent a refusal that cannot be read", "its words") from None

    def _head(self) -> tuple[Frame, int]:
        head = bytearray(FRAME.size)
        self._receive(memoryview(head))
        letter, length = FRAME.unpack(head)
        try:
            return Frame(letter), length
        except ValueError:
            raise Broken(f"{self.who} sent a frame {letter!r}", "one of this protocol") from None

    def _text(self, length: int) -> Mapping[str, Any]:
        if length > TEXT_LARGEST:
            raise Broken(f"{self.who} sends {length} bytes of JSON", f"at most {TEXT_LARGEST}")
        packed = bytearray(length)
        self._receive(memoryview(packed))
        unpacker = zlib.decompressobj()
        try:
            document = json.loads(unpacker.decompress(packed, UNPACKED_LARGEST))
        except (zlib.error, ValueError):
            document = None
        if not isinstance(document, dict):
            raise Broken(f"{self.who} sent what is no JSON object", "one")
        return document

    def _send(self, data: memoryview) -> None:
        try:
            for begin in range(0, len(data), SLICE):
                self._link.sendall(data[begin : begin + SLICE])
        except OSError as error:
            raise self._lost(error) from None

    def _receive(self, data: memoryview) -> None:
        done = 0
        try:
            while done < len(data):
                size = self._link.recv_into(data[done:])
                if size == 0:
                    raise Broken(
                        f"{self.who} ended the connection after {self.bytes} bytes of data",
                        "a stream with its trailer",
                    )
                done += size
        except OSError as error:
            raise self._lost(error) from None

    def _lost(self, error: OSError) -> Broken:
        after = f"after {self.bytes} bytes of data"
        if isinstance(error, TimeoutError):
            return Broken(
                f"nothing moved between here and {self.who} for {self._silence:.0f} s, {after}",
                "a link that moves",
            )
        said = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        return Broken(f"the link to {self.who} broke {after}: {said or error}", "a whole stream")


def _in_turns(size: int) -> Iterator[memoryview]:
    """Buffers: while one is filled and passed on, the digest of the one before is computed."""
    return itertools.cycle([memoryview(bytearray(size)) for _ in range(2)])


def connect(who: str, address: str, own_address: str) -> Stream:
    """To the donor at `address`, which must show a certificate of the ring with that address."""
    try:
        plain = socket.create_connection(
            (address, PORT), timeout=HANDSHAKE_SECONDS, source_address=(own_address, 0)
        )
    except OSError as error:
        raise Broken(
            f"{who} does not answer at {address}, port {PORT}: {error.strerror or error}",
            "mysql-ring-copy.socket listening there",
        ) from None
    return _secured(plain, context(ssl.PROTOCOL_TLS_CLIENT), who, address)


def accept(plain: socket.socket, who: str, address: str) -> Stream:
    """Of a receiver that has connected: nobody but the node whose replication address that is."""
    found = plain.getpeername()[0]
    if found != address:
        plain.close()
        raise refused(f"a connection from {found}", f"{address}, {who}", "see who that is")
    return _secured(plain, context(ssl.PROTOCOL_TLS_SERVER), who, address)


def context(side: int) -> ssl.SSLContext:
    """The node's own certificate, and the other end's checked against the ring's CA."""
    result = ssl.SSLContext(side)
    result.minimum_version = ssl.TLSVersion.TLSv1_2
    result.set_ciphers(CIPHERS)
    result.check_hostname = False  # `_secured` compares, alike at both ends
    result.verify_mode = ssl.CERT_REQUIRED
    result.load_verify_locations(paths.CA)
    result.load_cert_chain(paths.CERTIFICATE, paths.KEY)
    return result


def names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Common names, and addresses among the alternative names, as ssl's getpeercert shows them."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    common = {value for key, value in subject if key == "commonName"}
    return frozenset(
        common | {value for key, value in certificate.get("subjectAltName", ()) if "IP" in key}
    )


def _secured(plain: socket.socket, tls: ssl.SSLContext, who: str, address: str) -> Stream:
    """Another node of the same CA, or an application with a certificate, gets nothing."""
    patience = int(SILENCE_SECONDS * 1000)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
    plain.settimeout(HANDSHAKE_SECONDS)
    try:
        link = tls.wrap_socket(plain, server_side=tls.protocol == ssl.PROTOCOL_TLS_SERVER)
    except OSError as error:
        plain.close()
        said = getattr(error, "verify_message", "") or getattr(error, "reason", "")
        raise NodeError(
            Exit.UNREACHABLE,
            f"no TLS with {who} at {address}: {said or error}",
            f"a certificate of the ring's CA ({paths.CA}) at both ends, for server and client",
            "run `ring-node tls` on both nodes with keys of the same CA",
        ) from None
    found = names(link.getpeercert() or {})
    if address not in found:
        link.close()
        raise refused(
            f"the certificate at {address} is of {', '.join(sorted(found)) or 'nobody'}",
            f"one of {who}, with its replication address {address}",
            "run `ring-node tls` there with that node's own certificate",
        )
    return Stream(link, who)
