"""XA transactions that were prepared and have not ended, in a copy of a server's data.

The server that was copied writes such a transaction to its binary log when it is committed there,
so it comes to the copy with the rest. What the copy holds of it would stay for ever, and its locks
would be in the way of the slave.
"""

from __future__ import annotations

from .sql import Session


def roll_back(session: Session) -> int:
    """Rolls back what is prepared; how many there were."""
    session.do("SET SESSION character_set_results = binary")  # an id may be any bytes
    rows = session.rows("XA RECOVER")
    session.do("SET SESSION character_set_results = @@character_set_connection")
    for row in rows:
        part, data = row["gtrid_length"], bytes(row["data"])
        session.do(f"XA ROLLBACK X'{data[:part].hex()}',X'{data[part:].hex()}',{row['formatID']}")
    return len(rows)
