"""Roles, instance profiles and policy documents of IAM."""

import json
from typing import Any

import pytest
from aws_world import TRUST, World, refused

pytestmark = pytest.mark.refusals

ALLOW = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}],
}


def role(iam: Any, name: str = "node-1") -> str:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return name


def profile(iam: Any, holding: str, name: str = "node-1") -> str:
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=holding)
    return name


def test_a_role_in_a_profile_stays(iam: Any) -> None:
    made = role(iam)
    holder = profile(iam, made)
    with refused("DeleteConflict", made, "instance profile"):
        iam.delete_role(RoleName=made)
    iam.remove_role_from_instance_profile(InstanceProfileName=holder, RoleName=made)
    iam.delete_role(RoleName=made)


def test_a_role_with_an_inline_policy_stays(iam: Any) -> None:
    made = role(iam)
    iam.put_role_policy(RoleName=made, PolicyName="p", PolicyDocument=json.dumps(ALLOW))
    with refused("DeleteConflict", made, "must delete policies first"):
        iam.delete_role(RoleName=made)
    iam.delete_role_policy(RoleName=made, PolicyName="p")
    iam.delete_role(RoleName=made)


def test_a_role_with_a_managed_policy_stays(iam: Any) -> None:
    made = role(iam)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=made, PolicyArn=arn)
    with refused("DeleteConflict", made, "must detach all policies first"):
        iam.delete_role(RoleName=made)
    with refused("DeleteConflict", arn):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_role_policy(RoleName=made, PolicyArn=arn)
    iam.delete_role(RoleName=made)
    iam.delete_policy(PolicyArn=arn)


def test_a_profile_with_a_role_stays(iam: Any) -> None:
    made = role(iam)
    holder = profile(iam, made)
    with refused("DeleteConflict", holder, made):
        iam.delete_instance_profile(InstanceProfileName=holder)
    iam.remove_role_from_instance_profile(InstanceProfileName=holder, RoleName=made)
    iam.delete_instance_profile(InstanceProfileName=holder)


def test_a_profile_of_an_instance_stays_for_its_role_only(ec2: Any, iam: Any, world: World) -> None:
    made = role(iam)
    holder = profile(iam, made)
    world.instance(SubnetId=world.subnet(), IamInstanceProfile={"Name": holder})
    assert ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    with refused("DeleteConflict", holder):
        iam.delete_instance_profile(InstanceProfileName=holder)
    iam.remove_role_from_instance_profile(InstanceProfileName=holder, RoleName=made)
    iam.delete_instance_profile(InstanceProfileName=holder)


def test_a_profile_takes_one_role(iam: Any) -> None:
    holder = profile(iam, role(iam))
    with refused("LimitExceeded", holder):
        iam.add_role_to_instance_profile(InstanceProfileName=holder, RoleName=role(iam, "node-2"))
    profile(iam, "node-2", "node-2")


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({"Version": "2012-10-17", "Statement": []}),
        json.dumps(ALLOW | {"Version": "2012-10-18"}),
        json.dumps(ALLOW | {"Statment": []}),
        json.dumps({**ALLOW, "Statement": [{"Action": "s3:*", "Resource": "*"}]}),
        json.dumps({**ALLOW, "Statement": [{**ALLOW["Statement"][0], "Effect": "Maybe"}]}),
        json.dumps({**ALLOW, "Statement": [{**ALLOW["Statement"][0], "Resource": "b"}]}),
        json.dumps(
            {
                **ALLOW,
                "Statement": [
                    {**ALLOW["Statement"][0], "Condition": {"StringMatches": {"s3:prefix": "x"}}}
                ],
            }
        ),
    ],
)
def test_what_is_no_policy_is_refused(iam: Any, document: str) -> None:
    made = role(iam)
    with refused("MalformedPolicyDocument"):
        iam.put_role_policy(RoleName=made, PolicyName="p", PolicyDocument=document)
    with refused("MalformedPolicyDocument"):
        iam.create_policy(PolicyName="p", PolicyDocument=document)
    iam.put_role_policy(RoleName=made, PolicyName="p", PolicyDocument=json.dumps(ALLOW))
    iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(ALLOW))


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        json.dumps(ALLOW),
        json.dumps({**TRUST, "Statement": [{**TRUST["Statement"][0], "Action": "s3:GetObject"}]}),
        json.dumps({**TRUST, "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}),
    ],
)
def test_what_is_no_trust_policy_is_refused(iam: Any, document: str) -> None:
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName="node-1", AssumeRolePolicyDocument=document)
    role(iam)
    with refused("MalformedPolicyDocument"):
        iam.update_assume_role_policy(RoleName="node-1", PolicyDocument=document)
    iam.update_assume_role_policy(RoleName="node-1", PolicyDocument=json.dumps(TRUST))


def test_an_old_trust_policy_is_accepted(iam: Any) -> None:
    iam.create_role(
        RoleName="old", AssumeRolePolicyDocument=json.dumps(TRUST | {"Version": "2008-10-17"})
    )
