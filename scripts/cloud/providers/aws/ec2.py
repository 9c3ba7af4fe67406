"""What EC2's resources share."""

import re
from typing import Any

from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.parameters import nothing, told
from cloud.providers.aws.resource import (
    TAGS,
    Ask,
    AwsResource,
    Work,
    all_tags,
    difference_of,
    listed,
    pairs,
    unpair,
)
from cloud.providers.schema import Argument

MINUTE = 60.0
# How long the official plugin asks again while something still depends on a resource.
DELETE_SECONDS = 10 * MINUTE


class Ec2Resource(AwsResource):
    """A noun of EC2, which has a call to make, list, change and delete it, and tags.

    What the calls take and answer is botocore's model of them: an argument is a parameter of the
    call that has a member of its name. What a type does otherwise, it says itself.
    """

    noun = ""
    """EC2's own: a "Subnet" has CreateSubnet, DescribeSubnets and DeleteSubnet."""
    kind = ""
    """EC2's name of the type in tag specifications and ARNs."""
    identifier = ""
    """SubnetId."""
    creates, lists, deletes = "", "", ""
    """Other names of these calls."""
    modifies = ""
    """The call that changes one attribute, if there is one."""
    items = ""
    """JMESPath of the items in the answer of `lists`: Subnets[]."""
    living = ""
    """The same without what has ended."""
    missing: tuple[str, ...] = ()
    """Codes that say that it is not there."""
    available: tuple[str, ...] = ("available",)
    available_within, deleted_within = 0.0, DELETE_SECONDS
    """Seconds; the first is 0 where a create is over with its answer."""
    held: tuple[str, ...] = ("DependencyViolation",)
    """Refusals of a delete that end once what depends on the resource is gone."""

    def __init_subclass__(cls) -> None:
        cls.identifier = cls.identifier or f"{cls.noun}Id"
        cls.creates = cls.creates or f"Create{cls.noun}"
        cls.lists = cls.lists or f"Describe{cls.noun}s"
        cls.deletes = cls.deletes or f"Delete{cls.noun}"
        cls.items = cls.items or f"{cls.noun}s[]"
        cls.living = cls.living or cls.items

    def make(self, work: Work) -> str:
        tags = self.tag_specifications(work)
        answer = self.ask(
            work, self.creates, **self.given(work, self.creates), TagSpecifications=tags
        )
        return answer.get(self.noun, answer)[self.identifier]

    def find(self, work: Work) -> dict[str, Any] | None:
        """As the API lists it; None when it is not there."""
        return self.look_up(work, work.id)

    def look_up(self, work: Work, identifier: str) -> dict[str, Any] | None:
        import jmespath

        answer = ignoring(
            self.missing, self.ask, work, self.lists, **{f"{self.identifier}s": [identifier]}
        )
        return next(iter(jmespath.search(self.items, answer or {}) or []), None)

    def settle(self, work: Work) -> None:
        if self.available_within:
            found = self.wait(work)
            if self.modifies:
                for name, value in self.differing(work, self.told(work, found)).items():
                    self.ask(work, self.modifies, **{self.identifier: work.id, name: value})

    def wait(self, work: Work) -> dict[str, Any]:
        """As the API lists it once it can be used."""
        found: dict[str, Any] = {}

        def look() -> str | None:
            found.clear()
            found.update(self.find(work) or {})
            state = found.get("State") or found.get("Status") or self.available[0]
            return state if found else None

        what = f"{self.kind.replace('-', ' ')} {work.id}"
        wait_until(work.call, self.available_within, what, look, self.available)
        return found

    def differing(self, work: Work, current: dict[str, Any]) -> dict[str, Any]:
        """The parameters of `modifies` that are not what the arguments say."""
        members = self.model(work).operation_model(self.modifies).input_shape.members
        found = {}
        for one in self.table.arguments:
            if one.parameter not in members or (one.computed and one.name not in work.inputs):
                continue
            wanted = work.inputs.get(one.name, nothing(one))
            if difference_of(one, current.get(one.name), wanted):
                wrapped = "Value" in getattr(members[one.parameter], "members", ())
                found[one.parameter] = {"Value": wanted} if wrapped else wanted
        return found

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self.find(work)
        if found is None or self.ended(found):
            return None
        outputs = {
            "arn": work.session.arn("ec2", f"{self.kind}/{work.id}"),
            "ownerId": found.get("OwnerId") or work.session.account,
        }
        tags = unpair(found.get("Tags") or found.get("TagSet"))
        outputs = {key: value for key, value in outputs.items() if key in self.table.outputs}
        return {**self.told(work, found), **outputs, "tags": tags}

    def ended(self, found: dict[str, Any]) -> bool:
        """Whether the API still lists what is not there any more."""
        return found.get("State") == "deleted"

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        """The outputs, and the arguments that the API tells back: the item has a place for them."""
        shape = self.model(work).operation_model(self.lists).output_shape
        for key in re.findall(r"\w+", self.items):
            shape = shape.members[key].member
        outputs = [Argument(name) for name in self.table.outputs]
        arguments = [one for one in self.table.arguments if one is not TAGS]
        return {
            **dict.fromkeys(self.table.outputs, ""),
            **told(outputs, found),
            **told(arguments, found, shape.members),
        }

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            self.deleted_within,
            lambda code, _: code in self.held,
            lambda: ignoring(
                self.missing, self.ask, work, self.deletes, **{self.identifier: work.id}
            ),
        )

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        tags = sorted((inputs.get("tags") or {}).items())
        if not tags:
            return []
        words = [f"Name=tag:{key},Values={value}" for key, value in tags]
        path = f"{self.living}.{self.identifier}"
        return listed(ask, "ec2", self.lists, path, "--filters", *words)

    def tag_specifications(self, work: Work) -> list[dict[str, Any]]:
        tags = all_tags(work.session, work.inputs.get("tags"))
        return [{"ResourceType": self.kind, "Tags": pairs(tags)}] if tags else []

    def tagged_id(self, work: Work) -> str:
        return work.id

    def tag(self, work: Work, removed: list[str], tags: dict[str, str]) -> None:
        target = [self.tagged_id(work)]
        if removed:
            work.ec2.delete_tags(Resources=target, Tags=[{"Key": key} for key in removed])
        if tags:
            work.ec2.create_tags(Resources=target, Tags=pairs(tags))


def first(function: Any, key: str, missing: tuple[str, ...], **arguments: Any) -> Any:
    """The one item of a describe call, or None when it is not there."""
    answer = ignoring(missing, function, **arguments)
    items = (answer or {}).get(key) or []
    return items[0] if items else None


def filters(**values: str) -> list[dict[str, Any]]:
    """EC2 filters; underscores stand for hyphens."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]
