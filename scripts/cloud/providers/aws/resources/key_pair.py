"""Key pair."""

from typing import Any

from cloud.providers.aws.ec2 import Ec2Resource
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.schema import Argument, Table


class KeyPair(Ec2Resource):
    type_name = "aws:ec2/keyPair:KeyPair"
    noun, kind, identifier = "KeyPair", "key-pair", "KeyName"
    creates = "ImportKeyPair"
    missing = ("InvalidKeyPair.NotFound",)
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_key_pair.go",
        arguments=(
            Argument("keyName", replace=True, computed=True, conflicts=("keyNamePrefix",)),
            Argument("keyNamePrefix", replace=True, computed=True),
            Argument("publicKey", required=True, replace=True, api="PublicKeyMaterial"),
            REGION,
            TAGS,
        ),
        outputs=("arn", "fingerprint", "keyPairId", "keyType"),
        autoname="keyName",
    )

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        name = prefixed(work.inputs, "keyName", "keyNamePrefix")
        return {**super().given(work, operation), "KeyName": name}

    def tagged_id(self, work: Work) -> str:
        return (self.find(work) or {})["KeyPairId"]

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        return {**super().told(work, found), "fingerprint": found.get("KeyFingerprint", "")}


RESOURCES = (KeyPair(),)
