"""A restore of a backup to a server of its own that answers, against `s3cmd get` and `tar` of the
same object, and against `myloader` of the same rows.

By hand nothing is compared with what was put there, and no server is started. What myloader loads
lies beside the server already, and that server does not write through to the disk."""

from collections.abc import Callable, Iterator

from cloud.bench.figures import Figure, turns
from cloud.bench.filled import PATIENCE, Filled

AIM = 1.2
AIM_MYLOADER = 0.2  # at least five times faster
SECONDS = 120.0
"""After so many no further turn begins."""
MOMENT = {"as_it_is": True}


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """In turns: a restore; the same by hand. Then once by myloader."""
    backup = ring.first
    ours: list[float] = []
    hands: list[float] = []
    for turn in turns(repeat, SECONDS):
        say(f"restore: turn {turn} of {repeat}")
        with ring.restored(backup, MOMENT) as server:
            ours.append(server.seconds)
        say(f"restore: turn {turn} of {repeat}, by hand")
        hands.append(ring.hosts.ask(ring.writer, "get_by_hand", backup.data, seconds=PATIENCE))
    yield Figure(
        "restore",
        "a restore of that to a server that answers",
        "s3cmd get, zstd and tar of the same object",
        ours,
        hands,
        aim=AIM,
        extra={"restore_mib": backup.bytes / 2**20},
    )
    say("restore: the same rows by myloader")
    with ring.restored(backup, MOMENT) as server:
        loaded = ring.hosts.ask(ring.writer, "load_by_hand", server.socket, seconds=PATIENCE)
        ours.append(server.seconds)
    yield Figure(
        "restore_rows",
        "a restore of that to a server that answers",
        "myloader of the same rows",
        ours,
        [loaded["seconds"]],
        aim=AIM_MYLOADER,
        extra={
            "restore_rows_rows": loaded["rows"],
            "restore_rows_times_faster": loaded["seconds"] / min(ours),
        },
    )
