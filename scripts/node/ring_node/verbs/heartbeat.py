"""Verb `heartbeat`: the daemon, as its service runs it."""

from ..agent.heartbeat import run

__all__ = ["run"]
