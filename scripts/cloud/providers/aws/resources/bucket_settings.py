"""Settings of an S3 bucket, each a resource: the id is the bucket's name."""

from typing import Any

from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.resource import REGION, AwsResource, Work
from cloud.providers.aws.resources.bucket import MISSING
from cloud.providers.aws.resources.iam import check_policy
from cloud.providers.difference import Changes
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import BOOLEAN, JSON, LIST, OBJECT, Argument, Failure, Table

_BUCKET = Argument("bucket", required=True, replace=True)
_SECONDS = 2 * 60.0


class Setting(AwsResource):
    """Writes one setting of a bucket. Update is the same call as create."""

    absent: tuple[str, ...] = ()
    """Codes that say that the bucket has no such setting."""
    passing: tuple[str, ...] = ("NoSuchBucket", "OperationAborted")
    """Refusals of a change that may be over at the next attempt: a bucket just made is not known
    everywhere at once, and S3 refuses two changes of one bucket at a time."""

    def put(self, work: Work) -> None:
        raise NotImplementedError

    def get(self, work: Work) -> dict[str, Any] | None:
        raise NotImplementedError

    def remove(self, work: Work) -> None:
        raise NotImplementedError

    def bucket(self, work: Work) -> str:
        return {**work.old, **work.inputs}.get("bucket") or work.id.partition(",")[0]

    def make(self, work: Work) -> str:
        self._write(work)
        return work.inputs["bucket"]

    def _write(self, work: Work) -> None:
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code in self.passing,
            lambda: self.put(work),
        )

    def change(self, work: Work) -> None:
        self._write(work)

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self.get(work)
        return found and {"bucket": self.bucket(work), **found}

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code == "OperationAborted",
            lambda: self.remove(work),
        )

    def ask(self, work: Work, function: Any) -> Any:
        return ignoring((*MISSING, *self.absent), function, Bucket=self.bucket(work))


_BLOCKS = (
    ("blockPublicAcls", "BlockPublicAcls"),
    ("blockPublicPolicy", "BlockPublicPolicy"),
    ("ignorePublicAcls", "IgnorePublicAcls"),
    ("restrictPublicBuckets", "RestrictPublicBuckets"),
)


class PublicAccessBlock(Setting):
    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_public_access_block.go",
        arguments=(
            _BUCKET,
            *(Argument(name, BOOLEAN, default=False) for name, _ in _BLOCKS),
            REGION,
            Argument("skipDestroy", BOOLEAN),
        ),
    )

    def put(self, work: Work) -> None:
        settings = {key: work.inputs.get(name, False) for name, key in _BLOCKS}
        work.s3.put_public_access_block(
            Bucket=self.bucket(work), PublicAccessBlockConfiguration=settings
        )

    def get(self, work: Work) -> dict[str, Any] | None:
        answer = self.ask(work, work.s3.get_public_access_block)
        if answer is None:
            return None
        found = answer["PublicAccessBlockConfiguration"]
        return {name: found.get(key, False) for name, key in _BLOCKS}

    def remove(self, work: Work) -> None:
        if not work.old.get("skipDestroy"):
            self.ask(work, work.s3.delete_public_access_block)


class Encryption(Setting):
    type_name = (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    absent = ("ServerSideEncryptionConfigurationNotFoundError",)
    table = Table(
        source=(
            "terraform-provider-aws "
            "internal/service/s3/bucket_server_side_encryption_configuration.go"
        ),
        arguments=(
            _BUCKET,
            REGION,
            Argument(
                "rules",
                LIST,
                required=True,
                fields=(
                    Argument(
                        "applyServerSideEncryptionByDefault",
                        OBJECT,
                        fields=(
                            Argument("kmsMasterKeyId"),
                            Argument(
                                "sseAlgorithm",
                                required=True,
                                choices=("AES256", "aws:kms", "aws:kms:dsse"),
                            ),
                        ),
                    ),
                    Argument("bucketKeyEnabled", BOOLEAN),
                ),
            ),
        ),
    )

    def put(self, work: Work) -> None:
        rules = []
        for rule in work.inputs["rules"]:
            one: dict[str, Any] = {}
            given = rule.get("applyServerSideEncryptionByDefault")
            if given:
                one["ApplyServerSideEncryptionByDefault"] = {"SSEAlgorithm": given["sseAlgorithm"]}
                if given.get("kmsMasterKeyId"):
                    one["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = given[
                        "kmsMasterKeyId"
                    ]
            if rule.get("bucketKeyEnabled") is not None:
                one["BucketKeyEnabled"] = rule["bucketKeyEnabled"]
            rules.append(one)
        work.s3.put_bucket_encryption(
            Bucket=self.bucket(work), ServerSideEncryptionConfiguration={"Rules": rules}
        )

    def get(self, work: Work) -> dict[str, Any] | None:
        answer = self.ask(work, work.s3.get_bucket_encryption)
        if answer is None:
            return None
        rules = []
        for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]:
            found = rule.get("ApplyServerSideEncryptionByDefault", {})
            rules.append(
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": found.get("SSEAlgorithm", ""),
                        "kmsMasterKeyId": found.get("KMSMasterKeyID", ""),
                    },
                    "bucketKeyEnabled": rule.get("BucketKeyEnabled", False),
                }
            )
        return {"rules": rules}

    def remove(self, work: Work) -> None:
        self.ask(work, work.s3.delete_bucket_encryption)


class Versioning(Setting):
    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_versioning.go",
        arguments=(
            _BUCKET,
            Argument("mfa"),
            REGION,
            Argument(
                "versioningConfiguration",
                OBJECT,
                required=True,
                fields=(
                    Argument("mfaDelete", choices=("Enabled", "Disabled"), computed=True),
                    Argument("status", required=True, choices=("Enabled", "Suspended", "Disabled")),
                ),
            ),
        ),
    )

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        """S3 has no way back to a bucket that never was versioned (CustomizeDiff)."""
        old = (state.get("versioningConfiguration") or {}).get("status")
        new = (inputs.get("versioningConfiguration") or {}).get("status")
        if new == "Disabled" and old in ("Enabled", "Suspended"):
            raise ProviderError(
                f"versioning_configuration.status cannot be updated from '{old}' to '{new}'; "
                "use 'Suspended'"
            )
        return super().diff(state, inputs, call)

    def put(self, work: Work) -> None:
        wanted = work.inputs["versioningConfiguration"]
        if wanted["status"] == "Disabled":  # a bucket that never was versioned: nothing to say
            return
        settings = {"Status": wanted["status"]}
        if wanted.get("mfaDelete"):
            settings["MFADelete"] = wanted["mfaDelete"]
        work.s3.put_bucket_versioning(
            Bucket=self.bucket(work),
            VersioningConfiguration=settings,
            **work.pick(MFA="mfa"),
        )

    def get(self, work: Work) -> dict[str, Any] | None:
        answer = self.ask(work, work.s3.get_bucket_versioning)
        if answer is None:
            return None
        return {
            "versioningConfiguration": {
                "status": answer.get("Status", "Disabled"),
                "mfaDelete": answer.get("MFADelete", ""),
            }
        }

    def remove(self, work: Work) -> None:
        """Versioning cannot be taken away; the official plugin suspends it."""
        if (work.old.get("versioningConfiguration") or {}).get("status") == "Disabled":
            return
        ignoring(
            MISSING,
            work.s3.put_bucket_versioning,
            Bucket=self.bucket(work),
            VersioningConfiguration={"Status": "Suspended"},
        )


class OwnershipControls(Setting):
    type_name = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    absent = ("OwnershipControlsNotFoundError",)
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_ownership_controls.go",
        arguments=(
            _BUCKET,
            REGION,
            Argument(
                "rule",
                OBJECT,
                required=True,
                fields=(
                    Argument(
                        "objectOwnership",
                        required=True,
                        choices=("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"),
                    ),
                ),
            ),
        ),
    )

    def put(self, work: Work) -> None:
        rule = {"ObjectOwnership": work.inputs["rule"]["objectOwnership"]}
        work.s3.put_bucket_ownership_controls(
            Bucket=self.bucket(work), OwnershipControls={"Rules": [rule]}
        )

    def get(self, work: Work) -> dict[str, Any] | None:
        answer = self.ask(work, work.s3.get_bucket_ownership_controls)
        if answer is None:
            return None
        rules = answer["OwnershipControls"]["Rules"]
        return {"rule": {"objectOwnership": rules[0]["ObjectOwnership"]}} if rules else None

    def remove(self, work: Work) -> None:
        self.ask(work, work.s3.delete_bucket_ownership_controls)


class Policy(Setting):
    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    absent = ("NoSuchBucketPolicy",)
    # a role just made is no principal yet; a policy that is wrong is told after two minutes
    passing = ("MalformedPolicy", "NoSuchBucket")
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_policy.go",
        arguments=(_BUCKET, Argument("policy", JSON, required=True), REGION),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        return check_policy(inputs, "policy")

    def put(self, work: Work) -> None:
        work.s3.put_bucket_policy(Bucket=self.bucket(work), Policy=work.inputs["policy"])

    def get(self, work: Work) -> dict[str, Any] | None:
        answer = self.ask(work, work.s3.get_bucket_policy)
        return answer and {"policy": answer["Policy"]}

    def remove(self, work: Work) -> None:
        self.ask(work, work.s3.delete_bucket_policy)


RESOURCES = (PublicAccessBlock(), Encryption(), Versioning(), OwnershipControls(), Policy())
