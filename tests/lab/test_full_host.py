"""A running node whose disk for the logs is full: it waits, its peer serves, nothing is lost."""

import contextlib
from collections.abc import Iterator

import pytest
from labs import NODES, Lab, eventually, wait_until_whole
from waits import PATIENCE

pytestmark = pytest.mark.lab

FULL, SERVING = "node-2", "node-1"
LOGS = "/var/log/mysql"
SPARE_KIB = 2000
ROWS = 20
WRITERS = 4
# MySQL 5.6 looks every 60 seconds whether there is room again.
AGAIN_SECONDS = 100
SHRINK = f"""\
set -e
logs=$(readlink -f {LOGS})
systemctl stop mysql
mv $logs $logs.kept
mkdir $logs
used=$(du -sk $logs.kept | cut -f1)
mount -t tmpfs -o size=$((used + {SPARE_KIB}))k tmpfs $logs
cp -a $logs.kept/. $logs/
chown --reference=$logs.kept $logs
chmod --reference=$logs.kept $logs
systemctl start mysql
"""
RESTORE = f"""\
set -e
logs=$(readlink -f {LOGS})
mount -o remount,size=1g $logs
systemctl stop mysql
rm -r $logs.kept
cp -a $logs $logs.kept
umount $logs
rmdir $logs
mv $logs.kept $logs
systemctl start mysql
"""


@contextlib.contextmanager
def little_room(ring: Lab, node: str) -> Iterator[None]:
    """The node's logs are on a file system of their own, with little room."""
    ring.ssh(node, "sudo bash", stdin=SHRINK)
    try:
        yield
    finally:
        ring.ssh(node, "sudo bash", stdin=RESTORE)


def big(table: str, node: str) -> str:
    """A statement of more than a megabyte in the binary log."""
    rows = ", ".join([f"('{node}', REPEAT('x', 60000))"] * ROWS)
    return f"INSERT INTO {table} (node, note) VALUES {rows}"


def test_a_node_without_room_for_its_logs_goes_on_when_there_is_room_again(
    ring: Lab, table: str
) -> None:
    with little_room(ring, FULL):
        wait_until_whole(ring)
        waiting = [ring.popen_sql(FULL, big(table, FULL)) for _ in range(WRITERS)]
        status = eventually(
            lambda: ring.status(FULL),
            lambda found: "statement hangs" in [each["case"] for each in found["problems"]],
            "a status that says that the server does not answer all",
        )
        assert status["free_mib"][LOGS] <= 1
        assert any(each.poll() is None for each in waiting), "a statement waits"
        ring.sql(SERVING, big(table, SERVING))
        eventually(
            lambda: ring.status(SERVING)["heartbeat_age_ms"],
            lambda age: age > 3000,
            "the heartbeat tells",
        )
        assert ring.slave_status(SERVING)["Slave_IO_Running"] == "Yes", "the threads do not"

        ring.ssh(FULL, f"sudo mount -o remount,size=1g {LOGS}")
        for each in waiting:
            output, _ = each.communicate(timeout=AGAIN_SECONDS * PATIENCE)
            assert each.returncode == 0, f"what waited is done: {output}"
        wait_until_whole(ring)
        for node in NODES:
            eventually(
                lambda node=node: ring.value(node, f"SELECT COUNT(*) FROM {table}"),
                lambda count: count == str((WRITERS + 1) * ROWS),
                f"all rows on {node}",
            )
    wait_until_whole(ring)
