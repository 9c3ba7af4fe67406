"""Keys and certificates that the operator brings: whether they can be read and fit together.

No text here holds any part of a key.
"""

from components import pem
from components.problems import Found, Problem
from components.settings import Settings

PKCS1 = "RSA PRIVATE KEY"


def certificate(setting: str, text: str) -> Found:
    found = pem.block(text, "CERTIFICATE")
    if found is None or not pem.is_der(found.content):
        expected = "a certificate in PEM form (BEGIN CERTIFICATE), whole"
        yield Problem(setting, "something else", expected)


def private_key(setting: str, text: str) -> Found:
    found = pem.block(text, "PRIVATE KEY")
    if found is None:
        expected = "a private key in PEM or OpenSSH form (BEGIN ... PRIVATE KEY), whole"
        yield Problem(setting, "something else", expected)
    elif found.encrypted:
        yield Problem(setting, "a key with a passphrase", "a key without one")


def rsa_key(setting: str, text: str) -> Found:
    found = pem.block(text, "PRIVATE KEY")
    if found and found.label != PKCS1:
        expected = f"an RSA key in PKCS#1 form (BEGIN {PKCS1}): 5.6 reads no other"
        yield Problem(setting, f"another form (BEGIN {found.label})", expected)
    elif found and not found.encrypted and pem.rsa_modulus(found.content) is None:
        yield Problem(setting, "something else", "an RSA key, whole")


def pair(setting: str, of: str, certificate_text: str, key_text: str) -> Found:
    """The key belongs to the certificate. Other keys than RSA are left to OpenSSL."""
    one, other = pem.block(certificate_text, "CERTIFICATE"), pem.block(key_text, "PRIVATE KEY")
    if one is None or other is None:
        return
    modulus = pem.rsa_modulus(other.content)
    if modulus and modulus not in one.content:
        yield Problem(setting, "the key of another certificate", f"the key of {of}")


def authority(settings: Settings) -> Found:
    if settings.ca_certificate:
        yield from certificate("caCertificate", settings.ca_certificate)
    if settings.ca_private_key:
        yield from private_key("caPrivateKey", settings.ca_private_key)
    if settings.ca_certificate and settings.ca_private_key:
        given = settings.ca_certificate, settings.ca_private_key
        yield from pair("caPrivateKey", "caCertificate", *given)
    if settings.ca_private_key and not settings.ca_certificate:
        yield Problem("caCertificate", "nothing", "the certificate of caPrivateKey")
    elif settings.node_certificates and not settings.ca_certificate:
        expected = "the certificate that signed nodeCertificates"
        yield Problem("caCertificate", "nothing", expected)
    every_node = {node.name for node in settings.nodes} <= set(settings.node_certificates)
    if settings.ca_certificate and not settings.ca_private_key and not every_node:
        expected = "the key of caCertificate, or a certificate for each node in nodeCertificates"
        yield Problem("caPrivateKey", "nothing", expected, compared="nodeCertificates")


def nodes(settings: Settings) -> Found:
    addresses = {node.name: node.replication_address for node in settings.nodes}
    for name, given in settings.node_certificates.items():
        setting = f"nodeCertificates.{name}"
        if name not in addresses:
            expected = f"the name of a node ({', '.join(addresses)})"
            yield Problem(setting, "a certificate", expected, compared="nodes")
        yield from certificate(f"{setting}.certificate", given.certificate)
        yield from private_key(f"{setting}.key", given.key)
        yield from rsa_key(f"{setting}.key", given.key)
        yield from pair(f"{setting}.key", "its certificate", given.certificate, given.key)
        found = pem.block(given.certificate, "CERTIFICATE")
        address = addresses.get(name)
        if found and address and not pem.has_common_name(found.content, address):
            expected = f"{address}, the node's replication address: 5.6 compares nothing else"
            yield Problem(
                f"{setting}.certificate", "another common name", expected, compared="nodes"
            )


def ssh_key(settings: Settings) -> Found:
    if settings.ssh_private_key:
        yield from private_key("sshPrivateKey", settings.ssh_private_key)
