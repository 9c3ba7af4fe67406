"""Key pair."""

from typing import Any

from cloud.providers.aws.ec2 import Ec2Resource, first
from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.schema import Argument, Table

_MISSING = ("InvalidKeyPair.NotFound",)


class KeyPair(Ec2Resource):
    type_name = "aws:ec2/keyPair:KeyPair"
    kind = "key-pair"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_key_pair.go",
        arguments=(
            Argument("keyName", replace=True, computed=True, conflicts=("keyNamePrefix",)),
            Argument("keyNamePrefix", replace=True, computed=True),
            Argument("publicKey", required=True, replace=True),
            REGION,
            TAGS,
        ),
        outputs=("arn", "fingerprint", "keyPairId", "keyType"),
        autoname="keyName",
    )

    def make(self, work: Work) -> str:
        name = prefixed(work.inputs, "keyName", "keyNamePrefix")
        work.ec2.import_key_pair(
            KeyName=name,
            PublicKeyMaterial=work.inputs["publicKey"].encode(),
            TagSpecifications=self.tag_specifications(work),
        )
        return name

    def _find(self, work: Work) -> Any:
        return first(work.ec2.describe_key_pairs, "KeyPairs", _MISSING, KeyNames=[work.id])

    def tagged_id(self, work: Work) -> str:
        return self._find(work)["KeyPairId"]

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        return {
            "arn": work.session.arn("ec2", f"key-pair/{work.id}"),
            "fingerprint": found.get("KeyFingerprint", ""),
            "keyName": work.id,
            "keyPairId": found.get("KeyPairId", ""),
            "keyType": found.get("KeyType", ""),
            "tags": unpair(found.get("Tags")),
        }

    def destroy(self, work: Work) -> None:
        ignoring(_MISSING, work.ec2.delete_key_pair, KeyName=work.id)


RESOURCES = (KeyPair(),)
