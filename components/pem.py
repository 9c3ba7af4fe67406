"""Keys and certificates as far as they must be understood to see that they fit together.

Standard library only. It tells a key from a certificate and one pair from another; whether a
signature is right is for OpenSSL to say.
"""

import base64
import re
from typing import NamedTuple

BLOCK = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s(?P<body>.*?)-----END (?P=label)-----", re.DOTALL
)
# DER: https://www.itu.int/rec/T-REC-X.690
INTEGER, OCTETS, SEQUENCE = 0x02, 0x04, 0x30
LONG_LENGTH = 0x80
# The attribute commonName (2.5.4.3), https://www.rfc-editor.org/rfc/rfc5280
COMMON_NAME = bytes.fromhex("0603550403")
# The extension extKeyUsage (2.5.29.37), and what it may hold: clientAuth, any
EXTENDED_USAGE = bytes.fromhex("0603551d25")
FOR_CLIENTS = (bytes.fromhex("06082b06010505070302"), bytes.fromhex("0604551d2500"))
OPENSSH = b"openssh-key-v1\0"
LENGTH = 4
NO_CIPHER = b"none"
SSH_TYPE = re.compile(rb"[a-z0-9@.-]+")
# How a kind of key is written in PKCS#8: https://www.rfc-editor.org/rfc/rfc5208#section-5
KINDS = {
    bytes.fromhex("06092a864886f70d010101"): "ssh-rsa",
    bytes.fromhex("06032b6570"): "ssh-ed25519",
    bytes.fromhex("06072a8648ce3d0201"): "ecdsa",
    bytes.fromhex("06072a8648ce380401"): "ssh-dss",
}
# and in the labels of OpenSSL's older forms
LABELS = {
    "RSA PRIVATE KEY": "ssh-rsa",
    "EC PRIVATE KEY": "ecdsa",
    "DSA PRIVATE KEY": "ssh-dss",
}
# version, modulus and seven more: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2
RSA_PARTS = 9


class Block(NamedTuple):
    """One BEGIN to END of a PEM text."""

    label: str
    content: bytes
    encrypted: bool


class Part(NamedTuple):
    tag: int
    content: bytes


def block(text: str, ending: str) -> Block | None:
    """The first block whose label ends so, or None when there is none that can be decoded."""
    for found in BLOCK.finditer(text.replace("\r\n", "\n")):
        label, body = found["label"], found["body"]
        if not label.endswith(ending):
            continue
        # OpenSSL's older form has headers before the content.
        headers, _, rest = body.rpartition("\n\n") if ":" in body else ("", "", body)
        try:
            content = base64.b64decode("".join(rest.split()), validate=True)
        except ValueError:
            return None
        encrypted = "ENCRYPTED" in label or "ENCRYPTED" in headers or _openssh_encrypted(content)
        return Block(label, content, encrypted) if content else None
    return None


def _openssh_encrypted(content: bytes) -> bool:
    """The format: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key"""
    cipher = content.removeprefix(OPENSSH)[: LENGTH + len(NO_CIPHER)]
    whole = content.startswith(OPENSSH) and len(cipher) == LENGTH + len(NO_CIPHER)
    return whole and cipher != len(NO_CIPHER).to_bytes(LENGTH, "big") + NO_CIPHER


def ssh_type(key: Block) -> str | None:
    """What kind of key it is, in the words of SSH; None when its content does not say it."""
    if key.content.startswith(OPENSSH):
        return _openssh_type(key.content)
    if key.label in LABELS:
        return LABELS[key.label] if is_der(key.content) else None
    try:
        (whole,) = parts(key.content)
        _, algorithm, *_ = parts(whole.content)
    except ValueError:
        return None
    kinds = (kind for written, kind in KINDS.items() if algorithm.content.startswith(written))
    return next(kinds, None)


def _openssh_type(content: bytes) -> str | None:
    """The type with which the first public half begins. Before it stand cipher, key derivation and
    its options, each with its length, the number of keys, and the length of that half."""
    rest = content.removeprefix(OPENSSH)
    for _ in range(3):
        rest = rest[LENGTH + int.from_bytes(rest[:LENGTH], "big") :]
    rest = rest[2 * LENGTH :]
    kind = rest[LENGTH : LENGTH + int.from_bytes(rest[:LENGTH], "big")]
    return kind.decode() if SSH_TYPE.fullmatch(kind) else None


def parts(content: bytes) -> list[Part]:
    """The values that stand one after the other in DER. ValueError when it is none."""
    found: list[Part] = []
    at = 0
    while at < len(content):
        tag, length, start = content[at], content[at + 1 : at + 2], at + 2
        if not length:
            raise ValueError("cut off")
        size = length[0]
        if size >= LONG_LENGTH:
            end = start + size - LONG_LENGTH
            size, start = int.from_bytes(content[start:end], "big"), end
        if start + size > len(content):
            raise ValueError("cut off")
        found.append(Part(tag, content[start : start + size]))
        at = start + size
    return found


def is_der(content: bytes) -> bool:
    """Whether this is one whole DER sequence, as certificates and keys are."""
    try:
        return [part.tag for part in parts(content)] == [SEQUENCE]
    except ValueError:
        return False


def rsa_modulus(key: bytes) -> bytes | None:
    """The modulus of an RSA key in PKCS#1 or PKCS#8 form; None when it is another kind of key."""
    try:
        (whole,) = parts(key)
        inner = parts(whole.content)
        if [part.tag for part in inner[:3]] == [INTEGER, SEQUENCE, OCTETS]:
            return rsa_modulus(inner[2].content)
    except ValueError:
        return None
    is_rsa = len(inner) >= RSA_PARTS and all(part.tag == INTEGER for part in inner[:RSA_PARTS])
    return inner[1].content if is_rsa else None


def has_common_name(certificate: bytes, name: str) -> bool:
    """Whether a certificate (DER) carries this common name."""
    text = name.encode()
    found = re.escape(COMMON_NAME) + b"." + re.escape(bytes([len(text)]) + text)
    return re.search(found, certificate, re.DOTALL) is not None


def serves_clients(certificate: bytes) -> bool:
    """Whether a certificate (DER) may be shown by a client: it does not say that it may not."""
    _, found, rest = certificate.partition(EXTENDED_USAGE)
    return not found or any(usage in rest for usage in FOR_CLIENTS)
