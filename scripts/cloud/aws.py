"""moto made into the AWS of the lab: what it lacks added, then the refusals in front of it."""

from __future__ import annotations

import threading

from cloud import refusals
from cloud.api import addresses, buckets, identity, instances, objects, placement, seed, uploads

_installing = threading.Lock()


def install() -> None:
    """Extend moto, once in a process."""
    with _installing:
        seed.install()
        instances.install()
        addresses.install()
        buckets.install()
        objects.install()
        uploads.install()
        placement.install()
        identity.install()
        refusals.install()
