"""Bodies of requests: read before any lock, those of S3 decoded and, where large, in a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from moto.s3.responses import S3Response
from werkzeug.wsgi import get_input_stream

from cloud.api import objects
from cloud.api.objects import BLOCK, Content
from cloud.api.patching import replace

UPLOAD = "cloud.upload"
"""In the environment of a request whose body is decoded: the content of a large PUT, or None."""

_moto_setup_class = S3Response.setup_class
_moto_encoded = S3Response._handle_encoded_body
_moto_signed = S3Response._handle_v4_chunk_signatures


class Incomplete(ValueError):
    """A body in chunks of S3's own form ends before it says so."""


def read(environ: dict[str, Any], service: str) -> Content | None:
    """Read a request's body off its connection and leave it in the environment.

    The answer is what was written to a file for it. Raises werkzeug's ClientDisconnected when the
    sender has gone, Incomplete, and OSError when the disk takes no more.
    """
    if service != "s3":
        _hold(environ, get_input_stream(environ).read())
        return None
    environ[UPLOAD] = None
    blocks = _blocks(environ)
    start, size = [], 0
    for block in blocks:
        start.append(block)
        size += len(block)
        if size > BLOCK and environ["REQUEST_METHOD"] == "PUT":
            return _store(environ, chain(start, blocks))
    _hold(environ, b"".join(start))
    return None


def _hold(environ: dict[str, Any], body: bytes) -> None:
    environ["wsgi.input"] = io.BytesIO(body)
    environ["wsgi.input_terminated"] = True
    environ["CONTENT_LENGTH"] = str(len(body))


def _store(environ: dict[str, Any], blocks: Iterator[bytes]) -> Content:
    content = objects.files().write(blocks)
    _hold(environ, b"")
    environ["CONTENT_LENGTH"] = str(len(content))
    environ[UPLOAD] = content
    algorithm = environ.get("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM")
    if algorithm:
        # moto would compute it of the body that it does not get to see
        environ.setdefault(
            f"HTTP_X_AMZ_CHECKSUM_{algorithm.upper()}",
            objects.compute_checksum(content, algorithm).decode(),
        )
    return content


def _blocks(environ: dict[str, Any]) -> Iterator[bytes]:
    stream = get_input_stream(environ)
    if environ.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING-"):
        return _decoded(environ, stream)
    return iter(partial(stream.read, BLOCK), b"")


def _decoded(environ: dict[str, Any], stream: Any) -> Iterator[bytes]:
    """The data of a body in S3's own chunks; the checksum behind it becomes a header.

    S3 API Reference, sigv4-streaming: size in hexadecimal, perhaps `;chunk-signature=...`, then the
    data; after the chunk of size 0 the trailing headers. The signatures are not checked.
    """
    while size := _size(stream):
        while size:
            block = stream.read(min(size, BLOCK))
            if not block:
                raise Incomplete("a chunk ends early")
            size -= len(block)
            yield block
        stream.readline()
    for line in stream.read().decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.lower().startswith("x-amz-checksum-"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value.strip()


def _size(stream: Any) -> int:
    line = stream.readline(200)
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError as error:
        raise Incomplete(f"{line[:40]!r} is not the size of a chunk") from error


def _setup_class(self: Any, request: Any, full_url: Any = None, headers: Any = None) -> None:
    _moto_setup_class(self, request, full_url, headers)
    upload = request.environ.get(UPLOAD)
    if upload is not None:
        self.body = upload


def _encoded(self: Any, body: Any) -> Any:
    return body if UPLOAD in self.request.environ else _moto_encoded(self, body)


def _signed(self: Any, body: Any, length: int) -> Any:
    return body if UPLOAD in self.request.environ else _moto_signed(self, body, length)


def install() -> None:
    replace(
        S3Response,
        setup_class=_setup_class,
        _handle_encoded_body=_encoded,
        _handle_v4_chunk_signatures=_signed,
    )
