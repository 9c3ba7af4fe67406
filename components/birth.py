"""The step that restores what a ring begins with, where it does not begin empty."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pulumi
from pulumi_aws import get_region_output, iam

from components.bucket import Bucket, reader_policy
from components.replication import pair
from components.role import Role
from components.settings import NOTHING, RestoreSettings, RingArgs
from components.standing import Standing
from components.step import Host, document, step


def to_be_born_from(standing: Standing, settings: RingArgs) -> RestoreSettings | None:
    """What the nodes' data comes from while they hold none; then what it came from, whatever the
    settings say by now: no step runs again because of them."""
    if standing.holds_data:
        return standing.birth
    wanted = settings.restore_from
    return None if wanted is None or wanted.moment == NOTHING else wanted


@dataclass(frozen=True)
class BirthArgs:
    """What is restored, which the ring's own bucket may have; both nodes, and the steps after which
    they have their accounts. `reads`: whether the first node may still read another bucket."""

    ring: str
    source: RestoreSettings
    reads: bool
    settings: RingArgs
    hosts: Mapping[str, Host]
    roles: Mapping[str, Role]
    bucket: Bucket
    own_bucket: str
    after: Sequence[pulumi.Resource]


class Birth(pulumi.ComponentResource):
    """The first node restores what is in a bucket, if both nodes are new and hold nothing. The
    second one copies it, as it does with whatever the first one has."""

    last_steps: Sequence[pulumi.Resource]

    def __init__(
        self, name: str, args: BirthArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Birth", name, None, opts)
        node, source = args.settings.nodes[0], args.source
        ready = list(args.after)
        if args.reads and source.bucket != args.own_bucket:
            access = iam.RolePolicy(
                f"{name}-{node.name}-access",
                role=args.roles[node.name].role_name,
                policy=args.bucket.arn.apply(
                    lambda own: reader_policy(":".join([*own.split(":")[:5], source.bucket]))
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
            ready.append(access)
        place = asdict(replace(source, stack=source.stack or pulumi.get_stack()))
        place["ring"] = source.ring or args.ring
        if not source.region:
            found = get_region_output(opts=pulumi.InvokeOutputOptions(parent=self))
            place["region"] = found.region
        restored = step(
            f"{name}-{node.name}-restore-new",
            "restore-new",
            args.hosts[node.name],
            document(
                {
                    **pair(node, args.settings, args.hosts),
                    "restore": place,
                    "own_bucket": args.bucket.bucket_name,
                }
            ),
            parent=self,
            depends_on=ready,
        )
        self.last_steps = [*args.after, restored]
        self.register_outputs({})
