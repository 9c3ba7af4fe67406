"""The command line: verbs, their documents, the lock, results and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from .base import paths
from .base.errors import Exit, NodeError

LOCK_SECONDS = 600.0  # longer than a verb takes, unless it copies much or a server is slow to end


class Verb(NamedTuple):
    help: str
    document: str  # how standard input is read: "json", "text" or "" for not at all
    locks: bool
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({})  # as argparse takes them
    by_hand: str = ""  # the option with which it reads no document


VERBS = {
    "tools": Verb("install this tool itself as a release", "json", True),
    "install": Verb("install packages and MySQL, without starting it", "json", True),
    "volume": Verb("mount the data volume, as large as it is to be", "json", True),
    "tls": Verb("lay CA, certificate and key ready for the server", "json", True),
    "config": Verb("lay my.cnf ready for the server", "text", True),
    "server": Verb("initialise, secure and start the server", "json", True),
    "accounts": Verb("make databases and accounts what the document says", "json", True),
    "restore-new": Verb(
        "restore what a new ring begins with, if both nodes hold nothing", "json", True
    ),
    "seed": Verb("decide where this node's data comes from, and fetch it", "json", True),
    "replicate": Verb("follow the peer and take part in the ring", "json", True),
    "restart": Verb(
        "run the server with the files that wait for that, restarting it in its turn",
        "json",
        True,
        {
            "--though-unwell": {
                "metavar": "NODE",
                "help": "this node's own name: restart it although the ring is not healthy",
            }
        },
        by_hand="though_unwell",
    ),
    "rejoin": Verb(
        "seed and replicate from the records on this host",
        "",
        True,
        {
            "--discard": {
                "metavar": "NODE",
                "help": "this node's own name: give up its data first",
            },
            "--though-behind": {
                "metavar": "NODE",
                "help": "the peer's name: copy it although it was set back in time, or may be",
            },
        },
    ),
    "send": Verb(
        "send this node's data to the peer on standard input (a socket's service)",
        "",
        False,
        {"--remove-left": {"action": "store_true", "help": "only what a killed one left"}},
    ),
    "backup": Verb(
        "put a checked copy of this node's data into the ring's bucket (a timer's service)",
        "",
        False,
        {
            "--export": {
                "action": "store_true",
                "help": "and its databases as SQL and as mydumper's files",
            },
            "--check-seconds": {
                "type": int,
                "default": 1800,
                "metavar": "SECONDS",
                "help": "time for the check of its tables (1800)",
            },
            "--wait": {
                "type": int,
                "default": 21600,
                "metavar": "SECONDS",
                "help": "for another backup or maintenance, here or on the peer, to end (21600)",
            },
        },
    ),
    "maintain": Verb(
        "check this node's tables, and rebuild those that gain (a timer's service)",
        "",
        False,
        {
            "--seconds": {
                "type": int,
                "default": 7200,
                "metavar": "SECONDS",
                "help": "how long it goes on at most (7200)",
            },
            "--wait": {
                "type": int,
                "default": 9000,
                "metavar": "SECONDS",
                "help": "for another backup or maintenance, here or on the peer, to end (9000)",
            },
        },
    ),
    "schedule": Verb("say where backups go and when they are made", "json", True),
    "archive": Verb(
        "bring every closed binary log into the bucket (a timer's service)",
        "",
        False,
        {"--now": {"action": "store_true", "help": "and what was written up to now"}},
    ),
    "purge": Verb("purge the binary logs that may go (a timer's service)", "", False),
    "backups": Verb("list the backups, logs and drills that the bucket holds", "", False),
    "restore-scratch": Verb(
        "restore to a scratch server on this host, beside the ring's",
        "json",
        False,
        {"--remove": {"metavar": "NAME", "help": "end that scratch server and remove its data"}},
        by_hand="remove",
    ),
    "restore-table": Verb(
        "put a table of the past beside the present one, on both nodes", "json", False
    ),
    "restore-ring": Verb("put the ring's data back to a moment", "json", True),
    "drill": Verb(
        "restore the newest backup on scratch and compare it (a timer's service)", "", False
    ),
    "verify": Verb("show that rows travel both ways", "json", False),
    "status": Verb("say everything about this node", "", False),
    "gate": Verb("say whether clients reach this node, and why not", "", False),
    "open": Verb(
        "open the gate by hand: clients then see and change what this node has",
        "",
        False,
        {
            "--though-behind": {
                "metavar": "NODE",
                "required": True,
                "help": "the name of this node, whose data may be older than its peer's",
            }
        },
    ),
    "agent": Verb("open the gate, beat, watch the peer (a service)", "", False),
    "mount": Verb("mount the data volume again at boot (used by its service)", "", False),
    "wait-serving": Verb("wait until this node serves as part of its ring", "", False),
    "memory": Verb("give the server its share of the memory (used by its service)", "", False),
    "wait-ready": Verb("wait until the server greets (used by its service)", "", False),
}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NodeError(Exit.INPUT, message, f"ring-node {{{','.join(VERBS)}}}", "ring-node --help")


def parser(only: str = "") -> argparse.ArgumentParser:
    """Of all verbs, or of that one, which takes a tenth of the time that a verb needs to start."""
    result = Parser(
        prog="ring-node",
        description="Prepares this host for its MySQL ring. Verbs read a document on standard "
        "input, print one line of JSON, and change nothing when run again.",
        epilog="exit codes: " + ", ".join(f"{code.value} {code.name.lower()}" for code in Exit),
    )
    verbs = result.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in [only] if only in VERBS else VERBS:
        verb = VERBS[name]
        added = verbs.add_parser(name, help=verb.help, description=verb.help)
        for option, settings in verb.options.items():
            added.add_argument(option, **settings)
    return result


def main(arguments: Sequence[str]) -> int:
    try:
        given = vars(parser(next(iter(arguments), "")).parse_args(arguments))
        return _run(given.pop("verb"), given)
    except NodeError as error:
        print(error.render(), file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("ring-node: interrupted; run the same verb again to continue", file=sys.stderr)
        return Exit.INTERNAL
    except BrokenPipeError:
        return Exit.INTERNAL
    except OSError as error:
        from .host.room import disk_error

        failed = disk_error(error)
        if failed is None:
            raise
        print(failed.render(), file=sys.stderr)
        return failed.code


def _run(name: str, options: Mapping[str, Any]) -> int:
    verb = VERBS[name]
    os.umask(0o022)
    kind = "" if options.get(verb.by_hand) else verb.document
    text = _standard_input() if kind else ""
    module = import_module(f".verbs.{name.replace('-', '_')}", __package__)
    if name in ("agent", "memory", "wait-ready"):
        return module.run()
    _must_be_root()
    if kind == "json":
        from .base.fields import parse_json

        document = parse_json(text)
    else:
        document = text
    arguments = (document,) if kind else ()
    if verb.locks:
        from .base.lock import host_lock

        with host_lock(paths.LOCK, name, LOCK_SECONDS):
            report = module.run(*arguments, **options)
    else:
        report = module.run(*arguments, **options)
    print(report.line(), flush=True)
    return report.code


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise NodeError(
            Exit.INPUT,
            "standard input is a terminal",
            "the verb's document on standard input",
            "ring-node VERB < document",
        )
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise NodeError(
            Exit.INPUT,
            "standard input is not UTF-8",
            "the verb's document as UTF-8",
            "give the document again",
        ) from None


def _must_be_root() -> None:
    if os.geteuid() != 0:
        raise NodeError(Exit.INPUT, f"user id {os.geteuid()}", "root", "run it with sudo")
