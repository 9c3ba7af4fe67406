"""The archive and the purge are killed at all that they do, while both nodes take writes."""

import json
from collections.abc import Callable, Iterator

import pytest
from archive import SERVICES, TIMERS, all_closed_logs_are_safe, logs
from labs import Lab
from load import Load
from verbs import Verbs

pytestmark = pytest.mark.losses

Figure = Callable[[str, float], None]

NODE = "node-1"
S3CMD = "run setpriv --pdeathsig KILL -- s3cmd"
MOMENTS = {
    "archive": (
        "send FLUSH LOCAL BINARY LOGS",
        f"{S3CMD} --config=/etc/mysql-ring/s3cfg --no-progre (1) at work, alone",
        f"{S3CMD} --config=/etc/mysql-ring/s3cfg --no-progre (4) at work, with it",
        "run setpriv --pdeathsig KILL -- zstd",
        "rename /run/.mysql-ring-archive",
    ),
    "purge": (
        f"{S3CMD} --config=/etc/mysql-ring/s3cfg --no-progre (2) at work, alone",
        "send PURGE BINARY LOGS TO",
        "rename /run/.mysql-ring-purge",
    ),
}


@pytest.fixture
def verbs(ring: Lab) -> Iterator[Verbs]:
    """No timer of the archive runs on the node; a log is due after seconds, and may go at once."""
    verbs = Verbs(ring)
    verbs.deliver(NODE)
    document = json.loads(verbs.document(NODE, "schedule"))
    soon = {**document, "archive_interval": 10, "keep_binlog_hours": 0}
    verbs.run(NODE, "schedule", json.dumps(soon))
    verbs.shell(NODE, f"sudo systemctl stop {TIMERS} {SERVICES}")
    yield verbs
    verbs.run(NODE, "schedule")


def test_an_archive_and_a_purge_killed_at_all_that_they_do_lose_no_log(
    ring: Lab, load: Load, verbs: Verbs, figure: Figure
) -> None:
    cuts = {"archive": verbs.cut(NODE, "archive")}
    safe = all_closed_logs_are_safe(ring, NODE)
    load.advance()
    cuts["purge"] = verbs.cut(NODE, "purge")
    assert not set(safe) & set(logs(ring, NODE)), "all that were safe and read are gone"
    all_closed_logs_are_safe(ring, NODE)
    for verb, found in cuts.items():
        figure(f"times {verb} was killed", len(found))
        for moment in MOMENTS[verb]:
            assert any(moment in cut for cut in found), (verb, moment, found)
    assert load.reckon() > 0
