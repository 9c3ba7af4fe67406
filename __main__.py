"""Composes the ring from the stack's settings and exports what its users need."""

# ruff: noqa: E402
import gc

gc.disable()  # the imports make objects to keep; looking among them takes a tenth of a preview

import pulumi

from components.configuration import read
from components.lookup import look_up
from components.ring import Ring, RingArgs
from components.standing import read_standing

NAME = "ring"
given = read(pulumi.Config())
# Asked before the ring is composed: the plugin that asks starts meanwhile.
lookup = None if given.problems else look_up(given.settings)
settings = given.judged(read_standing(NAME))
ring = Ring(NAME, RingArgs(settings, lookup=lookup))

pulumi.export("nodes", ring.nodes)
pulumi.export("ca_certificate", ring.ca_certificate)
pulumi.export("users", ring.users)
pulumi.export("passwords", ring.passwords)
pulumi.export("ssh_private_key", ring.ssh_private_key)
pulumi.export("ssh_host_keys", ring.ssh_host_keys)
pulumi.export("bucket", ring.bucket_name)
pulumi.export("login", ring.login)
