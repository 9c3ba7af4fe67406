"""Connections to a server, statements, and what comes back."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import CLIENT, ER
from pymysql.converters import escape_string
from pymysql.cursors import Cursor, DictCursor

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..base.waiting import Deadline, poll
from . import tls
from .login import Login, root_password

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 120
# Client errors of a server that is not there (yet): may be tried again.
PASSING = frozenset({2002, 2003, 2006, 2013, 1040, 1053})
# What the statements of this tool rely on: MySQL 5.6's own defaults, which my.cnf and init_connect
# may change for a session. The driver alone would not: the greeting of a server whose autocommit is
# off says that it is on (https://bugs.mysql.com/66884).
RELIED_ON = (
    "SET NAMES utf8, autocommit = 1, completion_type = 0, tx_read_only = 0,"
    " tx_isolation = 'REPEATABLE-READ', sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = 'SYSTEM',"
    " wait_timeout = 28800, lock_wait_timeout = 31536000, innodb_lock_wait_timeout = 50,"
    " sql_big_selects = 1, sql_quote_show_create = 1, old_passwords = 0, max_error_count = 64"
)
# For a session that stays and is never idle for long. 5.6 may close a connection right before its
# thread reads from it: the thread then waits out its wait_timeout, and a stop of the server for it.
BUSY = "SET SESSION wait_timeout = 60"
# For a session that is idle while something else takes longer.
PATIENT = "SET SESSION wait_timeout = 31536000"
# Notes of MySQL 5.6 that say what this tool intends.
EXPECTED_WARNINGS = frozenset(
    {
        1007,  # database exists
        1050,  # table exists
        1254,  # slave is already running
        1255,  # slave is already stopped
        1759,  # passwords without TLS are insecure (the statement goes over the local socket)
        1760,  # the password is kept in the master info repository
    }
)
STOP_INCOMPLETE = (1875, 1876)  # of the SQL thread, of the IO thread


class ServerError(NodeError):
    """With MySQL's own error number."""

    def __init__(self, number: int, code: Exit, found: str, expected: str, next_step: str) -> None:
        super().__init__(code, found, expected, next_step)
        self.number = number


class Untrusted(NodeError):
    """The server answered with a certificate that this node does not trust."""


class Session:
    """One connection. Warnings that nobody expects end up in the report."""

    def __init__(self, connect: Callable[[], Any], who: str, report: Report | None) -> None:
        self._connect = connect
        self._connection = connect()
        self._report = report
        self.who = who

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._statement(DictCursor) as cursor:
            cursor.execute(statement, tuple(parameters) or None)
            return list(cursor.fetchall())

    def row(self, statement: str, parameters: Sequence[Any] = ()) -> dict[str, Any] | None:
        found = self.rows(statement, parameters)
        return found[0] if found else None

    def quoting_row(self, statement: str) -> dict[str, Any] | None:
        """The first row of a SHOW that quotes statements, each in the character set of its client:
        what is not UTF-8 in it is replaced."""
        self.do("SET SESSION character_set_results = binary")
        try:
            found = self.row(statement)
        finally:
            if self.open:
                self.do("SET SESSION character_set_results = utf8")
        return found and {
            name: value.decode(errors="replace") if isinstance(value, bytes) else value
            for name, value in found.items()
        }

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        row = self.row(statement, parameters)
        return next(iter(row.values())) if row else None

    def do(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Rows that the statement touched."""
        with self._statement(Cursor) as cursor:
            return cursor.execute(statement, tuple(parameters) or None)

    @contextmanager
    def _statement(self, kind: type[Cursor]) -> Iterator[Any]:
        """A cursor for one statement; its errors name this server, its warnings are looked at."""
        try:
            with self._connection.cursor(kind) as cursor:
                yield cursor
                warned = getattr(getattr(cursor, "_result", None), "warning_count", 0)
            if warned:
                self._show_warnings()
        except pymysql.err.MySQLError as error:
            raise refusal(error, self.who) from None

    @contextmanager
    def unlogged(self) -> Iterator[None]:
        """What is done inside never enters the binary log, so no slave ever sees it."""
        self.do("SET SESSION sql_log_bin = 0")
        try:
            yield
        finally:
            if self._connection.open:
                self.do("SET SESSION sql_log_bin = 1")

    def connect_anew(self) -> None:
        """To a server that was restarted. What was set for the session is gone."""
        self.close()
        self._connection = self._connect()

    @property
    def open(self) -> bool:
        """False once the connection is known to be lost."""
        return bool(self._connection.open)

    def close(self) -> None:
        """May be called twice, and on a connection that is lost."""
        if self._connection.open:
            with suppress(pymysql.err.MySQLError, OSError):
                self._connection.close()

    def _show_warnings(self) -> None:
        if self._report is None:
            return
        for _level, code, message in self._connection.show_warnings() or ():
            if int(code) not in EXPECTED_WARNINGS:
                self._report.note(f"{self.who} warns ({code}): {message}")


def name(identifier: str) -> str:
    """An identifier as MySQL quotes it."""
    return "`" + identifier.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as a literal, for statements that take no parameters. Never log the result."""
    return "'" + escape_string(text) + "'"


@contextmanager
def own(
    report: Report | None = None,
    *,
    password: str | None = None,
    patience: float = STATEMENT_SECONDS,
    seconds: float = CONNECT_SECONDS,
) -> Iterator[Session]:
    """Root on the own server, over its socket. `patience`: seconds to wait for an answer;
    `seconds`: how long to try again while nobody answers."""
    login = Login("root", password if password is not None else root_password())

    def connect() -> Any:
        return _connect(
            "this server",
            Deadline(seconds),
            login,
            unix_socket=str(paths.SOCKET),
            connect_timeout=min(CONNECT_SECONDS, patience),
            read_timeout=patience,
        )

    yield from _held(connect, "this server", report)


@contextmanager
def at_socket(who: str, place: Path, *, patience: float = STATEMENT_SECONDS) -> Iterator[Session]:
    """Root, without a password, on a server that asks for none."""

    def connect() -> Any:
        return _connect(
            who,
            Deadline(CONNECT_SECONDS),
            Login("root", ""),
            unix_socket=str(place),
            read_timeout=patience,
        )

    yield from _held(connect, who, None)


@contextmanager
def over_tls(
    who: str,
    address: str,
    login: Login,
    report: Report | None = None,
    *,
    seconds: float = CONNECT_SECONDS,
    patience: float = STATEMENT_SECONDS,
) -> Iterator[Session]:
    """A server somewhere else, its certificate checked against the own CA."""
    encrypted = tls.client_context()

    def connect() -> Any:
        connection = _connect(
            who,
            Deadline(seconds),
            login,
            host=address,
            port=3306,
            ssl=encrypted,
            read_timeout=patience,
        )
        if not getattr(connection, "_secure", False):
            connection.close()
            raise NodeError(
                Exit.SERVER,
                f"{who} does not speak TLS",
                "have_ssl=YES there",
                "run `ring-node tls` and `ring-node server` there",
            )
        return connection

    yield from _held(connect, who, report)


def _connect(who: str, deadline: Deadline, login: Login, **where: Any) -> Any:
    problem: list[pymysql.err.MySQLError] = []

    def attempt() -> Any:
        try:
            return pymysql.connect(
                user=login.user,
                password=login.password,
                charset="utf8",
                autocommit=True,
                init_command=RELIED_ON,
                write_timeout=STATEMENT_SECONDS,
                client_flag=CLIENT.FOUND_ROWS,
                **{
                    "connect_timeout": CONNECT_SECONDS,
                    "read_timeout": STATEMENT_SECONDS,
                    **where,
                },
            )
        except pymysql.err.OperationalError as error:
            problem[:] = [error]
            cause = getattr(error, "original_exception", None)
            if isinstance(cause, ssl.SSLError):
                raise untrusted(cause, who) from None
            if error.args[0] in PASSING:
                return None
            raise refusal(error, who) from None

    connection = poll(attempt, deadline)
    if connection is None:
        raise ServerError(
            problem[0].args[0],
            Exit.UNREACHABLE,
            f"{who} does not answer: {problem[0].args[-1]}",
            f"a connection within {deadline.seconds:.0f} s",
            "see that the server runs (`systemctl status mysql`) and that the network is open",
        ) from None
    return connection


def _held(connect: Callable[[], Any], who: str, report: Report | None) -> Iterator[Session]:
    session = Session(connect, who, report)
    try:
        yield session
    finally:
        session.close()


def untrusted(error: ssl.SSLError, who: str) -> NodeError:
    said = getattr(error, "verify_message", "")
    kind = Untrusted if said else NodeError
    return kind(
        Exit.UNREACHABLE,
        f"no trust in {who}: {said}" if said else f"no TLS with {who}: {error.reason}",
        f"a certificate of the ring's CA ({paths.CA}) with that address in it",
        "run `ring-node tls` on both nodes with keys of the same CA",
    )


def refusal(error: pymysql.err.MySQLError, who: str) -> NodeError:
    """MySQL's own words. They quote names and fragments, never a password that it accepted."""
    code = error.args[0] if error.args else 0
    message = error.args[1] if len(error.args) > 1 else type(error).__name__
    if code == ER.PARSE_ERROR:  # quotes the statement, which may hold a secret
        message = "a statement that it does not understand"
    if code in PASSING:
        return ServerError(
            code,
            Exit.UNREACHABLE,
            f"{who} went away: {message}",
            "an answer",
            "see why it stopped (`systemctl status mysql`, its error log), then run this again",
        )
    return ServerError(
        code,
        Exit.SERVER,
        f"{who} says {code}: {message}",
        "the statement accepted",
        "resolve what it names, then run this again",
    )


def distrusted(error: NodeError) -> bool:
    """Whether a server answered with a certificate of another CA."""
    return isinstance(error, Untrusted)


def stop_is_incomplete(error: NodeError) -> bool:
    """Whether STOP SLAVE gave up waiting for a thread, after `rpl_stop_slave_timeout`."""
    return isinstance(error, ServerError) and error.number in STOP_INCOMPLETE


def full(error: NodeError) -> bool:
    """Whether a server that runs had no connection left."""
    return isinstance(error, ServerError) and error.number == ER.CON_COUNT_ERROR


def turned_away(error: NodeError) -> bool:
    """Whether a server that runs did not let this host in: it denied the log-in or blocks the host,
    or its certificate is not trusted. One where the host has no account at all (1130) is new."""
    return distrusted(error) or (
        isinstance(error, ServerError)
        and error.number in (ER.ACCESS_DENIED_ERROR, ER.HOST_IS_BLOCKED)
    )


def denied(error: NodeError) -> bool:
    return isinstance(error, ServerError) and error.number == ER.ACCESS_DENIED_ERROR


def lock_wait_timed_out(error: NodeError) -> bool:
    return isinstance(error, ServerError) and error.number == ER.LOCK_WAIT_TIMEOUT
