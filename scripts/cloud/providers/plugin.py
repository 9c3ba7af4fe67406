"""The plugin's server: the engine's requests to the methods of resources."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

from cloud.providers.difference import ADD, DELETE, Changes
from cloud.providers.protocol import (
    engine_grpc,
    engine_pb2,
    plugin_pb2,
    provider_grpc,
    provider_pb2,
    status_pb2,
)
from cloud.providers.resource import Call, CreatedPartly, ProviderError, Resource, describe_error
from cloud.providers.schema import Failure, Table
from cloud.providers.values import decode_map, encode_map, reveal
from cloud.pulumi import plugin_version, urn_type

# The engine itself never asks for more at once than its --parallel, 16 per core by default.
_WORKERS = 128
_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit
_PARENT_SECONDS = 0.5  # between two looks at whether the engine lives
_GRACE_SECONDS = 2.0  # for running steps, once it does not
_KINDS = {ADD: "ADD", DELETE: "DELETE", "update": "UPDATE"}


class Provider:
    """What a stand-in brings: its resources, functions and configuration."""

    name: str
    accept_secrets = False
    resources: dict[str, Resource]

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        """Set when the engine cancels the update: every wait ends."""

    def warm(self) -> None:
        """Runs once the engine knows the port: what takes long and is needed later."""

    def changing(self) -> None:
        """Runs before each change, and when a resource is new: what only changes need."""

    def check_config(self, inputs: dict[str, Any]) -> list[Failure]:
        raise NotImplementedError

    def diff_config(self, _olds: dict[str, Any], _news: dict[str, Any]) -> Changes:
        return {}

    def configure(self, inputs: dict[str, Any]) -> None:
        raise NotImplementedError

    def invoke(self, token: str, _arguments: dict[str, Any], _call: Call) -> dict[str, Any]:
        raise ProviderError(f"function {token!r} is not in the stand-in for {self.name}")

    def resource(self, urn: str) -> Resource:
        token = urn_type(urn)
        found = self.resources.get(token)
        if found is None:
            raise ProviderError(
                f"resource type {token!r} is not in the stand-in for {self.name}; "
                f"it has: {', '.join(sorted(self.resources))}"
            )
        return found


class Server(provider_grpc.ResourceProviderServicer):
    """Answers the engine for one provider."""

    def __init__(self, provider: Provider, engine_address: str) -> None:
        self._provider = provider
        self._engine_address = engine_address
        self._engine: Any = None
        self._lock = threading.Lock()

    # -- the plugin itself

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        self._engine_address = request.engine_address or self._engine_address
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=self._provider.accept_secrets, accept_resources=False
        )

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        self._engine_address = request.address
        return _empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        return plugin_pb2.PluginInfo(version=plugin_version(self._provider.name))

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the stand-in serves no schema")

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        self._provider.cancelled.set()
        return _empty()

    # -- configuration

    def CheckConfig(self, request: Any, context: Any) -> Any:
        with _errors(context):
            news = decode_map(request.news)
            failures = self._provider.check_config(reveal(news))
            return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Any) -> Any:
        with _errors(context):
            olds = decode_map(
                request.old_inputs if request.HasField("old_inputs") else request.olds
            )
            changes = self._provider.diff_config(reveal(olds), reveal(decode_map(request.news)))
            return _diff_response(changes, False)

    def Configure(self, request: Any, context: Any) -> Any:
        with _errors(context):
            self._provider.configure(reveal(decode_map(request.args)))
            return provider_pb2.ConfigureResponse(
                acceptSecrets=self._provider.accept_secrets, supportsPreview=True
            )

    def Invoke(self, request: Any, context: Any) -> Any:
        with _errors(context):
            arguments = reveal(decode_map(request.args))
            result = self._provider.invoke(request.tok, arguments, self._call(request, ""))
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(encode_map(result))
            return response

    # -- resources

    def Check(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            call = self._call(request)
            inputs, failures = resource.check(decode_map(request.news), call)
            if not request.olds.fields:
                self._provider.changing()
            if not failures:
                olds = decode_map(request.olds)
                _autoname(resource.table, inputs, olds, call.name, request.randomSeed)
            return provider_pb2.CheckResponse(
                inputs=encode_map(inputs), failures=_failures(failures)
            )

    def Diff(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            olds, news = decode_map(request.olds), decode_map(request.news)
            for path in request.ignoreChanges:
                _keep(path, olds, news)
            changes = resource.diff(olds, news, self._call(request))
            return _diff_response(changes, _deletes_first(resource.table, olds, news))

    def Create(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            call, inputs = self._call(request), decode_map(request.properties)
            if request.preview:
                state = resource.preview(None, inputs, call)
                return provider_pb2.CreateResponse(id="", properties=encode_map(state))
            self._provider.changing()
            resource_id, state = resource.create(inputs, call)
            return provider_pb2.CreateResponse(id=resource_id, properties=encode_map(state))

    def Read(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            state, inputs = decode_map(request.properties), decode_map(request.inputs)
            found = resource.read(request.id, state, inputs, self._call(request))
            if found is None:
                return provider_pb2.ReadResponse(id="")
            resource_id, state, inputs = found
            return provider_pb2.ReadResponse(
                id=resource_id, properties=encode_map(state), inputs=encode_map(inputs)
            )

    def Update(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            call = self._call(request)
            olds, news = decode_map(request.olds), decode_map(request.news)
            for path in request.ignoreChanges:
                _keep(path, olds, news)
            if request.preview:
                state = resource.preview(olds, news, call)
            else:
                self._provider.changing()
                state = resource.update(request.id, olds, news, call)
            return provider_pb2.UpdateResponse(properties=encode_map(state))

    def Delete(self, request: Any, context: Any) -> Any:
        with _errors(context):
            resource = self._provider.resource(request.urn)
            self._provider.changing()
            resource.delete(request.id, decode_map(request.properties), self._call(request))
            return _empty()

    # -- helpers

    def _call(self, request: Any, of: str | None = None) -> Call:
        urn: str = request.urn if of is None else of
        return Call(
            provider=self._provider,
            urn=urn,
            timeout=getattr(request, "timeout", 0),
            cancelled=self._provider.cancelled,
            log=lambda severity, text: self._log(urn, severity, text),
        )

    def _log(self, urn: str, severity: str, text: str) -> None:
        with self._lock:
            if self._engine is None:
                channel = grpc.insecure_channel(self._engine_address)
                self._engine = engine_grpc.EngineStub(channel)
        with contextlib.suppress(grpc.RpcError):
            self._engine.Log(
                engine_pb2.LogRequest(
                    severity=getattr(engine_pb2, severity.upper()),
                    message=text,
                    urn=urn,
                    ephemeral=severity == "info",
                ),
                timeout=10,
            )


def _empty() -> Any:
    from google.protobuf import empty_pb2

    return empty_pb2.Empty()


@contextlib.contextmanager
def _errors(context: Any) -> Iterator[None]:
    """Turns exceptions into the engine's errors."""
    try:
        yield
    except CreatedPartly as error:
        _abort_partly(context, error)
    except ProviderError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except Exception as error:
        context.abort(grpc.StatusCode.INTERNAL, describe_error(error))


def _abort_partly(context: Any, error: CreatedPartly) -> None:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id, properties=encode_map(error.state), reasons=[str(error)]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _failures(failures: list[Failure]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=one.path, reason=one.reason) for one in failures]


def _diff_response(changes: Changes, delete_before_replace: bool) -> Any:
    detailed = {}
    for path, (kind, replace) in changes.items():
        name = _KINDS[kind] + ("_REPLACE" if replace else "")
        detailed[path] = provider_pb2.PropertyDiff(
            kind=getattr(provider_pb2.PropertyDiff, name), inputDiff=True
        )
    tops = sorted({_top(path) for path in changes})
    replaces = sorted({_top(path) for path, (_, replace) in changes.items() if replace})
    some = provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some,
        diffs=tops,
        replaces=replaces,
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaces) and delete_before_replace,
    )


def _top(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


def _keep(path: str, olds: dict[str, Any], news: dict[str, Any]) -> None:
    """Honours ignoreChanges for top-level names; the engine itself does the nested ones."""
    if path in olds:
        news[path] = olds[path]


def _autoname(
    table: Table, inputs: dict[str, Any], olds: dict[str, Any], name: str, seed: bytes
) -> None:
    """Names a resource after its Pulumi name, as the official plugin does, and remembers that."""
    argument = table.autoname
    given_otherwise = {argument, f"{argument}Prefix"} & set(inputs)
    if not argument or given_otherwise:
        return
    if argument in olds.get("__defaults", []) and argument in olds:
        inputs[argument] = olds[argument]
    else:
        inputs[argument] = f"{name}-{seed.hex()[:7] if seed else '0000000'}"
    if table.autoname_lower:
        inputs[argument] = inputs[argument].lower()
    inputs["__defaults"] = [argument]


def _deletes_first(table: Table, olds: dict[str, Any], news: dict[str, Any]) -> bool:
    """A replacement under a name of the program's own cannot be made beside the old one
    (pulumi-terraform-bridge, pkg/tfbridge/provider.go: nameRequiresDeleteBeforeReplace). None of
    the types served here asks for it besides (pulumi-aws, provider/resource_overrides.go)."""
    name = table.autoname
    if not name or name in news.get("__defaults", []):
        return False
    return name in news and news[name] == olds.get(name)


def serve(make: Callable[[], Provider]) -> None:
    """Runs the plugin until the engine ends it."""
    # The engine ends its plugins by this, one after the other, when nothing runs any more. Python's
    # own way of ending takes half a second each.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    engine_address = next((one for one in sys.argv[1:] if not one.startswith("-")), "")
    provider = make()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    provider_grpc.add_ResourceProviderServicer_to_server(Server(provider, engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    provider.warm()
    threading.Thread(target=_end_with_engine, args=(provider.cancelled,), daemon=True).start()
    server.wait_for_termination()


def _end_with_engine(cancelled: threading.Event) -> None:
    """An engine that was killed tells nobody. Its plugin, a child of it, notices the new parent,
    lets the running steps end as for a cancel, and ends."""
    engine = os.getppid()
    while os.getppid() == engine:
        time.sleep(_PARENT_SECONDS)
    cancelled.set()
    time.sleep(_GRACE_SECONDS)
    os._exit(1)
