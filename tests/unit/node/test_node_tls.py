"""Certificates that MySQL 5.6 or the peer would not take are refused before they are written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ring_node.base.errors import Exit, NodeError
from ring_node.mysql import tls
from ring_node.mysql.tls import Keys

pytestmark = pytest.mark.unit

ADDRESSES = ("192.168.100.10", "10.10.1.10")
BOTH = "IP:192.168.100.10,IP:10.10.1.10"


class Authority:
    """Two CAs and two RSA keys, made once: keys take long. Certificates do not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ca", "other-ca"):
            self.openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", f"{name}.key", "-out", name, "-days", "2", "-subj", "/CN=ring",
            )  # fmt: skip
        for name in ("key", "other-key"):
            self.openssl("genrsa", "-traditional", "-out", name, "2048")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def keys(
        self, *, name: str = "10.10.1.10", addresses: str = BOTH, more: str = "", days: int = 2
    ) -> Keys:
        (self.folder / "names").write_text(f"subjectAltName={addresses}\n{more}")
        self.openssl("req", "-new", "-key", "key", "-subj", f"/CN={name}", "-out", "asked")
        self.openssl(
            "x509", "-req", "-in", "asked", "-CA", "ca", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", str(days), "-extfile", "names", "-out", "certificate",
        )  # fmt: skip
        return Keys(self.read("ca"), self.read("certificate"), self.read("key"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("keys"))


def refusal(found: Keys) -> NodeError:
    with pytest.raises(NodeError) as caught:
        tls.check(found, ADDRESSES)
    assert caught.value.code is Exit.INPUT
    assert "PRIVATE KEY" not in caught.value.render().replace(tls.PKCS1, "")
    return caught.value


def test_a_certificate_of_the_ca_with_both_addresses_is_taken(authority: Authority) -> None:
    tls.check(authority.keys(), ADDRESSES)


def test_a_certificate_of_one_of_two_cas_is_taken(authority: Authority) -> None:
    found = authority.keys()
    both = authority.read("other-ca") + found.ca
    tls.check(Keys(both, found.certificate, found.key), ADDRESSES)


def test_a_certificate_that_has_expired_is_refused(authority: Authority) -> None:
    assert "certificate has expired" in refusal(authority.keys(days=0)).found


def test_a_certificate_of_another_ca_is_refused(authority: Authority) -> None:
    found = authority.keys()
    other = Keys(authority.read("other-ca"), found.certificate, found.key)
    assert "do not go together" in refusal(other).found


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    found = authority.keys()
    other = Keys(found.ca, found.certificate, authority.read("other-key"))
    assert "KEY_VALUES_MISMATCH" in refusal(other).found


def test_a_certificate_without_one_of_the_addresses_is_refused(authority: Authority) -> None:
    error = refusal(authority.keys(addresses="IP:10.10.1.10"))
    assert "192.168.100.10" in error.found


def test_a_certificate_whose_common_name_a_slave_would_refuse_is_refused(
    authority: Authority,
) -> None:
    assert "common name is 'node-1'" in refusal(authority.keys(name="node-1")).found


def test_a_key_in_another_form_is_refused(authority: Authority) -> None:
    found = authority.keys()
    authority.openssl("pkcs8", "-topk8", "-nocrypt", "-in", "key", "-out", "pkcs8")
    error = refusal(Keys(found.ca, found.certificate, authority.read("pkcs8")))
    assert "PKCS#1" in error.found


def test_a_certificate_that_no_client_may_show_is_refused_for_copies(authority: Authority) -> None:
    both = authority.keys(more="extendedKeyUsage=serverAuth,clientAuth\n")
    assert tls.check(both, ADDRESSES) is None
    found = refusal(authority.keys(more="extendedKeyUsage=serverAuth\n"))
    assert "for servers and for clients" in found.expected
