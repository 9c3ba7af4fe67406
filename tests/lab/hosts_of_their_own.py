"""A host that is no node of the ring: made by the API, for what a node must not be tried on."""

import contextlib
import json
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from cloud.names import Names
from cloud.network import namespaces
from labs import ROOT, Lab, eventually
from waits import PATIENCE

SSH_SECONDS = 90
CLOSED = (
    'sudo python3 -c \'import sys; sys.path.insert(0, "/opt/mysql-ring/current");'
    " from ring_node.host import gate; text = gate.rules(sys.stdin.read(), 3306);"
    ' open("/etc/mysql-ring/gate.nft", "w").write(text)\''
)


SSH_OPTIONS = (
    "-oBatchMode=yes",
    "-oConnectTimeout=30",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=6",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    # Debian's default costs 0.2 s of CPU at each end.
    "-oKexAlgorithms=curve25519-sha256",
)


class Host:
    """A host of the lab, reached over SSH with the ring's own key."""

    def __init__(self, lab: Lab, public_address: str, instance: str = "") -> None:
        self.lab, self.address, self.instance = lab, public_address, instance

    def run(
        self, words: str, stdin: bytes | str = b"", timeout: float = SSH_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self._argv(words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout * PATIENCE,
            check=False,
        )
        return subprocess.CompletedProcess(
            words, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def popen(self, words: str) -> subprocess.Popen[str]:
        """A program that goes on, with its input and output."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self._argv(words), text=True, stdin=pipe, stdout=pipe)

    def _argv(self, words: str) -> list[str]:
        argv = [
            "ssh", "-q", *SSH_OPTIONS, "-i", str(self.lab.folder / "ssh" / "key"),
            f"admin@{self.address}", words,
        ]  # fmt: skip
        return namespaces.inside(Names.of(self.lab.folder).world, argv)

    def unpack(self, name: str, folder: Path) -> None:
        """A copy of a folder, in the login's home."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(
                folder,
                name,
                filter=lambda entry: None if "__pycache__" in entry.name else entry,
            )
        done = self.run("tar -x", packed.getvalue())
        assert done.returncode == 0, done.stderr

    def root(self, words: str) -> str:
        """Run as root by a shell; an assertion when it fails."""
        done = self.run(f"sudo sh -c {shlex.quote(words)}")
        assert done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}"
        return done.stdout

    def verb(self, verb: str, document: Any) -> subprocess.CompletedProcess[str]:
        """The document is a text, or what becomes JSON."""
        words = f"sudo python3 tool/ring-node {verb}"
        text = document if isinstance(document, str) else json.dumps(document)
        return self.run(words, text, timeout=300)


def as_node(found: Host, node: dict[str, Any]) -> None:
    """What `ring-node tools` leaves on a host with a replication interface."""
    found.root(
        "mkdir -p /opt/mysql-ring /etc/mysql-ring; cp -r ~admin/tool /opt/mysql-ring/current;"
        " chmod 755 /opt/mysql-ring/current/ring-node"
    )
    gate = found.run(CLOSED, node["replication_address"])
    assert gate.returncode == 0, gate.stderr
    call(found, node)


def call(found: Host, node: dict[str, Any]) -> None:
    """Say which node it is."""
    done = found.run("sudo tee /etc/mysql-ring/node.json", json.dumps(node))
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def host(lab: Lab) -> Iterator[Host]:
    """A new one with the node tool unpacked in its login's home, and nothing else done to it."""
    with launched(lab) as instance:
        yield with_tool(lab, instance)


@contextlib.contextmanager
def launched(lab: Lab, user_data: str = "") -> Iterator[str]:
    """An instance that begins to boot."""
    node = lab.aws("ec2", "describe-instances", "--instance-ids", _node_id(lab))
    model = node["Reservations"][0]["Instances"][0]
    first = min(model["NetworkInterfaces"], key=lambda found: found["Attachment"]["DeviceIndex"])
    interface = {
        "DeviceIndex": 0,
        "SubnetId": first["SubnetId"],
        "Groups": [group["GroupId"] for group in first["Groups"]],
        "AssociatePublicIpAddress": True,
    }
    key = lab.aws("ec2", "describe-key-pairs")["KeyPairs"][0]["KeyName"]
    made = lab.aws(
        "ec2", "run-instances", "--image-id", model["ImageId"], "--instance-type", "t3.small",
        "--key-name", key, "--network-interfaces", json.dumps([interface]),
        *(["--user-data", user_data] if user_data else []),
    )  # fmt: skip
    instance = made["Instances"][0]["InstanceId"]
    try:
        yield instance
    finally:
        lab.aws("ec2", "terminate-instances", "--instance-ids", instance)
        eventually(
            lambda: _described(lab, instance)["State"]["Name"],
            lambda state: state == "terminated",
            f"{instance} terminated",
            seconds=60,
        )


def with_tool(lab: Lab, instance: str) -> Host:
    """The host of an instance when it has booted."""
    found = Host(lab, _described(lab, instance)["PublicIpAddress"], instance)
    eventually(
        lambda: found.run("cloud-init status --wait").returncode,
        lambda status: status == 0,
        f"{found.address} booted",
        seconds=SSH_SECONDS,
    )
    found.unpack("tool", ROOT / "scripts" / "node")
    return found


def _node_id(lab: Lab) -> str:
    return lab.outputs()["nodes"]["node-1"]["instanceId"]


def _described(lab: Lab, instance: str) -> dict[str, Any]:
    answer = lab.aws("ec2", "describe-instances", "--instance-ids", instance)
    return answer["Reservations"][0]["Instances"][0]
