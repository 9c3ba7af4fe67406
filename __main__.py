"""Composes the ring from the stack's settings and exports what its users need."""

# ruff: noqa: E402
import gc

gc.disable()  # the imports make objects to keep; looking among them takes a tenth of a preview

import pulumi

from components.configuration import read
from components.ring import Ring

NAME = "ring"
ring = Ring(NAME, read(pulumi.Config(), NAME))
for name, value in ring.outputs.items():
    pulumi.export(name, value)
