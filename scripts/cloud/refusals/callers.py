"""Who asks: whose credentials signed a request, and the policies that they bring.

The lab's operator is the account's administrator: no identity policy limits it. Credentials of
a role's session (from STS or a host's metadata service, both in moto's STS backend) and of IAM
users may do what their policies allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from cloud.api.identity import OPERATOR, access_key
from cloud.refusals import policy
from cloud.refusals.evaluation import ANONYMOUS, Principal
from cloud.refusals.refusal import Access, no_access

TOKEN = "X-Amz-Security-Token"  # noqa: S105 (the name of a header)


@dataclass(frozen=True)
class Caller:
    """Whose credentials a request carries, and the policies that they bring."""

    principal: Principal
    administrator: bool = False
    policies: tuple[policy.Statement, ...] = ()
    limits: tuple[tuple[policy.Statement, ...], ...] = ()
    """Permissions boundary and session policy: each must allow, too."""
    keys: tuple[tuple[str, str], ...] = ()
    """Condition keys of its own."""

    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that the caller and the time set."""
        now = datetime.now(UTC)
        found = dict(self.keys)
        found["aws:currenttime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        found["aws:epochtime"] = str(int(now.timestamp()))
        if self.principal.arn:
            names = self.principal.names
            found["aws:principalarn"] = next(iter(names)) if names else self.principal.arn
            found["aws:principalaccount"] = self.principal.account
        return {key.lower(): (value,) for key, value in found.items()}


def caller(
    service: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    partition: str,
    account: str = DEFAULT_ACCOUNT_ID,
) -> Caller:
    """Find whose credentials signed a request to a service; header names are in lower case.

    Raises Refusal, in the service's words, for credentials that are not good.
    """
    key = access_key(headers, query)
    if key is None:
        return Caller(ANONYMOUS)
    if key == OPERATOR:
        return Caller(Principal(f"arn:{partition}:iam::{account}:root", account), True)
    session = _session(key, partition)
    if session is not None:
        if (headers.get(TOKEN.lower()) or query.get(TOKEN)) != session.session_token:
            raise no_access(service, Access.WRONG_TOKEN)
        expiration = session.expiration
        if expiration.tzinfo is None:
            expiration = expiration.replace(tzinfo=UTC)
        if expiration < datetime.now(UTC):
            raise no_access(service, Access.ENDED)
        return _session_caller(session)
    for owner, by_partition in list(iam_backends.items()):
        user = by_partition[partition].get_user_from_access_key_id(key)
        if user is not None:
            return _user_caller(user, by_partition[partition], owner)
    raise no_access(service, Access.UNKNOWN_KEY)


def _session(key: str, partition: str) -> Any | None:
    for by_partition in list(sts_backends.values()):
        session = by_partition[partition].get_assumed_role_from_access_key(key)
        if session is not None:
            return session
    return None


def _session_caller(session: Any) -> Caller:
    backend = iam_backends[session.account_id][session.partition]
    role = next((role for role in backend.get_roles() if role.arn == session.role_arn), None)
    principal = Principal(session.arn, session.account_id, frozenset({session.role_arn}))
    if role is None:
        return Caller(principal)
    limits = [policy.statements(session.policy)] if session.policy else []
    if role.permissions_boundary_arn:
        limits.append(policy.statements(_managed(backend, role.permissions_boundary_arn)))
    return Caller(
        principal,
        policies=_statements(backend, role.policies.values(), role.managed_policies),
        limits=tuple(map(tuple, limits)),
        keys=(
            ("aws:userid", session.user_id),
            ("aws:principaltype", "AssumedRole"),
            *((f"aws:principaltag/{tag['Key']}", tag["Value"]) for tag in role.tags),
        ),
    )


def _user_caller(user: Any, backend: Any, account: str) -> Caller:
    documents = list(user.policies.values())
    managed = dict(user.managed_policies)
    for group in backend.get_groups_for_user(user.name):
        documents.extend(group.policies.values())
        managed.update(group.managed_policies)
    return Caller(
        Principal(user.arn, account),
        policies=_statements(backend, documents, managed),
        keys=(
            ("aws:username", user.name),
            ("aws:userid", user.id),
            ("aws:principaltype", "User"),
        ),
    )


def _managed(backend: Any, arn: str) -> str:
    versions = backend.get_policy(arn).versions
    return next(version.document for version in versions if version.is_default_version)


def _statements(backend: Any, documents: Any, managed: Any) -> tuple[policy.Statement, ...]:
    everything = [*documents, *(_managed(backend, arn) for arn in managed)]
    return tuple(statement for document in everything for statement in policy.statements(document))
