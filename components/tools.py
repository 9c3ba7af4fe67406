"""The tool that runs on a node: which version, and how it gets there."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.settings import NodeSettings
from components.step import LOGIN, Host, document, step

SOURCE = Path(__file__).resolve().parent.parent / "scripts" / "node"
DIGEST_LENGTH = 12


def digest(folder: Path) -> str:
    """The name of the version: a hash over the paths and the bytes of the files that go out."""
    total = hashlib.sha256()
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.relative_to(folder).parts:
            continue
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:DIGEST_LENGTH]


def archive_path(folder: Path) -> str:
    """How CopyToRemote has to be told to copy what is in the folder, not the folder itself.

    Relative to the program's folder, so that the state is the same in every checkout.
    """
    return os.path.relpath(folder) + "/"


def upload_path(release: str) -> str:
    """Where the files of a version arrive. A folder of its own, because nothing is ever removed."""
    return f"/home/{LOGIN}/mysql-ring-{release}"


@dataclass(frozen=True)
class ToolsArgs:
    """The node, and how it is reached: over its first interface, and with no volume yet."""

    node: NodeSettings
    host: Host


class Tools(pulumi.ComponentResource):
    """The tool in its place on the host, ready to be called."""

    last_step: pulumi.Resource

    def __init__(
        self, name: str, args: ToolsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Tools", name, None, opts)
        host, node = args.host, args.node
        upload = remote.CopyToRemote(
            f"{name}-upload",
            connection=host.connection,
            source=pulumi.FileArchive(archive_path(SOURCE)),
            remote_path=upload_path(host.release),
            triggers=[host.instance.id],
            opts=host.options(self, []),
        )
        self.last_step = step(
            f"{name}-release",
            "tools",
            host,
            document(
                {
                    "release": host.release,
                    "node": {
                        "name": node.name,
                        "server_id": node.server_id,
                        "client_address": node.client_address,
                        "replication_address": node.replication_address,
                    },
                }
            ),
            parent=self,
            depends_on=[upload],
            # Not in its place yet, and uploaded files are not executable.
            program=f"python3 {upload_path(host.release)}/ring-node",
        )
        self.register_outputs({})
