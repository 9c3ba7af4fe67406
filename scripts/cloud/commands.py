"""The lab's command line. What only some commands need is imported by them: it would take longer
than `ssh` itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloud.cli.errors import FAILED, INTERRUPTED, MACHINE, MEANING, LabError
from cloud.lab import Lab
from cloud.setup.entry import SetupError, Stopped
from cloud.setup.plugins import AUTO, CHOICES

if TYPE_CHECKING:
    from rich.console import Console

WORDS_SHOWN = 160
EXIT_CODES = "\b\nExit codes: " + "\n".join(f"{code} {text}" for code, text in MEANING.items())


class PassOn(click.Command):
    """A command whose arguments belong to the program that it starts, `--` and all."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params = {"arguments": tuple(args)}
        return []


class Tiers(PassOn):
    """The same, with a help of its own: only it names the tiers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args in (["-h"], ["--help"]):
            return click.Command.parse_args(self, ctx, args)
        return super().parse_args(ctx, args)


class PassOnAfterNode(click.Command):
    """The same for a program on a node: the first argument names the node."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0].startswith("-"):
            return super().parse_args(ctx, args)
        rest = args[2:] if args[1:2] == ["--"] else args[1:]
        ctx.params = {"node": args[0], "command": tuple(rest)}
        return []


def reported(function: Callable[..., Any]) -> Callable[..., Any]:
    """End a command with one message and a documented exit code instead of a traceback."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except LabError as error:
            _say(error)
            sys.exit(error.code)
        except SetupError as error:
            _say(error)
            sys.exit(MACHINE)
        except subprocess.TimeoutExpired as error:
            _say(_too_slow(error))
            sys.exit(FAILED)
        except (KeyboardInterrupt, Stopped):
            _say("interrupted; run it again to go on, or `scripts/lab down` to take the lab down")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)

    return run


def _too_slow(error: subprocess.TimeoutExpired) -> str:
    """For the programs whose caller has nothing better to say."""
    words = error.cmd if isinstance(error.cmd, str) else shlex.join(error.cmd)
    return (
        f"found a program that did not end within {error.timeout:g} s and was killed (the end "
        f"of its command: {' '.join(words.split())[-WORDS_SHOWN:]}); expected it to end; look at "
        "the load of the machine with `uptime`, then run the command again"
    )


def _say(message: object) -> None:
    print(f"lab: {message}", file=sys.stderr)


def _consoles() -> tuple[Console, Console]:
    from rich.console import Console

    return Console(highlight=False), Console(stderr=True, highlight=False)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The ring on this machine: the real program on a stand-in for AWS.

    No account, no cost. It wants root on Debian 12, and installs the Debian packages that are
    missing. All else lies in .lab (or $MYSQL_RING_LAB) and in the cache /var/cache/mysql-ring (or
    $MYSQL_RING_CACHE). The labs of `test` and `bench` are others.
    """


@main.command()
@click.option(
    "--providers",
    type=click.Choice(CHOICES),
    default=AUTO,
    envvar="MYSQL_RING_PROVIDERS",
    show_envvar=True,
    show_default=True,
    help="official: the official plugins only. auto: a stand-in for each that is not installed.",
)
@reported
def up(providers: str) -> None:
    """Bring the ring up and show it.

    It does the set-up, starts the stand-in cloud, runs `pulumi up` and asks both nodes. Run again,
    it continues what was cut short, and applies what has changed.
    """
    from cloud.cli.bring_up import up as bring_up

    bring_up(Lab.from_environment(), *_consoles(), providers=providers)


@main.command()
@reported
def status() -> None:
    """Show the ring again: the table that `up` ends with, as it is now."""
    from cloud.cli.show import status as show

    sys.exit(show(Lab.from_environment(), *_consoles()))


@main.command()
@reported
def setup() -> None:
    """Only the set-up: build and download what is missing in the cache."""
    from cloud.cli import interrupt
    from cloud.cli.lock import held
    from cloud.setup.run import prepare

    lab = Lab.from_environment()
    with held(lab, "scripts/lab setup"), interrupt.as_exception():
        prepare(lab)


@main.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask: destroy the lab and its data.")
@click.option("--cache", is_flag=True, help="Remove also what the set-up built and downloaded.")
@reported
def down(yes: bool, cache: bool) -> None:
    """Take the lab down, its data with it, also in the middle of an up.

    The cache stays, unless --cache says otherwise. Debian packages stay.
    """
    from cloud.cli.take_down import down as take_down

    take_down(Lab.from_environment(), *_consoles(), yes=yes, cache=cache)


@main.command(cls=PassOn)
@click.argument("arguments", nargs=-1)
@reported
def pulumi(arguments: tuple[str, ...]) -> None:
    """Run the Pulumi CLI in the lab's environment."""
    from cloud.cli.connect import pulumi as run

    run(Lab.from_environment(), arguments)


@main.command(cls=PassOn)
@click.argument("arguments", nargs=-1)
@reported
def ring(arguments: tuple[str, ...]) -> None:
    """Run the operator's command, scripts/ring, against the ring of the lab."""
    from cloud.cli.connect import ring as run

    run(Lab.from_environment(), arguments)


@main.command(cls=PassOn)
@click.argument("arguments", nargs=-1)
@reported
def aws(arguments: tuple[str, ...]) -> None:
    """Run the AWS command line against the stand-in."""
    from cloud.cli.connect import aws as run

    run(Lab.from_environment(), arguments)


@main.command(cls=PassOnAfterNode)
@click.argument("node")
@click.argument("command", nargs=-1)
@reported
def ssh(node: str, command: tuple[str, ...]) -> None:
    """Log in on a node, or run a command there.

    NODE is node-1 or node-2. The words of the command are joined by spaces, as ssh does.
    """
    from cloud.cli.connect import ssh as run

    run(Lab.from_environment(), node, command)


@main.command()
@click.argument("node")
@click.option("--execute", "-e", "sql", help="Run this and print the rows, separated by tabs.")
@click.option("--database", "-D", default=None, help="Start in this database.")
@reported
def mysql(node: str, sql: str | None, database: str | None) -> None:
    """A MySQL prompt on a node as root, or the result of SQL.

    NODE is node-1 or node-2. SQL comes by -e or on stdin.
    """
    from cloud.cli.connect import mysql as run

    sys.exit(run(Lab.from_environment(), node, sql, database))


@main.command(cls=Tiers)
@click.argument("arguments", nargs=-1, metavar="[TIER]... | [PYTEST ARGUMENT]...")
@reported
def test(arguments: tuple[str, ...]) -> None:
    """Run every check, some tiers of them, or what pytest's arguments name.

    TIER is one of lint, unit, refusals, lab, data, backups, restores, losses, updates and
    faults. The last seven make labs of their own: .lab-test, .lab-data and so on (or
    $MYSQL_RING_LAB and that with -data and so on).
    """
    from cloud.cli.check import run

    sys.exit(run(Lab.from_environment(), arguments))


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--json",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one flat object of them all.",
)
@click.option(
    "--repeat", type=click.IntRange(1), default=3, show_default=True, help="Turns of each."
)
@reported
def bench(names: tuple[str, ...], to: Path | None, repeat: int) -> None:
    """Take figures in a lab of the bench's own.

    The lab is in .lab-bench (or $MYSQL_RING_LAB), and is taken down at the end. NAME is one of
    fresh, noop, wiring, copy, backup, sysbench and machine. Without a name all are taken but
    machine, which downloads and builds everything anew. Parts of backup can be named instead of it:
    upload, restore, replay, archive, beside and held.
    """
    from cloud.bench.run import bench as take

    take(*_consoles(), names, to, repeat)
