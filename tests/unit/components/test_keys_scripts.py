"""scripts/keys, run for real: what they make is what MySQL 5.6 and SSH need, as OpenSSL and OpenSSH
read it."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bare_machine import program, strip
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

pytestmark = pytest.mark.unit

KEYS = Path(__file__).parents[3] / "scripts" / "keys"
GOLDEN = Path(__file__).parent / "golden"
NODE = ("node-1", "10.10.1.10", "192.168.100.10")
# How OpenSSL shows what is another in each certificate
OWN = ((r"(Not (Before|After ?): ).*", r"\1DATE"), (r"[0-9A-F]{2}(:[0-9A-F]{2}){19}", "IDENTIFIER"))


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
    return made("server-certificate", *NODE, stdin=stdin)


def load(pair: dict[str, str]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair["certificate"].encode())


def test_a_password_fits_into_master_password() -> None:
    one, other = made("password")["password"], made("password")["password"]
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")
    assert one != other


def test_no_password_is_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = strip(tmp_path, monkeypatch)
    program(tools / "od", "printf ' 0a 1b'; exit 1")
    (tools / "tr").symlink_to("/usr/bin/tr")
    done = run("password")
    assert (done.returncode, done.stdout) == (69, "")
    assert "/dev/urandom" in done.stderr


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


def read_by(*command: str, given: str = "") -> str:
    """What an independent reader says of it; an error is the test's."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["authority", "server-certificate"])
def test_a_certificate_has_the_fields_that_openssl_ca_gave_it(
    authority: dict[str, str], server: dict[str, str], name: str
) -> None:
    """The golden files are of certificates that `openssl ca` made, and MySQL 5.6.24 took."""
    pair = {"authority": authority, "server-certificate": server}[name]
    without = "no_pubkey,no_sigdump,no_serial"
    shown = read_by(
        *("openssl", "x509", "-noout", "-text", "-certopt", without),
        *("-nameopt", "multiline,show_type"),
        given=pair["certificate"],
    )
    for own, word in OWN:
        shown = re.sub(own, word, shown)
    assert shown == (GOLDEN / f"{name}.txt").read_text()


def test_openssl_takes_key_and_certificate_for_a_server_and_for_a_client(
    authority: dict[str, str], server: dict[str, str], tmp_path: Path
) -> None:
    ca, certificate = tmp_path / "ca.pem", tmp_path / "server.pem"
    ca.write_text(authority["certificate"])
    certificate.write_text(server["certificate"])
    for purpose in ("sslserver", "sslclient"):
        for address in NODE[1:]:
            read_by(
                *("openssl", "verify", "-x509_strict", "-purpose", purpose),
                *("-verify_ip", address, "-CAfile", str(ca), str(certificate)),
            )
    for pair in (authority, server):
        read_by("openssl", "rsa", "-check", "-noout", given=pair["key"])
        of_key = read_by("openssl", "rsa", "-pubout", given=pair["key"])
        of_certificate = ("openssl", "x509", "-noout", "-pubkey")
        assert read_by(*of_certificate, given=pair["certificate"]) == of_key


def brought(folder: Path, *more: str) -> tuple[str, str]:
    """Certificate and key of a CA that OpenSSL made."""
    key, certificate = folder / "key.pem", folder / "ca.pem"
    read_by(
        *("openssl", "req", "-x509", "-nodes", "-subj", "/C=DE/O=Example/CN=Own CA"),
        *("-days", "9", "-keyout", str(key), "-out", str(certificate), *more),
    )
    return certificate.read_text(), key.read_text()


@pytest.mark.parametrize(
    "kind",
    [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")],
    ids=["RSA", "EC"],
)
def test_a_given_authority_signs(kind: tuple[str, ...], tmp_path: Path) -> None:
    certificate, key = brought(tmp_path, *kind)
    made_of = made("server-certificate", *NODE, stdin=f"{certificate}\n{key}\n")
    (tmp_path / "server.pem").write_text(made_of["certificate"])
    read_by("openssl", "verify", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "server.pem"))
    # with Windows' ends of lines, too
    made("server-certificate", *NODE, stdin=f"{certificate}{key}".replace("\n", "\r\n"))


def test_an_authority_that_may_not_sign_is_refused(tmp_path: Path) -> None:
    no_authority = ("-addext", "basicConstraints=critical,CA:FALSE")
    certificate, key = brought(tmp_path, "-newkey", "rsa:2048", *no_authority)
    done = run("server-certificate", *NODE, stdin=certificate + key)
    assert (done.returncode, done.stdout) == (1, "")
    assert "may not sign" in done.stderr
    assert "caCertificate" in done.stderr


def test_an_authority_that_has_ended_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Own CA")])
    ended = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    both = ended.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, form, plain
    )
    done = run("server-certificate", *NODE, stdin=both.decode())
    assert (done.returncode, done.stdout) == (1, "")
    assert "from 2020-01-01 to 2021-01-01, expected one that is valid today" in done.stderr


def test_an_authority_below_another_needs_that_one_beside_it(
    authority: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_text(authority["certificate"])
    (tmp_path / "root.key").write_text(authority["key"])
    certificate, key = brought(
        tmp_path,
        *("-newkey", "rsa:2048", "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-CA", str(tmp_path / "root.pem"), "-CAkey", str(tmp_path / "root.key")),
    )
    done = run("server-certificate", *NODE, stdin=certificate + key)
    assert done.returncode == 1
    assert "signed by another CA" in done.stderr
    made("server-certificate", *NODE, stdin=certificate + authority["certificate"] + key)


def test_two_authorities_are_different(authority: dict[str, str]) -> None:
    other = made("authority")
    assert load(other).serial_number != load(authority).serial_number
    assert other["key"] != authority["key"]


def test_a_key_of_another_authority_is_refused(authority: dict[str, str]) -> None:
    stdin = authority["certificate"] + made("authority")["key"]
    done = run("server-certificate", *NODE, stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "caCertificate and caPrivateKey" in done.stderr


def test_no_certificate_at_all_is_refused() -> None:
    done = run("server-certificate", *NODE, stdin="nothing")
    assert done.returncode == 1
    assert "holds no certificate" in done.stderr


def test_a_made_ssh_key_reads_back_as_itself() -> None:
    key = made("ssh-key", "make")
    assert key["public_key"].startswith("ssh-ed25519 ")
    for given in (key["private_key"], key["private_key"].strip()):
        read = made("ssh-key", "read", stdin=given)
        assert read["public_key"].split()[:2] == key["public_key"].split()[:2]
        assert read["private_key"] == key["private_key"]


def test_openssh_reads_a_made_ssh_key(tmp_path: Path) -> None:
    key = made("ssh-key", "make")
    file = tmp_path / "key"
    file.write_text(key["private_key"])
    file.chmod(0o600)
    public = read_by("ssh-keygen", "-y", "-P", "", "-f", str(file))
    assert key["public_key"].split() == [*public.split(), "mysql-ring"]


FORMS = [
    ("rsa", "RFC4716"),
    ("rsa", "PEM"),
    ("rsa", "PKCS8"),
    ("ed25519", "RFC4716"),
]


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_key_of_ssh_keygen_is_read_as_it_stands(kind: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    command = ("ssh-keygen", "-q", "-t", kind, "-m", form, "-N", "", "-C", "", "-f", str(file))
    read_by(*command)
    read = made("ssh-key", "read", stdin=file.read_text())
    assert read == {
        "private_key": file.read_text(),
        "public_key": file.with_suffix(".pub").read_text().strip(),
    }


def test_a_key_that_ec2_does_not_take_is_refused(tmp_path: Path) -> None:
    read_by("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key"))
    done = run("ssh-key", "read", stdin=(tmp_path / "key").read_text())
    assert (done.returncode, done.stdout) == (1, "")
    assert "RSA or Ed25519" in done.stderr


@pytest.mark.parametrize(
    "place", ["own place/bin/python", "venv/bin/python", ".venv/bin/python", "tools/python3"]
)
def test_the_python_of_the_program_is_found(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip(tmp_path, monkeypatch)
    done = run("ssh-key", "make")
    assert (done.returncode, done.stdout) == (69, "")
    assert "pip install -r requirements.txt" in done.stderr
    (tmp_path / "Pulumi.yaml").write_text(
        'name: x\nruntime:\n  name: python\n  options:\n    virtualenv: "own place"\n'
    )
    # One that lacks the package is passed over.
    program(tmp_path / "tools" / "python", "exit 1")
    program(tmp_path / place, f'exec {sys.executable} "$@"')
    assert made("ssh-key", "make")["public_key"].startswith("ssh-ed25519 ")


def test_the_active_virtual_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip(tmp_path, monkeypatch)
    program(tmp_path / "active" / "bin" / "python", f'exec {sys.executable} "$@"')
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert made("ssh-key", "make")["public_key"].startswith("ssh-ed25519 ")


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
        ("server-certificate", NODE, 1),
    ],
)
def test_no_file_is_left_behind(
    name: str, arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    done = run(name, *arguments, stdin="no key", folder=tmp_path)
    assert done.returncode == code
    assert list(tmp_path.iterdir()) == []
