"""Verb `tls`: CA, certificate and key of this node."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import NodeError, refused, wrong_input
from ..base.report import Report
from ..host import files
from ..mysql import lifecycle
from ..mysql.tls import Keys
from ..ring import documents, records, restart
from ..ring.documents import Node

PKCS1 = "-----BEGIN RSA PRIVATE KEY-----"
CIPHERS = "DEFAULT:@SECLEVEL=1"


def run(document: Any) -> Report:
    report = Report("tls")
    keys = documents.keys(document)
    node = records.node()
    check(keys, node)
    wanted = {
        paths.CA: (_lines(keys.ca), 0o644),
        paths.CERTIFICATE: (_lines(keys.certificate), 0o644),
        paths.KEY: (_lines(keys.key), 0o400),
    }
    old = {path: files.read_bytes(path) for path in wanted}

    def put() -> None:
        for path in files.write_all(wanted, owner=paths.MYSQL_USER):
            report.did(f"{path} written")

    def back() -> None:
        known = {path: (text, wanted[path][1]) for path, text in old.items() if text is not None}
        files.write_all(known, owner=paths.MYSQL_USER)

    same = all(old[path] == content for path, (content, _) in wanted.items())
    if (same and not lifecycle.restart_due()) or not lifecycle.running() or lifecycle.left_down():
        put()  # who starts the server starts it with them
    else:
        restart.in_turn(
            "new certificates",
            report,
            peer_must_be_healthy=False,
            before=put,
            after=_speaks_tls,
            undo=back,
        )
    return report


def check(keys: Keys, node: Node | None) -> None:
    """Refuses what would make 5.6 start with have_ssl=DISABLED, or the peer hang up."""
    if not keys.key.lstrip().startswith(PKCS1):
        raise wrong_input("the key is not an RSA key in PKCS#1 form", f"a file with {PKCS1}")
    subject = ""
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain"), Path(folder, "key")
        chain.write_bytes(_lines(keys.certificate))
        key.touch(mode=0o600)
        key.write_bytes(_lines(keys.key))
        try:
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.set_ciphers(CIPHERS)
            server.load_cert_chain(chain, key)
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.set_ciphers(CIPHERS)
            client.load_verify_locations(cadata=keys.ca)
            if node is not None:
                _shake_hands(server, client, node.client_address)
                subject = _shake_hands(server, client, node.replication_address)
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(error) from None
    if node is not None and subject != node.replication_address:
        raise wrong_input(
            f"the certificate's common name is {subject!r}",
            f"{node.replication_address}: a slave of MySQL 5.6 compares nothing else",
        )


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, address: str) -> str:
    """A TLS handshake in memory: the client trusts the CA and asks for that address.

    Answers the common name in the certificate.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor = client.wrap_bio(to_client, to_server, server_hostname=address)
    ends = [visitor, server.wrap_bio(to_server, to_client, server_side=True)]
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


def _speaks_tls() -> None:
    from ..mysql import shows, sql

    with sql.own() as session:
        found = shows.identity(session).have_ssl
    if found != "YES":
        raise refused(
            f"have_ssl is {found}",
            "have_ssl=YES",
            f"see what {paths.ERROR_LOG} says about SSL; give an RSA key in PKCS#1 form",
        )


def _unusable(error: Exception) -> NodeError:
    said = getattr(error, "verify_message", "") or getattr(error, "reason", None)
    return wrong_input(
        f"certificate, key and CA do not go together: {said or type(error).__name__}",
        "a PEM certificate with its own key that names both addresses of this node, signed by "
        "the PEM certificate of the CA",
    )


def _lines(text: str) -> bytes:
    return (text.strip() + "\n").encode()
