"""Reads what a decision needs from a server."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from ..base.errors import refused
from ..mysql import shows
from ..mysql.sql import Session
from . import content, generation, schema
from .documents import Pair
from .join import Refusal, State


def read(session: Session, name: str) -> State:
    if not schema.exists(session):
        raise refused(
            f"{name} has no schema {schema.SCHEMA}",
            "the ring's tables",
            f"run `ring-node accounts` on {name} first",
        )
    identity = shows.identity(session)
    return State(
        name=name,
        uuid=identity.uuid,
        server_id=identity.server_id,
        content=tuple(content.found(session)),
        origin=schema.read_origin(session),
        source=schema.read_source(session),
        slave=shows.show_slave_status(session),
        logs=frozenset(shows.show_binary_logs(session)),
    )


def both(own: Session, other: Session, pair: Pair) -> tuple[State, State]:
    me = read(own, pair.node.name)
    peer = read(other, pair.peer.name)
    check_id(me, pair.node.server_id)
    check_id(peer, pair.peer.server_id)
    return (
        replace(me, set_back=generation.set_back(own, other, me.server_id)),
        replace(peer, set_back=generation.set_back(other, own, peer.server_id)),
    )


def check_id(state: State, server_id: int) -> None:
    if state.server_id != server_id:
        raise refused(
            f"{state.name} runs with server_id {state.server_id}",
            f"{server_id}, as the settings say",
            f"run `ring-node config` on {state.name}",
        )


def raise_refusal(refusal: Refusal) -> NoReturn:
    raise refused(refusal.found, refusal.expected, refusal.next_step)
