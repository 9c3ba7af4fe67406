"""Tables and lines for people."""

import os
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.kept import Kept
from ops.nodes import Document

TIME = "%Y-%m-%dT%H:%M:%SZ"
ALIVE, DEAD = "green", "red"
WHOLE = ("backup", "node", "server", "last", "from", "to")
NO_TERMINAL_WIDTH = 200
"""Of lines that nobody has to see on a screen."""


def console() -> Console:
    """For standard output."""
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = NO_TERMINAL_WIDTH
    return out


def size(number: float | None) -> str:
    """Bytes for people."""
    if number is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def age(time: str, now: datetime) -> str:
    """How long ago a time in UTC was."""
    seconds = (now - datetime.strptime(time, TIME).replace(tzinfo=UTC)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def _table(title: str, *columns: str) -> Table:
    """Names and times stay in one piece, as they are typed again."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in WHOLE)
    return made


def backups(out: Console, kept: Kept, now: datetime) -> None:
    if not kept.backups:
        out.print(f"No backup of {kept.name} in the bucket {kept.bucket}.", markup=False)
        return
    title = f"Backups of {kept.name} in the bucket {kept.bucket}"
    made = _table(title, "backup", "age", "took", "data", "stored", "checked", "drill", "")
    problems = []
    for each in kept.backups:
        name = f"{each['node']}/{each['name']}"
        if each.get("problem"):
            problems.append(f"{name}: {each['problem']}; next step: {each['next_step']}")
            made.add_row(name, "", "", "", "", "", "", Text("counts for nothing", DEAD))
            continue
        made.add_row(
            name,
            age(each["taken_at"], now),
            f"{each['seconds']:.0f} s",
            size(each["bytes"]),
            size(each["stored_bytes"]),
            _checked(each["checked"]),
            _drill(kept.drill_of(name), now),
            "with export" if each["export"] else "",
        )
    out.print(made)
    for problem in problems:
        out.print(problem, style=DEAD, markup=False, soft_wrap=True)


def _checked(checked: Document) -> str:
    left = len(checked["left_out"])
    rest = f", {left} left out" if left else ""
    return f"{checked['tables']} tables in {checked['seconds']:.1f} s{rest}"


def _drill(drill: Document | None, now: datetime) -> Text:
    if drill is None:
        return Text("none")
    word = "good" if drill["good"] else "failed"
    return Text(f"{word}, {age(drill['at'], now)}", ALIVE if drill["good"] else DEAD)


def drills(out: Console, kept: Kept) -> None:
    """Those that failed, in words."""
    for each in kept.drills:
        if not each["good"]:
            text = f"The drill of {each['backup']} on {each['node']} failed: {each['problem']}"
            out.print(
                f"{text}; next step: {each['next_step']}", style=DEAD, markup=False, soft_wrap=True
            )


def logs(out: Console, kept: Kept) -> None:
    title = f"Binary logs of {kept.name} in the bucket"
    made = _table(title, "node", "server", "logs", "last", "from", "to", "stored", "")
    for each in kept.logs:
        wrong = [*each["gaps"], *([each["problem"]] if each.get("problem") else [])]
        made.add_row(
            each["node"],
            f"{each['server_uuid']:.8}",
            str(each["logs"]),
            each["last_file"] or "",
            each["first_time"] or "",
            each["last_time"] or "",
            size(each["stored_bytes"]),
            Text("; ".join(wrong), DEAD),
        )
    out.print(made)


def moments(out: Console, kept: Kept) -> None:
    """From when to when something can be restored."""
    if kept.first_moment is None:
        out.print(f"Nothing of {kept.name} can be restored: there is no good backup.", style=DEAD)
        return
    until = kept.last_moment
    if until is None:
        lines = ["No logs are in the bucket: only backups can be restored, by --as-it-is."]
    else:
        spans = kept.spans
        lines = [_span(first, before, until) for first, before in spans]
        if not spans or spans[-1][1] is not None:
            lines.append(
                f"The ring was put back at {kept.turns[-1]}: no moment since can be restored "
                "before there is a new backup (`ring backup now`)."
            )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    if any(each["gaps"] for each in kept.logs):
        out.print("The logs have gaps: see above.", style=DEAD)


def _span(first: str, before: str | None, until: str) -> str:
    if before is not None:
        return f"Any moment from {first} to right before {before} can be asked for."
    return (
        f"Any moment from {first} on can be asked for. The logs in the bucket end at {until}; a "
        "restore brings in what the nodes have written since."
    )


def restored(out: Console, kept: Kept) -> None:
    for node, servers in kept.restored.items():
        for each in servers:
            state = "runs" if each["running"] else "does not run"
            out.print(
                f"{node} has the scratch server {each['name']}, which {state}: "
                f"{moment(each['moment'])}, of {each['backup']}, restored {each['restored_at']}",
                markup=False,
                soft_wrap=True,
            )
            out.print(f"  {each['connect']}", markup=False, soft_wrap=True)


def moment(document: Any) -> str:
    """What a node was told, in words."""
    if not isinstance(document, dict):
        return str(document)
    if "at" in document:
        return f"the data as of {document['at']}"
    if "file" in document:
        return f"the data as of {document['file']}:{document['position']} of {document['node']}"
    return "the backup as it is" if document.get("as_it_is") else "all that was in the bucket"


def reached(as_of: Document | None) -> list[str]:
    """How far the logs were replayed; nothing where a backup was taken as it is."""
    if as_of is None:
        return []
    lines = [
        f"of server {each['server_id']}: {each['transactions']} transactions, the last of "
        f"{each['time']}, up to {each['log']}:{each['position']}"
        for each in as_of["reached"]
    ]
    if as_of["misfits"]:
        lines.append(
            f"{as_of['misfits']} changes of rows did not fit and were passed over, from "
            f"{as_of['misfits_from']} on"
        )
    return [*(f"  {line}" for line in lines), *as_of["notes"]]
