"""Runs the program against Pulumi's mocks and records every registration, to be asserted on."""

import asyncio
import json
import re
from collections.abc import Callable, Collection, Iterator
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

STEPS = {
    "tools": "ring-{}-tools-release",
    **{
        verb: f"ring-{{}}-mysql-{verb}"
        for verb in ("install", "volume", "tls", "config", "server", "accounts")
    },
    **{
        verb: f"ring-replication-{{}}-{verb}" for verb in ("seed", "replicate", "restart", "verify")
    },
    "schedule": "ring-backups-{}-schedule",
}
"""The names of the steps of a node, by verb, in their order."""
SERVING = "ring-{}-serving"
"""What a stopped instance of the other node waits for. No step waits for it."""

IMAGE = "aws:ssm/getParameter:getParameter"
ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"
OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
REGION = "aws:index/getRegion:getRegion"
ZONE_NAMES = ["eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-west-1c"]
VOLUMES = "aws:ebs/getEbsVolumes:getEbsVolumes"
FOUND_BUCKET = "aws:s3/getBucket:getBucket"
STATE = "pulumi:pulumi:readStackResourceOutputs"


def step(node: str, verb: str) -> str:
    """The name of the step that runs a verb on a node."""
    return STEPS[verb].format(node)


def node_in(name: str) -> str:
    """The node that a resource is of."""
    found = re.search(r"node-\d", name)
    assert found, f"{name} is of no node"
    return found[0]


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
    protect: bool
    replacement_trigger: list[str]
    ignored: frozenset[str]
    secret_outputs: frozenset[str]
    create_timeout: str
    custom: bool
    provider: str


class Recorded:
    """What one run of the program registered, and what its functions were asked of.

    `registered` are the outputs of each component by its name, as the engine got them.
    """

    def __init__(
        self,
        resources: list[Resource],
        outputs: dict[str, Any],
        registered: dict[str, list[dict[str, Any]]],
        calls: list[tuple[str, str]],
    ) -> None:
        self.resources = resources
        self.outputs = outputs
        self.registered = registered
        self.calls = calls

    def named(self, name: str) -> Resource:
        found = [resource for resource in self.resources if resource.name == name]
        assert len(found) == 1, f"{len(found)} resources are named {name}"
        return found[0]

    def of_type(self, ending: str) -> list[Resource]:
        found = [resource for resource in self.resources if resource.type.endswith(ending)]
        assert found, f"no resource of type {ending}"
        return found

    def steps(self) -> list[Resource]:
        """Those of `STEPS`."""
        every = self.of_type("remote:Command")
        return [each for each in every if not each.name.endswith("-serving")]

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
    """Answers as the engine and AWS do. `state` is what stands in the stack, `offering` has the
    zones that have a type, where they are not all, `gone` the volumes that AWS has no more."""

    def __init__(
        self,
        state: dict[str, Any] | None = None,
        offering: dict[str, list[str]] | None = None,
        gone: Collection[str] = (),
    ) -> None:
        self.gone = gone
        self.state = state or {}
        self.offering = offering or {}
        self.calls: list[tuple[str, str]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict]:
        outputs = dict(args.inputs)
        if args.typ == "command:local:Command":
            outputs["stdout"] = json.dumps(MADE)
        elif args.typ == "aws:ec2/networkInterface:NetworkInterface":
            outputs["macAddress"] = "02:00:00:00:00:0" + node_in(args.name)[-1]
        elif args.typ == "aws:ec2/eip:Eip":
            outputs["publicIp"] = "203.0.113.1" + node_in(args.name)[-1]
        elif args.typ == "aws:s3/bucket:Bucket":
            outputs["arn"] = f"arn:aws:s3:::{args.name}"
            outputs["bucketRegion"] = "eu-central-1"
        elif args.typ == "aws:ec2/vpc:Vpc":
            outputs["region"] = "eu-central-1"
        elif args.typ == "aws:ec2/keyPair:KeyPair":
            outputs.setdefault("keyName", args.name)
        elif args.typ.startswith("aws:iam/") or args.typ.endswith(":PlacementGroup"):
            outputs["name"] = args.name
            outputs["arn"] = f"arn:aws:iam::123456789012:role/{args.name}"
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict, list[tuple[str, str]]]:
        self.calls.append((args.token, args.provider))
        if args.token == STATE:
            return {"name": args.args["stackName"], "outputs": self.state}, []
        if args.token == REGION:
            return {"region": "eu-west-1"}, []
        if args.token == FOUND_BUCKET:
            name = args.args["bucket"]
            return {"id": name, "arn": f"arn:aws:s3:::{name}", "bucketRegion": "eu-west-1"}, []
        if args.token == VOLUMES:
            (wanted,) = [one for one in args.args["filters"] if one["name"] == "volume-id"]
            return {"ids": [each for each in wanted["values"] if each not in self.gone]}, []
        if args.token == IMAGE:
            return {"value": "ami-debian", "name": args.args["name"]}, []
        if args.token == ZONES:
            return {"names": ZONE_NAMES[:2]}, []
        if args.token == OFFERINGS:
            assert args.args["locationType"] == "availability-zone"
            (only,) = args.args["filters"]
            assert only["name"] == "instance-type"
            return {"locations": self.offering.get(only["values"][0], ZONE_NAMES)}, []
        raise AssertionError(f"the program called {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: pulumi.runtime.Mocks) -> None:
        super().__init__(answers)
        self.recorded: list[Resource] = []
        self.registered: dict[str, list[dict[str, Any]]] = {}

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
                    protect=request.protect,
                    replacement_trigger=[
                        each.string_value for each in request.replacement_trigger.list_value.values
                    ],
                    ignored=frozenset(request.ignoreChanges),
                    secret_outputs=frozenset(request.additionalSecretOutputs),
                    create_timeout=request.customTimeouts.create,
                    custom=request.custom,
                    provider=request.provider,
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        plain, _ = _unwrap(rpc.deserialize_properties(request.outputs))
        name = request.urn.rpartition("::")[2]
        self.registered.setdefault(name, []).append(plain)
        return super().RegisterResourceOutputs(request)


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


def run(program: Callable[[], dict[str, Any]], **options: Any) -> Recorded:
    """Run a program that returns outputs, each of which may be an Output."""
    recorded, error = attempt(program, **options)
    if error:
        raise error
    return recorded


def attempt(
    program: Callable[[], dict[str, Any]],
    *,
    state: dict[str, Any] | None = None,
    offering: dict[str, list[str]] | None = None,
    gone: Collection[str] = (),
    preview: bool = False,
) -> tuple[Recorded, Exception | None]:
    """The same, for a program that may fail: what it registered until then, and its error."""
    answers = _Answers(state, offering, gone)
    monitor = _Monitor(answers)
    mocks.set_mocks(
        answers,
        project="mysql-ring",
        stack="test",
        monitor=monitor,
        preview=preview,
        organization="acme",
    )
    outputs: dict[str, tuple[Any, bool]] = {}

    def body() -> Any:
        wrapped = {name: pulumi.Output.from_input(each) for name, each in program().items()}

        async def look(_: Any) -> None:
            for name, each in wrapped.items():
                outputs[name] = (await each.future(), await each.is_secret())

        return pulumi.Output.all(*wrapped.values()).apply(look)

    error = None
    try:
        mocks.test(body)()
    except Exception as raised:
        error = raised
        # Whatever waited for what failed fails too, and would say so when it is collected.
        asyncio.get_event_loop().set_exception_handler(lambda *_: None)
    return Recorded(monitor.recorded, outputs, monitor.registered, answers.calls), error
