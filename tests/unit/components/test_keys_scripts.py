"""scripts/keys, run for real: what openssl and ssh-keygen make is what MySQL 5.6 and SSH need."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

pytestmark = pytest.mark.unit

KEYS = Path(__file__).parents[3] / "scripts" / "keys"


def run(
    name: str, *arguments: str, stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if folder:
        environment["TMPDIR"] = str(folder)
    return subprocess.run(
        [str(KEYS / name), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def made(name: str, *arguments: str, stdin: str = "") -> dict[str, str]:
    done = run(name, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def authority() -> dict[str, str]:
    return made("authority")


@pytest.fixture(scope="module")
def server(authority: dict[str, str]) -> dict[str, str]:
    stdin = authority["certificate"] + authority["key"]
    return made("server-certificate", "node-1", "10.10.1.10", "192.168.100.10", stdin=stdin)


def load(pair: dict[str, str]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair["certificate"].encode())


def test_a_password_fits_into_master_password() -> None:
    one, other = made("password")["password"], made("password")["password"]
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")
    assert one != other


def test_keys_are_rsa_in_pkcs1_form(authority: dict[str, str], server: dict[str, str]) -> None:
    for pair in (authority, server):
        assert pair["key"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
        public = load(pair).public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        assert public.key_size == 2048


def test_certificates_began_a_day_ago(authority: dict[str, str], server: dict[str, str]) -> None:
    for pair in (authority, server):
        certificate = load(pair)
        age = datetime.now(UTC) - certificate.not_valid_before_utc
        assert timedelta(hours=23) < age < timedelta(hours=25)
        assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3600)


def test_the_authority_signs_and_the_server_does_not(
    authority: dict[str, str], server: dict[str, str]
) -> None:
    constraints = {
        pair["certificate"]: load(pair).extensions.get_extension_for_class(x509.BasicConstraints)
        for pair in (authority, server)
    }
    assert constraints[authority["certificate"]].value.ca is True
    assert constraints[server["certificate"]].value.ca is False


def test_the_server_has_both_addresses_and_the_replication_address_as_its_name(
    server: dict[str, str],
) -> None:
    certificate = load(server)
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert name.value == "10.10.1.10"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["10.10.1.10", "192.168.100.10"]
    assert names.get_values_for_type(x509.DNSName) == ["node-1"]


def test_the_server_certificate_is_signed_by_the_authority(
    authority: dict[str, str], server: dict[str, str]
) -> None:
    certificate, signer = load(server), load(authority).public_key()
    assert isinstance(signer, rsa.RSAPublicKey)
    algorithm = certificate.signature_hash_algorithm
    assert isinstance(algorithm, hashes.SHA256)
    signer.verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        padding.PKCS1v15(),
        algorithm,
    )
    assert certificate.issuer == load(authority).subject


def test_two_authorities_are_different(authority: dict[str, str]) -> None:
    other = made("authority")
    assert load(other).serial_number != load(authority).serial_number
    assert other["key"] != authority["key"]


def test_a_key_of_another_authority_is_refused(authority: dict[str, str]) -> None:
    stdin = authority["certificate"] + made("authority")["key"]
    done = run("server-certificate", "node-1", "10.10.1.10", "192.168.100.10", stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "caCertificate and caPrivateKey" in done.stderr


def test_no_certificate_at_all_is_refused() -> None:
    done = run("server-certificate", "node-1", "10.10.1.10", "192.168.100.10", stdin="nothing")
    assert done.returncode == 1
    assert "holds no certificate" in done.stderr


def test_a_made_ssh_key_reads_back_as_itself() -> None:
    key = made("ssh-key", "make")
    assert key["public_key"].startswith("ssh-ed25519 ")
    for given in (key["private_key"], key["private_key"].strip()):
        read = made("ssh-key", "read", stdin=given)
        assert read["public_key"].split()[:2] == key["public_key"].split()[:2]
        assert read["private_key"] == key["private_key"]


def test_what_is_not_an_ssh_key_is_refused_and_not_repeated() -> None:
    done = run("ssh-key", "read", stdin="a secret that is no key")
    assert done.returncode == 1
    assert "sshPrivateKey" in done.stderr
    assert "a secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("authority", (), 0),
        ("ssh-key", ("make",), 0),
        ("ssh-key", ("read",), 1),
        ("server-certificate", ("node-1", "10.10.1.10", "192.168.100.10"), 1),
    ],
)
def test_no_file_is_left_behind(
    name: str, arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    done = run(name, *arguments, stdin="no key", folder=tmp_path)
    assert done.returncode == code
    assert list(tmp_path.iterdir()) == []
