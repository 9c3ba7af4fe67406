"""Data that comes to a new host with a root password that nobody told it.

Only a real server shows that it takes the password of the settings, and keeps it.
"""

import pytest
from labs import Lab
from steps import REFUSED, Steps

pytestmark = pytest.mark.data

NODE = "node-2"
FORGOTTEN = "SET SESSION sql_log_bin = 0; SET PASSWORD = PASSWORD('nobody-knows-this')"
LEFT = (
    "cat /run/systemd/system/mysql.service.d/once.conf /run/mysql-ring.init.sql 2>/dev/null || true"
)


def test_a_host_that_was_not_told_roots_password_sets_the_one_of_the_settings(
    ring: Lab, steps: Steps
) -> None:
    ring.sql(NODE, FORGOTTEN)
    refused = steps.run(NODE, "server", expect=REFUSED)
    assert "neither the given one nor the one in" in refused["found"], "a host that was told"
    ring.ssh(NODE, "sudo rm /root/.my.cnf")

    done = steps.run(NODE, "server")["done"]
    assert any(line.startswith("root's password set") for line in done), done
    assert steps.run(NODE, "server")["done"] == ["no change"]
    assert ring.ssh(NODE, LEFT).strip() == ""
    assert ring.value(NODE, "SELECT CURRENT_USER()") == "root@localhost"
    steps.wait_until_whole()
