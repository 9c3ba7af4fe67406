"""A lab as the tests use it: by the commands a person types, and for what these reach, the nodes,
their servers and the API, in the same way without them: each start of one costs more than the rest.
Shared by the tiers that need one."""

import contextlib
import hashlib
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import evidence
import pytest
import yaml
from cloud.cli import connect, stack
from cloud.cli.ask import Asking
from cloud.cli.errors import LabError
from cloud.cli.nodes import Nodes
from cloud.cli.surroundings import environment
from cloud.lab import Lab as Folder
from cloud.lab import read_process
from cloud.processes import Process
from gates import Gates
from hosts import STATUS, Node
from waits import PATIENCE, rest

ROOT = Path(__file__).resolve().parents[1]
NODES = ("node-1", "node-2")
ANY_NODE = r"node-\d"
PEER = {"node-1": "node-2", "node-2": "node-1"}
SETTLE = f"xfs_spaceman -c 'prealloc -m {10**15}' /srv/mysql-ring"
"""Before free room of a data volume is counted: XFS gives a removed file's blocks back later."""
STATE = "state/.pulumi/stacks/mysql-ring/lab.json"
"""The state of the stack, in the lab's folder."""
UP_SECONDS = 1200
DOWN_SECONDS = 300
COMMAND_SECONDS = 120
WHOLE_SECONDS = 60

SQL = shlex.join([*connect.CLIENT, "--batch"])

T = TypeVar("T")
Stamp = tuple[int, int, int]


def resource(node: str, part: str) -> str:
    """What the program calls a part of a node: a resource's name, or a regular expression for it
    when `node` or `part` is one."""
    return f"ring-{node}-{part}"


def step_name(node: str, verb: str) -> str:
    """What the program calls the step that runs a verb on a node, or a regular expression for it
    when `node` is one."""
    if verb in ("seed", "replicate", "restart", "verify"):
        return f"ring-replication-{node}-{verb}"
    if verb == "schedule":
        return f"ring-backups-{node}-{verb}"
    return resource(node, "tools-release" if verb == "tools" else f"mysql-{verb}")


def _give(stream: IO[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(text)


def _expected(
    what: str, done: subprocess.CompletedProcess[str], expect: int | None
) -> subprocess.CompletedProcess[str]:
    if expect is not None and done.returncode != expect:
        raise CommandFailed(
            f"{what} ended with {done.returncode}, expected {expect}\n"
            f"--- stdout\n{done.stdout[-6000:]}\n--- stderr\n{done.stderr[-6000:]}"
        )
    return done


class CommandFailed(AssertionError):
    """A command of the lab ended with another exit code than the test expected."""


class Lab:
    """The lab's command line, as a person uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Folder(folder, Folder.from_environment().cache)
        self.environment = dict(os.environ, MYSQL_RING_LAB=str(folder))
        self.gates = Gates(folder, self._make_folder)
        self.suspect = False
        """A test with it has failed: nobody knows what it left."""
        self.incarnation = 0
        """Another one for each ring that was made from nothing."""
        self.first_up = ""
        """What the `scripts/lab up` printed that made the ring from nothing."""
        self._verified: str | None = None
        self._started: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._nodes: tuple[Stamp | None, Nodes] | None = None
        self._asked = threading.Lock()
        self._asking: tuple[Process | None, Asking] | None = None
        """The process of the stand-in, and the program in the world that it has made."""
        self._exported: tuple[Stamp | None, dict[str, Any]] = None, {}

    # -- from whatever is there to what a test starts from

    def stand(self) -> None:
        """Bring the lab to a verified ring with the committed settings; cheap when it is that."""
        self.end_leftovers()
        if self.suspect or not self.folder.exists():
            self.make_anew()
        elif self._verified != self._digest() or lacks(self):
            try:
                self.up()
                wait_until_whole(self)
            except (AssertionError, subprocess.TimeoutExpired):
                self.make_anew()

    def raze(self) -> None:
        """Bring the lab to nothing."""
        self.end_leftovers()
        self._stop_asking()
        if self.folder.exists():
            self.run("down", "--yes", timeout=DOWN_SECONDS)
        self.suspect, self._verified = False, None

    def make_anew(self) -> None:
        self.raze()
        self.incarnation += 1
        self.first_up = self.up()
        wait_until_whole(self)

    def end_leftovers(self) -> None:
        """End what an earlier test started and left: commands, gates and orders to the API."""
        for process in self._started:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    if os.getpgid(process.pid) == process.pid:
                        os.killpg(process.pid, signal.SIGKILL)
                    process.kill()
                process.wait(timeout=10 * PATIENCE)
        self._started.clear()
        self.gates.lift_all()

    def _make_folder(self) -> None:
        """A gate can be laid before the first command: it makes the same folder."""
        if not self.folder.exists():
            self.place.create()

    def _digest(self) -> str:
        """Another one when the state has other resources, inputs, or something under way."""
        latest = self.state()
        kept = [
            (each["urn"], each.get("id"), each.get("inputs"))
            for each in latest.get("resources") or []
        ]
        under_way = latest.get("pending_operations") or []
        text = json.dumps([kept, under_way], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # -- its commands

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return self._popen([str(ROOT / "scripts" / "lab"), *arguments], self.environment, **options)

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        timeout: float = COMMAND_SECONDS,
        expect: int | None = 0,
    ) -> subprocess.CompletedProcess[str]:
        argv = [str(ROOT / "scripts" / "lab"), *arguments]
        return _expected(
            f"scripts/lab {' '.join(arguments)}",
            self._run(argv, self.environment, stdin, timeout),
            expect,
        )

    # -- its nodes, reached as `scripts/lab ssh` and `mysql` reach them, in this process

    def popen_on(self, node: str, *command: str) -> subprocess.Popen[str]:
        return self._popen(self._on(node, *command), environment(self.place))

    def run_on(
        self,
        node: str,
        *command: str,
        stdin: str = "",
        timeout: float = COMMAND_SECONDS,
        expect: int | None = 0,
    ) -> subprocess.CompletedProcess[str]:
        try:
            argv = self._on(node, *command)
        except LabError as error:
            done = subprocess.CompletedProcess([*command], error.code, "", f"lab: {error}\n")
        else:
            done = self._run(argv, environment(self.place), stdin, timeout)
        return _expected(f"{' '.join(command)} on {node}", done, expect)

    def popen_sql(self, node: str, statement: str | None = None) -> subprocess.Popen[str]:
        """Without a statement it is for the caller to write some, and to end the input."""
        process = self.popen_on(node, SQL)
        if statement is not None:
            stream, process.stdin = process.stdin, None
            assert stream is not None
            # A long one is read as the server takes it.
            threading.Thread(target=_give, args=(stream, f"{statement}\n"), daemon=True).start()
        return process

    def run_sql(
        self, node: str, statement: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return self.run_on(node, SQL, stdin=f"{statement}\n", **options)

    def _on(self, node: str, *command: str) -> list[str]:
        connect.require_up(self.place)
        with self._lock:  # Nodes writes files, and tests ask from several threads
            stamp = self.stamp() if self.place.stack_file.exists() else None
            if self._nodes is None or self._nodes[0] != stamp:
                self._nodes = stamp, Nodes(self.place)
            return self._nodes[1].ssh(node, " ".join(command))

    def _popen(
        self, argv: list[str], surroundings: dict[str, str], **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            argv,
            env=surroundings,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
        self._started.append(process)
        return process

    def _run(
        self, argv: list[str], surroundings: dict[str, str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            env=surroundings,
            cwd=ROOT,
            text=True,
            input=stdin,
            capture_output=True,
            timeout=timeout * PATIENCE,
            check=False,
        )

    def up(self) -> str:
        """`scripts/lab up`, which verifies the ring."""
        printed = self.run("up", timeout=UP_SECONDS).stdout
        self._verified = self._digest()
        return printed

    def pulumi(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("timeout", UP_SECONDS)
        return self.run("pulumi", *arguments, **options)

    def aws(self, *arguments: str) -> Any:
        """The answer to the AWS command line, which one program runs for all questions."""
        with self._asked:
            try:
                connect.require_up(self.place)
                process = read_process(self.place.ready)
                if self._asking is None or self._asking[0] != process:
                    self._stop_asking()
                    self._asking = process, Asking(self.place, COMMAND_SECONDS * PATIENCE)
                return self._asking[1](*arguments)
            except LabError as error:
                raise CommandFailed(str(error)) from None

    def asking(self) -> int | None:
        """The process of that program, which is the tests' own."""
        return None if self._asking is None else self._asking[1].pid

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking[1].end()
            self._asking = None

    def ssh(self, node: str, *command: str, **options: Any) -> str:
        return self.run_on(node, *command, **options).stdout

    def sql(self, node: str, statement: str, **options: Any) -> list[list[str]]:
        """The rows of one statement, without the heading, run as root on `node`."""
        lines = self.run_sql(node, statement, **options).stdout.splitlines()
        return [line.split("\t") for line in lines[1:]]

    def value(self, node: str, statement: str) -> str:
        rows = self.sql(node, statement)
        assert rows, f"{statement!r} gave no row on {node}"
        return rows[0][0]

    def slave_status(self, node: str) -> dict[str, str]:
        text = self.run_sql(node, "SHOW SLAVE STATUS\\G").stdout
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {name.strip(): value.strip() for name, value in pairs}

    def status(self, node: str) -> dict[str, Any]:
        """What the node says of itself, be it healthy or not."""
        return json.loads(self.ssh(node, f"sudo {STATUS}"))

    def stamp(self) -> Stamp:
        """Another one after each change of the stack's state."""
        there = (self.folder / STATE).stat()
        return there.st_ino, there.st_mtime_ns, there.st_size

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs with their secrets; asked again when the state has changed."""
        with self._lock:
            return stack.outputs(self.place)

    def state(self) -> dict[str, Any]:
        """The stack's deployment as the state has it now, with what is under way."""
        try:
            text = (self.folder / STATE).read_text()
        except FileNotFoundError:
            return {}
        return json.loads(text)["checkpoint"]["latest"] or {}

    def resources(self) -> list[dict[str, Any]]:
        return self.state().get("resources", [])

    def exported(self) -> dict[str, Any]:
        """The stack with its secrets; asked again when the state has changed."""
        with self._lock:
            stamp = self.stamp()
            if self._exported[0] != stamp:
                argv = ["pulumi", "stack", "export", "--show-secrets"]
                done = stack.run(self.place, argv, COMMAND_SECONDS * PATIENCE)
                self._exported = stamp, json.loads(_expected("stack export", done, 0).stdout)
            return self._exported[1]

    def urn(self, name: str) -> str:
        found = [r["urn"] for r in self.resources() if r["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{len(found)} resources are named {name}: {found}"
        return found[0]

    def settings_with(self, **changes: Any) -> Path:
        """A copy of the lab stack's settings file with some settings changed."""
        document = yaml.safe_load((self.folder / "Pulumi.lab.yaml").read_text())
        for name, value in changes.items():
            document["config"][f"mysql-ring:{name}"] = value
        changed = self.folder / "Pulumi.changed.yaml"
        changed.write_text(yaml.safe_dump(document))
        return changed

    def evidence(self) -> str:
        return evidence.of(self.folder)

    def id(self) -> str:
        return json.loads((self.folder / "lab.json").read_text())["id"]


def eventually(
    read: Callable[[], T], holds: Callable[[T], bool], what: str, seconds: float = 30
) -> T:
    """Read until it holds; an error that names the last value when the deadline passes."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        asked = time.monotonic()
        value = read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what}: not within {seconds * PATIENCE:g} s; last seen: {value!r}"
            )
        rest(0.3, asked)


def hostname(lab: Lab, node: str) -> str:
    """A node's host, as it calls itself."""
    return f"ip-{lab.outputs()['nodes'][node]['clientAddress'].replace('.', '-')}"


def lacks(lab: Lab) -> str:
    """Empty when both threads run on both nodes, with fresh heartbeats; asked past the network."""
    try:
        return "; ".join(filter(None, (Node(lab, name).lacks() for name in NODES)))
    except Exception as error:  # a ring that does not stand has no outputs
        return repr(error)


def wait_until_whole(lab: Lab) -> None:
    eventually(lambda: lacks(lab), lambda said: not said, "a ring that is whole", WHOLE_SECONDS)


class Kept(Generic[T]):
    """What the tests of a module share in a ring, made anew when the ring is another one."""

    def __init__(self, make: Callable[[Lab], AbstractContextManager[T]]) -> None:
        self._make = make
        self._stack = ExitStack()
        self._lab: Lab | None = None
        self._incarnation = 0
        self._value: T | None = None

    def of(self, lab: Lab) -> T:
        if self._lab is None or self._incarnation != lab.incarnation:
            self.close()
            self._lab, self._incarnation = lab, lab.incarnation
            self._value = self._stack.enter_context(self._make(lab))
        assert self._value is not None
        return self._value

    def close(self) -> None:
        """In the ring that it was made in; of one that is gone nothing is left to undo."""
        gone = self._lab is not None and self._incarnation != self._lab.incarnation
        with contextlib.suppress(*([Exception] if gone else [])):
            self._stack.close()
        self._stack, self._lab = ExitStack(), None

    def __enter__(self) -> "Kept[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The session's lab. What is in it the other fixtures say."""
    lab = Lab(Path(os.environ.get("MYSQL_RING_LAB", ROOT / ".lab-test")))
    lab.raze()
    yield lab
    lab.raze()


@pytest.fixture
def ring(lab: Lab) -> Iterator[Lab]:
    """A verified ring, whatever there was before. A test that takes it apart need not mend it."""
    lab.stand()
    yield lab
    lab.end_leftovers()


@pytest.fixture
def bare(lab: Lab) -> Iterator[Lab]:
    """A lab in which nothing is, not even its folder."""
    lab.raze()
    yield lab
    lab.end_leftovers()
