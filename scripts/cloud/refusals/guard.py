"""The seam between the rules and moto: each rule is asked before moto carries out a call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.iam.exceptions import IAMException
from moto.iam.responses import IamResponse

from cloud.api.patching import replace

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """A reason to refuse calls. Its docstring says when, and after `Source:` says who says so."""

    service: str
    actions: tuple[str, ...]
    codes: tuple[str, ...]
    check: Callable[[Any], None]

    @property
    def when(self) -> str:
        return _flat(inspect.getdoc(self.check) or "").partition("Source:")[0].strip()

    @property
    def source(self) -> str:
        return _flat(inspect.getdoc(self.check) or "").partition("Source:")[2].strip()


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


RULES: list[Rule] = []
REPEATED: dict[tuple[str, str], Callable[[Any], bool]] = {}
SURROUNDINGS: dict[tuple[str, str], list[Callable[[Any], AbstractContextManager[None]]]] = {}


def refuses(service: str, *actions: str, code: str | tuple[str, ...]) -> Callable[[Any], Any]:
    """Register a function that raises when one of these calls is to be refused."""
    codes = (code,) if isinstance(code, str) else code

    def register(check: Function) -> Function:
        RULES.append(Rule(service, actions, codes, check))
        return check

    return register


def surrounds(service: str, action: str) -> Callable[[Any], Any]:
    """Register a context manager that is entered before a call and left after it."""

    def register(context: Function) -> Function:
        SURROUNDINGS.setdefault((service, action), []).append(context)
        return context

    return register


def answers_again(service: str, action: str) -> Callable[[Any], Any]:
    """Register a function that says whether a call repeats one that was carried out."""

    def register(repeats: Function) -> Function:
        REPEATED[service, action] = repeats
        return repeats

    return register


@dataclass(frozen=True)
class Call:
    """One call of the EC2 or the IAM API: its parameters and the state that it finds."""

    backend: Any
    parameters: Callable[..., Any]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.parameters(name, otherwise)


def refuse(code: str, message: str) -> NoReturn:
    """Refuse a call of the EC2 API."""
    raise EC2ClientError(code, message)


def refuse_iam(code: str, message: str) -> NoReturn:
    """Refuse a call of the IAM API."""
    raise IAMException(code, message)


def check(service: str, action: str, call: Any) -> None:
    """Ask every rule for this call; the first that refuses it raises."""
    for rule in RULES:
        if rule.service == service and action in rule.actions:
            rule.check(call)


def _repeats(service: str, action: str, call: Any) -> bool:
    repeats = REPEATED.get((service, action))
    return repeats is not None and repeats(call)


def _guarded(service: str, kind: type[Any], backend: str) -> Callable[[Any], Any]:
    carry_out = kind.call_action

    def call_action(self: Any) -> Any:
        action = self._get_action()
        call = Call(getattr(self, backend), self._get_param)
        if str(call.get("DryRun", "")).lower() == "true" or _repeats(service, action, call):
            return carry_out(self)
        try:
            check(service, action, call)
        except ServiceException as refusal:
            status, headers, body = self.serialized(ActionResult(refusal))
            headers, body = self._enrich_response({**self.response_headers, **headers}, body)
            return status, headers, body
        with ExitStack() as stack:
            for context in SURROUNDINGS.get((service, action), []):
                stack.enter_context(context(call))
            return carry_out(self)

    return call_action


def install() -> None:
    """Ask the rules before EC2 and IAM; once in a process."""
    replace(EC2Response, call_action=_guarded("ec2", EC2Response, "ec2_backend"))
    replace(IamResponse, call_action=_guarded("iam", IamResponse, "backend"))
