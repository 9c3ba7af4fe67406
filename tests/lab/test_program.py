"""The Pulumi program against the stand-in cloud: what changes, what does not, and what is left."""

import re
import subprocess

import pytest
import yaml
from labs import NODES, ROOT, Lab, eventually, step_name
from ring_node.host import memory
from ring_node.mysql import buffer_pool

pytestmark = pytest.mark.lab


def hosts_running(lab: Lab) -> list[str]:
    """The network namespaces of hosts: neither the lab's own two nor those of VPC routers."""
    listed = subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    prefix = f"mr{lab.id()}-"
    own = {f"{prefix}cloud", f"{prefix}world"}
    router = f"{prefix}vpc-"
    return [
        name
        for name in names
        if name.startswith(prefix) and name not in own and not name.startswith(router)
    ]


def test_the_first_up_ends_in_a_table_of_both_nodes(ring: Lab) -> None:
    for node in NODES:
        addresses = ring.outputs()["nodes"][node]
        assert node in ring.first_up
        assert addresses["clientAddress"] in ring.first_up
        assert addresses["replicationAddress"] in ring.first_up


def test_a_preview_after_an_up_finds_no_change(ring: Lab) -> None:
    ring.pulumi("preview", "--expect-no-changes")


def test_a_refresh_finds_no_drift(ring: Lab) -> None:
    ring.pulumi("refresh", "--yes", "--expect-no-changes")


def test_a_second_up_changes_nothing(ring: Lab) -> None:
    printed = ring.up()
    assert "no change" in printed.lower() or "unchanged" in printed.lower()


def test_one_changed_mysql_setting_is_one_changed_line_per_node_in_the_preview(ring: Lab) -> None:
    changed = ring.settings_with(mysqlSettings={"tmp_table_size": "48M"})
    printed = ring.pulumi(
        "preview", "--diff", "--color", "never", "--config-file", str(changed)
    ).stdout
    steps = re.findall(r"^\s*[~+-]+ .*?\(\w+\)\n(?:.*\n)*?.*?urn=\S+::(\S+)\]", printed, re.M)
    lines = re.findall(r"^\s*[+-] .*(?:tmp_table_size).*$", printed, re.M)
    assert "48M" in printed
    assert {step for step in steps if step.startswith(("ring-node", "ring-replication"))} == {
        step_name(node, verb) for node in NODES for verb in ("config", "restart")
    }
    assert len(lines) == 4, printed
    assert "max_heap_table_size" not in "".join(
        line for line in printed.splitlines() if line.strip().startswith(("+", "-"))
    )


def test_a_changed_mysql_setting_reaches_both_servers_and_goes_back(ring: Lab) -> None:
    lab = ring
    settings = {"max_connections": "77", "innodb_buffer_pool_size": "auto"}
    changed = lab.settings_with(mysqlSettings=settings)
    lab.pulumi("up", "--yes", "--skip-preview", "--config-file", str(changed))
    has = memory.total(memory.MEMINFO.read_text())
    assert has is not None
    for node in NODES:
        assert lab.value(node, "SELECT @@max_connections") == "77"
        pool = lab.value(node, "SELECT @@innodb_buffer_pool_size")
        assert pool == str(buffer_pool.size(has)), "a host of the lab has the machine's memory"
    lab.up()
    for node in NODES:
        assert lab.value(node, "SELECT @@max_connections") != "77"
        assert lab.value(node, "SELECT @@innodb_buffer_pool_size") == str(128 << 20)


def test_destroy_leaves_nothing_and_the_next_up_stands_the_ring_up_again(
    ring: Lab,
) -> None:
    lab = ring
    assert len(hosts_running(lab)) == 2
    lab.pulumi("destroy", "--yes", "--skip-preview")

    assert lab.resources() == []
    states = "Reservations[].Instances[?State.Name!='terminated'].InstanceId[]"
    tagged = ["--filters", "Name=tag:Project,Values=mysql-ring"]
    aws = lab.aws
    assert aws("ec2", "describe-instances", "--query", states) == []
    assert aws("ec2", "describe-vpcs", *tagged)["Vpcs"] == []
    assert aws("ec2", "describe-network-interfaces", *tagged)["NetworkInterfaces"] == []
    assert aws("ec2", "describe-addresses", *tagged)["Addresses"] == []
    assert aws("ec2", "describe-security-groups", *tagged)["SecurityGroups"] == []
    assert aws("s3api", "list-buckets")["Buckets"] == []
    assert aws("iam", "list-roles")["Roles"] == []
    assert aws("iam", "list-instance-profiles")["InstanceProfiles"] == []
    eventually(lambda: hosts_running(lab), lambda hosts: hosts == [], "no host")

    lab.up()
    for node in NODES:
        status = lab.slave_status(node)
        assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Yes", "Yes")


def test_both_nodes_get_new_addresses_in_one_update_and_keep_their_data(ring: Lab) -> None:
    """There and back. Both instances are made anew, and each server goes on where it was."""
    lab = ring
    lab.sql("node-2", "CREATE TABLE app.moved (id INT AUTO_INCREMENT PRIMARY KEY, note CHAR(20))")
    lab.sql("node-2", "INSERT INTO app.moved (note) VALUES ('before'), ('before')")
    wait_for_rows(lab, 2)
    servers = server_uuids(lab)
    before = lab.outputs()["nodes"]
    moved = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["nodes"]["default"]
    for number, node in enumerate(moved, 1):
        node |= {
            "clientAddress": f"192.168.100.2{number}",
            "replicationAddress": f"10.10.1.2{number}",
        }
    changed = lab.settings_with(nodes=moved)
    shown = lab.pulumi("preview", "--color", "never", "--config-file", str(changed))
    for node in NODES:
        said = f"{node}: its instance is made anew, its data volume stays, and nothing is copied"
        assert said in shown.stdout + shown.stderr
    lab.pulumi("up", "--yes", "--skip-preview", "--config-file", str(changed))

    after = lab.outputs()["nodes"]
    for node in NODES:
        assert after[node]["instanceId"] != before[node]["instanceId"]
        assert after[node]["dataVolumeId"] == before[node]["dataVolumeId"]
    assert lab.slave_status("node-1")["Master_Host"] == "10.10.1.22"
    assert lab.slave_status("node-2")["Master_Host"] == "10.10.1.21"
    assert server_uuids(lab) == servers
    written_on_both(lab, 4)

    lab.up()
    assert lab.slave_status("node-1")["Master_Host"] == "10.10.1.11"
    assert server_uuids(lab) == servers
    written_on_both(lab, 6)
    lab.sql("node-1", "DROP TABLE app.moved")


def server_uuids(lab: Lab) -> dict[str, str]:
    """Of a copy it is another one than of the server that was there before."""
    return {node: lab.value(node, "SELECT @@server_uuid") for node in NODES}


def written_on_both(lab: Lab, rows: int) -> None:
    """One row more from each node; all of them are on both."""
    for node in NODES:
        lab.sql(node, f"INSERT INTO app.moved (note) VALUES ('from {node}')")
    wait_for_rows(lab, rows)


def wait_for_rows(lab: Lab, rows: int) -> None:
    for node in NODES:
        eventually(
            lambda node=node: lab.value(node, "SELECT COUNT(*) FROM app.moved"),
            lambda count: count == str(rows),
            f"all rows on {node}",
        )
