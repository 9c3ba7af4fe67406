"""Keys and certificates that the operator brings: whether they can be read and fit together.

No text here holds any part of a key.
"""

from components import pem
from components.inputs import Texts, given
from components.problems import Found, Problem
from components.settings import RingArgs

PKCS1 = "RSA PRIVATE KEY"
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportKeyPair.html
EC2_TYPES = ("ssh-rsa", "ssh-ed25519")


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


def authority(settings: RingArgs, texts: Texts) -> Found:
    has_certificate, has_key = given(settings.ca_certificate), given(settings.ca_private_key)
    shown = has_certificate and "caCertificate" in texts
    key_shown = has_key and "caPrivateKey" in texts
    if shown:
        yield from certificate("caCertificate", texts["caCertificate"])
    if key_shown:
        yield from private_key("caPrivateKey", texts["caPrivateKey"])
    if shown and key_shown:
        both = texts["caCertificate"], texts["caPrivateKey"]
        yield from pair("caPrivateKey", "caCertificate", *both)
    if has_key and not has_certificate:
        yield Problem("caCertificate", "nothing", "the certificate of caPrivateKey")
    elif settings.node_certificates and not has_certificate:
        expected = "the certificate that signed nodeCertificates"
        yield Problem("caCertificate", "nothing", expected)
    every_node = {node.name for node in settings.nodes} <= set(settings.node_certificates)
    if has_certificate and not has_key and not every_node:
        expected = "the key of caCertificate, or a certificate for each node in nodeCertificates"
        yield Problem("caPrivateKey", "nothing", expected, compared="nodeCertificates")


def nodes(settings: RingArgs, texts: Texts) -> Found:
    addresses = {node.name: node.replication_address for node in settings.nodes}
    for name in settings.node_certificates:
        setting = f"nodeCertificates.{name}"
        if name not in addresses:
            expected = f"the name of a node ({', '.join(addresses)})"
            yield Problem(setting, "a certificate", expected, compared="nodes")
        shown, key = texts.get(f"{setting}.certificate"), texts.get(f"{setting}.key")
        if shown is not None:
            yield from certificate(f"{setting}.certificate", shown)
            yield from common_name(f"{setting}.certificate", shown, addresses.get(name))
            yield from usage(f"{setting}.certificate", shown)
        if key is not None:
            yield from private_key(f"{setting}.key", key)
            yield from rsa_key(f"{setting}.key", key)
        if shown is not None and key is not None:
            yield from pair(f"{setting}.key", "its certificate", shown, key)


def common_name(setting: str, text: str, address: str | None) -> Found:
    found = pem.block(text, "CERTIFICATE")
    if found and address and not pem.has_common_name(found.content, address):
        expected = f"{address}, the node's replication address: 5.6 compares nothing else"
        yield Problem(setting, "another common name", expected, compared="nodes")


def usage(setting: str, text: str) -> Found:
    found = pem.block(text, "CERTIFICATE")
    if found and not pem.serves_clients(found.content):
        expected = "clientAuth besides: a node that copies its peer shows it as a client"
        yield Problem(setting, "an extended key usage without clientAuth", expected)


def ssh_key(settings: RingArgs, texts: Texts) -> Found:
    if given(settings.ssh_private_key) and "sshPrivateKey" in texts:
        yield from private_key("sshPrivateKey", texts["sshPrivateKey"])
        yield from ssh_type("sshPrivateKey", texts["sshPrivateKey"])


def ssh_type(setting: str, text: str) -> Found:
    found = pem.block(text, "PRIVATE KEY")
    if found is None or found.encrypted:
        return
    kind = pem.ssh_type(found)
    if kind is None:
        yield Problem(setting, "something else", "an RSA or Ed25519 key, whole")
    elif kind not in EC2_TYPES:
        expected = f"an RSA or Ed25519 key ({' or '.join(EC2_TYPES)}): EC2 takes no other"
        yield Problem(setting, f"a key of the type {kind}", expected)
