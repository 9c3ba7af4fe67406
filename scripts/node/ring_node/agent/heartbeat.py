"""The daemon: one UPDATE of this node's own row every second, for as long as the host runs."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any, NoReturn

import pymysql

from ..base import paths
from ..base.errors import Exit, NodeError
from ..ring import records, schema
from ..ring.schema import BEAT

PERIOD = 1.0
CONNECT_SECONDS = 3
ANSWER_SECONDS = 10


def beat_for_ever(server_id: int) -> NoReturn:
    signal.signal(signal.SIGTERM, _end)
    said = ""
    while True:
        try:
            login = records.heartbeat_login()  # `accounts` may have changed it
            _beat(login.user, login.password, server_id)
        except (pymysql.err.MySQLError, NodeError) as error:
            problem = str(error.args[-1] if error.args else type(error).__name__)
            if problem != said:  # once, not every second
                print(f"no heartbeat: {problem}", file=sys.stderr, flush=True)
            said = problem
        time.sleep(PERIOD)


def _beat(user: str, password: str, server_id: int) -> None:
    """Beats until the connection breaks."""
    connection = pymysql.connect(
        user=user,
        password=password,
        unix_socket=str(paths.SOCKET),
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        write_timeout=ANSWER_SECONDS,
        autocommit=True,
    )
    try:
        print(f"beating in {schema.SCHEMA}.heartbeat", file=sys.stderr, flush=True)
        due = time.monotonic()
        while True:
            with connection.cursor() as cursor:
                if cursor.execute(BEAT, [server_id]) != 1:
                    raise NodeError(
                        Exit.REFUSED, f"no row {server_id}", "one", "run `ring-node seed`"
                    )
            due = max(due + PERIOD, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
    finally:
        connection.close()


def _end(_signal: int, _frame: FrameType | None) -> Any:
    raise SystemExit(0)
