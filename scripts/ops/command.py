"""The command line."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click
from rich.console import Console

from ops import kept, replacing, show, stack, typed
from ops.errors import (
    DONE,
    INTERRUPTED,
    MEANING,
    NOT_CONFIRMED,
    OpsError,
)
from ops.kept import Kept
from ops.moments import Moment
from ops.nodes import Document, Nodes, first_error, quietest, serving, silent, words
from ops.progress import Progress
from ops.replacing import Replacing, Step
from ops.ssh import Ssh, Transport
from ops.stack import Ring
from ops.typed import Typed

ARCHIVE = ("archive", "--now")
CODES = "\b\nExit codes:\n" + "\n".join(f"{code:>3} {text}" for code, text in MEANING.items())
HELP = {"help_option_names": ["-h", "--help"]}


class Outside:
    """What is outside of the command: the stack, the way to the nodes, the clock. Tests bring their
    own."""

    def read(self, name: str | None) -> Ring:
        return stack.read(name)

    def connect(self, ring: Ring) -> Transport:
        return Ssh(ring)

    def now(self) -> datetime:
        return datetime.now(UTC)


class Work:
    """One command at work: what it was given, where it prints, and the nodes once they are known.

    With `as_json` standard output is one document, at an error too; people read standard error.
    """

    def __init__(self, outside: Outside, stack_name: str | None, as_json: bool) -> None:
        self.outside, self._stack, self.as_json = outside, stack_name, as_json
        self.out = show.console()
        self.err = Console(stderr=True, highlight=False)
        context = click.get_current_context()
        self.typed = Typed(context.command_path)
        self.now = outside.now()

    @contextmanager
    def nodes(self) -> Iterator[tuple[Nodes, list[str]]]:
        """The way to the nodes, and their names, when all that was typed is right."""
        try:
            ring = self.outside.read(self._stack)
        except OpsError:
            if self.typed.mistakes:
                raise self.typed.error() from None
            raise
        self.typed.judge(ring.nodes)
        transport = self.outside.connect(ring)
        try:
            yield Nodes(transport, Progress(self.err)), list(ring.nodes)
        finally:
            transport.close()

    def kept(self, nodes: Nodes, names: list[str]) -> Kept:
        """What is in the bucket and on the nodes; a node that does not answer is named."""
        found = kept.of(nodes.each(names, "backups"))
        for error in found.silent.values():
            self.warn(f"{error.found} ({error.next_step})")
        return found

    def on(self, nodes: Nodes, names: list[str], given: str | None, choose: Any) -> str:
        """The node that was named, or the one that fits; the choice is said."""
        if given is not None:
            return given
        answers = nodes.each(names, "status")
        for error in silent(answers).values():
            self.warn(f"{error.found} ({error.next_step})")
        chosen = choose(answers)
        self.say(f"on {chosen}")
        return chosen

    def bring_in(self, nodes: Nodes, names: list[str], moment: Moment) -> None:
        """What both have written up to now comes into the bucket, for a moment may be just over.
        Where it does not the restore itself says what it lacks."""
        if moment.as_it_is:
            return
        for error in silent(nodes.each(names, *ARCHIVE)).values():
            self.warn(f"what was written last may be missing: {error.found}")

    def say(self, text: str) -> None:
        """For the person: never on standard output, which --json and pipes want for the result."""
        self.err.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self.err.print(f"ring: {text}", style="yellow", markup=False, soft_wrap=True)

    def line(self, text: str) -> None:
        self.out.print(text, markup=False, soft_wrap=True)

    def document(self, value: Document) -> None:
        print(json.dumps(value, indent=2))

    def done(self, report: Document, *lines: str) -> None:
        """What a verb said: its document; or for people lines of the command, and its notes."""
        if self.as_json:
            self.document(report)
            return
        for text in dict.fromkeys((*lines, *report.get("notes", ()))):
            self.line(text)


Run = Callable[..., int | None]


def command(group: click.Group, name: str, example: str) -> Callable[[Run], click.Command]:
    """A command of a group that gets its Work first, and ends with a documented exit code."""

    def decorate(function: Run) -> click.Command:
        @wraps(function)
        def run(stack_name: str | None, as_json: bool, **options: Any) -> None:
            outside = click.get_current_context().obj or Outside()
            sys.exit(_ended(function, Work(outside, stack_name, as_json), options))

        made = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(run)
        made = click.option(
            "--stack", "stack_name", metavar="STACK", help="Not the stack that is selected."
        )(made)
        epilog = f"\b\nExample:\n  {example}\n\n{CODES}"
        return group.command(name, epilog=epilog, context_settings=HELP)(made)

    return decorate


def _ended(function: Run, work: Work, options: dict[str, Any]) -> int:
    try:
        return function(work, **options) or DONE
    except OpsError as error:
        print(error.render(), file=sys.stderr)
        if work.as_json:
            work.document({"error": error.document()})
        return error.code
    except KeyboardInterrupt:
        work.warn(
            "interrupted: what a node was told to do may go on there; "
            "run the command again to see it, or to go on"
        )
        return INTERRUPTED


def options(*made: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for each in reversed(made):
            function = each(function)
        return function

    return decorate


MOMENT = options(
    click.option("--at", metavar="TIME", help="As of a time: ISO 8601 with its zone."),
    click.option("--latest", is_flag=True, help="All that is in the bucket."),
    click.option(
        "--coordinates",
        nargs=3,
        default=None,
        metavar="NODE FILE POSITION",
        help="As of a place in a node's binary log.",
    ),
    click.option("--as-it-is", is_flag=True, help="A backup alone, without the logs behind it."),
    click.option(
        "--backup",
        metavar="NODE/NAME",
        help="The backup to begin with; else the newest that is not after the moment.",
    ),
)
NODE = click.option("--node", metavar="NODE", help="Where to do it; else the node that fits.")
DRY = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")


@click.group(context_settings=HELP, epilog=CODES)
def main() -> None:
    """What a person does with a ring that stands.

    It reads the outputs of the stack that is selected, and calls ring-node on the nodes over SSH.
    """


@main.group(context_settings=HELP)
def backup() -> None:
    """Backups in the ring's bucket."""


@main.group(context_settings=HELP)
def restore() -> None:
    """What was, out of the ring's bucket."""


@command(backup, "list", "ring backup list")
def backup_list(work: Work) -> None:
    """Every backup: when, how large, what was checked, and whether a drill restored it."""
    with work.nodes() as (nodes, names):
        found = work.kept(nodes, names)
    if work.as_json:
        work.document(found.document())
        return
    show.backups(work.out, found, work.now)
    show.drills(work.out, found)


@command(backup, "now", "ring backup now node-2 --export")
@click.argument("node", required=False)
@click.option("--export", is_flag=True, help="And its databases as SQL and mydumper's files.")
def backup_now(work: Work, node: str | None, export: bool) -> None:
    """Take a backup of NODE, or of the node that is well and has fewer connections.

    Both hold the same data. It takes as long as it does: the command may be interrupted, the backup
    goes on.
    """
    work.typed.node(node)
    with work.nodes() as (nodes, names):
        chosen = work.on(nodes, names, node, quietest)
        report = nodes.tool(chosen, "backup", *(["--export"] if export else []))
    made = report["backup"]
    work.done(
        report,
        *report["done"],
        f"{made['key']}: {show.size(made['bytes'])}, {show.size(made['stored_bytes'])} in the "
        f"bucket; {made['tables_checked']} tables checked in {made['check_s']:.0f} s, sent in "
        f"{made['upload_s']:.0f} s; writes waited {made['locked_s']:.3f} s",
    )


@command(backup, "drill", "ring backup drill node-2")
@click.argument("node", required=False)
def backup_drill(work: Work, node: str | None) -> None:
    """Restore the newest backup on NODE beside its server, and compare it with its manifest.

    Without NODE it is the node that is well and has fewer connections. Nothing of it stays.
    """
    work.typed.node(node)
    with work.nodes() as (nodes, names):
        chosen = work.on(nodes, names, node, quietest)
        report = nodes.tool(chosen, "drill")
    drill = report["drill"]
    work.done(
        report,
        f"{drill['backup']} is good: {drill['tables_compared']} tables compared, "
        f"{drill['seconds']:.0f} s",
    )


@command(restore, "list", "ring restore list")
def restore_list(work: Work) -> None:
    """From when to when the ring can be restored, by which backups and logs; and the scratch
    servers that stand on the nodes."""
    with work.nodes() as (nodes, names):
        found = work.kept(nodes, names)
    if work.as_json:
        work.document(found.document())
        return
    show.backups(work.out, found, work.now)
    show.logs(work.out, found)
    show.moments(work.out, found)
    show.restored(work.out, found)


@command(restore, "to-scratch", "ring restore to-scratch --at 2026-11-26T03:15:00Z")
@MOMENT
@click.option("--name", metavar="NAME", help="Of the scratch server; else by the moment.")
@click.option("--remove", metavar="NAME", help="Remove that scratch server, and nothing else.")
@NODE
@DRY
def restore_to_scratch(
    work: Work,
    at: str | None,
    latest: bool,
    coordinates: tuple[str, str, str] | None,
    as_it_is: bool,
    backup: str | None,
    name: str | None,
    remove: str | None,
    node: str | None,
    dry_run: bool,
) -> int | None:
    """Restore to a server of its own on a node, beside the node's own and out of its way.

    It has no network: the command says how to connect. It stays until --remove NAME takes it away,
    on NODE or wherever it is.
    """
    asked = work.typed
    asked.node(node)
    if remove is not None:
        return _remove(work, remove, node, bool(at or latest or coordinates or as_it_is), dry_run)
    moment = asked.moment(at, latest, coordinates, as_it_is, work.now)
    chosen_backup = asked.backup(backup)
    named = None if name is None else asked.take(typed.scratch_name, name)
    with work.nodes() as (nodes, names):
        assert moment is not None
        where = work.on(nodes, names, node, quietest)
        told = {
            "name": named or typed.scratch_name_for(moment),
            "moment": moment.document(),
            "backup": chosen_backup,
        }
        if dry_run:
            return _would(work, [*_first(names, moment), (where, ["restore-scratch"], told)])
        work.say(f"restore {_moment(moment, chosen_backup)} to the scratch server {told['name']}")
        work.bring_in(nodes, names, moment)
        report = nodes.tool(where, "restore-scratch", document=told)
    made = report["restored"]
    work.done(
        report,
        *([] if report["changed"] else [f"It was there already, since {made['restored_at']}."]),
        f"The scratch server {made['name']} on {where} has {show.moment(made['moment'])}, of the "
        f"backup {made['backup']}. To connect, on {where}:",
        f"  {made['connect']}",
        *show.reached(made["as_of"]),
        f"To remove it: ring restore to-scratch --remove {made['name']}",
    )
    return None


def _moment(moment: Moment, backup: str | None) -> str:
    return f"{moment}, of the backup {backup}" if backup else str(moment)


def _first(names: Sequence[str], moment: Moment) -> list[Step]:
    """What `bring_in` does."""
    return [] if moment.as_it_is else [(name, list(ARCHIVE), None) for name in names]


def _would(work: Work, steps: Sequence[Step]) -> int:
    """What a dry run prints: each command, where, and the document on its standard input."""
    if work.as_json:
        work.document(
            {
                "would": [
                    {"node": node, "command": words(*verb), "document": told}
                    for node, verb, told in steps
                ]
            }
        )
        return DONE
    for node, verb, told in steps:
        given = "" if told is None else f" <<< '{json.dumps(told)}'"
        work.line(f"on {node}: {words(*verb)}{given}")
    work.line("Nothing was done.")
    return DONE


def _remove(work: Work, name: str, node: str | None, too_much: bool, dry_run: bool) -> int:
    """On a node that was named, or wherever it is."""
    name = work.typed.take(typed.scratch_name, name) or name
    if too_much:
        work.typed.mistakes.append("--remove with a moment: one of them at a time")
    verb = ["restore-scratch", "--remove", name]
    with work.nodes() as (nodes, names):
        where = [node] if node is not None else names
        if dry_run:
            return _would(work, [(each, verb, None) for each in where])
        answers = nodes.each(where, *verb)
    if work.as_json:
        work.document({each: _said(answer) for each, answer in answers.items()})
    for each, answer in answers.items():
        if isinstance(answer, OpsError):
            print(answer.render(), file=sys.stderr)
        elif not work.as_json:
            work.line(f"{each}: {'; '.join(answer['done'])}")
    failed = silent(answers).values()
    return first_error(failed).code if failed else DONE


def _said(answer: Document | OpsError) -> Document:
    return {"error": answer.document()} if isinstance(answer, OpsError) else answer


@command(
    restore,
    "table",
    "ring restore table app.orders --as app.orders_before --at 2026-11-26T03:15:00Z",
)
@click.argument("table", required=False, metavar="SCHEMA.TABLE")
@click.option("--as", "into", metavar="SCHEMA.NAME", help="What it is to be called.")
@MOMENT
@NODE
@DRY
def restore_table(
    work: Work,
    table: str | None,
    into: str | None,
    at: str | None,
    latest: bool,
    coordinates: tuple[str, str, str] | None,
    as_it_is: bool,
    backup: str | None,
    node: str | None,
    dry_run: bool,
) -> int | None:
    """Put one table as it was beside the present one, on both nodes.

    Nothing is overwritten: a name that is taken is refused. That of a table that was dropped is
    free. Without --node it is done on the node
    that serves, and replication brings it to the other one.
    """
    asked = work.typed
    asked.node(node)
    source = asked.take(typed.table, table, "table")
    target = asked.take(typed.table, into, "--as")
    moment = asked.moment(at, latest, coordinates, as_it_is, work.now)
    chosen_backup = asked.backup(backup)
    with work.nodes() as (nodes, names):
        assert moment is not None
        where = work.on(nodes, names, node, serving)
        told = {
            "table": source,
            "into": target,
            "moment": moment.document(),
            "backup": chosen_backup,
        }
        if dry_run:
            return _would(work, [*_first(names, moment), (where, ["restore-table"], told)])
        work.say(f"restore {_moment(moment, chosen_backup)}")
        work.bring_in(nodes, names, moment)
        report = nodes.tool(where, "restore-table", document=told)
    made = report["table"]
    work.done(
        report,
        f"{made['into']} has {made['rows']} rows of {made['from']}: "
        f"{show.moment(made['moment'])}, of the backup {made['backup']}; {made['seconds']:.0f} s",
        *show.reached(made["as_of"]),
    )
    return None


@command(restore, "to-ring", "ring restore to-ring --at 2026-11-26T03:15:00Z --dry-run")
@MOMENT
@click.option("--node", metavar="NODE", help="The one that is restored; else the first one.")
@click.option(
    "--without-peer", metavar="NODE", help="The other node, which is dead: go on without it."
)
@click.option(
    "--yes-really", metavar="NAME", help="The ring's name, as --dry-run says it: do not ask."
)
@DRY
def restore_to_ring(
    work: Work,
    at: str | None,
    latest: bool,
    coordinates: tuple[str, str, str] | None,
    as_it_is: bool,
    backup: str | None,
    node: str | None,
    without_peer: str | None,
    yes_really: str | None,
    dry_run: bool,
) -> int | None:
    """Replace what BOTH nodes hold by what was.

    One node is restored, the other one copies it. All that was written after the moment is lost to
    the applications, and nobody is served until it is done. The restored node keeps its old data
    until the ring is whole again.
    """
    asked = work.typed
    asked.node(node)
    asked.node(without_peer)
    moment = asked.moment(at, latest, coordinates, as_it_is, work.now)
    chosen_backup = asked.backup(backup)
    with work.nodes() as (nodes, names):
        assert moment is not None
        found = work.kept(nodes, names)
        wanted = replacing.decided(found, names, node, without_peer)
        steps = wanted.steps(moment, chosen_backup)
        work.say(f"{wanted.destroys}, for {_moment(moment, chosen_backup)}.")
        if dry_run:
            return _would(work, [*_first(wanted.alive, moment), *steps])
        _confirm(wanted.name, yes_really)
        work.bring_in(nodes, wanted.alive, moment)
        reports = _replace(work, nodes, wanted, steps)
    if work.as_json:
        work.document({"steps": reports})
        return None
    made = next(each["restored"] for each in reports if "restored" in each)
    work.line(f"{wanted.node} has {show.moment(made['moment'])}, of the backup {made['backup']}")
    said = show.reached(made["as_of"])
    for text in dict.fromkeys(
        (*said, *(note for each in reports for note in each.get("notes", ())))
    ):
        work.line(text)
    if wanted.alone:
        work.line(f"what it held is in {made['former']} until the ring is whole again")
        for text in made["next"]:
            work.line(f"when {wanted.peer} is back, {text}")
    return None


def at_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(name: str, yes_really: str | None) -> None:
    """Raises OpsError where the name of the ring was not typed."""
    if yes_really is None and at_terminal():
        typed_name = click.prompt(f"Type {name} to go on", default="", show_default=False, err=True)
    else:
        typed_name = yes_really
    if typed_name != name:
        raise OpsError(
            "no confirmation" if not typed_name else f"the name {typed_name!r}",
            f"{name}, the name of the ring whose data is given up",
            f"type it, or add `--yes-really {name}`",
            NOT_CONFIRMED,
        )


def _replace(work: Work, nodes: Nodes, wanted: Replacing, steps: Sequence[Step]) -> list[Document]:
    """What each step said. Whatever ends it early, the person is told what stands and what is left
    to do."""
    reports, broken = [], None
    for number, (node, (verb, *options), told) in enumerate(steps):
        if broken is not None and told is not None:  # it gave way, and its server does not start
            told = {**told, "without_peer": broken}
        work.say(f"step {number + 1} of {len(steps)}, on {node}: {' '.join((verb, *options))}")
        try:
            report = nodes.tool(node, verb, *options, document=told)
        except BaseException:
            if left := wanted.left(steps, number):
                work.warn(left)
            raise
        reports.append(report)
        if report.get("gives_way") and not report.get("runs", True):
            broken = node
    return reports
