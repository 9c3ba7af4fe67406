"""Debian's archive as the machine's apt names it, and what a mirror makes of its addresses."""

from pathlib import Path, PurePosixPath

import pytest
from cloud.setup.debian import (
    Source,
    parse_sources,
    release_hashes,
    source_list,
    sources,
    url_path,
)
from cloud.setup.entry import SetupError
from cloud.setup.mirror import parse_uris

pytestmark = pytest.mark.unit

TARGETS: str = """\
http://mirror.example/debian bookworm main Debian bookworm
http://mirror.example/debian bookworm non-free Debian bookworm
http://mirror.example/debian bookworm-updates main Debian bookworm-updates
http://mirror.example/security stable-security main Debian bookworm-security
https://other.example/apt nodistro main Other stable
http://second.example/debian bookworm main Debian bookworm
"""


def test_only_debians_own_suites_of_the_release_are_taken_and_each_once() -> None:
    assert parse_sources(TARGETS.splitlines()) == [
        Source("http://mirror.example/debian", "bookworm"),
        Source("http://mirror.example/debian", "bookworm-updates"),
        Source("http://mirror.example/security", "stable-security"),
    ]


def test_a_machine_without_the_release_is_refused() -> None:
    with pytest.raises(SetupError, match="bookworm"):
        parse_sources(["http://mirror.example/debian trixie main Debian trixie"])


def test_apt_is_asked_again_only_when_its_configuration_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask() -> list[str]:
        asked.append(1)
        return TARGETS.splitlines()

    monkeypatch.setattr("cloud.setup.debian._ask_apt", ask)
    apt = tmp_path / "apt"
    (apt / "sources.list.d").mkdir(parents=True)
    first = sources(tmp_path, apt)
    assert sources(tmp_path, apt) == first
    assert len(asked) == 1
    (apt / "sources.list.d" / "more.list").write_text("deb http://x.example/ bookworm main")
    sources(tmp_path, apt)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h.example/debian/pool/a_1.deb", "h.example/debian/pool/a_1.deb"),
        ("https://h.example:8443/a", "h.example/a"),
        ("http://h.example/p/perl_5-7%2bdeb12u4.deb", "h.example/p/perl_5-7+deb12u4.deb"),
        ("http://h.example/debian/", "h.example/debian"),
    ],
)
def test_an_address_has_its_place_in_the_mirror(url: str, place: str) -> None:
    assert url_path(url) == PurePosixPath(place)


@pytest.mark.parametrize(
    "url",
    [
        "file:/srv/debian",
        "cdrom:[Debian]/",
        "http:///debian",
        "http://h.example/../etc/passwd",
        "http://h.example/%2e%2e/etc/passwd",
        "http://h.example/a?b=c",
    ],
)
def test_an_address_that_a_mirror_cannot_hold_is_named(url: str) -> None:
    with pytest.raises(SetupError) as refused:
        url_path(url)
    assert url in str(refused.value)


def test_only_the_sha256_part_of_a_release_file_is_read() -> None:
    release = (
        "Origin: Debian\nMD5Sum:\n 0123 10 main/binary-amd64/Packages.xz\n"
        "SHA256:\n abcd 10 main/binary-amd64/Packages.xz\n ef01 7 main/i18n/Index\n"
        "SHA512:\n ffff 10 main/binary-amd64/Packages.xz\n"
    )
    assert release_hashes(release) == {
        "main/binary-amd64/Packages.xz": "abcd",
        "main/i18n/Index": "ef01",
    }


def test_the_lines_of_apt_that_name_a_package_are_read_and_the_others_left() -> None:
    lines = [
        "Reading package lists...",
        "'http://h.example/pool/a_1%2b2_amd64.deb' a_1+2_amd64.deb 1609596 ",
        "'http://h.example/pool/b_1_all.deb' b_1_all.deb 12 SHA256:abcd",
    ]
    assert list(parse_uris(lines)) == [
        ("http://h.example/pool/a_1%2b2_amd64.deb", "a_1+2_amd64.deb"),
        ("http://h.example/pool/b_1_all.deb", "b_1_all.deb"),
    ]


def test_a_line_that_looks_like_a_package_and_is_none_is_an_error() -> None:
    with pytest.raises(SetupError, match="'http://h'"):
        list(parse_uris(["'http://h' a"]))


def test_the_source_list_of_the_hosts_names_the_key_that_signs() -> None:
    assert source_list([Source("http://h.example/debian", "bookworm")]) == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "http://h.example/debian bookworm main\n"
    )
