"""Composes the ring from the stack's settings and exports what its users need."""

# ruff: noqa: E402
import gc

gc.disable()  # the imports make objects to keep; looking among them takes a tenth of a preview

import pulumi

from components.configuration import read
from components.ring import Ring, RingArgs
from components.standing import read_standing

NAME = "ring"
settings = read(pulumi.Config(), read_standing(NAME))
ring = Ring(NAME, RingArgs(settings))

pulumi.export("nodes", ring.nodes)
pulumi.export("ca_certificate", ring.ca_certificate)
pulumi.export("users", ring.users)
pulumi.export("passwords", ring.passwords)
pulumi.export("ssh_private_key", ring.ssh_private_key)
pulumi.export("ssh_host_keys", ring.ssh_host_keys)
pulumi.export("bucket", ring.bucket_name)
pulumi.export("login", ring.login)
