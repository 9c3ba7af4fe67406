"""What a node may do on AWS: write and read under its own prefix of the bucket."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from components.bucket import node_prefix
from components.tags import Tags

# For an upload in parts that was cut off, s3cmd lists what has arrived or gives it up. There is no
# DeleteObject: how long something is kept is for the bucket to decide, not for a host.
OBJECT_ACTIONS = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)


def trust_policy() -> str:
    """EC2 may hand the role to an instance."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        },
        indent=2,
    )


def own_prefix_policy(bucket_arn: str, node: str) -> str:
    """The node's own prefix and nothing else of the bucket."""
    prefix = node_prefix(node)
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OwnObjects",
                    "Effect": "Allow",
                    "Action": list(OBJECT_ACTIONS),
                    "Resource": f"{bucket_arn}/{prefix}/*",
                },
                {
                    "Sid": "ListOwnPrefix",
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": bucket_arn,
                    "Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
                },
                {
                    "Sid": "FindRegion",
                    "Effect": "Allow",
                    "Action": "s3:GetBucketLocation",
                    "Resource": bucket_arn,
                },
            ],
        },
        indent=2,
    )


@dataclass(frozen=True)
class RoleArgs:
    """The name of the node that the role is for, and the bucket that it writes to."""

    node: str
    bucket_arn: pulumi.Input[str]
    tags: Tags


class Role(pulumi.ComponentResource):
    """A role, its one policy, and the profile that carries it to an instance."""

    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    profile_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: RoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Role", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{name}-identity",
            assume_role_policy=trust_policy(),
            description=f"What {args.node} may do in S3",
            tags=args.tags.named(name),
            opts=child,
        )
        iam.RolePolicy(
            f"{name}-own-prefix",
            role=role.name,
            policy=pulumi.Output.from_input(args.bucket_arn).apply(
                lambda arn: own_prefix_policy(arn, args.node)
            ),
            opts=child,
        )
        profile = iam.InstanceProfile(
            f"{name}-profile", role=role.name, tags=args.tags.named(name), opts=child
        )
        self.role_name = role.name
        self.role_arn = role.arn
        self.profile_name = profile.name
        self.register_outputs(
            {
                "roleName": self.role_name,
                "roleArn": self.role_arn,
                "profileName": self.profile_name,
            }
        )
