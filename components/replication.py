"""The steps that make two servers a ring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.settings import NodeSettings, RingArgs
from components.step import Host, document, step


@dataclass(frozen=True)
class ReplicationArgs:
    """Both nodes: how they are reached, the files that each server has to run with, and the steps
    after which each has its accounts."""

    settings: RingArgs
    hosts: Mapping[str, Host]
    files: Mapping[str, pulumi.Output[dict[str, str]]]
    after: Sequence[pulumi.Resource]


class Replication(pulumi.ComponentResource):
    """Seed, replicate, restart, verify. Each node decides from its own state and its peer's.

    Each stage waits for the one before on both nodes: a node can only point at coordinates that
    its peer has settled on, and restart beside one that serves. They restart one after the other.
    """

    last_steps: Sequence[pulumi.Resource]

    def __init__(
        self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Replication", name, None, opts)
        self._name, self._args = name, args
        joined = args.after
        for verb in ("seed", "replicate"):
            joined = self._stage(verb, joined)
        restarted: Sequence[pulumi.Resource] = joined
        for node in args.settings.nodes:
            files = document(args.files[node.name])
            restarted = [*restarted, self._step("restart", node, files, restarted)]
        self.last_steps = self._stage("verify", restarted)
        self.register_outputs({})

    def _stage(self, verb: str, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            self._step(verb, node, self._document(verb, node), after)
            for node in self._args.settings.nodes
        ]

    def _step(
        self,
        verb: str,
        node: NodeSettings,
        stdin: pulumi.Output[str],
        after: Sequence[pulumi.Resource],
    ) -> pulumi.Resource:
        return step(
            f"{self._name}-{node.name}-{verb}",
            verb,
            self._args.hosts[node.name],
            stdin,
            parent=self,
            depends_on=after,
        )

    def _document(self, verb: str, node: NodeSettings) -> pulumi.Output[str]:
        args = self._args
        more = (
            {"open_without_peer_seconds": args.settings.open_without_peer_seconds}
            if verb == "replicate"
            else {}
        )
        return document({**pair(node, args.settings, args.hosts), **more})


def pair(node: NodeSettings, settings: RingArgs, hosts: Mapping[str, Host]) -> dict[str, Any]:
    """Both nodes, as one of them is told."""
    peer = settings.peer_of(node)
    return {
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
            "volume_id": hosts[peer.name].volume_id,
        },
    }
