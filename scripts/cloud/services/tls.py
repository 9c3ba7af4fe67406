"""The lab's certificate authority, and a certificate for each name that a client asks for."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.lab import write_private

AUTHORITY_NAME = "mysql-ring lab authority"
VALID_DAYS = 3650
BACKDATED = datetime.timedelta(days=1)
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


class Authority:
    """A key and a certificate in a folder, made once in the life of a lab."""

    def __init__(self, folder: Path) -> None:
        self.certificate_path = folder / "ca.pem"
        key_path = folder / "ca.key"
        if not (self.certificate_path.exists() and key_path.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(key_path, _pem(key))
            self.certificate_path.write_bytes(
                _authority(key).public_bytes(serialization.Encoding.PEM)
            )
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self.key = loaded
        self.certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())

    def write_bundle(self, path: Path) -> None:
        """The machine's own authorities and the lab's, for clients in the world."""
        path.write_bytes(SYSTEM_BUNDLE.read_bytes() + self.certificate_path.read_bytes())

    def sign(self, name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Certificate of a server of this name, as PEM."""
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(name[:64]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=397))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


class ServerContexts:
    """TLS for every name that `known` accepts; the first handshake of a name makes its
    certificate."""

    def __init__(self, authority: Authority, folder: Path, known: Callable[[str], bool]) -> None:
        self._authority = authority
        self._folder = folder
        self._known = known
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self._choose  # type: ignore[assignment]

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        if name is None or not self._known(name):
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self._context_of(name.lower())
        return None

    def _context_of(self, name: str) -> ssl.SSLContext:
        with self._lock:
            if name not in self._contexts:
                path = self._folder / "server.pem"
                write_private(path, _pem(self._key) + self._authority.sign(name, self._key))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path)
                path.unlink()
                self._contexts[name] = context
            return self._contexts[name]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(AUTHORITY_NAME))
        .issuer_name(_name(AUTHORITY_NAME))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
