"""SQL that makes a data directory, as mysql_install_db and mysql_secure_installation leave it.

Pure text. `mysqld --bootstrap` reads one statement per line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

FILES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql", "fill_help_tables.sql")
SECURE = (
    "DELETE FROM user WHERE NOT (User = 'root' AND Host = 'localhost');",
    "DELETE FROM db;",
    "DELETE FROM proxies_priv WHERE NOT (User = 'root' AND Host = 'localhost');",
)
SET_PASSWORD = "UPDATE user SET Password = '{}' WHERE User = 'root';"  # noqa: S105


def password_hash(password: str) -> str:
    """What PASSWORD() of MySQL 5.6 answers (mysql_native_password)."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def script(sources: list[str], root_password: str) -> str:
    """Everything that the server executes; root never exists without a password for others."""
    lines = ["use mysql;"]
    for source in sources:
        lines.extend(statements(source))
    lines.extend(SECURE)
    lines.append(SET_PASSWORD.format(password_hash(root_password)))
    return "\n".join(lines) + "\n"


def statements(source: str) -> Iterator[str]:
    """The statements of an SQL file, comments left out, each on one line.

    The vendor's files end a statement with a semicolon at a line's end.
    """
    parts: list[str] = []
    for line in source.splitlines():
        text = line.strip()
        if not text or text.startswith(("--", "#")):
            continue
        parts.append(text)
        if text.endswith(";"):
            yield " ".join(parts)
            parts = []
    if parts:
        yield " ".join(parts) + ";"
