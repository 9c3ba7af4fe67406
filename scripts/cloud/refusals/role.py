"""What AWS refuses about roles and instance profiles.

AWS does not refuse to delete a role or a profile because a running instance uses it: it warns
("will break any applications running on the instance", IAM API Reference,
DeleteInstanceProfile). What it refuses is the profile that still holds a role.
"""

from __future__ import annotations

from collections.abc import Callable

from moto.iam.models import iam_backends

from cloud.refusals import policy
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses


@refuses("iam", "DeleteRole", code="DeleteConflict")
def role_is_in_a_profile(call: Call) -> str | None:
    """An instance profile holds the role.

    Source: IAM API Reference, DeleteRole (DeleteConflict); text as moto has it from AWS.
    """
    role = call.backend.get_role(call.get("RoleName"))
    for profile in call.backend.get_instance_profiles():
        if any(each.name == role.name for each in profile.roles):
            return (
                "Cannot delete entity, must remove roles from instance profile first."
                f" ({profile.name} holds {role.name})"
            )
    return None


@refuses("iam", "DeleteRole", code="DeleteConflict")
def role_has_policies(call: Call) -> str | None:
    """The role has an inline policy, or a managed policy is attached to it.

    Source: IAM API Reference, DeleteRole (DeleteConflict); texts as moto has them from AWS.
    """
    role = call.backend.get_role(call.get("RoleName"))
    if role.managed_policies:
        return f"Cannot delete entity, must detach all policies first. ({role.name})"
    if role.policies:
        return f"Cannot delete entity, must delete policies first. ({role.name})"
    return None


@refuses("iam", "DeleteInstanceProfile", code="DeleteConflict")
def profile_holds_a_role(call: Call) -> str | None:
    """The instance profile holds a role.

    Source: IAM API Reference, DeleteInstanceProfile ("must not have an associated role",
    DeleteConflict).
    """
    profile = call.backend.get_instance_profile(call.get("InstanceProfileName"))
    if profile.roles:
        return (
            "Cannot delete entity, must remove roles from instance profile first."
            f" ({profile.name} holds {profile.roles[0].name})"
        )
    return None


@refuses("iam", "AddRoleToInstanceProfile", code="LimitExceeded")
def profile_is_full(call: Call) -> str | None:
    """The instance profile holds a role: it takes one.

    Source: IAM API Reference, AddRoleToInstanceProfile (LimitExceeded); text as moto has it
    from AWS.
    """
    profile = call.backend.get_instance_profile(call.get("InstanceProfileName"))
    if profile.roles:
        return f"Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1 ({profile.name})"
    return None


@refuses("iam", "RemoveRoleFromInstanceProfile", code="NoSuchEntity")
def role_is_not_in_the_profile(call: Call) -> str | None:
    """The instance profile does not hold the role.

    Source: IAM API Reference, RemoveRoleFromInstanceProfile (NoSuchEntity); the text is ours.
    """
    role = call.backend.get_role(call.get("RoleName"))
    profile = call.backend.get_instance_profile(call.get("InstanceProfileName"))
    if all(each.name != role.name for each in profile.roles):
        return f"Role {role.name} in instance profile {profile.name} cannot be found."
    return None


@refuses(
    "ec2",
    "RunInstances",
    "AssociateIamInstanceProfile",
    "ReplaceIamInstanceProfileAssociation",
    code="InvalidParameterValue",
)
def profile_of_an_instance_is_not_one(call: Call) -> str | None:
    """The instance profile does not exist, or holds no role.

    Source: code and text as observed in hashicorp/terraform-provider-aws#24281 and
    lacework/go-sdk#1045; for a profile without a role as terraform-provider-aws
    (internal/service/ec2/ec2_instance.go) expects it.
    """
    for kind, word in (("Name", "name"), ("Arn", "ARN")):
        named = call.get(f"IamInstanceProfile.{kind}")
        if not named:
            continue
        iam = iam_backends[call.backend.account_id][call.backend.partition]
        profile = next(
            (
                each
                for each in iam.get_instance_profiles()
                if named == (each.name if kind == "Name" else each.arn)
            ),
            None,
        )
        if profile is None:
            return (
                f"Value ({named}) for parameter iamInstanceProfile.{kind.lower()} is invalid."
                f" Invalid IAM Instance Profile {word}"
            )
        if not profile.roles:
            return f'IAM Instance Profile "{profile.arn}" has no associated IAM Roles'
    return None


@refuses("iam", "DeletePolicy", code="DeleteConflict")
def policy_is_attached(call: Call) -> str | None:
    """The managed policy is attached to a role, user or group.

    Source: IAM API Reference, DeletePolicy (DeleteConflict).
    """
    managed = call.backend.get_policy(call.get("PolicyArn"))
    if managed.attachment_count:
        return f"Cannot delete a policy attached to entities. ({managed.arn})"
    return None


@refuses(
    "iam",
    "PutRolePolicy",
    "PutUserPolicy",
    "PutGroupPolicy",
    "CreatePolicy",
    "CreatePolicyVersion",
    code="MalformedPolicyDocument",
)
def policy_is_not_one(call: Call) -> str | None:
    """The policy document is not JSON, is not a policy, or uses an unknown condition operator.

    Source: IAM API Reference, PutRolePolicy (MalformedPolicyDocument); IAM User Guide,
    reference_policies_grammar; moto's validator knows AWS's texts.
    """
    return _problem(policy.check_identity_policy, call.get("PolicyDocument", ""))


@refuses("iam", "CreateRole", "UpdateAssumeRolePolicy", code="MalformedPolicyDocument")
def trust_policy_is_not_one(call: Call) -> str | None:
    """The trust policy is not JSON or is not a trust policy (moto looks only on update).

    Source: IAM API Reference, CreateRole (MalformedPolicyDocument); text for what is no JSON as
    observed by users of terraform-provider-aws.
    """
    document = call.get("AssumeRolePolicyDocument") or call.get("PolicyDocument") or ""
    return _problem(policy.check_trust_policy, document)


def _problem(check: Callable[[str], None], document: str) -> str | None:
    try:
        check(document)
    except policy.NotAPolicy as problem:
        return str(problem)
    return None
