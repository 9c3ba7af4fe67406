"""The verbs of `ring-node` on the nodes: on one, or on both at once with one round trip each."""

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.errors import DEADLINE, DEFECT, HOST, INPUT, UNREACHABLE, OpsError
from ops.progress import Progress
from ops.ssh import Done, Transport

TOOL = "/opt/mysql-ring/current/ring-node"
UNHEALTHY = 9  # `status` has printed what is wrong
# `timeout` of coreutils: the time was over, or it had to kill what it ran
TIME_OVER = (124, 137)
KILL_AFTER_SECONDS = 60
# What a verb may take before it counts as hung, in minutes: each has deadlines of its own, which
# end it before. Those of a day copy or unpack data, however much that is.
MINUTES = {"status": 5, "backups": 15, "archive": 60}
LONGEST_MINUTES = 26 * 60
ERROR = re.compile(
    r"^ring-node: found: (?P<found>.*?)\n +expected: (?P<expected>.*?)\n"
    r" +next step: (?P<next>.*)\Z",
    re.DOTALL | re.MULTILINE,
)
PROGRESS = re.compile(r"ring-node: (?!found: )(?P<text>.+)")

Document = dict[str, Any]
Answer = Document | OpsError


def words(verb: str, *options: str) -> str:
    """What runs a verb on a node, as a person types it there."""
    return shlex.join(["sudo", TOOL, verb, *options])


def command(verb: str, *options: str) -> str:
    """The same with an end."""
    minutes = MINUTES.get(verb, LONGEST_MINUTES)
    bounds = ["timeout", f"--kill-after={KILL_AFTER_SECONDS}", f"{minutes}m"]
    return shlex.join(["sudo", *bounds, TOOL, verb, *options])


class Nodes:
    """What they are asked, and what they say."""

    def __init__(self, transport: Transport, progress: Progress) -> None:
        self._transport, self._progress = transport, progress

    def tool(
        self, node: str, verb: str, *options: str, document: Document | None = None
    ) -> Document:
        """The document that a verb prints. OpsError with the verb's own code where it fails."""
        stdin = "" if document is None else json.dumps(document)
        with self._progress.at_work(node, verb):
            done = self._transport.run(
                node, command(verb, *options), stdin, lambda line: self._heard(node, line)
            )
        return answer(node, verb, done)

    def each(self, nodes: Sequence[str], verb: str, *options: str) -> dict[str, Answer]:
        """What each says, all of them asked at once; OpsError in the place of one that fails."""

        def ask(node: str) -> Answer:
            try:
                return self.tool(node, verb, *options)
            except OpsError as error:
                return error

        pool = ThreadPoolExecutor(max(1, len(nodes)))
        try:
            return dict(zip(nodes, pool.map(ask, nodes), strict=True))
        except BaseException:
            self._transport.stop()
            raise
        finally:
            pool.shutdown()

    def _heard(self, node: str, line: str) -> None:
        if found := PROGRESS.fullmatch(line.rstrip("\n")):
            self._progress.say(node, found["text"])


def answer(node: str, verb: str, done: Done) -> Document:
    """What a program on a node printed, judged by how it ended."""
    where = f"`ring-node {verb}` on {node}"
    look = f"log in on {node} and look (docs/operations.md, Log in)"
    if done.code is None:
        raise OpsError(
            f"{node} does not answer over SSH: {done.stderr.strip() or 'the connection was cut'}",
            "its host",
            "see whether its host runs, and whether your address is in adminCidrs "
            "(docs/operations.md, A node is down)",
            UNREACHABLE,
        )
    if done.code in TIME_OVER:
        raise OpsError(f"{where} did not end in its time", "its end", look, DEADLINE)
    if done.code not in (0, UNHEALTHY):
        raise _failed(node, where, done)
    try:
        document = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise OpsError(f"{where} printed no document", "one line of JSON", look, DEFECT)
    return document


def _failed(node: str, where: str, done: Done) -> OpsError:
    parts = ERROR.search(done.stderr)
    if parts is None:
        text = done.stderr.strip()[-2000:] or "nothing"
        found = f"{where} ended with {done.code} and printed: {text}"
        return OpsError(found, "0", f"log in on {node} and look", HOST)
    following = parts["next"].strip()
    if done.code == INPUT:
        following += f"; where the tool on {node} is of another release than this: `pulumi up`"
    return OpsError(f"{node}: {parts['found']}", parts["expected"], following, done.code or DEFECT)


def silent(answers: dict[str, Answer]) -> dict[str, OpsError]:
    return {node: said for node, said in answers.items() if isinstance(said, OpsError)}


def spoken(answers: dict[str, Answer]) -> dict[str, Document]:
    return {node: said for node, said in answers.items() if not isinstance(said, OpsError)}


def first_error(errors: Iterable[OpsError]) -> OpsError:
    """The one to end with where no node did what it was asked: what a node says goes before one
    that cannot be reached."""
    return min(errors, key=lambda error: error.code == UNREACHABLE)


def quietest(answers: dict[str, Answer]) -> str:
    """The node for work that its clients should not feel, by what `status` says: one that is well
    before one that is not, one with few connections before one with many, and at last the one that
    is named last. OpsError where none answers."""
    known = spoken(answers)
    if not known:
        raise first_error(silent(answers).values())

    def burden(number: int, said: Document) -> tuple[bool, int, int]:
        return not said.get("healthy"), said.get("connections") or 0, -number

    ranked = sorted(
        (burden(number, said), name) for number, (name, said) in enumerate(known.items())
    )
    return ranked[0][1]


def serving(answers: dict[str, Answer]) -> str:
    """The node for work on what its clients see, by what `status` says: its gate is open, and it
    has the most connections, the first one of equal ones. OpsError where none serves."""
    known = spoken(answers)
    if not known:
        raise first_error(silent(answers).values())
    there = {name: said.get("connections") or 0 for name, said in known.items() if _open(said)}
    if not there:
        raise OpsError(
            f"no node that serves clients: {', '.join(known)}",
            "one whose gate is open",
            "see docs/operations.md, A node that answers no client; or name one by --node",
            UNREACHABLE,
        )
    return max(there, key=lambda name: there[name])


def _open(said: Document) -> bool:
    return said.get("gate") == "open" and said.get("service") == "active"
