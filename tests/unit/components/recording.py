"""Runs the program against Pulumi's mocks and records every registration, to be asserted on."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc

MADE = {
    "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nmade\n-----END OPENSSH PRIVATE KEY-----\n",
    "public_key": "ssh-ed25519 AAAAmade mysql-ring",
    "certificate": "-----BEGIN CERTIFICATE-----\nmade\n-----END CERTIFICATE-----\n",
    "key": "-----BEGIN RSA PRIVATE KEY-----\nmade\n-----END RSA PRIVATE KEY-----\n",
    "password": "0123456789abcdef0123456789abcdef",
}

IMAGE = "aws:ssm/getParameter:getParameter"
ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


@dataclass(frozen=True)
class Resource:
    """One registration. `inputs` are plain; `secrets` names those that arrived as secrets."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    secrets: frozenset[str]
    depends_on: frozenset[str]
    deleted_with: str
    delete_before_replace: bool
    ignored: frozenset[str]
    secret_outputs: frozenset[str]
    create_timeout: str
    custom: bool


class Recorded:
    """What one run of the program registered."""

    def __init__(self, resources: list[Resource], outputs: dict[str, Any]) -> None:
        self.resources = resources
        self.outputs = outputs

    def named(self, name: str) -> Resource:
        found = [resource for resource in self.resources if resource.name == name]
        assert len(found) == 1, f"{len(found)} resources are named {name}"
        return found[0]

    def of_type(self, ending: str) -> list[Resource]:
        found = [resource for resource in self.resources if resource.type.endswith(ending)]
        assert found, f"no resource of type {ending}"
        return found

    def steps(self) -> list[Resource]:
        return self.of_type("remote:Command")

    def before(self, name: str) -> set[str]:
        """The names of all that is registered as a dependency of `name`, however far."""
        by_urn = {resource.urn: resource for resource in self.resources}
        seen: set[str] = set()
        left = list(self.named(name).depends_on)
        while left:
            resource = by_urn[left.pop()]
            if resource.name not in seen:
                seen.add(resource.name)
                left += resource.depends_on
        return seen


class _Answers(pulumi.runtime.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict]:
        outputs = dict(args.inputs)
        if args.typ == "command:local:Command":
            outputs["stdout"] = json.dumps(MADE)
        elif args.typ == "aws:ec2/networkInterface:NetworkInterface":
            outputs["macAddress"] = "02:00:00:00:00:0" + args.name[5]
        elif args.typ == "aws:ec2/eip:Eip":
            outputs["publicIp"] = "203.0.113.1" + args.name[5]
        elif args.typ == "aws:s3/bucket:Bucket":
            outputs["arn"] = "arn:aws:s3:::store"
        elif args.typ == "aws:ec2/keyPair:KeyPair":
            outputs.setdefault("keyName", args.name)
        elif args.typ.startswith("aws:iam/") or args.typ.endswith(":PlacementGroup"):
            outputs["name"] = args.name
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict, list[tuple[str, str]]]:
        if args.token == IMAGE:
            return {"value": "ami-debian", "name": args.args["name"]}, []
        if args.token == ZONES:
            return {"names": ["eu-central-1a", "eu-central-1b"]}, []
        raise AssertionError(f"the program called {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: pulumi.runtime.Mocks) -> None:
        super().__init__(answers)
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            plain, secrets = _unwrap(rpc.deserialize_properties(request.object))
            self.recorded.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    inputs=plain,
                    secrets=frozenset(secrets),
                    depends_on=frozenset(request.dependencies),
                    deleted_with=request.deletedWith,
                    delete_before_replace=request.deleteBeforeReplace,
                    ignored=frozenset(request.ignoreChanges),
                    secret_outputs=frozenset(request.additionalSecretOutputs),
                    create_timeout=request.customTimeouts.create,
                    custom=request.custom,
                )
            )
        return response


def _unwrap(value: Any, path: str = "") -> tuple[Any, list[str]]:
    """The value without the wrapping of secrets, and the paths at which it was."""
    if rpc.is_rpc_secret(value):
        inner, _ = _unwrap(rpc.unwrap_rpc_secret(value), path)
        return inner, [path]
    if isinstance(value, dict):
        pairs = {key: _unwrap(each, f"{path}.{key}".lstrip(".")) for key, each in value.items()}
        return {key: pair[0] for key, pair in pairs.items()}, _all_paths(pairs.values())
    if isinstance(value, list):
        items = [_unwrap(each, f"{path}[{index}]") for index, each in enumerate(value)]
        return [item[0] for item in items], _all_paths(items)
    return value, []


def _all_paths(pairs: Any) -> list[str]:
    return [path for _, paths in pairs for path in paths]


@contextmanager
def answering(answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
    """An engine that answers functions and makes nothing."""

    class Functions(_Answers):
        def call(self, args: mocks.MockCallArgs) -> tuple[dict, list[tuple[str, str]]]:
            return answer(args.token, args.args), []

    mocks.set_mocks(Functions(), project="mysql-ring", stack="test", organization="acme")
    yield


def run(program: Callable[[], dict[str, Any]]) -> Recorded:
    """Run a program that returns outputs, each of which may be an Output."""
    answers = _Answers()
    monitor = _Monitor(answers)
    mocks.set_mocks(answers, project="mysql-ring", stack="test", monitor=monitor)
    outputs: dict[str, tuple[Any, bool]] = {}

    def body() -> Any:
        wrapped = {name: pulumi.Output.from_input(each) for name, each in program().items()}

        async def look(_: Any) -> None:
            for name, each in wrapped.items():
                outputs[name] = (await each.future(), await each.is_secret())

        return pulumi.Output.all(*wrapped.values()).apply(look)

    mocks.test(body)()
    return Recorded(monitor.recorded, outputs)
