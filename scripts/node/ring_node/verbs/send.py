"""Verb `send`: send this node's data to the peer, which has connected to standard input."""

from __future__ import annotations

import os
import socket

from ..base.errors import refused
from ..base.report import Report
from ..mysql import snapshot
from ..ring import records, sending, stream

STANDARD_INPUT = 0


def run(*, remove_left: bool) -> Report:
    """With `remove_left` nothing but what a killed one left, if no other one is at work."""
    report = Report("send")
    if remove_left:
        snapshot.remove_left()
        return report
    try:
        plain = socket.socket(fileno=os.dup(STANDARD_INPUT))
    except OSError:
        raise refused(
            "standard input is no connection",
            "the peer, accepted by mysql-ring-copy.socket",
            "leave this to that socket: run `ring-node rejoin` on the node that needs data",
        ) from None
    peer = records.peer()
    address = peer.replication_address if peer else records.credentials().peer_address
    source = stream.accept(plain, peer.name if peer else "the peer", address)
    try:
        sending.send(source, report)
    finally:
        source.close()
    return report
