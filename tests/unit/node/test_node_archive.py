"""Where the vendor's archive comes from: one of several addresses, over HTTP on this host."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ring_node.base.errors import Exit, NodeError
from ring_node.host import archive
from ring_node.host.archive import Archive

pytestmark = pytest.mark.unit

WANTED = b"the archive"
DIGEST = hashlib.sha256(WANTED).hexdigest()


class Vendor(http.server.ThreadingHTTPServer):
    """Answers each path by its name, and keeps in mind who asked for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.broken = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Vendor)
        name = self.path.strip("/")
        self.server.asked.append(name)
        known = self.headers.get("User-Agent", "").startswith("curl/")
        if name == "forbidden" or (name == "choosy" and not known):
            self.send_error(403)
        elif name == "broken" and self.server.broken:
            self.server.broken -= 1
            self.send_error(503)
        else:
            content = b"an error page" if name == "other" else WANTED
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest shows what is printed."""


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.setattr(archive, "PAUSE_SECONDS", 0)
    with Vendor() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetched(vendor: Vendor, place: Path, *names: str) -> bytes:
    target = place / "fetched"
    urls = tuple(vendor.url(name) for name in names)
    archive._fetch(Archive(urls, "sha256", DIGEST), target)
    return target.read_bytes()


def refused(vendor: Vendor, place: Path, *names: str) -> NodeError:
    with pytest.raises(NodeError) as caught:
        fetched(vendor, place, *names)
    return caught.value


def test_a_server_that_lets_only_known_programs_in_gives_the_archive(
    vendor: Vendor, tmp_path: Path
) -> None:
    assert fetched(vendor, tmp_path, "choosy") == WANTED


@pytest.mark.parametrize("first", ["forbidden", "other"])
def test_an_address_that_refuses_or_has_something_else_is_passed_over(
    vendor: Vendor, tmp_path: Path, first: str
) -> None:
    assert fetched(vendor, tmp_path, first, "good") == WANTED
    assert vendor.asked == [first, "good"]


def test_an_address_that_is_broken_for_a_while_is_asked_again(
    vendor: Vendor, tmp_path: Path
) -> None:
    vendor.broken = 1
    assert fetched(vendor, tmp_path, "forbidden", "broken") == WANTED
    assert vendor.asked == ["forbidden", "broken", "broken"]


def test_where_no_address_has_it_each_is_named_with_its_answer(
    vendor: Vendor, tmp_path: Path
) -> None:
    vendor.broken = archive.ATTEMPTS
    error = refused(vendor, tmp_path, "forbidden", "broken", "other")
    assert error.code == Exit.UNREACHABLE
    for said in ("forbidden answers 403", "broken answers 503", "other has the sha256 checksum"):
        assert said in error.found
    assert vendor.asked.count("forbidden") == vendor.asked.count("other") == 1


def test_another_file_at_every_address_is_refused_with_the_checksum_that_is_wanted(
    vendor: Vendor, tmp_path: Path
) -> None:
    error = refused(vendor, tmp_path, "other")
    assert (error.code, error.expected) == (Exit.REFUSED, DIGEST)
