"""The donor's end of a copy: a snapshot of the own server, sent to the peer that asks for it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host.programs import DIES_WITH_VERB
from ..mysql import shows, snapshot, sql
from ..mysql.snapshot import Snapshot
from . import offer
from .stream import PROTOCOL, Frame, Stream


def send(stream: Stream, report: Report) -> None:
    """What the peer asked for. An error is told to the peer before it is raised."""
    try:
        asked = stream.hear(Frame.ASK)
        if asked.get("protocol") != PROTOCOL:
            raise refused(
                f"{stream.who} asks by protocol {asked.get('protocol')!r}",
                f"protocol {PROTOCOL}: the same release of the tool on both nodes",
                "let `pulumi up` bring both nodes to one release, then run this again",
            )
        _send(stream, report)
    except NodeError as error:
        stream.refuse(error)
        raise


def _send(stream: Stream, report: Report) -> None:
    with ExitStack() as held:
        session = held.enter_context(sql.own(report))
        with stream.waiting("a snapshot is taken there"):
            taken = held.enter_context(snapshot.taken(session, stream.refuse_a_lost_end))
        stream.say(Frame.HEADER, offer.document(taken, shows.identity(session).server_id))
        try:
            with packed(taken.folder) as descriptor:
                stream.send_data(descriptor)
        except (NodeError, OSError):
            taken.check()  # whose files are gone when the volume ran short
            raise
        taken.check()
        stream.end()
        stream.hear(Frame.RECEIVED)
        report.did(f"sent {said(taken)} to {stream.who} as of {taken.master}")
        report.facts["locked_s"] = round(taken.locked_seconds, 3)


def said(taken: Snapshot) -> str:
    return f"{taken.filled >> 20} MiB of {taken.files} files"


@contextmanager
def packed(folder: Path) -> Iterator[int]:
    """Where a tar of the folder can be read. Raises at the end if tar did not end well."""
    with tempfile.TemporaryFile() as problems:
        process = subprocess.Popen(
            [*DIES_WITH_VERB, "tar", "--create", f"--directory={folder}", "--file=-",
             "--sparse", "--blocking-factor=2048", "."],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=problems,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.fileno()
            process.stdout.close()
            if process.wait() != 0:
                problems.seek(0)
                said = problems.read(2000).decode(errors="replace").strip()
                raise NodeError(
                    Exit.HOST,
                    f"tar of {folder} ended with {process.returncode}: {said[:600]}",
                    "all of the snapshot",
                    "look at the disk of this host, then run this again",
                )
        finally:
            process.kill()
            process.wait()
