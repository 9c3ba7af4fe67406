"""What EC2's resources share."""

from typing import Any

from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.resource import AwsResource, Work, all_tags, pairs

MINUTE = 60.0
# How long the official plugin asks again while something still depends on a resource.
DELETE_SECONDS = 10 * MINUTE


class Ec2Resource(AwsResource):
    """A resource that is tagged by its id."""

    kind: str = ""
    """EC2's name of the type in tag specifications."""

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


def dependency(code: str, _message: str) -> bool:
    """Refusals that end once what depends on the resource is gone."""
    return code in ("DependencyViolation", "InvalidPlacementGroup.InUse", "InvalidGroup.InUse")


def filters(**values: str) -> list[dict[str, Any]]:
    """EC2 filters; underscores stand for hyphens."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]
