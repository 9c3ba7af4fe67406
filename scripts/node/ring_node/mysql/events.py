"""Events of a server that takes over another one's data: which of them fire here.

An event fires on the server that made it; mysql.event.originator holds that server's id. On its
slaves it is SLAVESIDE_DISABLED. ALTER EVENT would make the one who alters it its definer, with his
own sql_mode and time zone, so the row is changed.
"""

from __future__ import annotations

from .sql import Session

READ = "SELECT db, name, originator, status FROM mysql.event"
# `created` would become the time of the update.
SET = "UPDATE mysql.event SET status = %s, created = created WHERE db = %s AND name = %s"
RENUMBER = "UPDATE mysql.event SET originator = IF(originator = %s, %s, %s), created = created"
ENABLED, DISABLED, SLAVESIDE_DISABLED = "ENABLED", "DISABLED", "SLAVESIDE_DISABLED"


def status_here(status: str, originator: int, own_id: int) -> str:
    """The status here of an event that has `status` on the server whose data this is."""
    if status == ENABLED:
        return SLAVESIDE_DISABLED
    if status == SLAVESIDE_DISABLED and originator == own_id:
        return ENABLED
    return status


def take_back(session: Session, own_id: int) -> list[str]:
    """Enables every event that the server with that id made and that came to this data by a replay
    of its log; says which. For data of that very server."""
    changed = []
    for row in session.rows(READ):
        if row["status"] == SLAVESIDE_DISABLED and int(row["originator"]) == own_id:
            session.do(SET, [ENABLED, row["db"], row["name"]])
            changed.append(f"event {row['db']}.{row['name']}: {ENABLED}")
    return changed


def renumber(session: Session, data_id: int, becomes: int, others_become: int) -> None:
    """Events of the server with that id, whose data this is, are another one's from here on, and so
    are those of the servers that it followed."""
    session.do(RENUMBER, [data_id, becomes, others_become])


def adapt(session: Session, own_id: int) -> list[str]:
    """Sets the status of every event for the server with the id `own_id`; says what it changed.

    Once for each copy: what it enables would be the donor's the next time. For a server whose
    event scheduler is off, and that writes no binary log.
    """
    changed = []
    for row in session.rows(READ):
        wanted = status_here(row["status"], int(row["originator"]), own_id)
        if wanted != row["status"]:
            session.do(SET, [wanted, row["db"], row["name"]])
            changed.append(f"event {row['db']}.{row['name']}: {wanted}")
    return changed
