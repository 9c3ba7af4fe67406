"""A host that dies in its first boot is there all the same.

Only a host shows it: cloud-init knows the instance before it has configured the network, and a
second boot would not do that again.
"""

import pytest
from cloud import groups
from cloud.names import Names
from hosts_of_their_own import launched, with_tool
from labs import Lab
from waits import BOOT_SECONDS, within

pytestmark = pytest.mark.lab

TRIES = 5
"""The moment lasts some hundredths of a second: a cut may come too late."""


def test_a_host_that_dies_before_its_network_is_configured_boots_all_the_same(ring: Lab) -> None:
    for _ in range(TRIES):
        with launched(ring) as instance:
            upper = ring.folder / "cloud/hosts" / instance / "upper"
            known = upper / "var/lib/cloud/data/instance-id"
            within(BOOT_SECONDS, "cloud-init knows the instance", known.exists, pause=0.001)
            groups.end(f"{Names.of(ring.folder).control_group}/{instance}")
            if not list(upper.glob("etc/systemd/network/*.network")):
                with_tool(ring, instance)
                return
    raise AssertionError(f"{TRIES} hosts had their network before they died")
