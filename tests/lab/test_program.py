"""The Pulumi program against the stand-in cloud: what changes, what does not, and what is left."""

import re
import subprocess

import pytest
import yaml
from labs import NODES, PEER, ROOT, Lab, eventually

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


def test_the_first_up_ends_in_a_table_of_both_nodes(lab: Lab, first_up: str) -> None:
    for node in NODES:
        addresses = lab.outputs()["nodes"][node]
        assert node in first_up
        assert addresses["client_address"] in first_up
        assert addresses["replication_address"] in first_up


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
    assert {step for step in steps if step.startswith("node")} == {
        "node-1-mysql-config",
        "node-2-mysql-config",
    }
    assert len(lines) == 4, printed
    assert "max_heap_table_size" not in "".join(
        line for line in printed.splitlines() if line.strip().startswith(("+", "-"))
    )


def test_a_changed_mysql_setting_reaches_both_servers_and_goes_back(lab_to_break: Lab) -> None:
    lab = lab_to_break
    changed = lab.settings_with(mysqlSettings={"max_connections": "77"})
    lab.pulumi("up", "--yes", "--config-file", str(changed))
    for node in NODES:
        assert lab.value(node, "SELECT @@max_connections") == "77"
    lab.pulumi("up", "--yes")
    for node in NODES:
        assert lab.value(node, "SELECT @@max_connections") != "77"


def test_destroy_leaves_nothing_and_the_next_up_stands_the_ring_up_again(
    lab_to_break: Lab,
) -> None:
    lab = lab_to_break
    assert len(hosts_running(lab)) == 2
    lab.pulumi("destroy", "--yes")

    assert lab.resources() == []
    states = "Reservations[].Instances[?State.Name!='terminated'].InstanceId[]"
    assert lab.aws("ec2", "describe-instances", "--query", states) == []
    tagged = ["--filters", "Name=tag:Project,Values=mysql-ring"]
    assert lab.aws("ec2", "describe-vpcs", *tagged)["Vpcs"] == []
    assert lab.aws("ec2", "describe-network-interfaces", *tagged)["NetworkInterfaces"] == []
    assert lab.aws("ec2", "describe-addresses", *tagged)["Addresses"] == []
    assert lab.aws("ec2", "describe-security-groups", *tagged)["SecurityGroups"] == []
    assert lab.aws("s3api", "list-buckets")["Buckets"] == []
    assert lab.aws("iam", "list-roles")["Roles"] == []
    assert lab.aws("iam", "list-instance-profiles")["InstanceProfiles"] == []
    eventually(lambda: hosts_running(lab), lambda hosts: hosts == [], "no host")

    lab.up()
    for node in NODES:
        status = lab.slave_status(node)
        assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Yes", "Yes")


def test_a_replaced_node_copies_its_peer_and_joins_again(lab_to_break: Lab) -> None:
    lab = lab_to_break
    lab.sql("node-1", "CREATE TABLE app.kept (id INT AUTO_INCREMENT PRIMARY KEY, note CHAR(20))")
    lab.sql("node-1", "INSERT INTO app.kept (note) VALUES ('before'), ('before')")
    eventually(
        lambda: lab.value("node-2", "SELECT COUNT(*) FROM app.kept"),
        lambda count: count == "2",
        "the rows on node-2",
    )
    old = lab.outputs()["nodes"]["node-2"]["instance_id"]
    instances = [r["urn"] for r in lab.resources() if r["type"] == "aws:ec2/instance:Instance"]
    target = next(urn for urn in instances if "node-2" in urn.rsplit("::", 1)[1])
    lab.pulumi("up", "--yes", "--replace", target)

    assert lab.outputs()["nodes"]["node-2"]["instance_id"] != old
    for node in NODES:
        lab.sql(node, f"INSERT INTO app.kept (note) VALUES ('from {node}')")
    for node in NODES:
        eventually(
            lambda node=node: lab.value(node, "SELECT COUNT(*) FROM app.kept"),
            lambda count: count == "4",
            f"all rows on {node}",
        )
        assert lab.slave_status(node)["Slave_IO_Running"] == "Yes", PEER[node]
    lab.sql("node-1", "DROP TABLE app.kept")


def test_a_node_gets_new_addresses_and_a_new_id_with_a_new_instance(lab_to_break: Lab) -> None:
    """The one way to change them on a ring that holds data: the other node stays and follows."""
    lab = lab_to_break
    lab.sql("node-2", "CREATE TABLE app.moved (id INT AUTO_INCREMENT PRIMARY KEY, note CHAR(20))")
    lab.sql("node-2", "INSERT INTO app.moved (note) VALUES ('before'), ('before')")
    eventually(
        lambda: lab.value("node-1", "SELECT COUNT(*) FROM app.moved"),
        lambda count: count == "2",
        "the rows on node-1",
    )
    before = lab.outputs()["nodes"]
    one, two = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["nodes"]["default"]
    two |= {"clientAddress": "192.168.100.21", "replicationAddress": "10.10.1.21", "serverId": 7}
    lab.pulumi("up", "--yes", "--config-file", str(lab.settings_with(nodes=[one, two])))

    after = lab.outputs()["nodes"]
    assert after["node-1"]["instance_id"] == before["node-1"]["instance_id"]
    assert after["node-2"]["instance_id"] != before["node-2"]["instance_id"]
    assert lab.value("node-2", "SELECT @@server_id") == "7"
    assert lab.slave_status("node-1")["Master_Host"] == "10.10.1.21"
    for node in NODES:
        lab.sql(node, f"INSERT INTO app.moved (note) VALUES ('from {node}')")
    for node in NODES:
        eventually(
            lambda node=node: lab.value(node, "SELECT COUNT(*) FROM app.moved"),
            lambda count: count == "4",
            f"all rows on {node}",
        )
    lab.sql("node-1", "DROP TABLE app.moved")
