"""What S3's objects hold is in files: what that costs, what survives, and who waits for whom."""

from __future__ import annotations

import hashlib
import io
import os
import random
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud.api import state
from cloud.api.application import Api
from cloud.api.objects import BLOCK, Content, Piece
from cloud.api.state import StateUnreadable, Store, locked, regions
from cloud.services.http import Server
from cloud.services.instance_data import Directory
from cloud.services.metadata import Metadata
from moto.core.base_backend import BackendDict
from moto.s3.models import S3Backend
from werkzeug.datastructures import Headers
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

pytestmark = pytest.mark.unit

BUCKET = "ring-backups"
MIB = 1 << 20
PART = 5 * MIB
SCOPE = "lab/20100101/eu-central-1/s3/aws4_request"
SECONDS = 20
"""How long a test waits before it says that something hangs."""


@pytest.fixture
def s3(cloud: Any) -> Any:
    client = cloud.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return client


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], set[str]]:
    return lambda: {path.name for path in (tmp_path / "state/objects").iterdir()}


def data(size: int, seed: int = 0) -> bytes:
    """Bytes that differ from block to block."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same in every run


def md5(body: bytes) -> Any:
    return hashlib.md5(body, usedforsecurity=False)


def upload(s3: Any, key: str, *parts: bytes) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    listed = [
        {"PartNumber": number, "ETag": put_part(s3, key, begun, number, part)}
        for number, part in enumerate(parts, 1)
    ]
    complete(s3, key, begun, listed)


def put_part(s3: Any, key: str, begun: str, number: int, part: bytes) -> str:
    return s3.upload_part(Bucket=BUCKET, Key=key, UploadId=begun, PartNumber=number, Body=part)[
        "ETag"
    ]


def complete(s3: Any, key: str, begun: str, listed: list[dict[str, Any]]) -> None:
    s3.complete_multipart_upload(
        Bucket=BUCKET, Key=key, UploadId=begun, MultipartUpload={"Parts": listed}
    )


def read(s3: Any, key: str, **more: Any) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].read()


def restart(cloud: Any, tmp_path: Path) -> None:
    """As a daemon does that starts on what another one left."""
    BackendDict.reset()
    cloud.api = Api(Store(tmp_path / "state"), lambda: None)
    cloud.web.application = cloud.api
    cloud.api.store.load()


def environment(method: str, key: str, body: Any = b"", **headers: str) -> dict[str, Any]:
    """A request to S3 as a server hands it to the API."""
    builder = EnvironBuilder(
        path=f"/{BUCKET}/{key}",
        method=method,
        base_url="https://s3.eu-central-1.amazonaws.com",
        headers=Headers(
            {"Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, Signature=0", **headers}
        ),
    )
    stream = body if hasattr(body, "read") else io.BytesIO(body)
    return {**builder.get_environ(), "wsgi.input": stream, "wsgi.input_terminated": True}


def send(api: Api, method: str, key: str, body: Any = b"", **headers: str) -> tuple[int, bytes]:
    parts, status, _ = run_wsgi_app(api, environment(method, key, body, **headers))
    return int(status.split()[0]), b"".join(parts)


class Written:
    """Bytes that this process writes to files, meanwhile."""

    def __enter__(self) -> Written:
        self._before = self._now()
        return self

    def __exit__(self, *_: Any) -> None:
        self.bytes = self._now() - self._before

    @staticmethod
    def _now() -> int:
        text = Path("/proc/self/io").read_text()
        return int(dict(line.split(": ") for line in text.splitlines())["wchar"])


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_an_object_is_read_as_it_was_written_also_after_a_restart(
    s3: Any, cloud: Any, tmp_path: Path, size: int
) -> None:
    body = data(size)
    tag = s3.put_object(Bucket=BUCKET, Key="dump", Body=body)["ETag"]
    assert tag.strip('"') == md5(body).hexdigest()
    assert read(s3, "dump") == body
    restart(cloud, tmp_path)
    found = s3.get_object(Bucket=BUCKET, Key="dump")
    assert (found["Body"].read(), found["ETag"]) == (body, tag)


def test_the_bytes_are_in_a_file_of_the_owner_and_not_in_the_state(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"very plain bytes")
    (file,) = (tmp_path / "state/objects").iterdir()
    assert file.read_bytes() == b"very plain bytes"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert b"very plain bytes" not in (tmp_path / "state/s3.pickle").read_bytes()


def test_an_object_in_parts_is_the_row_of_their_files(
    s3: Any, cloud: Any, tmp_path: Path, files: Any
) -> None:
    parts = [data(PART, 1), data(PART, 2), data(99, 3)]
    upload(s3, "dump", *parts)
    assert len(files()) == len(parts)
    whole = b"".join(parts)
    restart(cloud, tmp_path)
    assert read(s3, "dump") == whole
    tag = s3.head_object(Bucket=BUCKET, Key="dump")["ETag"].strip('"')
    digests = b"".join(md5(part).digest() for part in parts)
    assert tag == f"{md5(digests).hexdigest()}-3"
    s3.delete_object(Bucket=BUCKET, Key="dump")
    assert files() == set()


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("bytes=0-0", slice(0, 1)),
        (f"bytes={PART - 2}-{PART + 1}", slice(PART - 2, PART + 2)),
        (f"bytes={PART}-", slice(PART, None)),
        ("bytes=-100", slice(-100, None)),
        (f"bytes=1-{10 * PART}", slice(1, None)),
    ],
)
def test_a_range_goes_across_parts(s3: Any, span: str, expected: slice) -> None:
    parts = [data(PART, 1), data(99, 2)]
    upload(s3, "dump", *parts)
    whole = b"".join(parts)
    answer = s3.get_object(Bucket=BUCKET, Key="dump", Range=span)
    begin, end, _ = expected.indices(len(whole))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes {begin}-{end - 1}/{len(whole)}"
    assert answer["ContentLength"] == end - begin
    assert answer["Body"].read() == whole[expected]


def test_a_range_behind_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"short")
    with pytest.raises(ClientError) as refused:
        read(s3, "dump", Range="bytes=5-9")
    assert refused.value.response["Error"]["Code"] == "InvalidRange"


def test_parts_that_an_upload_does_not_list_go(s3: Any, files: Any) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="dump")["UploadId"]
    put_part(s3, "dump", begun, 1, b"first try")
    tag = put_part(s3, "dump", begun, 1, b"again")
    put_part(s3, "dump", begun, 2, b"not listed")
    assert len(files()) == 2
    complete(s3, "dump", begun, [{"PartNumber": 1, "ETag": tag}])
    assert len(files()) == 1
    assert read(s3, "dump") == b"again"
    assert s3.head_object(Bucket=BUCKET, Key="dump", PartNumber=1)["PartsCount"] == 1


def test_an_upload_goes_on_after_a_restart(s3: Any, cloud: Any, tmp_path: Path) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="dump")["UploadId"]
    tags = [put_part(s3, "dump", begun, 1, data(PART))]
    restart(cloud, tmp_path)
    tags.append(put_part(s3, "dump", begun, 2, b"end"))
    listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    complete(s3, "dump", begun, listed)
    assert read(s3, "dump") == data(PART) + b"end"


def test_parts_that_do_not_fit_are_refused_and_stay(s3: Any) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="dump")["UploadId"]
    small, last = (put_part(s3, "dump", begun, number, b"small") for number in (1, 2))
    for listed, code in (
        ([{"PartNumber": 1, "ETag": "other"}], "InvalidPart"),
        ([{"PartNumber": 3, "ETag": small}], "InvalidPart"),
        ([{"PartNumber": 1, "ETag": small}, {"PartNumber": 2, "ETag": last}], "EntityTooSmall"),
        ([{"PartNumber": 2, "ETag": last}, {"PartNumber": 1, "ETag": small}], "InvalidPartOrder"),
    ):
        with pytest.raises(ClientError) as refused:
            complete(s3, "dump", begun, listed)
        assert refused.value.response["Error"]["Code"] == code
    assert len(s3.list_parts(Bucket=BUCKET, Key="dump", UploadId=begun)["Parts"]) == 2


def test_a_copy_writes_no_byte_again_and_outlives_its_source(s3: Any, files: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=data(2 * MIB))
    before = files()
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/dump", StorageClass="STANDARD")
    assert files() == before
    s3.delete_object(Bucket=BUCKET, Key="dump")
    assert read(s3, "copy") == data(2 * MIB)
    s3.delete_object(Bucket=BUCKET, Key="copy")
    assert files() == set()


def test_a_part_is_copied_from_a_range_of_an_object(s3: Any) -> None:
    upload(s3, "dump", data(PART, 1), data(99, 2))
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="copy")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=BUCKET,
        Key="copy",
        UploadId=begun,
        PartNumber=1,
        CopySource=f"{BUCKET}/dump",
        CopySourceRange=f"bytes={PART - 3}-{PART + 2}",
    )["CopyPartResult"]
    expected = data(PART, 1)[-3:] + data(99, 2)[:3]
    assert part["ETag"].strip('"') == md5(expected).hexdigest()
    complete(s3, "copy", begun, [{"PartNumber": 1, "ETag": part["ETag"]}])
    assert read(s3, "copy") == expected


@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_a_checksum_of_an_upload_is_that_of_its_bytes(s3: Any, kind: str) -> None:
    begun = s3.create_multipart_upload(
        Bucket=BUCKET, Key="dump", ChecksumAlgorithm="CRC32", ChecksumType=kind
    )["UploadId"]
    tags = [put_part(s3, "dump", begun, n, part) for n, part in ((1, data(PART)), (2, b"end"))]
    complete(s3, "dump", begun, [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)])
    answer = s3.get_object(Bucket=BUCKET, Key="dump", ChecksumMode="ENABLED")
    assert answer["ChecksumType"] == kind
    # the client compares the checksum of the whole itself, and raises if it is another one
    assert answer["Body"].read() == data(PART) + b"end"


def test_what_is_overwritten_or_deleted_goes_and_old_versions_stay(
    s3: Any, cloud: Any, tmp_path: Path, files: Any
) -> None:
    for body in (b"one", b"two"):
        s3.put_object(Bucket=BUCKET, Key="dump", Body=body)
    assert len(files()) == 1
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    made = s3.put_object(Bucket=BUCKET, Key="dump", Body=b"three")
    s3.delete_object(Bucket=BUCKET, Key="dump")
    assert len(files()) == 2
    restart(cloud, tmp_path)
    listed = s3.list_object_versions(Bucket=BUCKET)
    assert [each["VersionId"] for each in listed["Versions"]] == [made["VersionId"], "null"]
    assert len(listed["DeleteMarkers"]) == 1
    assert read(s3, "dump", VersionId=made["VersionId"]) == b"three"
    assert read(s3, "dump", VersionId="null") == b"two"
    s3.delete_object(Bucket=BUCKET, Key="dump", VersionId=made["VersionId"])
    assert len(files()) == 1


def test_an_upload_that_is_given_up_leaves_nothing(s3: Any, files: Any) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="dump")["UploadId"]
    put_part(s3, "dump", begun, 1, data(2 * MIB))
    assert len(files()) == 1
    s3.abort_multipart_upload(Bucket=BUCKET, Key="dump", UploadId=begun)
    assert files() == set()


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_a_refused_request_leaves_no_file_and_writes_no_state(
    s3: Any, tmp_path: Path, files: Any, size: int
) -> None:
    def kept() -> tuple[int, bytes]:
        path = tmp_path / "state/s3.pickle"
        return path.stat().st_ino, path.read_bytes()

    before = kept()
    with pytest.raises(ClientError) as refused:
        s3.upload_part(Bucket=BUCKET, Key="dump", UploadId="none", PartNumber=1, Body=data(size))
    assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    assert (files(), kept()) == (set(), before)
    s3.put_object(Bucket=BUCKET, Key="dump", Body=data(size))
    assert (len(files()), kept() == before) == (1, False)


def test_the_bytes_are_on_disk_before_the_state_names_them(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fdatasync

    def record(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", record)
    for size in (10, 2 * MIB):
        synced.clear()
        before = {path.name for path in (tmp_path / "state/objects").iterdir()}
        s3.put_object(Bucket=BUCKET, Key=str(size), Body=data(size))
        (made,) = {path.name for path in (tmp_path / "state/objects").iterdir()} - before
        assert synced == [made, "s3.new"]


class Killed(BaseException):
    """The daemon ends here, as SIGKILL ends it: nothing that follows is done."""


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_a_daemon_killed_before_the_state_is_written_leaves_the_old_object(
    s3: Any, cloud: Any, tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"old")
    old = files()
    with monkeypatch.context() as patched:
        patched.setattr(Store, "_replace", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            s3.put_object(Bucket=BUCKET, Key="dump", Body=data(size))
    assert old < files(), "the new file was there when the daemon ended"
    restart(cloud, tmp_path)
    assert files() == old
    assert read(s3, "dump") == b"old"


def test_a_daemon_killed_before_it_removes_old_files_leaves_the_new_object(
    s3: Any, cloud: Any, tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"old")
    store = cloud.api.store
    with monkeypatch.context() as patched:
        patched.setattr(store.files, "kept", lambda _: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            s3.put_object(Bucket=BUCKET, Key="dump", Body=b"new")
    assert len(files()) == 2
    restart(cloud, tmp_path)
    assert len(files()) == 1
    assert read(s3, "dump") == b"new"


def test_what_a_killed_daemon_had_half_received_goes(
    s3: Any, cloud: Any, tmp_path: Path, files: Any
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"whole")
    (tmp_path / "state/objects/0123").write_bytes(b"half")
    restart(cloud, tmp_path)
    assert "0123" not in files()
    assert read(s3, "dump") == b"whole"


def test_a_state_whose_object_is_missing_is_named(s3: Any, tmp_path: Path, files: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"whole")
    (name,) = files()
    (tmp_path / "state/objects" / name).unlink()
    with pytest.raises(StateUnreadable, match=rf"s3\.pickle.*{name} is missing.*scripts/lab down"):
        Store(tmp_path / "state").load()


def test_a_disk_that_is_full_is_an_error_and_leaves_the_old_object(
    s3: Any, cloud: Any, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dump", Body=b"old")
    old = files()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        assert send(cloud.api, "PUT", "dump", data(2 * MIB))[0] == 500
    assert files() == old
    assert read(s3, "dump") == b"old"


# Each part of an object is 1 MiB, and nobody has to write it: a file with a hole.
@pytest.fixture
def thousand(s3: Any, cloud: Any) -> Any:
    store, backend = cloud.api.store, regions("s3")[0]
    for number in range(1000):
        name = f"sparse{number}"
        with (store.files.folder / name).open("wb") as file:
            file.truncate(MIB)
        content = Content(store.files, [Piece(name, 0, MIB)], "0" * 32)
        backend.put_object(BUCKET, f"mysql/node-1/{number}", content)
    store.save(("s3",))
    return s3


def test_a_put_beside_a_thousand_objects_writes_little_more_than_its_own_bytes(
    thousand: Any, files: Any
) -> None:
    assert len(files()) == 1000
    with Written() as written:
        thousand.put_object(Bucket=BUCKET, Key="dump", Body=data(2 * MIB))
    assert 2 * MIB < written.bytes < 3 * MIB
    assert len(thousand.list_objects_v2(Bucket=BUCKET, MaxKeys=5)["Contents"]) == 5
    assert len(files()) == 1001


def test_an_upload_in_parts_writes_its_bytes_once(s3: Any) -> None:
    parts = [data(PART, number) for number in range(8)]
    with Written() as written:
        upload(s3, "dump", *parts)
    assert 8 * PART < written.bytes < 9 * PART


class Zeros(io.RawIOBase):
    """A body that nobody holds in memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory that was in use since the last call, in bytes."""
    tracemalloc.start()

    def most() -> int:
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        return size

    yield most
    tracemalloc.stop()


def test_no_object_is_held_in_memory(s3: Any, cloud: Any, peak: Callable[[], int]) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="dump")["UploadId"]
    listed = []
    size, few = 64 * MIB, 16 * MIB
    held = bytes(size)
    assert peak() > size, "the figure shows what is held"
    del held
    peak()
    for number in (1, 2):
        query = f"partNumber={number}&uploadId={begun}"
        environ = environment("PUT", "dump", io.BufferedReader(Zeros(size)))
        parts, status, headers = run_wsgi_app(cloud.api, {**environ, "QUERY_STRING": query})
        assert (b"".join(parts), status) == (b"", "200 OK")
        listed.append({"PartNumber": number, "ETag": headers["ETag"]})
    complete(s3, "dump", begun, listed)
    parts, status, headers = run_wsgi_app(cloud.api, environment("GET", "dump"))
    assert (status, headers["Content-Length"]) == ("200 OK", str(2 * size))
    assert sum(len(part) for part in parts) == 2 * size
    assert peak() < few


def test_an_object_is_read_to_its_end_also_when_it_is_deleted_meanwhile(
    s3: Any, cloud: Any, files: Any
) -> None:
    body = data(4 * MIB)
    s3.put_object(Bucket=BUCKET, Key="dump", Body=body)
    parts, status, _ = run_wsgi_app(cloud.api, environment("GET", "dump"))
    begun = iter(parts)
    got = next(begun)
    s3.delete_object(Bucket=BUCKET, Key="dump")
    assert (status, len(files())) == ("200 OK", 1)
    assert got + b"".join(begun) == body
    del parts, begun
    s3.put_object(Bucket=BUCKET, Key="other", Body=b"")
    assert files() == set()


@pytest.mark.parametrize("broken", ["5\r\nshort", "zz\r\nnot a size\r\n", ""])
def test_a_body_in_chunks_that_is_not_whole_is_refused(
    s3: Any, cloud: Any, files: Any, broken: str
) -> None:
    streaming = {"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    body = f"{BLOCK:x}\r\n{'a' * BLOCK}\r\n3\r\nbcd\r\n"
    assert send(cloud.api, "PUT", "dump", f"{body}0\r\n\r\n".encode(), **streaming)[0] == 200
    before = files()
    status, text = send(cloud.api, "PUT", "dump", (body + broken).encode(), **streaming)
    assert (status, b"IncompleteBody" in text, files()) == (400, True, before)
    assert read(s3, "dump") == b"a" * BLOCK + b"bcd"


class Gate:
    """Holds a call where it stands, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(SECONDS)


class Asked:
    """A request in a thread of its own."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._thread = threading.Thread(target=self._run, args=(ask,), daemon=True)
        self._thread.start()

    def _run(self, ask: Callable[[], Any]) -> None:
        self.answer = ask()

    def result(self) -> Any:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "no answer came"
        return self.answer

    def waits(self) -> bool:
        return self._thread.is_alive()


@pytest.fixture
def held(s3: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gate, Asked]]:
    """An upload that stands in the middle of its turn."""
    assert s3
    gate, put = Gate(), S3Backend.put_object

    def stand(self: Any, bucket_name: str, key_name: str, *more: Any, **named: Any) -> Any:
        if key_name == "slow":
            gate()
        return put(self, bucket_name, key_name, *more, **named)

    monkeypatch.setattr(S3Backend, "put_object", stand)
    asked = Asked(lambda: send(cloud.api, "PUT", "slow", data(2 * MIB)))
    assert gate.reached.wait(SECONDS)
    yield gate, asked
    gate.open.set()
    assert asked.result()[0] == 200


def test_the_other_services_and_the_metadata_answer_while_s3_is_busy(
    held: tuple[Gate, Asked], cloud: Any, network: Any
) -> None:
    gate, slow = held
    instance = Asked(lambda: network.run(network.interface("192.168.100.10"))).result()
    directory = Directory(changing=lambda: cloud.api.changing("iam", "sts"))

    def find(address: str) -> Any:
        with locked("ec2", "iam", "sts"):
            return directory.find(network.vpc, address)

    def ask() -> tuple[int, str]:
        answer = Client(Metadata(find)).open(
            "/latest/meta-data/instance-id", environ_overrides={"REMOTE_ADDR": "192.168.100.10"}
        )
        return answer.status_code, answer.get_data(as_text=True)

    assert Asked(ask).result() == (200, instance)
    assert Asked(lambda: cloud.api.settle(instance, "pending", "running")).result()
    assert slow.waits()
    other = Asked(lambda: send(cloud.api, "PUT", "quick", b""))
    gate.open.set()
    assert (slow.result()[0], other.result()[0]) == (200, 200)


def test_requests_of_s3_take_turns(held: tuple[Gate, Asked], cloud: Any) -> None:
    gate, _ = held
    assert not state._s3.acquire(blocking=False)
    other = Asked(lambda: send(cloud.api, "GET", "slow"))
    gate.open.set()
    assert other.result() == (200, data(2 * MIB))


def test_who_sends_slowly_holds_up_nobody(s3: Any, cloud: Any) -> None:
    gate = Gate()

    class Slow(io.RawIOBase):
        left = 3 * MIB

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if self.left == 2 * MIB:
                gate()
            size = min(len(buffer), self.left, MIB)
            buffer[:size] = bytes(size)
            self.left -= size
            return size

    slow = Asked(lambda: send(cloud.api, "PUT", "slow", io.BufferedReader(Slow(), MIB)))
    assert gate.reached.wait(SECONDS)
    assert Asked(lambda: send(cloud.api, "PUT", "quick", b"here")).result()[0] == 200
    assert read(s3, "quick") == b"here"
    assert slow.waits()
    gate.open.set()
    assert slow.result()[0] == 200
    assert read(s3, "slow") == bytes(3 * MIB)


def test_who_reads_slowly_holds_up_nobody(s3: Any, cloud: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="slow", Body=data(3 * MIB))
    parts, _, _ = run_wsgi_app(cloud.api, environment("GET", "slow"))
    assert Asked(lambda: send(cloud.api, "PUT", "quick", b"here")).result()[0] == 200
    assert b"".join(parts) == data(3 * MIB)


def test_a_change_outside_of_a_request_is_kept_and_announced(
    cloud: Any, ec2: Any, tmp_path: Path
) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    wakes = cloud.wakes
    (backend,) = [each for each in regions("ec2") if vpc in each.vpcs]
    with cloud.api.changing("ec2"):
        backend.vpcs[vpc].cidr_block = "10.99.0.0/24"
        assert cloud.wakes == wakes
    assert cloud.wakes == wakes + 1
    assert b"10.99.0.0/24" in (tmp_path / "state/ec2.pickle").read_bytes()


@pytest.mark.parametrize("sent", [10, 2 * MIB])
def test_an_upload_that_breaks_off_leaves_no_object_and_no_file(
    s3: Any, cloud: Any, files: Any, sent: int
) -> None:
    server = Server("127.0.0.1", 0, cloud.api)
    server.start("api")
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as line:
            line.sendall(
                f"PUT /{BUCKET}/dump HTTP/1.1\r\nHost: s3.eu-central-1.amazonaws.com\r\n"
                f"Authorization: AWS4-HMAC-SHA256 Credential={SCOPE}, Signature=0\r\n"
                f"Content-Length: {3 * MIB}\r\n\r\n".encode()
            )
            line.sendall(bytes(sent))
            line.shutdown(socket.SHUT_WR)
            assert line.recv(1) == b"", "the server has closed the connection"
    finally:
        server.stop()
    assert files() == set()
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
