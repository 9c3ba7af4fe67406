"""moto made into the AWS of the lab: what it lacks added, then the refusals in front of it."""

from __future__ import annotations

import functools

from cloud import refusals
from cloud.rooms import modules


@functools.cache
def install() -> None:
    """Extend moto with each module of `api` that extends it, once in a process."""
    for module in modules("cloud.api"):
        if hasattr(module, "install"):
            module.install()
    refusals.install()
