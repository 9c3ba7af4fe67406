"""The ring's bucket, by s3cmd: what is put there counts when it was compared with the object.

Of s3cmd 2.3.0 (its source): it sends standard input in parts of a fixed size, each tried six times
with pauses of 3 to 18 s, compares the MD5 of each part, and asks for new credentials of the role
from a quarter of an hour before the old ones end. It does not compare the whole object.
"""

from __future__ import annotations

import calendar
import hashlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol, TypeVar

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline
from ..host import programs
from .place import Place

T = TypeVar("T")

MIB = 1 << 20
CHUNK = MIB
SMALLEST_PART_MIB = 15  # s3cmd's own
MOST_PARTS = 9500  # S3 takes 10000 for an object
STREAM_SECONDS = 12 * 3600.0
SMALL_SECONDS = 300.0
MANY = 200  # objects that one s3cmd gets
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
SOCKET_SECONDS = 60  # s3cmd waits that long for S3 to say anything
# Exit codes of s3cmd (S3/ExitCodes.py): what another try does not mend.
NOT_FOUND, USAGE, DENIED, CONFIG = 12, 64, 77, 78
NO_PROGRAM = 127  # of setpriv
LASTING = frozenset({NOT_FOUND, USAGE, DENIED, CONFIG})
SECRETS = ("AWS_", "S3CMD_")  # of the environment: the role's are the ones that count
LISTED = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d) +(?P<bytes>\d+) +(?P<etag>[0-9a-f]{32}(-\d+)?) .*?"
    r" s3://(?P<bucket>[^/]+)/(?P<key>.+)"
)
AWAY = (
    "see that S3 can be reached from this host (`curl -sS https://{host}`; the VPC's endpoint for "
    "S3, its routes), then run this again: nothing was lost"
)
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
CLOCK_OFF = "RequestTimeTooSkewed"
SET_CLOCK = (
    "S3 takes no request of a host whose clock is a quarter of an hour off: see `timedatectl` on "
    "this one and what sets its clock, then run this again: nothing was lost"
)
FORBIDDEN = (
    "see that this instance carries the ring's role and that neither role nor bucket was changed "
    "by hand: `pulumi up --refresh`"
)


class Readable(Protocol):
    """What a stream must do to be put: give up to that many bytes, none at its end, or raise."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Stored:
    """An object that was compared with what was sent."""

    bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True)
class Entry:
    """An object as the bucket lists it."""

    bytes: int
    etag: str
    modified: int  # seconds UTC, of the whole minute


class StoreError(NodeError):
    """The bucket did not do what was asked. `passing`: another try may do."""

    def __init__(self, passing: bool, code: Exit, found: str, expected: str, next_step: str):
        super().__init__(code, found, expected, next_step)
        self.passing = passing


class Missing(StoreError):
    """There is no such object."""


class Denied(StoreError):
    """Who asks may not do that."""


class Wrong(StoreError):
    """The object is not what was put there."""


class Tally:
    """Counts what goes by: bytes, SHA-256, and the ETag that S3 gives to its parts: the MD5 of
    their MD5s and how many they are
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html)."""

    def __init__(self, part: int) -> None:
        self.bytes = 0
        self._part = part
        self._whole = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._left = part
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.bytes += len(data)
        self._whole.update(data)
        rest = memoryview(data)
        while len(rest) >= self._left:
            self._md5.update(rest[: self._left])
            rest = rest[self._left :]
            self._end_part()
        self._md5.update(rest)
        self._left -= len(rest)

    def _end_part(self) -> None:
        self._parts.append(self._md5.digest())
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._left = self._part

    @property
    def sha256(self) -> str:
        return self._whole.hexdigest()

    @property
    def etag(self) -> str:
        parts = list(self._parts)
        if self._left != self._part:
            parts.append(self._md5.digest())
        digest = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
        return f"{digest}-{len(parts)}"

    def stored(self) -> Stored:
        return Stored(self.bytes, self.sha256, self.etag)


def settings(place: Place) -> str:
    """What s3cmd reads. It wants a file before it asks the instance for its role's credentials, so
    there is no key in it."""
    host = host_of(place.region)
    return (
        "[default]\n"
        f"host_base = {host}\n"
        f"host_bucket = %(bucket)s.{host}\n"
        f"bucket_location = {place.region}\n"
        "use_https = True\n"
        "check_ssl_certificate = True\n"
        "check_ssl_hostname = True\n"
        f"socket_timeout = {SOCKET_SECONDS}\n"
        "preserve_attrs = False\n"
        "guess_mime_type = False\n"
        "use_mime_magic = False\n"
        "default_mime_type = application/octet-stream\n"
        "progress_meter = False\n"
    )


def host_of(region: str) -> str:
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"s3.{region}.amazonaws.com{suffix}"


def part_mib(at_most: int) -> int:
    """MiB of each part of an object of up to that many bytes."""
    needed = -(-at_most // (MOST_PARTS * MIB))
    return max(SMALLEST_PART_MIB, needed)


class Store:
    """The bucket of a place. Every method raises StoreError; none waits without a deadline."""

    def __init__(self, place: Place, config: Path = paths.S3CFG) -> None:
        """`config`: what s3cmd reads, as `settings` has it for that place."""
        self.place, self._config = place, config

    def put(
        self, key: str, read: Readable, *, at_most: int = 0, seconds: float = STREAM_SECONDS
    ) -> Stored:
        """Sends a stream up to its end, and compares the object: only then it returns.

        `at_most`: how many bytes it may be, where that can be more than 140 GiB. A stream cannot be
        sent twice: s3cmd tries each part again by itself, the whole is for the caller. If `read`
        raises, no object is made. Nothing at all is refused: an object has a byte.
        """
        part = part_mib(at_most)
        tally = Tally(part * MIB)
        command = self._command("put", f"--multipart-chunk-size-mb={part}", "-", self._uri(key))
        with _Process(command, seconds, stdin=subprocess.PIPE) as process:
            _send(read, process, tally)
            if not tally.bytes:
                process.kill()
                raise NodeError(
                    Exit.INTERNAL, f"nothing to put at {key}", "a byte at least", "report this"
                )
            process.end_of_input()
            process.wait(self._problem)
        return self._compared(key, tally.stored())

    def put_bytes(self, key: str, content: bytes, *, seconds: float = SMALL_SECONDS) -> Stored:
        """The same for what is at hand; tried again until `seconds` have passed."""
        return self._again(seconds, lambda: self.put(key, BytesIO(content), seconds=seconds))

    @contextmanager
    def get(
        self, key: str, stored: Stored | None = None, *, seconds: float = STREAM_SECONDS
    ) -> Iterator[IO[bytes]]:
        """The object as a pipe, to be read to its end: read here, or handed to a program as its
        standard input.

        What was read counts when the block has ended without an error: then all was delivered, and
        with `stored` it was what had been put there (else `Wrong`). Where the object fails and the
        reader therefore, the error is the object's.
        """
        command = self._command("get", self._uri(key), "-")
        with _Process(command, seconds, stdout=subprocess.PIPE) as process:
            pump = _Pump(process)
            try:
                with pump.reader:
                    yield pump.reader
            except BaseException:
                if pump.ended():
                    self._delivered(process, pump.tally, key, stored)
                raise
            if not pump.ended():
                process.kill()
                raise NodeError(
                    Exit.INTERNAL, f"{key} was not read to its end", "that", "report this"
                )
            self._delivered(process, pump.tally, key, stored)

    def get_bytes(
        self, key: str, stored: Stored | None = None, *, seconds: float = SMALL_SECONDS
    ) -> bytes:
        """The whole of a small object; tried again until `seconds` have passed."""

        def once() -> bytes:
            with self.get(key, stored, seconds=seconds) as stream:
                return stream.read()

        return self._again(seconds, once)

    def get_small(self, keys: Iterable[str], *, seconds: float = SMALL_SECONDS) -> dict[str, bytes]:
        """Many small objects, whose names behind the last slash differ, each whole; tried again
        until `seconds` have passed. One s3cmd for many: it takes longer to start than to get one.
        """
        wanted = list(keys)
        result: dict[str, bytes] = {}
        for begin in range(0, len(wanted), MANY):
            some = wanted[begin : begin + MANY]
            result.update(self._again(seconds, lambda some=some: self._get_small(some, seconds)))
        return result

    def _get_small(self, keys: list[str], seconds: float) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            command = self._command("get", *map(self._uri, keys), f"{folder}/")
            with _Process(command, seconds) as process:
                process.wait(self._problem)
            return {key: (Path(folder) / Path(key).name).read_bytes() for key in keys}

    def get_named(
        self, prefix: str, name: str, *, seconds: float = SMALL_SECONDS
    ) -> dict[str, bytes]:
        """Every small object of that name in folders below `prefix`, which ends with a slash, each
        whole; tried again until `seconds` have passed. One s3cmd for all."""

        def once() -> dict[str, bytes]:
            with tempfile.TemporaryDirectory() as folder:
                which = ("--recursive", "--exclude=*", f"--include=*/{name}")
                command = self._command("get", *which, self._uri(prefix), f"{folder}/")
                with _Process(command, seconds) as process:
                    process.wait(self._problem)
                return {
                    f"{prefix}{path.relative_to(folder)}": path.read_bytes()
                    for path in Path(folder).rglob(name)
                }

        return self._again(seconds, once)

    def listed(self, prefix: str, *, seconds: float = SMALL_SECONDS) -> dict[str, Entry]:
        """Every object whose key begins with `prefix`, in the order of the keys; tried again until
        `seconds` have passed."""

        def once() -> dict[str, Entry]:
            command = self._command("ls", "--long-listing", "--recursive", self._uri(prefix))
            with _Process(command, seconds, stdout=subprocess.PIPE) as process:
                text = process.read().decode(errors="replace")
                process.wait(self._problem)
            return parse_list(text)

        return self._again(seconds, once)

    def folders(self, prefix: str, *, seconds: float = SMALL_SECONDS) -> list[str]:
        """The names of the folders right below `prefix`, which ends with a slash; tried again until
        `seconds` have passed."""

        def once() -> list[str]:
            with _Process(
                self._command("ls", self._uri(prefix)), seconds, stdout=subprocess.PIPE
            ) as process:
                text = process.read().decode(errors="replace")
                process.wait(self._problem)
            return parse_folders(text)

        return self._again(seconds, once)

    def _delivered(self, process: _Process, tally: Tally, key: str, stored: Stored | None) -> None:
        try:
            process.wait(self._problem)
        except StoreError as error:
            raise self._missing_or(error, key) from None
        if stored is None or (tally.bytes, tally.sha256) == (stored.bytes, stored.sha256):
            return
        raise self._wrong(
            key,
            f"{tally.bytes} bytes with SHA-256 {tally.sha256}",
            f"{stored.bytes} bytes with SHA-256 {stored.sha256}",
        )

    def _compared(self, key: str, sent: Stored) -> Stored:
        there = self.listed(key).get(key)
        if there is None:
            raise self._wrong(key, "nothing", f"{sent.bytes} bytes with ETag {sent.etag}")
        if (there.bytes, there.etag) != (sent.bytes, sent.etag):
            raise self._wrong(
                key,
                f"{there.bytes} bytes with ETag {there.etag}",
                f"{sent.bytes} bytes with ETag {sent.etag}, as sent",
            )
        return sent

    def _command(self, *words: str) -> list[str]:
        return [
            *programs.DIES_WITH_VERB,
            "s3cmd",
            f"--config={self._config}",
            "--no-progress",
            "--no-encrypt",
            *words,
        ]

    def _uri(self, key: str) -> str:
        return f"s3://{self.place.bucket}/{key}"

    def _again(self, seconds: float, work: Callable[[], T]) -> T:
        deadline, pause = Deadline(seconds), FIRST_PAUSE
        while True:
            try:
                return work()
            except StoreError as error:
                if not error.passing or deadline.left <= pause:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _problem(self, status: int, said: str) -> StoreError:
        found = f"s3cmd ended with {status} at bucket {self.place.bucket}: {said}"
        if status == NOT_FOUND:
            return Missing(False, Exit.HOST, found, "that bucket and object", FORBIDDEN)
        if CLOCK_OFF in said:
            return StoreError(False, Exit.HOST, found, "the time that S3 has", SET_CLOCK)
        if status == NO_PROGRAM:
            return StoreError(False, Exit.HOST, "no program named s3cmd", "it", "`pulumi up`")
        if status == DENIED:
            return Denied(False, Exit.HOST, found, "what the ring's role allows", FORBIDDEN)
        if status in LASTING:
            return StoreError(False, Exit.HOST, found, "what the ring's role allows", FORBIDDEN)
        step = AWAY.format(host=host_of(self.place.region))
        return StoreError(True, Exit.UNREACHABLE, found, "S3 doing that", step)

    def _missing_or(self, error: StoreError, key: str) -> StoreError:
        """s3cmd names an object that is not there in several ways: ask for it."""
        with suppress(StoreError):
            if key not in self.listed(key, seconds=SMALL_SECONDS / 10):
                return Missing(
                    False,
                    Exit.HOST,
                    f"no object {key} in bucket {self.place.bucket}",
                    "it",
                    "an older version of it may still be there: `aws s3api list-object-versions "
                    f"--bucket {self.place.bucket} --prefix {key}`",
                )
        return error

    def _wrong(self, key: str, found: str, expected: str) -> Wrong:
        return Wrong(
            True,
            Exit.HOST,
            f"{key} in bucket {self.place.bucket} is {found}",
            expected,
            "run this again; if it stays so, an older version of the object may be the right one",
        )


def parse_folders(text: str) -> list[str]:
    """The folders that `s3cmd ls` prints among objects: `DIR  s3://bucket/mysql/node-1/`."""
    rows = (line.split(maxsplit=1) for line in text.splitlines())
    return sorted(row[1].rstrip("/").rpartition("/")[2] for row in rows if row[:1] == ["DIR"])


def parse_list(text: str) -> dict[str, Entry]:
    """What `s3cmd ls --long-listing` prints; times are UTC. Raises NodeError on what it does not
    understand: a line that was passed over would be an object that is not there."""
    result: dict[str, Entry] = {}
    for line in text.splitlines():
        found = LISTED.fullmatch(line.strip())
        if found is None:
            raise NodeError(
                Exit.HOST, f"s3cmd listed {line.strip()!r}", "an object", "see `s3cmd --version`"
            )
        modified = calendar.timegm(time.strptime(found["time"], "%Y-%m-%d %H:%M"))
        result[found["key"]] = Entry(int(found["bytes"]), found["etag"], modified)
    return dict(sorted(result.items()))


def _send(read: Readable, process: _Process, tally: Tally) -> None:
    """If s3cmd ends meanwhile, what it says at its end is the reason."""
    while data := read.read(CHUNK):
        tally.add(data)
        try:
            process.write(data)
        except OSError:
            return


class _Process:
    """s3cmd, which is killed where the block is left early or at its deadline."""

    def __init__(
        self, command: list[str], seconds: float, *, stdin: int | None = None, stdout: int = -3
    ) -> None:
        self.command, self.seconds = command, seconds
        self._said = os.fdopen(os.memfd_create("said"), "w+b")  # no disk need have room
        kept = {k: v for k, v in os.environ.items() if not k.startswith(SECRETS)}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=self._said if stdout == -3 else stdout,
                stderr=self._said,
                env={**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            )
        except FileNotFoundError:
            self._said.close()
            raise NodeError(
                Exit.HOST, f"no program named {command[0]}", "it on PATH", "`pulumi up`"
            ) from None
        self._late = False
        self._watch = threading.Timer(seconds, self._too_late)
        self._watch.daemon = True
        self._watch.start()

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        if self._process.poll() is None:
            self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was still to be written
                    stream.close()
        self._said.close()

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def end_of_input(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def read(self) -> bytes:
        return self.output.read()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, problem: Callable[[int, str], StoreError]) -> None:
        """Raises what the program says, if it failed."""
        status = self._process.wait()  # the watch ends it
        if self._late:
            raise StoreError(
                True,
                Exit.UNREACHABLE,
                f"`{' '.join(self.command)}` was still running",
                f"an end within {self.seconds:.0f} s",
                "see how fast S3 answers from this host, then run this again: nothing was lost",
            )
        if status:
            raise problem(status, self._last_words())

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.startswith(("ERROR", "WARNING"))]
        return "; ".join(told or lines)[-programs.TAIL :] or "it said nothing"

    def _too_late(self) -> None:
        self._late = True
        self.kill()


class _Pump:
    """Carries s3cmd's output to a pipe, and counts it."""

    def __init__(self, process: _Process) -> None:
        self.tally = Tally(SMALLEST_PART_MIB * MIB)
        self._process = process
        self._all_read = False
        reader, writer = os.pipe()
        self.reader: IO[bytes] = os.fdopen(reader, "rb")
        self._writer = os.fdopen(writer, "wb", buffering=0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError, ValueError), self._writer:
            while data := os.read(self._process.output.fileno(), CHUNK):
                self.tally.add(data)
                rest = memoryview(data)
                while rest:
                    rest = rest[self._writer.write(rest) :]
            self._all_read = True

    def ended(self) -> bool:
        """Whether s3cmd ended before its reader did. The reader's end is closed by now; a program
        that it was handed to may still read."""
        self._thread.join(self._process.seconds)
        return self._all_read
