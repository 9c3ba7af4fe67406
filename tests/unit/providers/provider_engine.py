"""Asks the provider stand-ins what the engine would, without an engine."""

from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import volumes
from cloud.api import instances
from cloud.providers.aws.config import Config
from cloud.providers.aws.provider import AwsProvider
from cloud.providers.difference import Changes
from cloud.providers.resource import Call, Resource
from moto.ec2.models import ec2_backends

REGION = "eu-central-1"
_NUMBERS = count(1234567)


@dataclass
class Made:
    """A resource as the engine would keep it."""

    resource: Resource
    id: str
    inputs: dict[str, Any]
    state: dict[str, Any]


REACHED = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}

LONGEST_WAIT, SHORTEST_PAUSE = 1.0, 0.01


class Quick(Call):
    """A request for which time passes quickly: where it would sleep, hosts get where they go."""

    def deadline(self, default: float) -> float:
        return super().deadline(min(default, LONGEST_WAIT))

    def pause(self, seconds: float) -> None:
        super().pause(min(seconds, SHORTEST_PAUSE))
        volumes.arrive()
        backends: list[Any] = [each for _, _, each in ec2_backends.iter_backends()]
        for backend in backends:
            for instance in backend.all_instances():
                if instance.state in REACHED:
                    instances.settle(instance, REACHED[instance.state])


@dataclass
class Engine:
    """Asks a provider what the engine would, in the engine's order."""

    provider: Any
    lines: list[tuple[str, str]] = field(default_factory=list)

    def call(self, name: str = "node-1", timeout: float = 0) -> Call:
        return Quick(
            self.provider,
            f"urn:pulumi:s::p::t:x/y:Z::{name}",
            timeout,
            log=lambda severity, text: self.lines.append((severity, text)),
        )

    def resource(self, token: str) -> Resource:
        return self.provider.resource(f"urn:pulumi:s::p::{token}::x")

    def checked(self, token: str, **inputs: Any) -> dict[str, Any]:
        values, failures = self.resource(token).check(inputs, self.call())
        assert failures == []
        name = self.resource(token).table.autoname
        if name:
            values.setdefault(name, f"named-{next(_NUMBERS)}")
        return values

    def refusals(self, token: str, **inputs: Any) -> dict[str, str]:
        _, failures = self.resource(token).check(inputs, self.call())
        return {one.path: one.reason for one in failures}

    def create(self, token: str, **inputs: Any) -> Made:
        resource, values = self.resource(token), self.checked(token, **inputs)
        resource_id, state = resource.create(values, self.call())
        return Made(resource, resource_id, values, state)

    def diff(self, made: Made, **changed: Any) -> Changes:
        inputs = {**made.inputs, **changed}
        inputs = {key: value for key, value in inputs.items() if value is not None}
        return made.resource.diff(made.state, inputs, self.call())

    def update(self, made: Made, **changed: Any) -> Made:
        inputs = {**made.inputs, **changed}
        inputs = {key: value for key, value in inputs.items() if value is not None}
        state = made.resource.update(made.id, made.state, inputs, self.call())
        return Made(made.resource, made.id, inputs, state)

    def read(self, made: Made) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        return made.resource.read(made.id, made.state, made.inputs, self.call())

    def delete(self, made: Made) -> None:
        made.resource.delete(made.id, made.state, self.call())


@cache
def shared() -> AwsProvider:
    """One provider for all tests that need no settings of their own: its clients take a while."""
    return configured()


def configured(**more: Any) -> AwsProvider:
    provider = AwsProvider()
    provider.use(
        Config(
            region=REGION,
            access_key="lab",
            secret_key="lab",  # noqa: S106 (the operator's)
            skip_credentials=True,
            **more,
        )
    )
    return provider
