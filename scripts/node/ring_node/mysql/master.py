"""CHANGE MASTER, and what the server says of it. Pure but for `stored`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base import paths
from .login import Login
from .shows import Coordinates
from .sql import Session, literal

# A lost connection is tried again soon and for ever: the default gives up after 86400 times. 5.6
# takes 0 for that only while it connects: two connections in a row that break after their log-in
# and before their first event then end the IO thread, without an error. This many take 272 years.
CONNECT_RETRY = 2
RETRY_FOREVER = 4294967295
HEARTBEAT_PERIOD = 1
READ_STORED = "SELECT * FROM mysql.slave_master_info"


@dataclass(frozen=True)
class Connection:
    """How the slave reaches its master. RESET SLAVE ALL keeps TLS settings: all are stated."""

    host: str
    login: Login
    bind: str

    def assignments(self) -> dict[str, str]:
        return {
            "MASTER_HOST": literal(self.host),
            "MASTER_PORT": "3306",
            "MASTER_USER": literal(self.login.user),
            "MASTER_PASSWORD": literal(self.login.password),
            "MASTER_BIND": literal(self.bind),
            "MASTER_CONNECT_RETRY": str(CONNECT_RETRY),
            "MASTER_RETRY_COUNT": str(RETRY_FOREVER),
            "MASTER_HEARTBEAT_PERIOD": str(HEARTBEAT_PERIOD),
            "MASTER_DELAY": "0",
            "MASTER_AUTO_POSITION": "0",
            "MASTER_SSL": "1",
            "MASTER_SSL_CA": literal(str(paths.CA)),
            "MASTER_SSL_CAPATH": "''",
            "MASTER_SSL_CERT": "''",
            "MASTER_SSL_KEY": "''",
            "MASTER_SSL_CIPHER": "''",
            "MASTER_SSL_CRL": "''",
            "MASTER_SSL_CRLPATH": "''",
            "MASTER_SSL_VERIFY_SERVER_CERT": "1",
            "IGNORE_SERVER_IDS": "()",
        }


def change_master(target: Connection, coordinates: Coordinates) -> str:
    """The statement. It holds the password: never log it."""
    stated = {
        **target.assignments(),
        "MASTER_LOG_FILE": literal(coordinates.file),
        "MASTER_LOG_POS": str(coordinates.offset),
    }
    return "CHANGE MASTER TO " + ", ".join(f"{key} = {value}" for key, value in stated.items())


def stored(session: Session) -> Mapping[str, Any] | None:
    return session.row(READ_STORED)


def differs(target: Connection, row: Mapping[str, Any]) -> list[str]:
    """Names of what the server keeps otherwise than it should be; no values, they are secret."""
    expected = {
        "Host": target.host,
        "Port": 3306,
        "User_name": target.login.user,
        "User_password": target.login.password,
        "Bind": target.bind,
        "Connect_retry": CONNECT_RETRY,
        "Retry_count": RETRY_FOREVER,
        "Heartbeat": HEARTBEAT_PERIOD,
        "Enabled_ssl": 1,
        "Ssl_ca": str(paths.CA),
        "Ssl_capath": "",
        "Ssl_cert": "",
        "Ssl_key": "",
        "Ssl_cipher": "",
        "Ssl_verify_server_cert": 1,
        "Ignored_server_ids": "0",
    }
    return [name for name, value in expected.items() if not _same(value, row[name])]


def _same(expected: str | int, found: Any) -> bool:
    found = found.decode() if isinstance(found, bytes) else found
    if isinstance(expected, int):
        return float(found or 0) == expected
    return (found or "") == expected
