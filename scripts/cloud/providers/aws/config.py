"""The provider's configuration: what the official plugin takes, and what this one does with it."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from cloud.providers.schema import (
    ANY,
    BOOLEAN,
    INTEGER,
    LIST,
    MAP,
    OBJECT,
    Argument,
    Failure,
    check,
)
from cloud.providers.values import UNKNOWN

_TEXTS = (
    "accessKey",
    "secretKey",
    "token",
    "region",
    "profile",
    "customCaBundle",
    "httpProxy",
    "httpsProxy",
)
_FLAGS = (
    "insecure",
    "s3UsePathStyle",
    "skipCredentialsValidation",
    "useDualstackEndpoint",
    "useFipsEndpoint",
)
_LISTS = (
    "allowedAccountIds",
    "forbiddenAccountIds",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
)
# Accepted and of no effect here: what they switch off is never done.
WITHOUT_EFFECT = {
    "skipMetadataApiCheck": "the stand-in does not ask for the machine's own role",
    "skipRegionValidation": "the stand-in takes any region",
    "skipRequestingAccountId": "the account is asked for when an ARN needs it, and not before",
}
ARGUMENTS = (
    *(Argument(name) for name in _TEXTS),
    *(Argument(name, BOOLEAN) for name in (*_FLAGS, *WITHOUT_EFFECT)),
    *(Argument(name, LIST) for name in _LISTS),
    Argument("maxRetries", INTEGER),
    Argument("endpoints", ANY),
    Argument("defaultTags", OBJECT, fields=(Argument("tags", MAP),)),
    Argument("ignoreTags", OBJECT, fields=(Argument("keys", LIST), Argument("keyPrefixes", LIST))),
)
# Official settings that would change what this stand-in does, and that it does not do.
_REFUSED = (
    "assumeRoleWithWebIdentity",
    "assumeRoles",
    "ec2MetadataServiceEndpoint",
    "ec2MetadataServiceEndpointMode",
    "noProxy",
    "retryMode",
    "s3UsEast1RegionalEndpoint",
    "stsRegion",
    "tagPolicyCompliance",
    "tokenBucketRateLimiterCapacity",
    "userAgents",
)
# What the engine and the SDK put beside the configuration.
_ENGINE_KEYS = ("version", "pluginDownloadURL")
MAX_RETRIES = 25  # the official default


@dataclass(frozen=True)
class Config:
    """Parsed configuration. Credentials are in no text this class prints."""

    region: str
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    profile: str | None = None
    endpoints: dict[str, str] = field(default_factory=dict)
    default_tags: dict[str, str] = field(default_factory=dict)
    ignored_tags: tuple[str, ...] = ()
    ignored_prefixes: tuple[str, ...] = ()
    max_retries: int = MAX_RETRIES
    insecure: bool = False
    path_style: bool = False
    skip_credentials: bool = False
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict, repr=False)


def parse(inputs: dict[str, Any]) -> tuple[Config | None, list[Failure]]:
    """The configuration, or what is wrong with it. Nested values arrive encoded as JSON."""
    values = {key: _decode(key, value) for key, value in inputs.items() if key not in _ENGINE_KEYS}
    failures = [
        Failure(name, f"aws:{name} is not served by the stand-in; unset it or use the plugin")
        for name in _REFUSED
        if values.pop(name, None) is not None
    ]
    checked, more = check(ARGUMENTS, values)
    failures.extend(more)
    for name in ("sharedConfigFiles", "sharedCredentialsFiles"):
        if len(checked.get(name) or []) > 1:
            failures.append(Failure(name, f"aws:{name}: expected one file, found several"))
    endpoints = _endpoints(checked.get("endpoints"), failures)
    region = checked.get("region") or os.environ.get("AWS_REGION", "")
    region = region or os.environ.get("AWS_DEFAULT_REGION", "")
    if not region:
        failures.append(
            Failure("region", "no region: set one with `pulumi config set aws:region REGION`")
        )
    if failures or any(value is UNKNOWN for value in checked.values()):
        return None, failures
    ignored = checked.get("ignoreTags", {})
    return (
        Config(
            region=region,
            access_key=checked.get("accessKey"),
            secret_key=checked.get("secretKey"),
            token=checked.get("token"),
            profile=checked.get("profile"),
            endpoints=endpoints,
            default_tags=checked.get("defaultTags", {}).get("tags", {}),
            ignored_tags=tuple(ignored.get("keys", ())),
            ignored_prefixes=tuple(ignored.get("keyPrefixes", ())),
            max_retries=checked.get("maxRetries", MAX_RETRIES),
            insecure=checked.get("insecure", False),
            path_style=checked.get("s3UsePathStyle", False),
            skip_credentials=checked.get("skipCredentialsValidation", False),
            allowed_accounts=tuple(checked.get("allowedAccountIds", ())),
            forbidden_accounts=tuple(checked.get("forbiddenAccountIds", ())),
            more=checked,
        ),
        [],
    )


def _decode(key: str, value: Any) -> Any:
    nested = {"endpoints", "defaultTags", "ignoreTags", *_LISTS}
    if key in nested and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _endpoints(value: Any, failures: list[Failure]) -> dict[str, str]:
    if value is None:
        return {}
    entries = value if isinstance(value, list) else [value]
    merged: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not all(isinstance(url, str) for url in entry.values()):
            failures.append(
                Failure(
                    "endpoints", 'expected a list of maps from service to URL, [{"ec2": "..."}]'
                )
            )
            return {}
        merged.update({service: url for service, url in entry.items() if url})
    return merged
