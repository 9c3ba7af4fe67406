"""CA, certificate and key of a server, and TLS as 5.6 speaks it."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base import paths
from ..base.errors import NodeError, refused, wrong_input

PKCS1 = "-----BEGIN RSA PRIVATE KEY-----"
ANY_CIPHER = "DEFAULT:@SECLEVEL=1"
# The server of 5.6.24 knows TLS 1.0 and, of what OpenSSL 3 still offers, AES256-SHA only.
CIPHERS = "ECDHE+AESGCM:AES256-SHA:@SECLEVEL=1"
LEGACY_SERVER_CONNECT = 0x4  # OpenSSL 3: a server without secure renegotiation


@dataclass(frozen=True)
class Keys:
    ca: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Keys()"


def check(keys: Keys, addresses: Sequence[str]) -> None:
    """Refuses what would make 5.6 start with have_ssl=DISABLED, a slave hang up, or a copy fail:
    for that the certificate is shown by a client too.

    The last address is the one that a slave reads from.
    """
    if not keys.key.lstrip().startswith(PKCS1):
        raise wrong_input("the key is not an RSA key in PKCS#1 form", f"a file with {PKCS1}")
    subject = ""
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain"), Path(folder, "key")
        chain.write_bytes(lines(keys.certificate))
        key.touch(mode=0o600)
        key.write_bytes(lines(keys.key))
        try:
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.set_ciphers(ANY_CIPHER)
            server.load_cert_chain(chain, key)
            server.verify_mode = ssl.CERT_REQUIRED
            server.load_verify_locations(cadata=keys.ca)
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.set_ciphers(ANY_CIPHER)
            client.load_verify_locations(cadata=keys.ca)
            client.load_cert_chain(chain, key)
            for address in addresses:
                subject = _shake_hands(server, client, address)
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(error) from None
    if addresses and subject != addresses[-1]:
        raise wrong_input(
            f"the certificate's common name is {subject!r}",
            f"{addresses[-1]}: a slave of MySQL 5.6 compares nothing else",
        )


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, address: str) -> str:
    """A TLS handshake in memory: the client trusts the CA and asks for that address.

    Answers the common name in the certificate.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor = client.wrap_bio(to_client, to_server, server_hostname=address)
    greeter = server.wrap_bio(to_server, to_client, server_side=True)
    ends = [visitor, greeter]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    shown = visitor.getpeercert() or {}
    names = (pair for part in shown.get("subject", ()) for pair in part)
    return next((value for key, value in names if key == "commonName"), "")


def _unusable(error: Exception) -> NodeError:
    said = getattr(error, "verify_message", "") or getattr(error, "reason", None)
    return wrong_input(
        f"certificate, key and CA do not go together: {said or type(error).__name__}",
        "a PEM certificate with its own key that names both addresses of this node, signed by "
        "the PEM certificate of the CA; with an extended key usage for servers and for clients, "
        "or with none",
    )


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(CIPHERS)
    context.options |= LEGACY_SERVER_CONNECT
    context.check_hostname = True  # the certificate names every address of its host
    context.load_verify_locations(paths.CA)
    return context


def refuse_disabled(have_ssl: str) -> None:
    """A server that cannot use its certificate starts all the same, and speaks no TLS."""
    if have_ssl != "YES":
        raise refused(
            f"have_ssl is {have_ssl}: the server does not use its certificate",
            "have_ssl=YES",
            f"see what {paths.ERROR_LOG} says about SSL; give an RSA key in PKCS#1 form",
        )


def lines(text: str) -> bytes:
    return (text.strip() + "\n").encode()
