"""Verb `tls`: CA, certificate and key of this node."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

from . import documents, files, paths, ring_restart, service
from .documents import Keys
from .errors import NodeError, wrong_input
from .report import Report

PKCS1 = "-----BEGIN RSA PRIVATE KEY-----"


def run(document: Any) -> Report:
    report = Report("tls")
    keys = documents.keys(document)
    check(keys)
    for path, text, mode in (
        (paths.CA, keys.ca, 0o644),
        (paths.CERTIFICATE, keys.certificate, 0o644),
        (paths.KEY, keys.key, 0o400),
    ):
        if files.write(path, _lines(text), mode=mode, owner=paths.MYSQL_USER):
            report.did(f"{path} written")
    if report.changed and service.running():
        ring_restart.restart("new certificates", report, peer_must_be_healthy=False)
    return report


def check(keys: Keys) -> None:
    """Refuses what would make 5.6 start with have_ssl=DISABLED."""
    if not keys.key.lstrip().startswith(PKCS1):
        raise wrong_input("the key is not an RSA key in PKCS#1 form", f"a file with {PKCS1}")
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain"), Path(folder, "key")
        chain.write_bytes(_lines(keys.certificate))
        key.touch(mode=0o600)
        key.write_bytes(_lines(keys.key))
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=keys.ca)
            context.load_cert_chain(chain, key)
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(error) from None


def _unusable(error: Exception) -> NodeError:
    reason = getattr(error, "reason", None) or type(error).__name__
    return wrong_input(
        f"certificate, key and CA do not go together: {reason}",
        "a PEM certificate with its own key, and the PEM certificate of its CA",
    )


def _lines(text: str) -> bytes:
    return (text.strip() + "\n").encode()
