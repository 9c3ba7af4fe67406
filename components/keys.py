"""Secrets that the program makes itself: once, kept in the state, never made again."""

import json
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts" / "keys"
TRY_SECONDS = 60


def script(name: str, *arguments: str) -> str:
    """The command line of a script of scripts/keys.

    Relative to the program's folder, so that the state is the same in every checkout.
    """
    return shlex.join([os.path.relpath(SCRIPTS / name), *arguments])


def made(
    name: str,
    command: str,
    *,
    parent: pulumi.Resource,
    stdin: pulumi.Input[str] | None = None,
    once: bool = True,
) -> pulumi.Output[dict[str, Any]]:
    """The JSON that `command` prints, as a secret.

    With `once` neither another command nor another input runs it again: what it made is in use.
    """
    run = local.Command(
        name,
        create=command,
        stdin=None if stdin is None else pulumi.Output.secret(stdin),
        logging=local.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(
            parent=parent,
            additional_secret_outputs=["stdin", "stdout", "stderr"],
            ignore_changes=["create", "stdin"] if once else None,
        ),
    )
    return pulumi.Output.secret(run.stdout).apply(json.loads)


@cache
def why_no_key() -> str:
    """What the scripts say against making a key here, nothing if one can be made.

    An SSH key is the quickest to try.
    """
    try:
        done = subprocess.run(
            [str(SCRIPTS / "run"), "ssh-key", "make"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
