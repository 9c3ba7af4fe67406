"""Whether a caller may do what it asks for: `decide`, and what a call of a service asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from moto.iam.models import iam_backends

from cloud.refusals import callers
from cloud.refusals.call import Call
from cloud.refusals.callers import Caller
from cloud.refusals.conditions import Context
from cloud.refusals.evaluation import Decision, evaluate
from cloud.refusals.policy import Statement
from cloud.refusals.refusal import Access, Refusal, no_access

log = logging.getLogger("cloud.access")

RESOURCES = {
    "ec2:AssignPrivateIpAddresses": {"network-interface": "NetworkInterfaceId"},
    "ec2:AttachVolume": {"instance": "InstanceId", "volume": "VolumeId"},
    "ec2:DetachVolume": {"instance": "InstanceId", "volume": "VolumeId"},
    "ec2:RebootInstances": {"instance": "InstanceIds"},
    "ec2:UnassignPrivateIpAddresses": {"network-interface": "NetworkInterfaceId"},
}
"""The resources that an action is about, each with the parameter that names it.

Each needs the permission: Service Authorization Reference, list_amazonec2. Of IAM and SSM see
`resources`. Every other action is decided for `*`: a policy that allows it for some resources only
does not allow it here.
"""
IAM_RESOURCES = {"instance-profile": "InstanceProfileName", "role": "RoleName"}
"""The first that a call names is what it is about: list_awsidentityandaccessmanagementiam."""

FREE = ("sts:GetCallerIdentity", "sts:GetSessionToken")
"""Calls that need no permission: STS API Reference, both pages."""
UNSIGNED = ("sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
"""Calls that bring another proof than a signature."""


def decide(
    who: Caller,
    action: str,
    resource: str,
    context: Context,
    own_policy: Iterable[Statement] = (),
    service: str = "",
) -> None:
    """Raise Refusal unless the caller's policies and the resource's together allow an action.

    The refusal is in the words of the service that was called, if it is not the action's own.
    IAM User Guide, reference_policies_evaluation-logic.
    """
    level = logging.DEBUG if who.administrator else logging.INFO
    log.log(level, "%s: %s on %s", who.principal.arn or "anybody", action, resource)
    denied = partial(_denied, who, service or action.partition(":")[0], action, resource)
    said = evaluate(own_policy, action, resource, context, who.principal)
    if said is Decision.DENIED:
        raise denied("with an explicit deny in a resource-based policy")
    if who.administrator:
        return
    identity = evaluate(who.policies, action, resource, context)
    if identity is Decision.DENIED:
        raise denied("with an explicit deny in an identity-based policy")
    for limit in who.limits:
        if evaluate(limit, action, resource, context) is not Decision.ALLOWED:
            missing = (
                f"because no session policy or permissions boundary allows the {action} action"
            )
            raise denied(missing)
    if Decision.ALLOWED not in (identity, said):
        missing = f"because no identity-based policy allows the {action} action"
        raise denied(missing)


def _denied(who: Caller, service: str, action: str, resource: str, reason: str) -> Refusal:
    if who.principal.anonymous:
        return no_access(service, Access.UNSIGNED)
    sentence = (
        f"User: {who.principal.arn} is not authorized to perform: {action} on resource:"
        f' "{resource}" {reason}'
    )
    return no_access(service, Access.DENIED, sentence)


def request_context(
    headers: Mapping[str, str], secure: bool, source_ip: str, region: str
) -> dict[str, tuple[str, ...]]:
    """The condition keys that every request sets; header names are in lower case."""
    found = {"aws:securetransport": str(secure).lower(), "aws:requestedregion": region}
    if source_ip:
        found["aws:sourceip"] = source_ip
    for name, key in (("user-agent", "aws:useragent"), ("referer", "aws:referer")):
        if name in headers:
            found[key] = headers[name]
    return {key: (value,) for key, value in found.items()}


def require(call: Call) -> None:
    """Raise Refusal unless whoever makes a call of a service may make it."""
    request = call.response.normalized_request
    action = f"{call.service}:{call.action}"
    if action in UNSIGNED:
        return
    account, partition = call.response.current_account, call.response.partition
    who = callers.caller(call.service, request.headers, request.args, partition, account)
    if who.principal.anonymous:
        raise no_access(call.service, Access.UNSIGNED)
    if action in FREE:
        return
    own = request_context(
        request.headers,
        call.response.uri.startswith("https://"),
        request.remote_addr or "",
        call.response.region,
    )
    for needed, resource in permissions(call):
        decide(who, needed, resource, {**own, **who.context()}, service=call.service)


def permissions(call: Call) -> Iterator[tuple[str, str]]:
    """Every permission that a call needs, each with the resource that it needs it for.

    Tags that are made with a resource need the permission to tag, and a role that comes to an
    instance needs iam:PassRole: Service Authorization Reference, both lists, "Dependent actions".
    """
    for resource in resources(call):
        yield f"{call.service}:{call.action}", resource
        if call.service == "iam" and call.action.startswith("Create") and call.get("Tags"):
            yield f"iam:{call.action.replace('Create', 'Tag')}", resource
    if call.service == "ec2" and call.get("TagSpecifications"):
        yield "ec2:CreateTags", "*"
    for role in _passed(call):
        yield "iam:PassRole", role


def _passed(call: Call) -> list[str]:
    """The ARNs of the roles that a call gives to instances."""
    backend = iam_backends[call.response.current_account][call.response.partition]
    if call.action == "AddRoleToInstanceProfile":
        return [role.arn for role in backend.get_roles() if role.name == call.get("RoleName")]
    named = call.get("IamInstanceProfile") if call.service == "ec2" else None
    return [
        role.arn
        for profile in list(backend.instance_profiles.values())
        for role in profile.roles
        if named and (profile.name == named.get("Name") or profile.arn == named.get("Arn"))
    ]


def resources(call: Call) -> list[str]:
    """The ARNs that a call is about; `*` if its action is not known or the call names none."""
    account, region = call.response.current_account, call.response.region
    arn = f"arn:{call.response.partition}:{call.service}"
    if call.service == "iam":
        for kind, parameter in IAM_RESOURCES.items():
            if call.get(parameter):
                return [f"{arn}::{account}:{kind}/{call.get(parameter)}"]
    if call.service == "ssm" and call.get("Name"):
        name = str(call.get("Name"))
        owner = "" if name.startswith("/aws/service/") else account
        return [f"{arn}:{region}:{owner}:parameter/{name.lstrip('/')}"]
    found = []
    for kind, parameter in RESOURCES.get(f"{call.service}:{call.action}", {}).items():
        named = call.get(parameter) or []
        for name in named if isinstance(named, list) else [named]:
            found.append(f"{arn}:{region}:{account}:{kind}/{name}")
    return found or ["*"]
