"""remote.CopyToRemote: files to a host, over SFTP."""

import os
import posixpath
import secrets
import stat
from pathlib import Path
from typing import Any

from cloud.providers.command.base import CommandResource, kept
from cloud.providers.command.connection import CONNECTION, close, dial
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import ASSET, Argument, Failure, Table
from cloud.providers.values import Asset, Unknown, reveal


class Copy(CommandResource):
    type_name = "command:remote:CopyToRemote"
    table = Table(
        source="pulumi-command provider/pkg/provider/remote/copy.go",
        arguments=(
            CONNECTION,
            Argument("remotePath", required=True),
            Argument("source", ASSET, required=True),
            Argument("triggers", "any", replace=True),
        ),
    )

    def check(self, inputs: dict[str, Any], call: Call) -> tuple[dict[str, Any], list[Failure]]:
        checked, failures = super().check(inputs, call)
        source = reveal(checked.get("source"))
        if isinstance(source, Asset) and not source.get("path"):
            reason = (
                "archive must be a path to a file or directory"
                if source.is_archive
                else "asset must be a path-based file asset"
            )
            failures.append(Failure("archive" if source.is_archive else "asset", reason))
        return checked, failures

    def create(self, inputs: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        _copy(reveal(inputs), call)
        return secrets.token_hex(4), kept(inputs)

    def update(
        self, _resource_id: str, old: dict[str, Any], inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        """Copies again only when content or target changed: a new host alone gets nothing."""
        new, before = reveal(inputs), reveal(old)
        if _hash(new) != _hash(before) or new["remotePath"] != before.get("remotePath"):
            _copy(new, call)
        return kept(inputs)

    def delete(self, _resource_id: str, _state: dict[str, Any], _call: Call) -> None:
        """What was copied stays."""


def _hash(values: dict[str, Any]) -> Any:
    source = values.get("source")
    return source.get("hash") if isinstance(source, Asset) else None


def _copy(inputs: dict[str, Any], call: Call) -> None:
    import paramiko

    source, target = inputs["source"], inputs["remotePath"]
    if isinstance(source, Unknown):
        raise ProviderError(f"{call.name}: the source is not known")
    path = source.get("path")
    if not os.path.exists(path):
        raise ProviderError(f"open {path}: no such file or directory")
    transport = dial(inputs["connection"], call)
    try:
        client = paramiko.SFTPClient.from_transport(transport)
        if client is None:
            raise ProviderError(f"{call.name}: the host offers no SFTP")
        copy_tree(client, path, target)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise ProviderError(f"failed to copy {path} to {target}: {error}") from None
    finally:
        close(transport)


def copy_tree(client: Any, source: str, target: str) -> None:
    """Lays the source out below the target as the official plugin does:

    source   target is a folder   target is missing    target is a file
    dir      target/dir           target/dir           error
    dir/     target               target               error
    file     target/file          target               overwritten
    """
    if not os.path.isdir(source):
        if _is_folder(client, target):
            target = posixpath.join(target, os.path.basename(source))
        _copy_file(client, source, target)
        return
    _folder(client, target)
    if not source.endswith("/"):
        target = posixpath.join(target, os.path.basename(source))
        _folder(client, target)
    for folder, folders, files in os.walk(source):
        folders.sort()
        below = Path(folder).relative_to(source).as_posix()
        here = target if below == "." else posixpath.join(target, below)
        _folder(client, here)
        for name in sorted(files):
            _copy_file(client, os.path.join(folder, name), posixpath.join(here, name))


def _is_folder(client: Any, path: str) -> bool | None:
    """None when there is nothing at the path."""
    try:
        mode = client.stat(path).st_mode
    except FileNotFoundError:
        return None
    return stat.S_ISDIR(mode or 0)


def _folder(client: Any, path: str) -> None:
    found = _is_folder(client, path)
    if found is False:
        raise ProviderError(f"remote path {path} exists but is not a directory")
    if found is None:
        try:
            client.mkdir(path)
        except OSError as error:
            raise ProviderError(f"failed to create remote directory {path}: {error}") from None


def _copy_file(client: Any, source: str, target: str) -> None:
    try:
        client.put(source, target, confirm=True)
    except OSError as error:
        raise ProviderError(f"failed to create remote file {target}: {error}") from None
