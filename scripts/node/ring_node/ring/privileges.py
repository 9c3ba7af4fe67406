"""Who may do what on a server of the ring. Pure."""

from __future__ import annotations

from ..mysql.bootstrap import password_hash
from ..mysql.grants import Account, Rights
from ..mysql.sql import name
from .documents import Accounts

PEER_PRIVILEGES = frozenset(
    {
        "SELECT",  # state, accounts; without it a table is not seen either
        "SHOW DATABASES",
        "REPLICATION CLIENT",  # coordinates
        "EVENT",  # without it events are not seen
    }
)


def wanted(document: Accounts) -> dict[Account, Rights]:
    """The ring's accounts and the users of the settings."""
    peer = document.peer_address
    result = {
        Account(document.replication.user, peer): Rights(
            password_hash(document.replication.password),
            True,
            {"*.*": frozenset({"REPLICATION SLAVE"})},
        ),
        Account(document.peer.user, peer): Rights(
            password_hash(document.peer.password),
            True,
            {"*.*": PEER_PRIVILEGES, "`mysql_ring`.`probe`": frozenset({"UPDATE"})},
        ),
        Account(document.heartbeat.user, "localhost"): Rights(
            password_hash(document.heartbeat.password),
            False,
            {"`mysql_ring`.`heartbeat`": frozenset({"SELECT", "UPDATE"})},
        ),
    }
    for user in document.users:
        # In a database name of GRANT, _ and % are patterns unless they are escaped.
        place = name(user.database.replace("_", "\\_")) + ".*"
        account = Account(user.login.user, user.host)
        before = result[account].places if account in result else {}
        result[account] = Rights(
            password_hash(user.login.password),
            user.require_ssl,
            {**before, place: frozenset(user.privileges)},
        )
    return result
