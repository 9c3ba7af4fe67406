"""The provider's configuration: what this one takes of the official plugin's."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from cloud.providers.schema import (
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

_LISTS = ("allowedAccountIds", "forbiddenAccountIds")
# Accepted and of no effect here: what they switch off is never done.
WITHOUT_EFFECT = {
    "skipMetadataApiCheck": "the stand-in does not ask for the machine's own role",
    "skipRegionValidation": "the stand-in takes any region",
    "skipRequestingAccountId": "the account is asked for when an ARN needs it, and not before",
}
ARGUMENTS = (
    *(Argument(name) for name in ("accessKey", "secretKey", "token", "region")),
    *(Argument(name, BOOLEAN) for name in ("skipCredentialsValidation", *WITHOUT_EFFECT)),
    *(Argument(name, LIST) for name in _LISTS),
    Argument("maxRetries", INTEGER),
    Argument("defaultTags", OBJECT, fields=(Argument("tags", MAP),)),
    Argument("ignoreTags", OBJECT, fields=(Argument("keys", LIST), Argument("keyPrefixes", LIST))),
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
    default_tags: dict[str, str] = field(default_factory=dict)
    ignored_tags: tuple[str, ...] = ()
    ignored_prefixes: tuple[str, ...] = ()
    max_retries: int = MAX_RETRIES
    skip_credentials: bool = False
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()


def parse(inputs: dict[str, Any]) -> tuple[Config | None, list[Failure]]:
    """The configuration, or what is wrong with it. Nested values arrive encoded as JSON."""
    values = {key: _decode(key, value) for key, value in inputs.items() if key not in _ENGINE_KEYS}
    checked, failures = check(ARGUMENTS, values)
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
            default_tags=checked.get("defaultTags", {}).get("tags", {}),
            ignored_tags=tuple(ignored.get("keys", ())),
            ignored_prefixes=tuple(ignored.get("keyPrefixes", ())),
            max_retries=checked.get("maxRetries", MAX_RETRIES),
            skip_credentials=checked.get("skipCredentialsValidation", False),
            allowed_accounts=tuple(checked.get("allowedAccountIds", ())),
            forbidden_accounts=tuple(checked.get("forbiddenAccountIds", ())),
        ),
        [],
    )


def _decode(key: str, value: Any) -> Any:
    nested = {"defaultTags", "ignoreTags", *_LISTS}
    if key in nested and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
