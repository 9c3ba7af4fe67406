"""The heartbeat: one UPDATE of this node's own row every second."""

from __future__ import annotations

import pymysql

from ..base import paths
from ..base.clock import boottime
from ..base.errors import Exit, NodeError
from ..mysql.sql import BUSY, RELIED_ON
from ..ring import records, schema
from ..ring.schema import BEAT
from .loop import Loop
from .state import Board

CONNECT_SECONDS = 3
ANSWER_SECONDS = 10


class Heartbeat(Loop):
    """With an account that may write that row and nothing else, so not while the server is
    read-only: a node beats from the moment on when it takes writes."""

    name = "heartbeat"

    def __init__(self, board: Board, server_id: int) -> None:
        super().__init__()
        self._board, self._server_id = board, server_id
        self._connection: pymysql.Connection | None = None

    def step(self) -> None:
        if self._connection is None:
            login = records.heartbeat_login()  # `accounts` may have changed it
            self._connection = pymysql.connect(
                user=login.user,
                password=login.password,
                unix_socket=str(paths.SOCKET),
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                write_timeout=ANSWER_SECONDS,
                charset="utf8",
                autocommit=True,
                init_command=RELIED_ON,
            )
            with self._connection.cursor() as cursor:
                cursor.execute(BUSY)
        with self._connection.cursor() as cursor:
            if cursor.execute(BEAT, [self._server_id]) != 1:
                raise NodeError(
                    Exit.REFUSED,
                    f"no row {self._server_id} in {schema.SCHEMA}.heartbeat",
                    "one",
                    "run `sudo ring-node rejoin` on this node",
                )
        self._board.beat_done(boottime())

    def failed(self, problem: str) -> None:
        self._board.no_beat(problem)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
