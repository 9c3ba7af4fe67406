"""Settings of an S3 bucket, each a resource: the id is the bucket's name."""

from typing import Any

from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.parameters import parameters, told
from cloud.providers.aws.resource import REGION, AwsResource, Work
from cloud.providers.aws.resources.bucket import MISSING
from cloud.providers.aws.resources.iam import check_policy
from cloud.providers.difference import Changes
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import BOOLEAN, INTEGER, JSON, LIST, OBJECT, Argument, Failure, Table

_BUCKET = Argument("bucket", required=True, replace=True)
_SECONDS = 2 * 60.0


class Setting(AwsResource):
    """One setting of a bucket, as the table has it. Update is the same call as create."""

    service = "s3"
    noun = ""
    """S3's own: "BucketPolicy" has PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy."""
    body = ""
    """The parameter that holds the setting, and its place in the answer."""
    absent: tuple[str, ...] = ()
    """Codes that say that the bucket has no such setting."""
    passing: tuple[str, ...] = ("NoSuchBucket", "OperationAborted")
    """Refusals of a change that may be over at the next attempt: a bucket just made is not known
    everywhere at once, and S3 refuses two changes of one bucket at a time."""

    def put(self, work: Work) -> dict[str, Any] | None:
        """The setting as S3 takes it; None when there is nothing to say."""
        members = self.model(work).operation_model(f"Put{self.noun}").input_shape.members
        members = members[self.body].members if self.body else members
        return parameters(self.table.arguments, work.inputs, members)

    def got(self, work: Work, answer: dict[str, Any], /) -> dict[str, Any] | None:
        """The arguments that the setting stands for in S3's form; None when it is none."""
        members = self.model(work).operation_model(f"Get{self.noun}").output_shape.members
        members = members[self.body].members if self.body in members else members
        return told(self.table.arguments, answer, members)

    def bucket(self, work: Work) -> str:
        return {**work.old, **work.inputs}.get("bucket") or work.id.partition(",")[0]

    def make(self, work: Work) -> str:
        self.change(work)
        return work.inputs["bucket"]

    def change(self, work: Work) -> None:
        setting = self.put(work)
        if setting is not None:
            setting = {self.body: setting} if self.body else setting
            arguments = {"Bucket": self.bucket(work), **setting}
            retrying(
                work.call,
                _SECONDS,
                lambda code, _: code in self.passing,
                lambda: self.ask(work, f"Put{self.noun}", **arguments),
            )

    def describe(self, work: Work) -> dict[str, Any] | None:
        bucket = self.bucket(work)
        missing = (*MISSING, *self.absent)
        answer = ignoring(missing, self.ask, work, f"Get{self.noun}", Bucket=bucket)
        if answer is None:
            return None
        found = self.got(work, answer.get(self.body, answer))
        return found and {"bucket": bucket, **found}

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code == "OperationAborted",
            lambda: self.remove(work),
        )

    def remove(self, work: Work) -> None:
        missing = (*MISSING, *self.absent)
        ignoring(missing, self.ask, work, f"Delete{self.noun}", Bucket=self.bucket(work))


class PublicAccessBlock(Setting):
    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    noun, body = "PublicAccessBlock", "PublicAccessBlockConfiguration"
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_public_access_block.go",
        arguments=(
            _BUCKET,
            Argument("blockPublicAcls", BOOLEAN, default=False),
            Argument("blockPublicPolicy", BOOLEAN, default=False),
            Argument("ignorePublicAcls", BOOLEAN, default=False),
            Argument("restrictPublicBuckets", BOOLEAN, default=False),
            REGION,
            Argument("skipDestroy", BOOLEAN),
        ),
    )

    def remove(self, work: Work) -> None:
        if not work.old.get("skipDestroy"):
            super().remove(work)


class Encryption(Setting):
    type_name = (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    noun, body = "BucketEncryption", "ServerSideEncryptionConfiguration"
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
                            Argument("kmsMasterKeyId", api="KMSMasterKeyID"),
                            Argument(
                                "sseAlgorithm",
                                required=True,
                                choices=("AES256", "aws:kms", "aws:kms:dsse"),
                                api="SSEAlgorithm",
                            ),
                        ),
                    ),
                    Argument("bucketKeyEnabled", BOOLEAN),
                ),
            ),
        ),
    )


class Versioning(Setting):
    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    noun = "BucketVersioning"
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_versioning.go",
        arguments=(
            _BUCKET,
            Argument("mfa", api="MFA"),
            REGION,
            Argument(
                "versioningConfiguration",
                OBJECT,
                required=True,
                fields=(
                    Argument(
                        "mfaDelete", choices=("Enabled", "Disabled"), computed=True, api="MFADelete"
                    ),
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

    def put(self, work: Work) -> dict[str, Any] | None:
        if work.inputs["versioningConfiguration"]["status"] == "Disabled":
            return None  # a bucket that never was versioned
        return super().put(work)

    def got(self, _work: Work, answer: dict[str, Any]) -> dict[str, Any] | None:
        found = {"Status": "Disabled", "MFADelete": "", **answer}
        return told(self.table.arguments, {"VersioningConfiguration": found})

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
    noun, body = "BucketOwnershipControls", "OwnershipControls"
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

    def put(self, work: Work) -> dict[str, Any] | None:
        return {"Rules": [parameters(self.table.arguments, work.inputs)["Rule"]]}

    def got(self, _work: Work, answer: dict[str, Any]) -> dict[str, Any] | None:
        rules = answer["Rules"]
        return told(self.table.arguments, {"Rule": rules[0]}) if rules else None


class Policy(Setting):
    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    noun = "BucketPolicy"
    absent = ("NoSuchBucketPolicy",)
    # a role just made is no principal yet; a policy that is wrong is told after two minutes
    passing = ("MalformedPolicy", "NoSuchBucket")
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_policy.go",
        arguments=(_BUCKET, Argument("policy", JSON, required=True), REGION),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        return check_policy(inputs, "policy")


class Lifecycle(Setting):
    """What is not served is refused by name: transitions, filters by tags and sizes, dates."""

    type_name = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    noun, body = "BucketLifecycleConfiguration", "LifecycleConfiguration"
    absent = ("NoSuchLifecycleConfiguration",)
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket_lifecycle_configuration.go",
        arguments=(
            _BUCKET,
            REGION,
            Argument(
                "rules",
                LIST,
                required=True,
                fields=(
                    Argument(
                        "abortIncompleteMultipartUpload",
                        OBJECT,
                        fields=(Argument("daysAfterInitiation", INTEGER),),
                    ),
                    Argument(
                        "expiration",
                        OBJECT,
                        fields=(
                            Argument("days", INTEGER, computed=True),
                            Argument("expiredObjectDeleteMarker", BOOLEAN, computed=True),
                        ),
                    ),
                    Argument(
                        "filter", OBJECT, required=True, fields=(Argument("prefix", computed=True),)
                    ),
                    Argument("id", required=True, api="ID"),
                    Argument(
                        "noncurrentVersionExpiration",
                        OBJECT,
                        fields=(Argument("noncurrentDays", INTEGER, required=True),),
                    ),
                    Argument("status", required=True, choices=("Enabled", "Disabled")),
                ),
            ),
        ),
    )

    def remove(self, work: Work) -> None:
        """S3's own name of the call lacks a word."""
        missing = (*MISSING, *self.absent)
        ignoring(missing, work.s3.delete_bucket_lifecycle, Bucket=self.bucket(work))


RESOURCES = (
    PublicAccessBlock(),
    Encryption(),
    Versioning(),
    OwnershipControls(),
    Policy(),
    Lifecycle(),
)
