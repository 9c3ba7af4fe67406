"""Who a node is on AWS. What it may do there is said by what it may do it to."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from components.tags import Tags


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


@dataclass(frozen=True)
class RoleArgs:
    """The name of the node that the role is for."""

    node: str
    tags: Tags


class Role(pulumi.ComponentResource):
    """A role, and the profile that carries it to an instance."""

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
