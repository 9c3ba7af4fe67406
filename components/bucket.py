"""The bucket for binary logs and dumps, with a prefix for each node."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from components.tags import PROTECTED, Tags


def node_prefix(node: str) -> str:
    """Where a node writes, and the only place where it may."""
    return f"mysql/{node}"


def tls_only_policy(bucket_arn: str) -> str:
    """Refuses every request that does not come over TLS, whoever sends it."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket_arn, f"{bucket_arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        },
        indent=2,
    )


@dataclass(frozen=True)
class BucketArgs:
    """With `destroy_contents` a destroy deletes every object and version in it first; with
    `protect` nothing deletes it."""

    tags: Tags
    destroy_contents: pulumi.Input[bool] = False
    protect: bool = True


class Bucket(pulumi.ComponentResource):
    """Private, encrypted with the bucket's own keys (SSE-S3), versioned, TLS only."""

    bucket_name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(f"mysql-ring:{PROTECTED}:Bucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            f"{name}-store",
            force_destroy=args.destroy_contents,
            tags=args.tags.named(name),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        private = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        # SSE-S3: with KMS keys an ETag is not the MD5, and s3cmd would upload everything again.
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        s3.BucketPolicy(
            f"{name}-tls-only",
            bucket=bucket.id,
            policy=bucket.arn.apply(tls_only_policy),
            # S3 answers OperationAborted when both change at the same time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )
        self.bucket_name = bucket.id
        self.arn = bucket.arn
        self.register_outputs({"bucketName": self.bucket_name, "arn": self.arn})
