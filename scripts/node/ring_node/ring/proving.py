"""A copy that arrived becomes this node's data: proven on a scratch server, and adapted there."""

from __future__ import annotations

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import files
from ..mysql import accounts, binlogs, events, inventory, scratch, shows, xa
from ..mysql.bootstrap import password_hash
from ..mysql.login import root_password
from ..mysql.shows import Coordinates
from ..mysql.snapshot import Contents
from ..mysql.sql import Session
from . import privileges, records, schema
from .arriving import Arrived
from .documents import Accounts, Pair
from .offer import Offer
from .schema import Origin

NEXT_STEP = "run this again: it copies anew; if it comes again, do not trust that disk or host"
DROP = "DROP USER %s@%s"


class Changed(NodeError):
    """The copy is not what its source was, and that may be because definitions changed meanwhile:
    another one may be good."""


def prove(arrived: Arrived, first: Coordinates, beaten: int, pair: Pair, report: Report) -> None:
    """Raises unless the copy is what its source was; then makes it this node's, whose binary log
    begins at `first`. `beaten`: the generation of this node's server until now."""
    who = pair.peer.name
    with scratch.running(arrived.folder) as server:
        check_place(server.innodb, arrived.offer, who)
        if arrived.offer.innodb is None:
            report.note(f"no commit of InnoDB is in the last binary logs of {who} to compare with")
        check_objects(inventory.objects(server.session), arrived.offer, who)
        _adapt(server.session, arrived.offer, first, beaten, pair, report)
    log = arrived.folder / "log"
    for left in log.iterdir():
        files.remove_tree(left)
    binlogs.begin_at(log, first)
    (arrived.folder / "data" / paths.DATA_MARKER).write_text("copied by ring-node\n")


def check_place(found: Coordinates | None, offered: Contents, who: str) -> None:
    """InnoDB's own word for where it ended, against the coordinates that the stream named.

    What an ALTER commits in InnoDB may come after the commit of a row that is behind it in the
    binary log: then InnoDB names the earlier place.
    """
    if offered.innodb is not None and not offered.innodb.allow(found):
        raise Changed(
            Exit.REFUSED,
            f"InnoDB says that the copy of {who} ends at {found or 'no place'}",
            f"{offered.innodb}, its last commit before {offered.master}",
            NEXT_STEP,
        )


def check_objects(found: dict[str, str], offered: Contents, who: str) -> None:
    wrong = inventory.differences(found, offered.objects_before, offered.objects_after)
    if not wrong:
        return
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    error = refused(
        f"the copy differs from {who}: {'; '.join(wrong[:5])}{more}",
        f"all objects as {who} had them before or after the snapshot",
        NEXT_STEP,
    )
    if offered.changed_meanwhile:
        raise Changed(error.code, error.found, error.expected, error.next_step)
    raise error


def _adapt(
    session: Session,
    offered: Offer,
    first: Coordinates,
    beaten: int,
    pair: Pair,
    report: Report,
) -> None:
    """What is of the one server and not of its data: slave, accounts of the ring, events."""
    own = shows.identity(session)
    session.do("RESET SLAVE ALL")
    prepared = xa.roll_back(session)
    if prepared:
        report.did(f"rolled back {prepared} XA transactions that were prepared on the source")
    for statement in schema.FORGET:
        session.do(statement)
    take_over_accounts(session, pair)
    for change in events.adapt(session, pair.node.server_id):
        report.did(change)
    own_id = pair.node.server_id
    schema.add_rows(session, own_id, pair.peer.server_id)
    schema.go_on_from(session, own_id, max(beaten, schema.generation(session, own_id)))
    schema.write_origin(
        session, Origin(own.uuid, offered.server_uuid, "copied", "copied", first, offered.master)
    )
    if shows.show_slave_status(session) is not None:
        raise refused(
            "the copy still is a slave of its source's master", "RESET SLAVE ALL done", NEXT_STEP
        )


def take_over_accounts(session: Session, pair: Pair) -> None:
    """The ring's own: on the source they let this node in, here they must let the source in."""
    kept, heartbeat = records.credentials(), records.heartbeat_login()
    ours = {kept.replication.user, kept.peer.user, heartbeat.user}
    for row in session.rows("SELECT User AS user, Host AS host FROM mysql.user"):
        if row["user"] in ours and row["host"] != "localhost":
            session.do(DROP, [row["user"], row["host"]])
    wanted = Accounts(kept.replication, kept.peer, heartbeat, pair.peer.replication_address, (), ())
    accounts.make(session, privileges.wanted(wanted), Report("accounts"))
    session.do("SET PASSWORD FOR 'root'@'localhost' = %s", [password_hash(root_password())])
