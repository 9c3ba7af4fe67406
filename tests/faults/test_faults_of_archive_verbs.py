"""The archive and the purge are killed at all that they do, while both nodes take writes."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from archive import SERVICES, TIMERS, all_closed_logs_are_safe, logs
from labs import NODES, Lab
from load import Load
from verbs import Verbs
from waits import HEALED_SECONDS, within

pytestmark = pytest.mark.losses

Figure = Callable[[str, float], None]

NODE, PEER = NODES
PUT = "run setpriv --pdeathsig KILL -- s3cmd put"
# To list and to get changes nothing, nor do a session's own statements. While an archive is killed
# logs pile up: the first one and its entry, killed at all that becomes of them, stand for all.
ALIKE = r"send (SET NAMES|COMMIT)|run setpriv .* s3cmd (ls|get)|.* \((?!1\)|2\))\d+\)"
MOMENTS = {
    "archive --now": (
        "send FLUSH LOCAL BINARY LOGS",
        "run setpriv --pdeathsig KILL -- zstd",
        rf"{PUT} .*\(1\) at work, alone",
        rf"{PUT} .*\(1\) at work, with it",
        rf"{PUT} .*\(2\) at work, with it",
        "rename /run/.mysql-ring-archive",
    ),
    "purge": ("send PURGE BINARY LOGS TO", "rename /run/.mysql-ring-purge"),
}


@pytest.fixture
def verbs(ring: Lab) -> Iterator[Verbs]:
    """No timer of the archive runs on the node, and a log may go at once."""
    verbs = Verbs(ring)
    verbs.deliver(NODE)
    document = json.loads(verbs.document(NODE, "schedule"))
    verbs.run(NODE, "schedule", json.dumps({**document, "keep_binlog_hours": 0}))
    verbs.shell(NODE, f"sudo systemctl stop {TIMERS} {SERVICES}")
    yield verbs
    verbs.run(NODE, "schedule")


def test_an_archive_and_a_purge_killed_at_all_that_they_do_lose_no_log(
    ring: Lab, load: Load, verbs: Verbs, figure: Figure
) -> None:
    def goes_on(_: str) -> None:
        load.advance(2)

    cuts = {"archive --now": verbs.cut(NODE, "archive --now", passed=ALIKE, after=goes_on)}
    safe = all_closed_logs_are_safe(ring, NODE)
    within(
        HEALED_SECONDS,
        "the peer has executed all of them",
        lambda: ring.slave_status(PEER)["Relay_Master_Log_File"],
        lambda file: file > safe[-1],
    )
    cuts["purge"] = verbs.cut(NODE, "purge", passed=ALIKE, after=goes_on)
    assert not set(safe) & set(logs(ring, NODE)), "all that were safe and read are gone"
    all_closed_logs_are_safe(ring, NODE)
    for verb, found in cuts.items():
        figure(f"times {verb} was killed", len(found))
        for moment in MOMENTS[verb]:
            assert any(re.match(moment, cut) for cut in found), (verb, moment, found)
    assert load.reckon() > 0
