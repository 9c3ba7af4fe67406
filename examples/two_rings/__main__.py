"""Two rings in one stack, each with networks, keys, bucket and roles of its own.

Their networks are VPCs of their own, and may have the same ranges; here they can be peered.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pulumi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the checkout of mysql-ring

from components.configuration import read
from components.ring import Ring
from components.settings import NodeSettings

# The settings that Pulumi.yaml of mysql-ring describes, under its name: mysql-ring:adminCidrs, ...
settings = read(pulumi.Config("mysql-ring"), "orders")
orders = Ring("orders", settings)
stock = Ring(
    "stock",
    replace(
        settings,
        client_cidr="192.168.101.0/24",
        replication_cidr="10.10.2.0/24",
        nodes=[
            NodeSettings("node-1", "192.168.101.10", "10.10.2.10", 1, 1),
            NodeSettings("node-2", "192.168.101.11", "10.10.2.11", 2, 2),
        ],
    ),
)
pulumi.export("orders", orders.outputs)
pulumi.export("stock", stock.outputs)
