"""The verbs of the node tool on a host of the ring, with the documents of the program."""

import contextlib
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from labs import Lab, step_name, wait_until_whole
from waits import PATIENCE

INPUT, REFUSED, UNREACHABLE, HOST, SERVER, DEADLINE = 2, 3, 4, 5, 6, 8  # exit codes of ring-node
RING_NODE = "sudo /opt/mysql-ring/current/ring-node"
UNBUFFERED = "sudo mysql --defaults-file=/root/.my.cnf --batch --unbuffered"
KILLED_STATUS = 128 + 9
STEP_SECONDS = 300
FRESH_MS = 3000
# Runs a verb and kills its process, as `kill -9` would, right after it called what is named.
KILLED = """
import importlib, os, signal, sys
sys.path.insert(0, "/opt/mysql-ring/current")
verb, module, owner, name, words = sys.argv[1:]
place = importlib.import_module("ring_node." + module)
place = getattr(place, owner) if owner else place
called = getattr(place, name)

def and_die(*arguments, **options):
    result = called(*arguments, **options)
    if not words or words in arguments:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(place, name, and_die)
from ring_node.cli import main
sys.exit(main([verb]))
"""
# The application's account on the node's own client address, over TLS as 5.6.24 speaks it.
APPLICATION = """
import json, ssl, sys
import pymysql
asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked.pop("ca"))
context.minimum_version = ssl.TLSVersion.TLSv1
context.options |= 0x4
context.set_ciphers("AES256-SHA:@SECLEVEL=0")
statement = asked.pop("statement")
try:
    with pymysql.connect(**asked, ssl=context, connect_timeout=30, autocommit=True) as connection:
        connection.cursor().execute(statement)
except pymysql.err.MySQLError as error:
    sys.exit(str(error.args))
"""


class Steps:
    """Both nodes' verbs, one by one."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        resources = lab.exported()["deployment"]["resources"]
        inputs = {each["urn"].rpartition("::")[2]: each.get("inputs", {}) for each in resources}
        self._documents = {
            name: _plain(given["stdin"]) for name, given in inputs.items() if "stdin" in given
        }

    def document(self, node: str, verb: str) -> str:
        return self._documents[step_name(node, verb)]

    def run(
        self, node: str, verb: str, document: str | None = None, expect: int = 0
    ) -> dict[str, Any]:
        """What the verb printed, or the parts of its error if it is to end with one."""
        stdin = self.document(node, verb) if document is None else document
        done = self.lab.run_on(
            node, f"{RING_NODE} {verb}", stdin=stdin, expect=expect, timeout=STEP_SECONDS
        )
        return json.loads(done.stdout) if expect == 0 else parts(done.stderr)

    def begin(self, node: str, verb: str, document: str | None = None) -> "Running":
        stdin = self.document(node, verb) if document is None else document
        return Running(self.lab, node, f"{RING_NODE} {verb}", stdin)

    def begin_to_be_killed(
        self, node: str, verb: str, after: str, words: str = "", document: str | None = None
    ) -> "Running":
        """The verb dies once it has called `after` (room.module.name, room.module.Class.name),
        with `words` among its arguments."""
        room, file, *owner, name = after.split(".")
        module = f"{room}.{file}"
        argv = ["sudo", "python3", "-B", "-c", KILLED, verb, module, *(owner or [""]), name, words]
        # The shell's own status says which signal it was; ssh does not.
        stdin = self.document(node, verb) if document is None else document
        return Running(self.lab, node, f"{shlex.join(argv)}; exit $?", stdin)

    def killed(
        self, node: str, verb: str, after: str, words: str = "", document: str | None = None
    ) -> None:
        self.begin_to_be_killed(node, verb, after, words, document).end(expect=KILLED_STATUS)

    def application(self, node: str, statement: str) -> str:
        """The application runs a statement on a node: its error, or nothing."""
        outputs = self.lab.outputs()
        asked = {
            "host": outputs["nodes"][node]["clientAddress"],
            "user": "app",
            "password": outputs["passwords"]["app"],
            "ca": outputs["caCertificate"],
            "statement": statement,
        }
        words = shlex.join(["python3", "-W", "ignore", "-c", APPLICATION])
        return self.lab.run_on(node, words, stdin=json.dumps(asked), expect=None).stderr

    def wait_until_whole(self) -> None:
        wait_until_whole(self.lab)


class Running:
    """A verb that is at work."""

    def __init__(self, lab: Lab, node: str, words: str, document: str) -> None:
        self._words = words
        self._text: str | None = None
        self._process = lab.popen_on(node, words)
        assert self._process.stdin is not None
        self._process.stdin.write(document)
        self._process.stdin.close()
        self._process.stdin = None

    @property
    def at_work(self) -> bool:
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """What it printed, once it has ended."""
        if self._text is None and not self.at_work:
            self._text, _ = self._process.communicate()
        return self._text or ""

    def end(self, expect: int | None = 0) -> str:
        if self._text is None:
            self._text, _ = self._process.communicate(timeout=STEP_SECONDS * PATIENCE)
        status = self._process.returncode
        assert expect is None or status == expect, f"{self._words} ended with {status}: {self.text}"
        return self._text


@contextlib.contextmanager
def session(lab: Lab, node: str, statement: str) -> Iterator[None]:
    """A session of root that has run one statement and stays: what it locked is locked."""
    process = lab.popen_on(node, UNBUFFERED)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{statement};\nSELECT 'held';\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.strip() == "held":
                break
        else:
            raise AssertionError(f"{statement}: the session ended with {process.wait()}")
        yield
    finally:
        process.stdin.close()
        process.wait(timeout=30 * PATIENCE)


def peers_heartbeat_is_fresh(lab: Lab, node: str) -> bool:
    age = lab.status(node).get("heartbeat_age_ms")
    return age is not None and age < FRESH_MS


def schedule(steps: Steps, node: str, **changes: Any) -> str:
    """The document of the step `schedule`, with some of it changed."""
    return json.dumps({**json.loads(steps.document(node, "schedule")), **changes})


def parts(text: str) -> dict[str, str]:
    """The three parts of an error of the node tool."""
    found = re.search(
        r"ring-node: found: (?P<found>.*?)\n +expected: (?P<expected>.*?)\n"
        r" +next step: (?P<next_step>.*)",
        text,
        re.DOTALL,
    )
    assert found, text
    return {name: value.strip() for name, value in found.groupdict().items()}


def _plain(value: Any) -> str:
    """An input as `stack export --show-secrets` shows it: a secret is an object around JSON."""
    return json.loads(value["plaintext"]) if isinstance(value, dict) else value
