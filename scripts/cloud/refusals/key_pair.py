"""What EC2 refuses about key pairs."""

from __future__ import annotations

from cloud.refusals.call import Call
from cloud.refusals.guard import refuses

TYPES = (b"ssh-rsa ", b"ssh-ed25519 ")


@refuses("ec2", "ImportKeyPair", code="InvalidKey.Format")
def public_key_is_of_another_type(call: Call) -> str | None:
    """The public key is neither RSA nor Ed25519, in OpenSSH's form.

    Source: AWSEC2 API Reference, ImportKeyPair (which takes two other forms, not modelled); code
    and text as observed in terraform-aws-modules/terraform-aws-key-pair#16 and
    StreisandEffect/streisand#1171.
    """
    material = call.get("PublicKeyMaterial") or b""
    return None if material.startswith(TYPES) else "Key is not in valid OpenSSH public key format"
