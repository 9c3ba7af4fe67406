"""Applications that write on both nodes, from the client network, and keep a journal of what was
acknowledged; and the reckoning."""

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from hosts import Node
from waits import HEALED_SECONDS, PATIENCE, within

PAUSE = 0.02


class Writer(threading.Thread):
    """Inserts rows on one node; each that the server acknowledged goes to the journal.

    `times`: of each, by this machine's clock, when it was asked for and when it was acknowledged.
    """

    def __init__(self, node: Node, table: str, journal: Path) -> None:
        super().__init__(name=f"writer-{node.name}", daemon=True)
        self.node, self.table, self.journal = node, table, journal
        self.ended = threading.Event()
        self.acknowledged = 0
        self.failures = 0
        self.times: dict[str, tuple[float, float]] = {}

    def run(self) -> None:
        with self.journal.open("a") as journal:
            while not self.ended.is_set():
                try:
                    with self.node.client() as cursor:
                        while not self.ended.is_set():
                            token, begun = uuid.uuid4().hex, time.time()
                            cursor.execute(
                                f"INSERT INTO {self.table} (node, token) VALUES (%s, %s)",
                                (self.node.name, token),
                            )
                            self.times[token] = (begun, time.time())
                            journal.write(f"{token}\n")
                            journal.flush()
                            self.acknowledged += 1
                            time.sleep(PAUSE)
                except Exception:
                    # The server is away or its gate is closed. What it did not acknowledge it owes
                    # to nobody.
                    self.failures += 1
                    self.ended.wait(0.2)

    def tokens(self) -> set[str]:
        return set(self.journal.read_text().split())


class Load:
    """Writes on both nodes for as long as the block lasts."""

    def __init__(self, nodes: list[Node], folder: Path) -> None:
        self.nodes = nodes
        self.table = f"app.load_{uuid.uuid4().hex[:8]}"
        self.writers = [Writer(node, self.table, folder / f"{node.name}.journal") for node in nodes]

    def __enter__(self) -> "Load":
        with self.nodes[0].session() as cursor:
            cursor.execute(
                f"CREATE TABLE {self.table} (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
                " node CHAR(6) NOT NULL, token CHAR(32) NOT NULL, UNIQUE (token)) ENGINE=InnoDB"
            )
        for node in self.nodes:
            within(30, f"the table on {node.name}", lambda node=node: self._count(node) == 0)
        for writer in self.writers:
            writer.start()
        self.advance()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def advance(self, rows: int = 20, seconds: float = HEALED_SECONDS) -> None:
        """Wait until each node has acknowledged so many rows more."""
        for writer in self.writers:
            goal = writer.acknowledged + rows
            within(
                seconds,
                f"{rows} more rows acknowledged on {writer.node.name}",
                lambda writer=writer, goal=goal: writer.acknowledged >= goal,
            )

    def reckon(self) -> int:
        """End the writers; every acknowledged row is on both nodes, and both are the same.

        The number of acknowledged rows.
        """
        self.stop()
        owed = set().union(*(writer.tokens() for writer in self.writers))
        assert len(owed) == sum(writer.acknowledged for writer in self.writers)
        for node in self.nodes:
            missing, _ = within(
                HEALED_SECONDS,
                f"every acknowledged row on {node.name}",
                lambda node=node: owed - self._tokens(node),
                lambda missing: not missing,
            )
            assert not missing
        within(
            HEALED_SECONDS,
            "the same content on both nodes",
            lambda: [
                node.rows(f"CHECKSUM TABLE {self.table}")[0]["Checksum"] for node in self.nodes
            ],
            lambda sums: len(set(sums)) == 1,
        )
        with self.nodes[0].session() as cursor:
            cursor.execute(f"DROP TABLE {self.table}")
        return len(owed)

    def stop(self) -> None:
        """End the writers."""
        for writer in self.writers:
            writer.ended.set()
        for writer in self.writers:
            if writer.is_alive():
                writer.join(timeout=30 * PATIENCE)
                assert not writer.is_alive(), f"{writer.name} does not end"

    def acknowledged_by(self, end: float) -> set[str]:
        """What was acknowledged before that time."""
        return self._tokens_of(lambda _begun, acknowledged: acknowledged < end)

    def begun_from(self, begin: float) -> set[str]:
        """What was not asked for before that time."""
        return self._tokens_of(lambda begun, _acknowledged: begun >= begin)

    def _tokens_of(self, wanted: Callable[[float, float], bool]) -> set[str]:
        return {
            token
            for writer in self.writers
            for token, times in writer.times.items()
            if wanted(*times)
        }

    def _count(self, node: Node) -> int:
        return node.rows(f"SELECT COUNT(*) AS n FROM {self.table}")[0]["n"]

    def _tokens(self, node: Node) -> set[str]:
        return {row["token"] for row in node.rows(f"SELECT token FROM {self.table}")}
