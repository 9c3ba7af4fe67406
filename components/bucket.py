"""The bucket for binary logs and backups, and who may do what in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import iam, s3

from components.role import Role
from components.tags import PROTECTED, Tags

TOP = "mysql"
"""All that a ring keeps is below it."""
# s3cmd begins an upload that was cut off anew, unless it is told to go on with it.
ABANDONED_AFTER_DAYS = 7
# What would lose data. What a node may do is in its role; this holds whatever somebody adds there.
NOT_FOR_NODES = (
    "s3:Delete*",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
)


def node_prefix(node: str) -> str:
    """Where a node writes, and the only place where it may."""
    return f"{TOP}/{node}"


def logs_prefix(node: str) -> str:
    """Where the archived binary logs of a node are, in a folder for each server that it had. The
    bucket's rules find them by this alone: no rule knows the uuid of a server to come."""
    return f"{node_prefix(node)}/logs/"


def backups_prefix(node: str) -> str:
    """Where the backups of a node are, in a folder for each."""
    return f"{node_prefix(node)}/backups/"


def node_policy(bucket_arn: str, node: str) -> str:
    """A node writes under its own prefix, reads what the whole ring has kept, as it holds the same
    data and may have to restore it, and deletes nothing: how long something is kept is for the
    bucket to decide.

    To go on with an upload in parts that was cut off, s3cmd lists those of the whole bucket
    (S3/MultiPart.py, get_unique_upload_id), which no condition on a prefix can narrow
    (Service Authorization Reference, list_amazons3).
    """
    return _policy(
        {
            "Sid": "WriteOwn",
            "Effect": "Allow",
            "Action": [
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": f"{bucket_arn}/{node_prefix(node)}/*",
        },
        {
            "Sid": "ReadTheRings",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{bucket_arn}/{TOP}/*",
        },
        {
            "Sid": "ListTheRings",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": [TOP, f"{TOP}/*"]}},
        },
        {
            "Sid": "FindRegionAndUploads",
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
            "Resource": bucket_arn,
        },
    )


def reader_policy(bucket_arn: str) -> str:
    """A node reads in another ring's bucket what its own data is restored from, and no more."""
    return _policy(
        {
            "Sid": "ReadBackups",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{bucket_arn}/{TOP}/*",
        },
        {
            "Sid": "ListBackups",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": [TOP, f"{TOP}/*"]}},
        },
        {
            "Sid": "FindRegion",
            "Effect": "Allow",
            "Action": "s3:GetBucketLocation",
            "Resource": bucket_arn,
        },
    )


def bucket_policy(bucket_arn: str, role_arns: Sequence[str]) -> str:
    """Refuses every request that does not come over TLS, whoever sends it, and to the nodes all
    that would lose data, whatever their roles say.

    The roles stand in a condition: as a principal a role that is made anew is another one
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
    """
    everything = [bucket_arn, f"{bucket_arn}/*"]
    return _policy(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": everything,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Sid": "NodesDeleteNothing",
            "Effect": "Deny",
            "Principal": "*",
            "Action": list(NOT_FOR_NODES),
            "Resource": everything,
            "Condition": {"ArnEquals": {"aws:PrincipalArn": list(role_arns)}},
        },
    )


def lifecycle_rules(
    nodes: Sequence[str], backups_days: int, logs_days: int, versions_days: int
) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    """What the bucket lets go, and when. What is let go by its age, overwritten or deleted stays as
    an older version for `versions_days` more."""
    kept = {
        f"{node}-{what}": (prefix(node), days)
        for node in nodes
        for what, prefix, days in (
            ("backups", backups_prefix, backups_days),
            ("logs", logs_prefix, logs_days),
        )
    }
    return [
        *(
            {
                "id": name,
                "status": "Enabled",
                "filter": {"prefix": prefix},
                "expiration": {"days": days},
            }
            for name, (prefix, days) in kept.items()
        ),
        {
            "id": "remains",
            "status": "Enabled",
            "filter": {"prefix": f"{TOP}/"},
            "expiration": {"expired_object_delete_marker": True},
            "noncurrent_version_expiration": {"noncurrent_days": versions_days},
            "abort_incomplete_multipart_upload": {"days_after_initiation": ABANDONED_AFTER_DAYS},
        },
    ]


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


@dataclass(frozen=True)
class BucketArgs:
    """`roles` are the nodes', by name. `existing` is the name of a bucket that is there; without
    one a bucket is made, which lets things go after so many days. With `destroy_contents` a destroy
    deletes every object and version in that first; with `protect` nothing deletes it."""

    tags: Tags
    roles: Mapping[str, Role]
    existing: str = ""
    keep_backups_days: int = 30
    keep_logs_days: int = 30
    keep_versions_days: int = 7
    destroy_contents: pulumi.Input[bool] = False
    protect: bool = True


class Bucket(pulumi.ComponentResource):
    """One of its own is private, encrypted with the bucket's own keys (SSE-S3), versioned, TLS
    only. Of an existing one nothing is changed. To either the nodes' roles get their way in."""

    bucket_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    region: pulumi.Output[str]

    def __init__(
        self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(f"mysql-ring:{PROTECTED}:Bucket", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        if args.existing:
            found = s3.get_bucket_output(
                bucket=args.existing, opts=pulumi.InvokeOutputOptions(parent=self)
            )
            self.bucket_name, self.arn = found.id, found.arn
            self.region = found.bucket_region
        else:
            made = self._made()
            self.bucket_name, self.arn, self.region = made.id, made.arn, made.bucket_region
        for node, role in args.roles.items():
            iam.RolePolicy(
                f"{name}-{node}-access",
                role=role.role_name,
                policy=self.arn.apply(lambda arn, node=node: node_policy(arn, node)),
                opts=self._child,
            )
        self.register_outputs(
            {"bucketName": self.bucket_name, "arn": self.arn, "region": self.region}
        )

    def _made(self) -> s3.Bucket:
        name, args = self._name, self._args
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
            opts=self._child,
        )
        private = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        # SSE-S3: with KMS keys an ETag is not the MD5, and no upload could be compared by it.
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=self._child,
        )
        versioning = s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=self._child,
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=lifecycle_rules(
                list(args.roles),
                args.keep_backups_days,
                args.keep_logs_days,
                args.keep_versions_days,
            ),
            # Without versions an expired object is gone at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=pulumi.Output.all(
                bucket.arn, *(role.role_arn for role in args.roles.values())
            ).apply(lambda arns: bucket_policy(arns[0], arns[1:])),
            # S3 answers OperationAborted when both change at the same time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )
        return bucket
