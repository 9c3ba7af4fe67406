"""IAM: role, inline policy of a role, instance profile."""

from typing import Any

from cloud.providers.aws.errors import ignoring, retrying
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import TAGS, AwsResource, Work, all_tags, pairs, unpair
from cloud.providers.schema import BOOLEAN, INTEGER, JSON, Argument, Failure, Table
from cloud.providers.values import Unknown

_MISSING = ("NoSuchEntity",)
_PROPAGATION_SECONDS = 2 * 60.0
_SESSION_SECONDS = 3600


def check_policy(inputs: dict[str, Any], name: str) -> list[Failure]:
    import json

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


class Role(AwsResource):
    type_name = "aws:iam/role:Role"
    table = Table(
        source="terraform-provider-aws internal/service/iam/role.go",
        arguments=(
            Argument("assumeRolePolicy", JSON, required=True),
            Argument("description"),
            Argument("forceDetachPolicies", BOOLEAN, default=False),
            Argument("maxSessionDuration", INTEGER, default=_SESSION_SECONDS),
            Argument("name", replace=True, computed=True, conflicts=("namePrefix",)),
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

    def make(self, work: Work) -> str:
        arguments = work.pick(
            Description="description",
            MaxSessionDuration="maxSessionDuration",
            Path="path",
            PermissionsBoundary="permissionsBoundary",
        )
        tags = all_tags(work.session, work.inputs.get("tags"))
        if tags:
            arguments["Tags"] = pairs(tags)
        name = prefixed(work.inputs, "name", "namePrefix")
        retrying(
            work.call,
            _PROPAGATION_SECONDS,
            lambda code, message: (
                code == "MalformedPolicyDocument" and "Invalid principal in policy" in message
            ),
            lambda: work.iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=work.inputs["assumeRolePolicy"],
                **arguments,
            ),
        )
        return name

    def describe(self, work: Work) -> dict[str, Any] | None:
        answer = ignoring(_MISSING, work.iam.get_role, RoleName=work.id)
        if answer is None:
            return None
        role = answer["Role"]
        return {
            "arn": role["Arn"],
            "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
            "createDate": _date(role.get("CreateDate")),
            "description": role.get("Description", ""),
            "maxSessionDuration": role.get("MaxSessionDuration", _SESSION_SECONDS),
            "name": work.id,
            "path": role.get("Path", "/"),
            "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get(
                "PermissionsBoundaryArn", ""
            ),
            "tags": unpair(role.get("Tags")),
            "uniqueId": role["RoleId"],
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

    def tag(self, work: Work, removed: list[str], tags: dict[str, str]) -> None:
        if removed:
            work.iam.untag_role(RoleName=work.id, TagKeys=removed)
        if tags:
            work.iam.tag_role(RoleName=work.id, Tags=pairs(tags))

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
        retrying(
            work.call,
            _PROPAGATION_SECONDS,
            lambda code, _: code == "ConcurrentModification",
            lambda: ignoring(_MISSING, work.iam.delete_role, RoleName=work.id),
        )

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


class InstanceProfile(AwsResource):
    type_name = "aws:iam/instanceProfile:InstanceProfile"
    table = Table(
        source="terraform-provider-aws internal/service/iam/instance_profile.go",
        arguments=(
            Argument("name", replace=True, computed=True, conflicts=("namePrefix",)),
            Argument("namePrefix", replace=True, computed=True),
            Argument("path", default="/", replace=True),
            Argument("role"),
            TAGS,
        ),
        outputs=("arn", "createDate", "uniqueId"),
        autoname="name",
    )

    def make(self, work: Work) -> str:
        arguments = work.pick(Path="path")
        tags = all_tags(work.session, work.inputs.get("tags"))
        if tags:
            arguments["Tags"] = pairs(tags)
        name = prefixed(work.inputs, "name", "namePrefix")
        work.iam.create_instance_profile(InstanceProfileName=name, **arguments)
        return name

    def _find(self, work: Work) -> Any:
        answer = ignoring(_MISSING, work.iam.get_instance_profile, InstanceProfileName=work.id)
        return answer and answer["InstanceProfile"]

    def _role(self, found: dict[str, Any] | None) -> str:
        roles = (found or {}).get("Roles") or [{}]
        return roles[0].get("RoleName", "")

    def settle(self, work: Work) -> None:
        self.change(work)

    def change(self, work: Work) -> None:
        current, wanted = self._role(self._find(work)), work.inputs.get("role", "")
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

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None:
            return None
        return {
            "arn": found["Arn"],
            "createDate": _date(found.get("CreateDate")),
            "name": work.id,
            "path": found.get("Path", "/"),
            "role": self._role(found),
            "tags": unpair(found.get("Tags")),
            "uniqueId": found["InstanceProfileId"],
        }

    def tag(self, work: Work, removed: list[str], tags: dict[str, str]) -> None:
        if removed:
            work.iam.untag_instance_profile(InstanceProfileName=work.id, TagKeys=removed)
        if tags:
            work.iam.tag_instance_profile(InstanceProfileName=work.id, Tags=pairs(tags))

    def destroy(self, work: Work) -> None:
        role = self._role(self._find(work))
        if role:
            ignoring(
                _MISSING,
                work.iam.remove_role_from_instance_profile,
                InstanceProfileName=work.id,
                RoleName=role,
            )
        ignoring(_MISSING, work.iam.delete_instance_profile, InstanceProfileName=work.id)


def _text(document: Any) -> str:
    import json

    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


def _date(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else ""


RESOURCES = (Role(), RolePolicy(), InstanceProfile())
