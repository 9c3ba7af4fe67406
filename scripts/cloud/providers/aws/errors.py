"""AWS's errors: which code, and the text that the engine shows."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cloud.providers.resource import Call, ProviderError

T = TypeVar("T")


class AwsError(ProviderError):
    """A refusal by the API, with its code."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


def code_of(error: BaseException) -> str:
    """AWS's error code, empty when the exception is not an answer of the API."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return getattr(error, "code", "") if isinstance(error, AwsError) else ""


def translate(error: Exception, name: str, verb: str) -> ProviderError:
    """The error to show for `verb` of the resource `name`. Only what the API said is told; texts
    that the client composes itself may repeat arguments and are cut down to their type."""
    code = code_of(error)
    if code:
        response = getattr(error, "response", {})
        message = response.get("Error", {}).get("Message", "")
        operation = getattr(error, "operation_name", verb)
        request = response.get("ResponseMetadata", {})
        status, ident = request.get("HTTPStatusCode", "?"), request.get("RequestId", "?")
        return AwsError(
            f"{verb} {name}: operation {operation}, https response error StatusCode: {status}, "
            f"RequestID: {ident}, api error {code}: {message}",
            code,
        )
    kind = type(error).__name__
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "SSLError", "NoCredentialsError"):
        return ProviderError(f"{verb} {name}: {kind}: {error}")
    if kind == "ParamValidationError":
        return ProviderError(
            f"{verb} {name}: an argument is not of the form that the API takes ({kind})"
        )
    return ProviderError(f"{verb} {name}: {kind}")


def is_api_error(error: Exception) -> bool:
    return type(error).__module__.startswith("botocore")


def ignoring(
    codes: tuple[str, ...], function: Callable[..., Any], *words: Any, **arguments: Any
) -> Any:
    """The answer, or None when the API refuses with one of these codes."""
    try:
        return function(*words, **arguments)
    except Exception as error:
        if code_of(error) in codes:
            return None
        raise


def retrying(
    call: Call,
    seconds: float,
    retried: Callable[[str, str], bool],
    function: Callable[[], T],
) -> T:
    """Calls until the API stops refusing with what `retried(code, message)` accepts, or raises
    its last refusal after `seconds`."""
    end = call.deadline(seconds)
    pause = 0.2
    while True:
        try:
            return function()
        except Exception as error:
            code = code_of(error)
            response = getattr(error, "response", {})
            message = response.get("Error", {}).get("Message", "") if code else ""
            if not code or not retried(code, message) or time.monotonic() + pause > end:
                raise
        call.pause(pause)
        pause = min(pause * 1.6, 5.0)


def wait_until(
    call: Call, seconds: float, what: str, look: Callable[[], str | None], wanted: tuple[str, ...]
) -> str:
    """Looks until the state is one of `wanted`; the error names the last one seen."""
    end = call.deadline(seconds)
    pause = 0.1
    while True:
        state = look()
        if state in wanted:
            return str(state)
        if time.monotonic() + pause > end:
            raise ProviderError(
                f"timeout while waiting for {what} to become {' or '.join(wanted)}; "
                f"last state: {state or 'not found'}"
            )
        call.pause(pause)
        pause = min(pause * 1.5, 3.0)
