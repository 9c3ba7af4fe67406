"""Makes the keys and certificates of a ring, and prints each as JSON.

What is secret comes on standard input and goes to standard output; no file is written. Called by
the scripts beside it, whose names are its commands.
"""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A certificate that begins now is refused by a server whose clock is behind, and by MySQL 5.6.24
# itself for the rest of the minute.
BACKDATED = timedelta(days=1)
VALID = timedelta(days=3653)
KEY_BITS, EXPONENT = 2048, 65537
ORGANIZATION, COMMENT = "mysql-ring", "mysql-ring"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
SigningKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
PAIR = "set caCertificate and caPrivateKey to a pair"


class Refusal(Exception):
    """What was given cannot be taken; the text holds no part of it."""


def authority() -> dict[str, str]:
    key = rsa.generate_private_key(EXPONENT, KEY_BITS)
    name = _name("mysql-ring CA")
    built = (
        _certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(_identifier(key), critical=False)
    )
    return _pair(built.sign(key, hashes.SHA256()), key)


def server_certificate(node: str, replication: str, client: str) -> dict[str, str]:
    """The common name is the replication address, because MySQL 5.6 compares nothing but the common
    name with MASTER_HOST."""
    signer, signing_key = _signer(sys.stdin.read().replace("\r", ""))
    key = rsa.generate_private_key(EXPONENT, KEY_BITS)
    names: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(replication)),
        x509.IPAddress(ip_address(client)),
        x509.DNSName(node),
    ]
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = (
        _certificate(_name(replication), signer.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature", "key_encipherment"), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_identifier(key), critical=False)
    )
    for extension in signer.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            of_signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier
            built = built.add_extension(of_signer(extension.value), critical=False)
    of_itself = isinstance(signing_key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    signed = built.sign(signing_key, None if of_itself else hashes.SHA256())
    signed.verify_directly_issued_by(signer)
    return _pair(signed, key)


def _signer(given: str) -> tuple[x509.Certificate, SigningKey]:
    """The certificate and the key of a CA that servers and clients will believe."""
    try:
        chain = [
            x509.load_pem_x509_certificate(found[0].encode())
            for found in CERTIFICATE.finditer(given)
        ]
    except ValueError:
        chain = []
    if not chain:
        raise Refusal("standard input holds no certificate; set caCertificate to a PEM one")
    signer = chain[0]
    found = PRIVATE_KEY.search(given)
    try:
        key = serialization.load_pem_private_key(found[0].encode() if found else b"", None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, SigningKey) or key.public_key() != signer.public_key():
        raise Refusal(
            "the CA's private key cannot be read without a passphrase or does not belong to its"
            f" certificate; {PAIR}"
        )
    _check_chain(chain)
    return signer, key


def _check_chain(chain: list[x509.Certificate]) -> None:
    """The first leads to a root, and every one on the way may sign today."""
    now, at, left = datetime.now(UTC), chain[0], list(chain)
    while True:
        if not at.not_valid_before_utc <= now <= at.not_valid_after_utc:
            raise Refusal(
                f"the CA's certificate is valid from {at.not_valid_before_utc:%Y-%m-%d} to"
                f" {at.not_valid_after_utc:%Y-%m-%d}, expected one that is valid today; {PAIR}"
            )
        for extension in at.extensions:
            if isinstance(extension.value, x509.BasicConstraints) and not extension.value.ca:
                raise Refusal(f"the CA's certificate may not sign (CA:FALSE); {PAIR}")
        if at.issuer == at.subject:
            return
        left.remove(at)
        issuer = next((each for each in left if _issued(at, each)), None)
        if issuer is None:
            raise Refusal(
                "the CA's certificate is signed by another CA that is not with it; set"
                " caCertificate to it and all that are above it, in this order"
            )
        at = issuer


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def ssh_key(what: str) -> dict[str, str]:
    if what == "make":
        key = ed25519.Ed25519PrivateKey.generate()
        openssh = serialization.PrivateFormat.OpenSSH
        return {
            "private_key": _pem(key, openssh),
            "public_key": f"{_public(key)} {COMMENT}",
        }
    if what == "read":
        lines = sys.stdin.read().replace("\r", "").split("\n")
        text = "".join(f"{line}\n" for line in lines if line)
        return {"private_key": text, "public_key": _public(_given_ssh_key(text.encode()))}
    raise Refusal(f"found ssh-key {what!r}, expected make or read")


def _given_ssh_key(text: bytes) -> ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey:
    load = serialization.load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in text:
        load = serialization.load_ssh_private_key
    try:
        key = load(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, (ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey)):
        raise Refusal(
            "what was given is not an RSA or Ed25519 private key without a passphrase; set"
            " sshPrivateKey to one"
        )
    return key


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey
) -> x509.CertificateBuilder:
    begins = datetime.now(UTC) - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + BACKDATED + VALID)
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: usage in allowed for usage in usages})


def _identifier(key: rsa.RSAPrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _pair(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The key in PKCS#1 form: with any other MySQL 5.6 starts without TLS and does not say so."""
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {
        "certificate": pem,
        "key": _pem(key, serialization.PrivateFormat.TraditionalOpenSSL),
    }


def _pem(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, form: serialization.PrivateFormat
) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def _public(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*openssh).decode()


COMMANDS: dict[str, tuple[Callable[..., dict[str, str]], tuple[str, ...]]] = {
    "authority": (authority, ()),
    "server-certificate": (
        server_certificate,
        ("NODE", "REPLICATION_ADDRESS", "CLIENT_ADDRESS"),
    ),
    "ssh-key": (ssh_key, ("make|read",)),
}


def main(name: str, *arguments: str) -> int:
    make, expected = COMMANDS[name]
    if len(arguments) != len(expected):
        wanted = " ".join(expected) or "none"
        print(f"{name}: found {len(arguments)} arguments, expected {wanted}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(make(*arguments)))
    except Refusal as refusal:
        print(f"{name}: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
