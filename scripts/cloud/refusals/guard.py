"""The seam between the callers and moto: permission first, then DryRun, then the rules, then moto.

Every service but S3 goes through one method of moto's; S3's seam is in `bucket`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from cloud.api import errors, launch
from cloud.api.patching import replace
from cloud.refusals import access
from cloud.refusals.call import Call
from cloud.refusals.refusal import Refusal

Check = TypeVar("Check", bound=Callable[..., str | None])

WOULD_SUCCEED = "Request would have succeeded, but DryRun flag is set."

_moto_call_action = BaseResponse.call_action


@dataclass(frozen=True)
class Rule:
    """A reason to refuse calls: AWS's code, and a function that gives AWS's text, or nothing.

    The function's docstring says when, and after `Source:` who says so.
    """

    service: str
    actions: tuple[str, ...]
    code: str
    check: Callable[[Any], str | None]

    @property
    def name(self) -> str:
        return f"{self.check.__module__}.{self.check.__name__}"

    @property
    def when(self) -> str:
        return _flat(inspect.getdoc(self.check) or "").partition("Source:")[0].strip()

    @property
    def source(self) -> str:
        return _flat(inspect.getdoc(self.check) or "").partition("Source:")[2].strip()

    def ask(self, call: Any) -> None:
        """Raise what the rule says, or what moto says of something that the rule looks up."""
        try:
            text = self.check(call)
            if text is not None:
                raise Refusal(self.service, self.code, text)
        except ServiceException as error:
            if error.code == self.code:
                FIRED.add(self.name)
            raise


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


RULES: list[Rule] = []
"""In the order in which they are asked: by module, and as they stand in it. The first counts."""
FIRED: set[str] = set()
"""Names of the rules that have refused a call in this process."""


def refuses(service: str, *actions: str, code: str) -> Callable[[Check], Check]:
    """Register a function that says why one of these calls is to be refused."""

    def register(check: Check) -> Check:
        RULES.append(Rule(service, actions, code, check))
        return check

    return register


def check(service: str, action: str, call: Any) -> None:
    """Ask every rule for this call; the first that refuses it raises."""
    for rule in RULES:
        if rule.service == service and action in rule.actions:
            rule.ask(call)


def _call_action(self: Any) -> Any:
    call = Call(self)
    try:
        access.require(call)
        if call.service == "ec2":
            if call.flag("DryRun"):
                raise Refusal("ec2", "DryRunOperation", WOULD_SUCCEED)
            if call.action == "RunInstances" and launch.repeats(call.backend, call.get):
                return _moto_call_action(self)
        check(call.service, call.action, call)
    except Refusal as refusal:
        environ = self.normalized_request.environ
        headers, body = errors.write(environ, call.service, refusal.code, refusal.message)
        return refusal.status, {**self.response_headers, **dict(headers)}, body.decode()
    except ServiceException as error:
        status, headers, body = self.serialized(ActionResult(error))
        headers, body = self._enrich_response({**self.response_headers, **headers}, body)
        return status, headers, body
    return _moto_call_action(self)


def install() -> None:
    """Stand in front of moto; once in a process."""
    replace(BaseResponse, call_action=_call_action)
