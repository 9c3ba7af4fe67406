"""Key pairs: EC2 takes two types of key."""

from typing import Any

import pytest
from aws_world import refused
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

pytestmark = pytest.mark.refusals


def test_a_public_key_is_rsa_or_ed25519(ec2: Any) -> None:
    def bring(name: str, key: Any) -> None:
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public)

    with refused("InvalidKey.Format", "Key is not in valid OpenSSH public key format"):
        bring("other", ec.generate_private_key(ec.SECP256R1()))
    with refused("InvalidKey.Format"):
        ec2.import_key_pair(KeyName="none", PublicKeyMaterial=b"no key")
    bring("one", ed25519.Ed25519PrivateKey.generate())
    bring("two", rsa.generate_private_key(65537, 2048))
