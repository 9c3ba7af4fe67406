"""A step: one verb of the node tool, run on a node over SSH, with its document on standard input.

What a step prints is for the reader of the log. Nothing takes it as an input, so a change of one
step's document changes that step and no other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2
from pulumi_command import remote

# Debian's images on EC2 have this login and no other.
LOGIN = "admin"
RELEASES = "/opt/mysql-ring/releases"
CURRENT = "/opt/mysql-ring/current"  # the release that the step `tools` has put in its place
# The provider waits 0.1 s after a refused dial, half as much again after each further one, at most
# 5 s. Sixty dials cover four and a half minutes of refusals, which is longer than Debian takes to
# boot on the smallest instance types.
DIAL_ERROR_LIMIT = 60
# Before sshd is up packets are lost rather than refused: each dial must give up soon.
PER_DIAL_SECONDS = 5
# What a step may take before it counts as hung. Every verb has deadlines of its own, the wait for
# the host's lock among them, and their sum is less: it ends by itself and says why. The longest are
# two starts and stops of a server, and the copy of a peer or of what is in a bucket, however much
# that is. The bound is
# kept on the host: once the plugin is connected it knows neither a timeout nor an interruption
# (pulumi-command 1.2.1, provider/pkg/provider/remote/commandOutputs.go). Another number makes the
# step run again.
MINUTES = {
    "tools": 30,
    "install": 120,
    "wait-serving": 30,
    "volume": 60,
    "tls": 8 * 60,
    "config": 30,
    "server": 3 * 60,
    "accounts": 30,
    "restore-new": 36 * 60,
    "seed": 26 * 60,
    "replicate": 26 * 60,  # it seeds first if that was missed
    "restart": 8 * 60,
    "verify": 15,
    "schedule": 120,  # it installs packages too
}
UPLOAD_MINUTES = 15
# One that is told to end and does not is killed this much later.
KILL_AFTER_SECONDS = 60


@dataclass(frozen=True)
class Host:
    """How the steps of one node reach it, which version of the tool they call, and where its data
    is."""

    instance: ec2.Instance
    volume_id: pulumi.Output[str]
    connection: remote.ConnectionArgs
    release: str

    def options(
        self,
        parent: pulumi.Resource,
        depends_on: Sequence[pulumi.Resource],
        minutes: int = UPLOAD_MINUTES,
        secret_outputs: Sequence[str] = (),
    ) -> pulumi.ResourceOptions:
        """A step ends with its instance: there is nothing to undo on a host that is gone."""
        timeout = f"{minutes}m"
        return pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            deleted_with=self.instance,
            custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout),
            additional_secret_outputs=list(secret_outputs) or None,
        )


def connect(
    address: pulumi.Input[str], private_key: pulumi.Input[str], host_key: pulumi.Input[str]
) -> remote.ConnectionArgs:
    """SSH to a node, whose host key is known before it exists."""
    return remote.ConnectionArgs(
        host=address,
        user=LOGIN,
        private_key=pulumi.Output.secret(private_key),
        host_key=host_key,
        dial_error_limit=DIAL_ERROR_LIMIT,
        per_dial_timeout=PER_DIAL_SECONDS,
    )


def document(
    values: pulumi.Input[Mapping[str, Any]], *, secret: bool = False
) -> pulumi.Output[str]:
    """A verb's document as JSON, laid out so that a preview shows a change as its one line."""
    text = pulumi.Output.from_input(values).apply(lambda known: json.dumps(known, indent=2) + "\n")
    return pulumi.Output.secret(text) if secret else text


def bounded(program: str, verb: str) -> str:
    """The command line of a verb on a host, which ends with 124 when its time is over, and whatever
    it has started with it."""
    limit = f"timeout --kill-after={KILL_AFTER_SECONDS} {MINUTES[verb]}m"
    return f"sudo {limit} {program} {verb}"


def step(
    name: str,
    verb: str,
    host: Host,
    stdin: pulumi.Input[str],
    *,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
    secret: bool = False,
    quiet: bool = False,
    program: str | None = None,
    triggers: Sequence[pulumi.Input[str]] | None = None,
) -> remote.Command:
    """Run `verb` again whenever its document, the tool's version or the instance changes. `program`
    is the tool where it is not in its place yet.

    Another instance is another host: `triggers` makes the step anew there, unless others are
    given. With `quiet` what the verb prints is not shown, with `secret` neither that nor the
    document.
    """
    printed = ("stdout", "stderr") if secret or quiet else ()
    return remote.Command(
        name,
        connection=host.connection,
        create=bounded(program or f"{RELEASES}/{host.release}/ring-node", verb),
        stdin=stdin,
        triggers=[host.instance.id] if triggers is None else triggers,
        logging=remote.Logging.NONE if printed else remote.Logging.STDERR,
        add_previous_output_in_env=False,
        opts=host.options(
            parent, depends_on, MINUTES[verb], ("stdin", *printed) if secret else printed
        ),
    )
