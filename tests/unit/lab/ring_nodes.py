"""Nodes as a stack's output `nodes` has them."""

from typing import Any


def node(number: int) -> dict[str, Any]:
    return {
        "clientAddress": f"192.168.100.1{number}",
        "replicationAddress": f"10.10.1.1{number}",
        "publicAddress": f"203.0.113.{number}",
        "instanceId": f"i-{number:017x}",
        "serverId": number,
        "dataVolumeId": f"vol-{number:017x}",
    }
