"""IAM: role, inline policy of a role, instance profile."""

import json
from typing import Any

from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.parameters import told
from cloud.providers.aws.resource import (
    TAGS,
    Ask,
    AwsResource,
    Work,
    all_tags,
    listed,
    pairs,
    unpair,
)
from cloud.providers.schema import BOOLEAN, INTEGER, JSON, Argument, Failure, Table
from cloud.providers.values import Unknown

_MISSING = ("NoSuchEntity",)
_PROPAGATION_SECONDS = 2 * 60.0
_SESSION_SECONDS = 3600


def check_policy(inputs: dict[str, Any], name: str) -> list[Failure]:
    text = inputs.get(name)
    if text is None or isinstance(text, Unknown):
        return []
    try:
        document = json.loads(text)
    except ValueError as error:
        return [Failure(name, f'"{name}" contains an invalid JSON policy: {error}')]
    if not isinstance(document, dict):
        return [Failure(name, f'"{name}" contains an invalid JSON policy: not an object')]
    return []


class Named(AwsResource):
    """A noun of IAM with a name, which is its id, and tags."""

    service = "iam"
    noun = ""
    """IAM's own: a "Role" has CreateRole, GetRole, DeleteRole, TagRole and UntagRole."""

    def passes(self, _code: str, _message: str) -> bool:
        """Whether a refusal to make it may be over at the next attempt."""
        return False

    def make(self, work: Work) -> str:
        arguments = self.given(work, f"Create{self.noun}")
        tags = all_tags(work.session, work.inputs.get("tags"))
        if tags:
            arguments["Tags"] = pairs(tags)
        name = arguments[f"{self.noun}Name"] = prefixed(work.inputs, "name", "namePrefix")
        retrying(
            work.call,
            _PROPAGATION_SECONDS,
            self.passes,
            lambda: self.ask(work, f"Create{self.noun}", **arguments),
        )
        return name

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        names = listed(ask, "iam", f"List{self.noun}s", f"{self.noun}s[].{self.noun}Name")
        return [name for name in names if name == inputs.get("name")]

    def about(self, work: Work, verb: str) -> Any:
        """The answer to the call that does `verb` to it; None when it is not there."""
        name = {f"{self.noun}Name": work.id}
        return ignoring(_MISSING, self.ask, work, f"{verb}{self.noun}", **name)

    def find(self, work: Work) -> Any:
        answer = self.about(work, "Get")
        return answer and answer[self.noun]

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self.find(work)
        if found is None:
            return None
        arguments = [one for one in self.table.arguments if one is not TAGS]
        date = found.get("CreateDate")
        return {
            **told(arguments, found, self.model(work).shape_for(self.noun).members),
            "arn": found["Arn"],
            "createDate": date.strftime("%Y-%m-%dT%H:%M:%SZ") if date else "",
            "tags": unpair(found.get("Tags")),
            "uniqueId": found[f"{self.noun}Id"],
        }

    def tag(self, work: Work, removed: list[str], tags: dict[str, str]) -> None:
        name = {f"{self.noun}Name": work.id}
        if removed:
            self.ask(work, f"Untag{self.noun}", **name, TagKeys=removed)
        if tags:
            self.ask(work, f"Tag{self.noun}", **name, Tags=pairs(tags))

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            _PROPAGATION_SECONDS,
            lambda code, _: code == "ConcurrentModification",
            lambda: self.about(work, "Delete"),
        )


class Role(Named):
    noun = "Role"
    type_name = "aws:iam/role:Role"
    table = Table(
        source="terraform-provider-aws internal/service/iam/role.go",
        arguments=(
            Argument("assumeRolePolicy", JSON, required=True, api="AssumeRolePolicyDocument"),
            Argument("description"),
            Argument("forceDetachPolicies", BOOLEAN, default=False),
            Argument("maxSessionDuration", INTEGER, default=_SESSION_SECONDS),
            Argument(
                "name", replace=True, computed=True, conflicts=("namePrefix",), api="RoleName"
            ),
            Argument("namePrefix", replace=True, computed=True),
            Argument("path", default="/", replace=True),
            Argument("permissionsBoundary"),
            TAGS,
        ),
        outputs=("arn", "createDate", "uniqueId"),
        autoname="name",
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        return check_policy(inputs, "assumeRolePolicy")

    def passes(self, code: str, message: str) -> bool:
        return code == "MalformedPolicyDocument" and "Invalid principal in policy" in message

    def describe(self, work: Work) -> dict[str, Any] | None:
        described = super().describe(work)
        if described is None:
            return None
        boundary = described["permissionsBoundary"] or {}
        return {
            **described,
            "assumeRolePolicy": _text(described["assumeRolePolicy"]),
            "permissionsBoundary": boundary.get("PermissionsBoundaryArn", ""),
        }

    def change(self, work: Work) -> None:
        inputs = work.inputs
        if work.changed("assumeRolePolicy"):
            work.iam.update_assume_role_policy(
                RoleName=work.id, PolicyDocument=inputs["assumeRolePolicy"]
            )
        if work.changed("description", "maxSessionDuration"):
            work.iam.update_role(
                RoleName=work.id,
                Description=inputs.get("description", ""),
                MaxSessionDuration=inputs.get("maxSessionDuration", _SESSION_SECONDS),
            )
        boundary = inputs.get("permissionsBoundary", "")
        if boundary != work.old.get("permissionsBoundary", ""):
            if boundary:
                work.iam.put_role_permissions_boundary(
                    RoleName=work.id, PermissionsBoundary=boundary
                )
            else:
                work.iam.delete_role_permissions_boundary(RoleName=work.id)

    def destroy(self, work: Work) -> None:
        """The official plugin takes the role out of instance profiles first, and its policies
        away only when told to (forceDetachPolicies)."""
        profiles = ignoring(_MISSING, work.iam.list_instance_profiles_for_role, RoleName=work.id)
        for profile in (profiles or {}).get("InstanceProfiles", []):
            ignoring(
                _MISSING,
                work.iam.remove_role_from_instance_profile,
                InstanceProfileName=profile["InstanceProfileName"],
                RoleName=work.id,
            )
        if work.old.get("forceDetachPolicies"):
            self._strip(work)
        super().destroy(work)

    def _strip(self, work: Work) -> None:
        attached = ignoring(_MISSING, work.iam.list_attached_role_policies, RoleName=work.id)
        for policy in (attached or {}).get("AttachedPolicies", []):
            work.iam.detach_role_policy(RoleName=work.id, PolicyArn=policy["PolicyArn"])
        inline = ignoring(_MISSING, work.iam.list_role_policies, RoleName=work.id)
        for name in (inline or {}).get("PolicyNames", []):
            work.iam.delete_role_policy(RoleName=work.id, PolicyName=name)


class RolePolicy(AwsResource):
    type_name = "aws:iam/rolePolicy:RolePolicy"
    table = Table(
        source="terraform-provider-aws internal/service/iam/role_policy.go",
        arguments=(
            Argument("name", replace=True, computed=True, conflicts=("namePrefix",)),
            Argument("namePrefix", replace=True, computed=True),
            Argument("policy", JSON, required=True),
            Argument("role", required=True, replace=True),
        ),
        autoname="name",
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        return check_policy(inputs, "policy")

    def make(self, work: Work) -> str:
        role, name = work.inputs["role"], prefixed(work.inputs, "name", "namePrefix")
        work.iam.put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=work.inputs["policy"]
        )
        return f"{role}:{name}"

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        role, name = inputs["role"], inputs.get("name")
        if role not in listed(ask, "iam", "ListRoles", "Roles[].RoleName"):
            return []
        there = listed(ask, "iam", "ListRolePolicies", "PolicyNames", "--role-name", role)
        return [f"{role}:{name}"] if name in there else []

    def describe(self, work: Work) -> dict[str, Any] | None:
        role, _, name = work.id.partition(":")
        answer = ignoring(_MISSING, work.iam.get_role_policy, RoleName=role, PolicyName=name)
        if answer is None:
            return None
        return {"name": name, "policy": _text(answer["PolicyDocument"]), "role": role}

    def change(self, work: Work) -> None:
        role, _, name = work.id.partition(":")
        work.iam.put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=work.inputs["policy"]
        )

    def destroy(self, work: Work) -> None:
        role, _, name = work.id.partition(":")
        ignoring(_MISSING, work.iam.delete_role_policy, RoleName=role, PolicyName=name)


class InstanceProfile(Named):
    noun = "InstanceProfile"
    type_name = "aws:iam/instanceProfile:InstanceProfile"
    table = Table(
        source="terraform-provider-aws internal/service/iam/instance_profile.go",
        arguments=(
            Argument(
                "name",
                replace=True,
                computed=True,
                conflicts=("namePrefix",),
                api="InstanceProfileName",
            ),
            Argument("namePrefix", replace=True, computed=True),
            Argument("path", default="/", replace=True),
            Argument("role"),
            TAGS,
        ),
        outputs=("arn", "createDate", "uniqueId"),
        autoname="name",
    )

    def find(self, work: Work) -> Any:
        found = super().find(work)
        roles = (found or {}).get("Roles") or [{}]
        return found and {**found, "Role": roles[0].get("RoleName", "")}

    def settle(self, work: Work) -> None:
        current = (self.find(work) or {}).get("Role", "")
        wanted = work.inputs.get("role", "")
        if current == wanted:
            return
        if current:
            work.iam.remove_role_from_instance_profile(
                InstanceProfileName=work.id, RoleName=current
            )
        if wanted:
            retrying(
                work.call,
                _PROPAGATION_SECONDS,
                lambda code, message: code == "NoSuchEntity" and "The role with name" in message,
                lambda: work.iam.add_role_to_instance_profile(
                    InstanceProfileName=work.id, RoleName=wanted
                ),
            )

    def destroy(self, work: Work) -> None:
        role = (self.find(work) or {}).get("Role")
        if role:
            ignoring(
                _MISSING,
                work.iam.remove_role_from_instance_profile,
                InstanceProfileName=work.id,
                RoleName=role,
            )
        super().destroy(work)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


RESOURCES = (Role(), RolePolicy(), InstanceProfile())
