"""What all AWS resources share: tags, the region argument, previews, and the order of steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloud.providers.aws.errors import is_api_error, translate
from cloud.providers.aws.parameters import parameters
from cloud.providers.aws.session import Session
from cloud.providers.difference import UPDATE, Changes, difference
from cloud.providers.resource import (
    Call,
    CreatedPartly,
    ProviderError,
    Resource,
    describe_error,
)
from cloud.providers.schema import MAP, OBJECT, Argument, Failure, Table, check_table
from cloud.providers.values import UNKNOWN, Unknown

# tags and region are arguments of nearly all resources. region (since version 7) is
# Optional+Computed; where a program names none, it is the provider's, and another one than the
# state's replaces, see diff (internal/provider/sdkv2/region.go, forceNewIfRegionChanges, and
# internal/provider/framework/region.go, resourceForceNewIfRegionChanges).
TAGS = Argument("tags", MAP)
Ask = Callable[..., Any]
"""Asks the API in the words of the AWS command line, and gives the answer."""
# Marks of the state that are no properties: a create that was cut short, and an id that an update
# changed (an update's answer has no place for it; the next refresh tells the engine).
UNFINISHED, NEW_ID = "__unfinished", "__id"
REGION = Argument("region", replace=True, computed=True)


@dataclass
class Work:
    """What one request works on: the resource's id, its new arguments and its last state."""

    session: Session
    call: Call
    id: str
    inputs: dict[str, Any]
    old: dict[str, Any]

    @property
    def fresh(self) -> bool:
        """Just made, or made by a create that was cut short."""
        return not self.old or UNFINISHED in self.old

    @property
    def ec2(self) -> Any:
        return self.session.client("ec2")

    @property
    def iam(self) -> Any:
        return self.session.client("iam")

    @property
    def s3(self) -> Any:
        return self.session.client("s3")

    def pick(self, **names: str) -> dict[str, Any]:
        """The API's parameters (keys) of the arguments (values) that are set."""
        return {
            key: self.inputs[name]
            for key, name in names.items()
            if self.inputs.get(name) is not None
        }

    def changed(self, *names: str) -> bool:
        return any(self.inputs.get(name) != self.old.get(name) for name in names)


class AwsResource(Resource):
    """A resource type of AWS. Subclasses talk to the API; this class keeps the engine's rules."""

    service = "ec2"

    def ask(self, work: Work, operation: str, **arguments: Any) -> Any:
        """Calls the API; `operation` is AWS's own name, as CreateSubnet."""
        from botocore import xform_name

        return getattr(work.session.client(self.service), xform_name(operation))(**arguments)

    def model(self, work: Work) -> Any:
        """botocore's description of the service: its calls, what they take and answer."""
        return work.session.client(self.service).meta.service_model

    def given(self, work: Work, operation: str) -> dict[str, Any]:
        """The parameters of `operation` that the arguments give; tags are none of them."""
        members = set(self.model(work).operation_model(operation).input_shape.members)
        return parameters(self.table.arguments, work.inputs, members - {"Tags"})

    # -- what a type defines

    def make(self, work: Work) -> str:
        """Calls the API to create it from `work.inputs` and returns its id."""
        raise NotImplementedError

    def settle(self, work: Work) -> None:
        """Waits until it can be used, and sets what the create call cannot. Runs again after a
        create that was cut short, so it looks before it acts."""

    def describe(self, work: Work) -> dict[str, Any] | None:
        """Arguments and outputs as the API has them; None when it is gone."""
        raise NotImplementedError

    def change(self, work: Work) -> None:
        """Makes the API's state what the arguments say, tags aside."""

    def destroy(self, work: Work) -> None:
        raise NotImplementedError

    def tag(self, work: Work, removed: list[str], tags: dict[str, str], /) -> None:
        """Removes and sets tags of an existing resource."""
        raise NotImplementedError

    def validate(self, _inputs: dict[str, Any]) -> list[Failure]:
        """Rules the table cannot say."""
        return []

    def computed_on_update(self, _old: dict[str, Any], _inputs: dict[str, Any]) -> set[str]:
        """Outputs that an update makes anew."""
        return set()

    # -- what an update that was killed leaves (cli/pending.py)

    imports_by_place = False
    """An import takes another id than the one that the state has later."""

    def left(self, _inputs: dict[str, Any], _ask: Ask) -> list[str]:
        """The ids, as an import takes them, of what has the tags or the place of these inputs."""
        return []

    def finish(self, _id: str, _ask: Ask) -> None:
        """What is still to be done of a create that ended with the call that makes it."""

    def ending(self, _ids: list[str], _ask: Ask) -> bool:
        """Whether one of them is going, and looks as if it were there."""
        return False

    # -- the engine's side

    @property
    def tagged(self) -> bool:
        return "tags" in self.table.by_name

    def check(self, inputs: dict[str, Any], call: Call) -> tuple[dict[str, Any], list[Failure]]:
        checked, failures = check_table(self.table, inputs)
        region = checked.get("region")
        session = call.provider.session
        if region and region is not UNKNOWN and session and region != session.region:
            failures.append(
                Failure("region", f"the stand-in serves {session.region} only, found {region!r}")
            )
        if not failures:
            failures = self.validate(checked)
        return checked, failures

    def diff(self, state: dict[str, Any], inputs: dict[str, Any], call: Call) -> Changes:
        changes = difference(self.table, state, inputs)
        if "region" in self.table.by_name:
            own = call.provider.session.region
            if state.get("region", own) != inputs.get("region", own):
                changes["region"] = (UPDATE, True)
        if UNFINISHED in state:
            changes[UNFINISHED] = (UPDATE, False)
        if self.tagged and not any(path.startswith("tags") for path in changes):
            planned = all_tags(call.provider.session, inputs.get("tags"))
            tags = Argument("tagsAll", MAP)
            changes.update(difference_of(tags, state.get("tagsAll"), planned))
        return changes

    def preview(
        self, old: dict[str, Any] | None, inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        state = {key: value for key, value in inputs.items() if not key.startswith("__")}
        fresh = self.computed_on_update(old, inputs) if old is not None else set()
        for name in self._outputs():
            if name in inputs:
                continue
            known = old is not None and name not in fresh
            if old is not None and known:
                if name in old:
                    state[name] = old[name]
            else:
                state[name] = UNKNOWN
        for argument in self.table.arguments:
            if argument.name not in state and argument.default is not None:
                state[argument.name] = argument.default
        if self.tagged:
            state["tagsAll"] = all_tags(call.provider.session, inputs.get("tags"))
        if "region" in self.table.by_name:
            state["region"] = call.provider.session.region
        return state

    def _outputs(self) -> set[str]:
        computed = {one.name for one in self.table.arguments if one.computed}
        return computed | set(self.table.outputs)

    def create(self, inputs: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        work = Work(call.provider.session, call, "", inputs, {})
        work.id = self._guard("creating", work, lambda: self.make(work))
        try:
            self._guard("waiting for", work, lambda: self.settle(work))
            return work.id, self._state(work)
        except Exception as error:  # whatever it was: what exists must not be lost
            state = {**self._state_or_inputs(work), UNFINISHED: True}
            raise CreatedPartly(work.id, state, describe_error(error)) from error

    def read(
        self, resource_id: str, state: dict[str, Any], inputs: dict[str, Any], call: Call
    ) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        known_as = state.get(NEW_ID, resource_id)
        work = Work(call.provider.session, call, known_as, inputs, state)
        found = self._guard("reading", work, lambda: self.describe(work))
        if found is None:
            return None
        imported = not inputs and not state
        new_state = self._merge(work.session, state, found)
        if UNFINISHED in state:
            new_state[UNFINISHED] = True
        return work.id, new_state, self._inputs(inputs, new_state, imported)

    def update(
        self, resource_id: str, old: dict[str, Any], inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        work = Work(call.provider.session, call, old.get(NEW_ID, resource_id), inputs, old)
        self._guard("updating", work, lambda: self.change(work))
        if self.tagged:
            self._guard("tagging", work, lambda: self._retag(work))
        self._guard("waiting for", work, lambda: self.settle(work))
        state = self._state(work)
        return state if work.id == resource_id else {**state, NEW_ID: work.id}

    def delete(self, resource_id: str, state: dict[str, Any], call: Call) -> None:
        work = Work(call.provider.session, call, state.get(NEW_ID, resource_id), {}, state)
        self._guard("deleting", work, lambda: self.destroy(work))

    # -- steps

    def _guard(self, verb: str, work: Work, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception as error:
            if is_api_error(error):
                kind = self.type_name.rsplit(":", 1)[-1]
                raise translate(error, f"{kind} {work.call.name!r}", verb) from None
            raise

    def _state(self, work: Work) -> dict[str, Any]:
        found = self._guard("reading", work, lambda: self.describe(work))
        if found is None:
            raise ProviderError(f"{work.call.name}: {work.id} is not there after it was made")
        return self._merge(work.session, work.inputs, found)

    def _state_or_inputs(self, work: Work) -> dict[str, Any]:
        try:
            return self._state(work)
        except Exception:
            return self._merge(work.session, work.inputs, {})

    def _merge(
        self, session: Session, given: dict[str, Any], found: dict[str, Any]
    ) -> dict[str, Any]:
        names = {one.name for one in self.table.arguments} | set(self.table.outputs)
        state = {key: value for key, value in given.items() if key in names}
        state.update({key: value for key, value in found.items() if value is not None})
        for argument in self.table.arguments:
            if argument.name not in state and argument.default is not None:
                state[argument.name] = argument.default
        if self.tagged:
            present = {
                key: value
                for key, value in (found.get("tags", state.get("tags")) or {}).items()
                if not _ignored(session, key)
            }
            state["tagsAll"] = present
            given_tags = given.get("tags") or {}
            defaults = session.config.default_tags
            state["tags"] = {
                key: value
                for key, value in present.items()
                if key in given_tags or defaults.get(key) != value
            }
        if "region" in self.table.by_name:
            state["region"] = session.region
        return state

    def _inputs(
        self, inputs: dict[str, Any], state: dict[str, Any], imported: bool
    ) -> dict[str, Any]:
        """The arguments that would give this state: those given before with today's values, and
        for an import everything that a program has to say."""
        fresh = {key: value for key, value in inputs.items() if key.startswith("__")}
        for argument in self.table.arguments:
            name = argument.name
            if name == "region" and name not in inputs:
                continue
            value = state.get(name)
            if name in inputs and not difference_of(argument, value, inputs[name]):
                fresh[name] = inputs[name]  # the same thing, in the program's own words
                continue
            wanted = name in inputs or (
                value not in (None, "", [], {}) and value != argument.default
                if imported
                else not argument.computed and value not in (None, "", [], {}, argument.default)
            )
            if imported and _conflicts(self.table, argument, fresh):
                continue
            if wanted and value is not None:
                fresh[name] = _narrow(argument, inputs.get(name), value)
        return fresh

    def _retag(self, work: Work) -> None:
        before = work.old.get("tagsAll") or {}
        after = all_tags(work.session, work.inputs.get("tags"))
        removed = sorted(key for key in before if key not in after)
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        if removed or changed:
            self.tag(work, removed, changed)


def _conflicts(table: Table, argument: Argument, given: dict[str, Any]) -> bool:
    """Whether the argument may not stand beside one that is given."""
    others = (table.by_name[name] for name in given if name in table.by_name)
    return any(one.name in argument.conflicts or argument.name in one.conflicts for one in others)


def _narrow(argument: Argument, given: Any, value: Any) -> Any:
    """Of an object, only the fields that the program gives (in an import: those with a value):
    the others are the API's."""
    if argument.fields and isinstance(value, dict):
        wanted = given if isinstance(given, dict) else {k: v for k, v in value.items() if v}
        return {
            key: _narrow(field, wanted.get(key), value[key])
            for key, field in ((one.name, one) for one in argument.fields)
            if key in wanted and key in value
        }
    if argument.fields and isinstance(value, list) and given is None:
        return [
            _narrow(Argument("element", OBJECT, fields=argument.fields), None, item)
            for item in value
        ]
    return value


def difference_of(argument: Argument, old: Any, new: Any) -> Changes:
    return difference(Table((argument,)), {argument.name: old}, {argument.name: new})


def all_tags(session: Session, tags: Any) -> Any:
    """The resource's own tags over the provider's default ones."""
    if isinstance(tags, Unknown):
        return UNKNOWN
    return {**session.config.default_tags, **(tags or {})}


def _ignored(session: Session, key: str) -> bool:
    config = session.config
    return (
        key.startswith("aws:")
        or key in config.ignored_tags
        or any(key.startswith(prefix) for prefix in config.ignored_prefixes)
    )


def listed(ask: Ask, service: str, operation: str, path: str, *words: str) -> list[str]:
    """The texts at a JMESPath of an answer."""
    from botocore import xform_name

    return ask(service, xform_name(operation, "-"), *words, "--query", path) or []


def placed(ask: Ask, operation: str, path: str, name: str, value: str) -> list[str]:
    """As `listed`, by a filter: what a place is in may be gone by now, and to name it would be an
    error."""
    return listed(ask, "ec2", operation, path, "--filters", f"Name={name},Values={value}")


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def unpair(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or []}
