"""Certificates that MySQL 5.6 or the peer would not take are refused before they are written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ring_node import tls
from ring_node.documents import Keys, Node
from ring_node.errors import Exit, NodeError

pytestmark = pytest.mark.unit

NODE = Node("node-1", 1, "192.168.100.10", "10.10.1.10")
BOTH = "IP:192.168.100.10,IP:10.10.1.10"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def authority(folder: Path) -> None:
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-days", "2", "-subj", "/CN=ring",
    )  # fmt: skip


def keys(folder: Path, *, name: str = "10.10.1.10", addresses: str = BOTH) -> Keys:
    (folder / "names").write_text(f"subjectAltName={addresses}\n")
    openssl(folder, "genrsa", "-traditional", "-out", "key.pem", "2048")
    openssl(folder, "req", "-new", "-key", "key.pem", "-subj", f"/CN={name}", "-out", "asked")
    openssl(
        folder, "x509", "-req", "-in", "asked", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem",
    )  # fmt: skip
    ca, certificate, key = (folder / file for file in ("ca.pem", "cert.pem", "key.pem"))
    return Keys(ca.read_text(), certificate.read_text(), key.read_text())


def refusal(found: Keys) -> NodeError:
    with pytest.raises(NodeError) as caught:
        tls.check(found, NODE)
    assert caught.value.code is Exit.INPUT
    assert "PRIVATE KEY" not in caught.value.render().replace(tls.PKCS1, "")
    return caught.value


def test_a_certificate_of_the_ca_with_both_addresses_is_taken(tmp_path: Path) -> None:
    authority(tmp_path)
    tls.check(keys(tmp_path), NODE)


def test_a_certificate_of_another_ca_is_refused(tmp_path: Path) -> None:
    authority(tmp_path)
    found = keys(tmp_path)
    authority(tmp_path)
    other = Keys((tmp_path / "ca.pem").read_text(), found.certificate, found.key)
    assert "do not go together" in refusal(other).found


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority(tmp_path)
    first = keys(tmp_path)
    second = keys(tmp_path)
    assert "KEY_VALUES_MISMATCH" in refusal(Keys(first.ca, first.certificate, second.key)).found


def test_a_certificate_without_one_of_the_addresses_is_refused(tmp_path: Path) -> None:
    authority(tmp_path)
    error = refusal(keys(tmp_path, addresses="IP:10.10.1.10"))
    assert "192.168.100.10" in error.found


def test_a_certificate_whose_common_name_a_slave_would_refuse_is_refused(tmp_path: Path) -> None:
    authority(tmp_path)
    assert "common name is 'node-1'" in refusal(keys(tmp_path, name="node-1")).found


def test_a_key_in_another_form_is_refused(tmp_path: Path) -> None:
    authority(tmp_path)
    found = keys(tmp_path)
    openssl(tmp_path, "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-out", "other.pem")
    error = refusal(Keys(found.ca, found.certificate, (tmp_path / "other.pem").read_text()))
    assert "PKCS#1" in error.found
