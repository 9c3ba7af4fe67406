"""What a node that begins empty takes over from a peer that is empty too."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.base.report import Report
from ring_node.mysql.shows import Coordinates
from ring_node.ring import content, peer_accounts, schema, seeding
from states import ME, MINE, OLD, PEER, born, node

pytestmark = pytest.mark.unit

LATER = Coordinates(MINE.file, MINE.offset + 100)


class Server:
    """A session that does what it is told."""

    def do(self, _statement: str, _parameters: Any = ()) -> int:
        return 0


@pytest.mark.parametrize(
    ("begun", "logged_until", "taken"),
    [
        (None, MINE, True),
        (born(PEER, OLD), LATER, True),
        (born(PEER, ME), MINE, True),
        (born(PEER, ME), LATER, False),
    ],
    ids=["not begun", "begun with another", "begun", "begun, and something logged since"],
)
def test_accounts_made_by_hand_on_one_empty_node_come_to_the_other_one_way_only(
    monkeypatch: pytest.MonkeyPatch, begun: Any, logged_until: Coordinates, taken: bool
) -> None:
    own, other = Server(), Server()
    accounts: list[Any] = []
    places = {own: MINE, other: logged_until}
    monkeypatch.setattr(content, "create_databases", lambda *_: [])
    monkeypatch.setattr(peer_accounts, "copy", lambda *given: accounts.append(given[:2]))
    monkeypatch.setattr(content, "databases", lambda _: {})
    monkeypatch.setattr(content, "found", lambda _: [])
    monkeypatch.setattr(schema, "write_origin", lambda *_: None)
    monkeypatch.setattr(schema, "generation", lambda *_: 0)
    monkeypatch.setattr(schema, "go_on_from", lambda *_: None)
    monkeypatch.setattr(seeding, "show_master_status", lambda session: places[session])
    session: Any = own
    peer_session: Any = other
    seeding._begin(session, peer_session, node(ME), node(PEER, origin=begun), Report("seed"))
    assert accounts == ([(own, other)] if taken else [])
