"""Keys and certificates of the operator: what does not fit together is refused in a preview."""

import base64
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Given

from components.checks import problems_of
from components.settings import NodeCertificate, RingArgs

pytestmark = pytest.mark.unit

Change = Callable[[Given], dict[str, Any]]


def mistakes(given: Given, **changes: Any) -> dict[str, str]:
    settings = replace(RingArgs(admin_cidrs=["198.51.100.0/24"]), **{**given.__dict__, **changes})
    return {problem.setting: str(problem) for problem in problems_of(settings)}


def openssl(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True
    ).stdout


def with_node_1(given: Given, certificate: str = "", key: str = "") -> dict[str, Any]:
    had = given.node_certificates["node-1"]
    changed = NodeCertificate(certificate or had.certificate, key or had.key)
    return {"node_certificates": {**given.node_certificates, "node-1": changed}}


def test_what_fits_together_is_taken(given: Given) -> None:
    assert mistakes(given) == {}
    assert mistakes(given, ca_private_key="") == {}
    assert mistakes(given, node_certificates={}) == {}


def test_windows_line_ends_do_no_harm(given: Given) -> None:
    crlf = {name: getattr(given, name).replace("\n", "\r\n") for name in ("ca_certificate",)}
    assert mistakes(given, **crlf) == {}


def test_an_authority_may_have_a_key_in_another_form(given: Given) -> None:
    pkcs8 = openssl("pkcs8", "-topk8", "-nocrypt", stdin=given.ca_private_key)
    assert "BEGIN PRIVATE KEY" in pkcs8
    assert mistakes(given, ca_private_key=pkcs8) == {}


CHANGES: list[tuple[Change, str, str]] = [
    (lambda _: {"ca_certificate": "PEM"}, "caCertificate", "BEGIN CERTIFICATE"),
    (
        lambda given: {"ca_certificate": given.ca_certificate.replace("MII", "M?I", 1)},
        "caCertificate",
        "whole",
    ),
    (
        lambda given: {"ca_certificate": given.ca_private_key},
        "caCertificate",
        "BEGIN CERTIFICATE",
    ),
    (
        lambda given: {"ca_private_key": str(given.node_certificates["node-1"].key)},
        "caPrivateKey",
        "key of caCertificate",
    ),
    (
        lambda given: {
            "ca_private_key": openssl(
                "pkcs8", "-topk8", "-passout", "pass:word", stdin=given.ca_private_key
            )
        },
        "caPrivateKey",
        "without one",
    ),
    (
        lambda given: with_node_1(given, key=str(given.node_certificates["node-2"].key)),
        "nodeCertificates.node-1.key",
        "its certificate",
    ),
    (
        lambda given: with_node_1(
            given,
            str(given.node_certificates["node-2"].certificate),
            str(given.node_certificates["node-2"].key),
        ),
        "nodeCertificates.node-1.certificate",
        "10.10.1.10",
    ),
    (
        lambda given: with_node_1(
            given,
            key=openssl(
                "pkcs8", "-topk8", "-nocrypt", stdin=str(given.node_certificates["node-1"].key)
            ),
        ),
        "nodeCertificates.node-1.key",
        "PKCS#1",
    ),
    (
        lambda given: with_node_1(
            given,
            key=openssl(
                *("rsa", "-traditional", "-aes128", "-passout", "pass:word"),
                stdin=str(given.node_certificates["node-1"].key),
            ),
        ),
        "nodeCertificates.node-1.key",
        "without one",
    ),
    (lambda given: {"ssh_private_key": given.ssh_private_key[:90]}, "sshPrivateKey", "whole"),
]


@pytest.mark.parametrize(("change", "setting", "expected"), CHANGES)
def test_what_does_not_fit_is_named_and_not_shown(
    given: Given, change: Change, setting: str, expected: str
) -> None:
    changed = change(given)
    problems = mistakes(given, **changed)
    assert set(problems) == {setting}
    assert expected in problems[setting]
    assert "MII" not in problems[setting]


def test_an_ssh_key_with_a_passphrase_is_refused(given: Given, tmp_path: Any) -> None:
    file = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "word", "-f", str(file)]
    subprocess.run(command, check=True)
    problems = mistakes(given, ssh_private_key=file.read_text())
    assert "a key with a passphrase" in problems["sshPrivateKey"]


def of_ssh_keygen(folder: Path, *arguments: str) -> str:
    command = ["ssh-keygen", "-q", "-N", "", *arguments, "-f", str(folder / "key")]
    subprocess.run(command, check=True)
    return (folder / "key").read_text()


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_an_ssh_key_that_ec2_takes_is_taken(
    given: Given, kind: str, form: str, tmp_path: Path
) -> None:
    key = of_ssh_keygen(tmp_path, "-t", kind, "-m", form)
    assert mistakes(given, ssh_private_key=key) == {}


@pytest.mark.parametrize(
    ("form", "kind"), [("RFC4716", "ecdsa-sha2-nistp256"), ("PEM", "ecdsa"), ("PKCS8", "ecdsa")]
)
def test_an_ssh_key_that_ec2_does_not_take_is_refused(
    given: Given, form: str, kind: str, tmp_path: Path
) -> None:
    key = of_ssh_keygen(tmp_path, "-t", "ecdsa", "-m", form)
    problem = mistakes(given, ssh_private_key=key)["sshPrivateKey"]
    assert f"a key of the type {kind}," in problem
    assert "EC2" in problem


def test_a_key_in_hardware_is_refused(given: Given) -> None:
    """Such a file as far as it is read, by hand: ssh-keygen makes none without the hardware."""

    def text(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    public = text(text(b"sk-ssh-ed25519@openssh.com") + text(b"\1" * 32) + text(b"ssh:"))
    head = b"openssh-key-v1\0" + text(b"none") + text(b"none") + text(b"")
    content = base64.b64encode(head + (1).to_bytes(4, "big") + public + text(b"\2" * 64)).decode()
    label = "OPENSSH PRIVATE KEY"
    key = f"-----BEGIN {label}-----\n{content}\n-----END {label}-----\n"
    problem = mistakes(given, ssh_private_key=key)["sshPrivateKey"]
    assert "sk-ssh-ed25519@openssh.com" in problem


def test_a_cut_ssh_key_is_refused(given: Given) -> None:
    lines = given.ssh_private_key.splitlines()
    cut = "\n".join([lines[0], lines[1][:24], lines[-1]])
    assert "whole" in mistakes(given, ssh_private_key=cut)["sshPrivateKey"]


def test_a_key_without_its_other_half_is_refused(given: Given) -> None:
    alone = {"node_certificates": {}}
    assert set(mistakes(given, ca_certificate="", **alone)) == {"caCertificate"}
    assert set(mistakes(given, ca_private_key="", **alone)) == {"caPrivateKey"}
    assert set(mistakes(given, ca_certificate="", ca_private_key="")) == {"caCertificate"}
    other = {"node-3": given.node_certificates["node-1"]}
    assert set(mistakes(given, node_certificates=other)) == {"nodeCertificates.node-3"}
