"""The ring's nodes from outside: over SSH, at their public addresses, from the lab's world."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cloud.cli.errors import NOT_UP, USAGE, LabError
from cloud.cli.stack import outputs
from cloud.cli.surroundings import environment
from cloud.lab import Lab, write_private
from cloud.names import Names
from cloud.network import namespaces

TOOL = "sudo /opt/mysql-ring/current/ring-node"
STATUS_SECONDS = 60
VERIFY_SECONDS = 120
CONNECT_SECONDS = 10
UNHEALTHY = 9  # `status` has printed what is wrong
# What the tool's documents call what the outputs name.
NODE_FIELDS = {
    "server_id": "serverId",
    "client_address": "clientAddress",
    "replication_address": "replicationAddress",
}
PEER_FIELDS = {
    "server_id": "serverId",
    "replication_address": "replicationAddress",
    "volume_id": "dataVolumeId",
}


class Nodes:
    """The nodes as the stack's outputs name them, with what it takes to log in."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.outputs = outputs(lab)
        if not self.outputs.get("nodes"):
            raise LabError(
                "found no nodes in the stack's outputs; expected a ring that stands; "
                "run `scripts/lab up`",
                NOT_UP,
            )
        self.all: dict[str, dict[str, Any]] = self.outputs["nodes"]
        folder = lab.folder / "ssh"
        folder.mkdir(exist_ok=True, mode=0o700)
        self.key = folder / "key"
        self.known_hosts = folder / "known_hosts"
        write_private(self.key, self.outputs["sshPrivateKey"].rstrip("\n") + "\n")
        lines = [f"{node['knownHosts']}\n" for node in self.all.values()]
        write_private(self.known_hosts, "".join(lines))

    def check(self, name: str) -> None:
        if name not in self.all:
            raise LabError(
                f"found no node {name!r}; expected one of {', '.join(sorted(self.all))}; "
                "name one of these",
                USAGE,
            )

    def ssh(self, name: str, command: str | None, *, terminal: bool = False) -> list[str]:
        """The command line that runs a command (or a login shell) on a node."""
        self.check(name)
        options = {
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "PasswordAuthentication": "no",
            "ConnectTimeout": CONNECT_SECONDS,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 6,
            "LogLevel": "ERROR",
            # As the official plugin's library; Debian's default costs 0.2 s of CPU at each end.
            "KexAlgorithms": "curve25519-sha256",
        }
        argv = ["ssh", "-F", "none", "-t" if terminal else "-T"]
        argv += [f"-o{key}={value}" for key, value in options.items()]
        argv += ["--", f"{self.outputs['login']}@{self.all[name]['publicAddress']}"]
        argv += [command] if command else []
        # By address, and `-F none`: nothing of what `argv_in_world` lays over the machine's files.
        return namespaces.inside(Names(self.lab.id).world, argv)

    def tool(self, name: str, verb: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run a verb of the node's tool; its one JSON document."""
        try:
            done = subprocess.run(
                self.ssh(name, f"{TOOL} {verb}"),
                env=environment(self.lab),
                input=json.dumps(document) if document is not None else "",
                capture_output=True,
                text=True,
                timeout=STATUS_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise LabError(
                f"{name} did not answer `{verb}` within {STATUS_SECONDS} s; expected its state; "
                f"look at the host with `scripts/lab ssh {name}`"
            ) from None
        if done.returncode not in (0, UNHEALTHY):
            raise LabError(
                f"`{verb}` on {name} ended with {done.returncode}: {done.stderr.strip()}; "
                f"expected 0; look at the host with `scripts/lab ssh {name}`"
            )
        return json.loads(done.stdout.splitlines()[-1])

    def answers(
        self, verb: str, documents: dict[str, Any] | None = None
    ) -> dict[str, dict[str, Any] | LabError]:
        """Run a verb on all nodes at once; the document of each, or why there is none."""

        def ask(name: str) -> dict[str, Any] | LabError:
            try:
                return self.tool(name, verb, (documents or {}).get(name))
            except LabError as error:
                return error

        with ThreadPoolExecutor(len(self.all)) as pool:
            return dict(zip(self.all, pool.map(ask, self.all), strict=True))

    def each(self, verb: str, documents: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run a verb on all nodes at once; the document of each. LabError when one has none."""
        answers = self.answers(verb, documents)
        for answer in answers.values():
            if isinstance(answer, LabError):
                raise answer
        return answers

    def verify(self) -> dict[str, Any]:
        """Run `verify` on all nodes; again until a deadline, because hosts may still boot."""
        deadline = time.monotonic() + VERIFY_SECONDS
        while True:
            try:
                return self.each("verify", self.verify_documents())
            except LabError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def verify_documents(self) -> dict[str, Any]:
        """What `verify` is told on each node, as the program tells it."""
        documents = {}
        for name, node in self.all.items():
            peer_name, peer = next((n, v) for n, v in self.all.items() if n != name)
            documents[name] = {
                "node": {
                    "name": name,
                    **{key: node[output] for key, output in NODE_FIELDS.items()},
                },
                "peer": {
                    "name": peer_name,
                    **{key: peer[output] for key, output in PEER_FIELDS.items()},
                },
            }
        return documents
