"""The steps on the hosts: their order, what makes them run again, and what they are told."""

import hashlib
import itertools
import json
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import stand_up
from recording import SERVING, STEPS, Recorded, Resource, node_in, step
from ring_node.backup import place
from waits import within

from components import ring as ring_module
from components.settings import ARTICLE_NODES, UserSettings
from components.step import MINUTES, bounded

pytestmark = pytest.mark.unit

NODES = ("node-1", "node-2")


def changed(one: Recorded, other: Recorded) -> set[str]:
    """The names of the resources that differ between two runs, or that only one of them has."""
    before = {resource.name: resource.inputs for resource in one.resources}
    after = {resource.name: resource.inputs for resource in other.resources}
    both = before.keys() & after.keys()
    differ = {name for name in both if comparable(before[name]) != comparable(after[name])}
    return differ | (before.keys() ^ after.keys())


def comparable(inputs: dict) -> dict:
    source = inputs.get("source")
    return {**inputs, "source": getattr(source, "path", source)}


def runs(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def in_time(verb: str, made: Resource) -> str:
    """What a step calls, without the time that its host gives it: the same as Pulumi's."""
    assert made.create_timeout == f"{MINUTES[verb]}m"
    limit = f"sudo timeout --kill-after=60 {made.create_timeout} "
    assert made.inputs["create"].startswith(limit)
    return made.inputs["create"].removeprefix(limit)


def test_each_node_has_these_steps(ring: Recorded) -> None:
    names = {resource.name for resource in ring.steps()}
    assert names == {step(node, verb) for node in NODES for verb in STEPS}


def test_a_verb_that_hangs_ends_on_its_host_with_what_it_started(tmp_path: Path) -> None:
    """Also where it does not listen; with a second for each instead of minutes."""
    program = tmp_path / "ring-node"
    program.write_text("#!/bin/sh\ntrap '' TERM\nsleep 300 &\necho $! $$\nwait\n")
    program.chmod(0o755)
    command = bounded(str(program), "verify").removeprefix("sudo ")
    assert command.count(" 15m ") == command.count("=60 ") == 1
    command = command.replace(" 15m ", " 1s ").replace("=60 ", "=1 ")
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    started = done.stdout.split()
    assert len(started) == 2
    within(10, "the end of the program and of its sleep", lambda: not any(map(runs, started)))


@pytest.mark.parametrize("verb", [verb for verb in STEPS if verb != "tools"])
def test_a_step_calls_its_verb_of_the_delivered_version(ring: Recorded, verb: str) -> None:
    release = ring.named("ring-node-1-tools-upload").inputs["remotePath"].rsplit("-", 1)[1]
    expected = f"/opt/mysql-ring/releases/{release}/ring-node {verb}"
    for node in NODES:
        assert in_time(verb, ring.named(step(node, verb))) == expected


def test_the_tool_is_copied_before_anything_is_called(ring: Recorded) -> None:
    upload = ring.named("ring-node-1-tools-upload")
    assert upload.inputs["source"].path.endswith("/node/")
    tools = ring.named("ring-node-1-tools-release")
    assert in_time("tools", tools) == f"python3 {upload.inputs['remotePath']}/ring-node tools"
    assert "ring-node-1-tools-upload" in ring.before("ring-node-1-tools-release")


def test_the_steps_of_one_node_follow_one_another(ring: Recorded) -> None:
    for node in NODES:
        for earlier, later in itertools.pairwise(STEPS):
            assert step(node, earlier) in ring.before(step(node, later))


def test_the_nodes_are_installed_side_by_side(ring: Recorded) -> None:
    assert not {
        name for name in ring.before("ring-node-2-mysql-install") if name.startswith("ring-node-1")
    }


@pytest.mark.parametrize("verb", ["tls", "restart"])
def test_the_second_server_restarts_only_after_the_first(ring: Recorded, verb: str) -> None:
    assert step("node-1", verb) in ring.before(step("node-2", verb))
    assert step("node-2", verb) not in ring.before(step("node-1", verb))


def test_a_server_restarts_for_its_files_only_beside_one_that_has_joined(ring: Recorded) -> None:
    for node in NODES:
        assert {step(each, "replicate") for each in NODES} <= ring.before(step(node, "restart"))


def test_a_restart_is_told_the_files_that_the_hosts_have(ring: Recorded) -> None:
    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    for node in NODES:
        keys = json.loads(ring.named(step(node, "tls")).inputs["stdin"])
        assert json.loads(ring.named(step(node, "restart")).inputs["stdin"]) == {
            "my_cnf": digest(ring.named(step(node, "config")).inputs["stdin"]),
            "certificate": digest(keys["certificate"].strip() + "\n"),
        }


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("accounts", "seed"), ("seed", "replicate"), ("restart", "verify"), ("verify", "schedule")],
)
def test_both_nodes_finish_a_stage_of_the_wiring_before_the_next(
    ring: Recorded, earlier: str, later: str
) -> None:
    for node in NODES:
        assert {step(each, earlier) for each in NODES} <= ring.before(step(node, later))


def test_a_step_waits_for_the_part_of_the_host_that_it_needs(ring: Recorded) -> None:
    attachments = {"ring-node-1-replication-attachment", "ring-node-1-data-attachment"}
    first = ring.before("ring-node-1-tools-upload")
    assert "ring-node-1-public-address-association" in first
    assert not attachments & ring.before(step("node-1", "install"))
    assert attachments <= ring.before(step("node-1", "volume"))


def test_the_replication_interface_comes_after_the_first_boot(ring: Recorded) -> None:
    """The step `tools` waits for its end."""
    assert step("node-1", "tools") in ring.before("ring-node-1-replication-attachment")


def test_every_step_ends_with_its_instance_and_begins_again_on_another(ring: Recorded) -> None:
    for each in [*ring.steps(), *ring.of_type("remote:CopyToRemote")]:
        instance = f"ring-{node_in(each.name)}-instance"
        assert each.inputs["triggers"] == [f"{instance}-id"], each.name
        assert each.deleted_with.endswith(f"::{instance}"), each.name


def test_a_node_is_waited_for_again_only_when_its_instance_gets_another_type(
    ring: Recorded,
) -> None:
    for node in NODES:
        serving = ring.named(SERVING.format(node))
        assert serving.inputs["triggers"] == ["m6i.large"]
        assert serving.inputs["create"].endswith(" /opt/mysql-ring/current/ring-node wait-serving")
        assert step(node, "tools") in ring.before(serving.name)
        assert all(serving.name not in ring.before(each.name) for each in ring.steps())


def test_two_new_instances_wait_for_no_other_node(ring: Recorded) -> None:
    assert SERVING.format("node-1") not in ring.before("ring-node-2-instance")


def test_every_step_checks_the_host_key_and_outlasts_a_slow_boot(ring: Recorded) -> None:
    for each in [*ring.steps(), *ring.of_type("remote:CopyToRemote")]:
        connection = each.inputs["connection"]
        assert connection["hostKey"].startswith("ssh-ed25519 "), each.name
        assert connection["host"] == f"203.0.113.1{node_in(each.name)[-1]}", each.name
        assert connection["user"] == "admin", each.name
        assert connection["dialErrorLimit"] == 60, each.name
        assert connection["perDialTimeout"] == 5, each.name
        assert each.create_timeout.endswith("m"), each.name


def test_no_step_passes_its_former_output_to_the_host(ring: Recorded) -> None:
    for each in ring.steps():
        assert each.inputs["addPreviousOutputInEnv"] is False
        assert not {"update", "delete", "environment"} & set(each.inputs)


def test_the_documents_of_the_wiring_name_both_nodes(ring: Recorded) -> None:
    for verb in ("seed", "replicate", "verify"):
        assert json.loads(ring.named(step("node-2", verb)).inputs["stdin"]) == {
            "node": {
                "name": "node-2",
                "server_id": 2,
                "client_address": "192.168.100.11",
                "replication_address": "10.10.1.11",
            },
            "peer": {
                "name": "node-1",
                "replication_address": "10.10.1.10",
                "server_id": 1,
                "volume_id": "ring-node-1-data-volume-id",
            },
            **({"open_without_peer_seconds": 30} if verb == "replicate" else {}),
        }


def test_a_node_is_told_where_its_backups_go_and_when() -> None:
    made = stand_up(
        archive_interval_seconds=60,
        backup_schedule="daily",
        drill_schedule="Sat 12:00",
        maintenance_schedule="",
        keep_binlog_hours=48,
        disk_warn_percent=70,
        disk_critical_percent=85,
    )
    for node in NODES:
        told = made.named(step(node, "schedule")).inputs["stdin"]
        assert place.parse(json.loads(told), node) == place.Place(
            bucket="ring-bucket-store-id",
            region="eu-central-1",
            stack="test",
            ring="ring",
            node=node,
            archive_interval=60,
            backup_schedule="daily",
            drill_schedule="Sat 12:00",
            maintenance_schedule="",
            keep_binlog_hours=48,
            disk_warn=70,
            disk_critical=85,
        )


def test_backups_begin_when_the_bucket_lets_the_node_in(ring: Recorded) -> None:
    for node in NODES:
        assert {
            f"ring-bucket-{node}-access",
            "ring-bucket-policy",
            "ring-bucket-lifecycle",
        } <= ring.before(step(node, "schedule"))


def test_another_schedule_is_a_step_of_each_node_alone(ring: Recorded) -> None:
    other = stand_up(backup_schedule="daily", keep_binlog_hours=48)
    assert changed(ring, other) == {step(node, "schedule") for node in NODES}
    days = stand_up(keep_backups_days=40)
    assert changed(ring, days) == {"ring-bucket-lifecycle"}


def test_the_step_volume_runs_again_when_the_volume_grows(ring: Recorded) -> None:
    assert json.loads(ring.named("ring-node-2-mysql-volume").inputs["stdin"]) == {
        "volume_id": "ring-node-2-data-volume-id",
        "size_gib": 20,
    }
    assert changed(ring, stand_up(data_volume_gib=21)) == {
        f"ring-{node}-{part}" for node in NODES for part in ("data-volume", "mysql-volume")
    }


def test_accounts_are_for_the_peer_and_for_the_clients_range(ring: Recorded) -> None:
    document = json.loads(ring.named("ring-node-1-mysql-accounts").inputs["stdin"])
    assert document["peer_address"] == "10.10.1.11"
    assert [document[part]["user"] for part in ("replication", "peer", "heartbeat")] == [
        "repuser",
        "ring_peer",
        "ring_heartbeat",
    ]
    assert document["databases"] == ["app"]
    (user,) = document["users"]
    user.pop("password")
    assert user == {
        "name": "app",
        "host": "192.168.100.0/255.255.255.0",
        "privileges": ["ALL"],
        "database": "app",
        "require_ssl": True,
    }


def test_each_user_has_an_account_for_each_client_range() -> None:
    users = [UserSettings("shop", ["app", "stock"]), UserSettings("desk", ["app"])]
    ranges = ["10.40.0.0/16", "172.16.0.0/12", "10.50.16.0/20", "10.50.7.64/26", "10.7.7.7/32"]
    more = stand_up(databases=["app", "stock"], users=users, client_ranges=ranges)
    document = json.loads(more.named("ring-node-1-mysql-accounts").inputs["stdin"])
    hosts = [
        "10.40.0.0/255.255.0.0",
        "172.16.0.0/255.240.0.0",
        "10.50.16.0/255.255.240.0",
        "10.50.7.64/255.255.255.192",
        "10.7.7.7/255.255.255.255",
    ]
    assert {(each["name"], each["host"], each["database"]) for each in document["users"]} == {
        (name, host, database)
        for name, databases in (("shop", ("app", "stock")), ("desk", ("app",)))
        for host in hosts
        for database in databases
    }


def test_other_client_ranges_change_rules_and_accounts_and_nothing_else(ring: Recorded) -> None:
    both = stand_up(client_ranges=["192.168.100.0/24", "10.40.0.0/16"])
    accounts = {step(node, "accounts") for node in NODES}
    assert changed(ring, both) == {"ring-network-client-mysql-10.40.0.0-16", *accounts}
    only = stand_up(client_ranges=["10.40.0.0/16"])
    assert changed(both, only) == {"ring-network-client-mysql-192.168.100.0-24", *accounts}


def test_a_user_gets_one_entry_for_each_database() -> None:
    users = [UserSettings("shop", ["app", "stock"], ["SELECT", "INSERT"])]
    more = stand_up(databases=["app", "stock"], users=users, require_client_tls=False)
    entries = json.loads(more.named("ring-node-1-mysql-accounts").inputs["stdin"])["users"]
    assert [(each["database"], each["require_ssl"]) for each in entries] == [
        ("app", False),
        ("stock", False),
    ]
    assert {tuple(each["privileges"]) for each in entries} == {("SELECT", "INSERT")}


def test_another_my_cnf_setting_is_one_line_and_a_restart_of_each_node(
    ring: Recorded,
) -> None:
    other = stand_up(mysql_settings={"tmp_table_size": "48M"})
    assert changed(ring, other) == {
        step(node, verb) for node in NODES for verb in ("config", "restart")
    }
    for node in NODES:
        before = ring.named(f"ring-{node}-mysql-config").inputs["stdin"].splitlines()
        after = other.named(f"ring-{node}-mysql-config").inputs["stdin"].splitlines()
        differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert differing == [("tmp_table_size = 32M", "tmp_table_size = 48M")]


def test_another_version_of_the_tool_runs_every_step_again(
    ring: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "digest", lambda _: "0123456789ab")
    steps = {each.name for each in [*ring.steps(), *ring.of_type("remote:CopyToRemote")]}
    assert changed(ring, stand_up()) == steps


def test_another_archive_changes_the_install_steps_alone(ring: Recorded) -> None:
    other = stand_up(mysql_archive_checksum="md5:" + "0" * 32)
    assert changed(ring, other) == {"ring-node-1-mysql-install", "ring-node-2-mysql-install"}


def test_the_order_of_the_nodes_decides_who_restarts_first() -> None:
    turned = stand_up(nodes=list(reversed(ARTICLE_NODES)))
    for verb in ("tls", "restart"):
        assert step("node-2", verb) in turned.before(step("node-1", verb))
