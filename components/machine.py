"""What the machine that runs Pulumi must have, looked at before anything is made."""

import os
import socket
from collections.abc import Mapping

from components.keys import why_no_key
from components.problems import Found, Problem

AGENT = "SSH_AUTH_SOCK"
# An agent that is there answers at once.
AGENT_SECONDS = 5


def ssh_agent(environment: Mapping[str, str] = os.environ) -> Found:
    """No agent is needed, but the command plugin dials the one that the environment names before
    each step, and none can be named that it passes over (pulumi-command,
    provider/pkg/provider/remote/connection.go)."""
    path = environment.get(AGENT)
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(AGENT_SECONDS)
            agent.connect(path)
    except OSError as error:
        expected = (
            f"an agent that answers, or no such variable (unset {AGENT}): every step dials it"
        )
        yield Problem(AGENT, f"{path!r} ({error.strerror or error})", expected)


def key_maker() -> Found:
    """The scripts that make keys find all that they need."""
    if said := why_no_key():
        yield Problem("scripts/keys", "no way to make a key here", f"one: {said}")
