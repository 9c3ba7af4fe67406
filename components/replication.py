"""The steps that make two servers a ring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.settings import NodeSettings, RingArgs
from components.step import Host, document, step


@dataclass(frozen=True)
class ReplicationArgs:
    """Both nodes: how they are reached, and the steps after which each has its accounts."""

    settings: RingArgs
    hosts: Mapping[str, Host]
    after: Sequence[pulumi.Resource]


class Replication(pulumi.ComponentResource):
    """Seed, replicate, verify. Each node decides from its own state and its peer's.

    Each stage waits for the one before on both nodes: a node can only point at coordinates that
    its peer has settled on.
    """

    last_steps: Sequence[pulumi.Resource]

    def __init__(
        self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Replication", name, None, opts)
        done = args.after
        for verb in ("seed", "replicate", "verify"):
            done = [
                step(
                    f"{name}-{node.name}-{verb}",
                    verb,
                    args.hosts[node.name],
                    self._document(verb, node, args),
                    parent=self,
                    depends_on=done,
                )
                for node in args.settings.nodes
            ]
        self.last_steps = done
        self.register_outputs({})

    def _document(self, verb: str, node: NodeSettings, args: ReplicationArgs) -> pulumi.Output[str]:
        peer = args.settings.peer_of(node)
        more = (
            {"open_without_peer_seconds": args.settings.open_without_peer_seconds}
            if verb == "replicate"
            else {}
        )
        return document(
            {
                "node": {
                    "name": node.name,
                    "server_id": node.server_id,
                    "client_address": node.client_address,
                    "replication_address": node.replication_address,
                },
                "peer": {
                    "name": peer.name,
                    "replication_address": peer.replication_address,
                    "server_id": peer.server_id,
                    # A peer with another volume has other data: this node looks again.
                    "volume_id": args.hosts[peer.name].volume_id,
                },
                **more,
            }
        )
