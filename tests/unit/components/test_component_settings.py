"""The settings: their defaults, and one error that lists every mistake."""

import json
import re
from pathlib import Path
from typing import Any

import conftest
import pulumi
import pytest
import yaml
from cloud.setup.toolchain import OLDEST_CLI

from components.checks import problems_of
from components.problems import SettingsError
from components.settings import (
    ARTICLE_NODES,
    NodeCertificate,
    NodeSettings,
    RestoreSettings,
    RingArgs,
    UserSettings,
    camel,
)

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
ADMIN = ["198.51.100.0/24"]


def project() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


def configured(secrets: tuple[str, ...] = (), **values: Any) -> RingArgs:
    """The settings as the Pulumi engine hands them over: texts, and JSON for what has parts."""
    flat = {"adminCidrs": list(ADMIN), **values}
    texts = {
        f"mysql-ring:{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in flat.items()
    }
    pulumi.runtime.set_all_config(texts, [f"mysql-ring:{name}" for name in secrets])
    return conftest.configured()


def mistakes(**values: Any) -> set[str]:
    with pytest.raises(SettingsError) as caught:
        configured(**values)
    return {problem.setting for problem in caught.value.problems}


def test_every_setting_is_typed_and_described() -> None:
    for name, declared in project()["config"].items():
        assert declared["type"] in ("string", "integer", "boolean", "array", "object"), name
        assert len(declared["description"]) > 20, name


def test_the_fields_of_a_list_of_objects_are_in_its_description() -> None:
    """The engine lets no `items` describe them."""
    for setting, shape in (
        ("nodes", NodeSettings),
        ("users", UserSettings),
        ("restoreFrom", RestoreSettings),
    ):
        description = project()["config"][setting]["description"]
        for name in shape.__dataclass_fields__:
            assert re.search(rf"\b{camel(name)}\b", description), f"{setting}: {name}"


def test_the_oldest_cli_is_the_one_that_the_lab_takes() -> None:
    wanted = ">=" + ".".join(map(str, OLDEST_CLI))
    files = [ROOT / "Pulumi.yaml", *sorted((ROOT / "examples").glob("*/Pulumi.yaml"))]
    assert len(files) == 3
    for file in files:
        assert yaml.safe_load(file.read_text())["requiredPulumiVersion"] == wanted, file


def test_the_defaults_of_the_project_are_the_defaults_of_the_program() -> None:
    defaults = {
        name: declared["default"]
        for name, declared in project()["config"].items()
        if "default" in declared
    }
    assert configured(**{**defaults, "adminCidrs": list(ADMIN)}) == RingArgs(admin_cidrs=ADMIN)


def test_every_setting_of_the_program_is_a_setting_of_the_project() -> None:
    declared = set(project()["config"])
    assert declared == {camel(name) for name in RingArgs.__dataclass_fields__}


def test_every_setting_has_a_default_so_that_no_missing_one_hides_other_mistakes() -> None:
    config = project()["config"]
    assert [name for name in config if "default" not in config[name]] == []
    assert config["adminCidrs"]["default"] == []


@pytest.mark.parametrize("stack", ["dev", "lab"])
def test_a_stacks_file_has_known_settings_only(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    own = {name.split(":")[1]: value for name, value in config.items() if name[:6] == "mysql-"}
    assert configured(**{"adminCidrs": list(ADMIN), **own}).instance_type == "t3.small"


def test_no_stack_has_left_its_salt_in_the_labs_file() -> None:
    """The lab's stack works on a copy: a salt of one machine would lock out every other."""
    lab = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text())
    assert list(lab) == ["config"]


def test_the_article_fixes_these_values() -> None:
    settings = configured()
    assert settings.client_cidr == "192.168.100.0/24"
    assert settings.replication_cidr == "10.10.1.0/24"
    assert settings.nodes == list(ARTICLE_NODES)


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"adminCidrs": []}, "adminCidrs"),
        ({"adminCidrs": ["0.0.0.0/0"]}, "adminCidrs[0]"),
        ({"adminCidrs": ["198.51.100.1/24"]}, "adminCidrs[0]"),
        ({"adminCidrs": ["me"]}, "adminCidrs[0]"),
        ({"clientCidr": "192.168.100.1/24"}, "clientCidr"),
        ({"clientCidr": "0.0.0.0/0"}, "clientCidr"),
        ({"replicationCidr": "203.0.113.0/24"}, "replicationCidr"),
        ({"replicationCidr": "10.10.1.0/29"}, "replicationCidr"),
        ({"replicationCidr": "192.168.0.0/16"}, "replicationCidr"),
        ({"instanceType": "big"}, "instanceType"),
        ({"rootVolumeGib": "many"}, "rootVolumeGib"),
        ({"rootVolumeGib": "2"}, "rootVolumeGib"),
        ({"dataVolumeGib": "3"}, "dataVolumeGib"),
        ({"dataVolumeGib": "65537"}, "dataVolumeGib"),
        ({"dataVolumeGib": "many"}, "dataVolumeGib"),
        ({"dataVolumeType": "gp2", "dataVolumeGib": "16385"}, "dataVolumeGib"),
        ({"dataVolumeType": "st1"}, "dataVolumeType"),
        ({"dataVolumeIops": "2999"}, "dataVolumeIops"),
        ({"dataVolumeIops": "-1"}, "dataVolumeIops"),
        ({"dataVolumeIops": "80001", "dataVolumeGib": "1000"}, "dataVolumeIops"),
        ({"dataVolumeIops": "10001"}, "dataVolumeIops"),
        ({"dataVolumeIops": "fast"}, "dataVolumeIops"),
        ({"dataVolumeType": "gp2", "dataVolumeIops": "3000"}, "dataVolumeIops"),
        ({"dataVolumeType": "io1"}, "dataVolumeIops"),
        ({"dataVolumeType": "io1", "dataVolumeIops": "1001"}, "dataVolumeIops"),
        ({"dataVolumeType": "io2", "dataVolumeIops": "20001"}, "dataVolumeIops"),
        ({"dataVolumeThroughput": "124"}, "dataVolumeThroughput"),
        ({"dataVolumeThroughput": "-1"}, "dataVolumeThroughput"),
        ({"dataVolumeThroughput": "2001", "dataVolumeIops": "9000"}, "dataVolumeThroughput"),
        ({"dataVolumeThroughput": "751"}, "dataVolumeThroughput"),
        ({"dataVolumeType": "gp2", "dataVolumeThroughput": "125"}, "dataVolumeThroughput"),
        ({"protectData": "perhaps"}, "protectData"),
        ({"openWithoutPeerSeconds": "4"}, "openWithoutPeerSeconds"),
        ({"openWithoutPeerSeconds": "3601"}, "openWithoutPeerSeconds"),
        ({"bucketName": "Ring_logs"}, "bucketName"),
        ({"bucketName": "192.168.100.10"}, "bucketName"),
        ({"bucketName": "xn--ring"}, "bucketName"),
        ({"bucketName": "logs", "destroyBucketContents": "true"}, "destroyBucketContents"),
        ({"bucketName": "logs", "keepBackupsDays": "10"}, "keepBackupsDays"),
        ({"bucketName": "logs", "keepVersionsDays": "10"}, "keepVersionsDays"),
        ({"keepBackupsDays": "1"}, "keepBackupsDays"),
        ({"keepBackupsDays": "3651"}, "keepBackupsDays"),
        ({"keepLogsDays": "1"}, "keepLogsDays"),
        ({"keepVersionsDays": "0"}, "keepVersionsDays"),
        ({"archiveIntervalSeconds": "9"}, "archiveIntervalSeconds"),
        ({"archiveIntervalSeconds": "86401"}, "archiveIntervalSeconds"),
        ({"archiveIntervalSeconds": "often"}, "archiveIntervalSeconds"),
        ({"backupSchedule": ""}, "backupSchedule"),
        ({"backupSchedule": "15 3 * * *"}, "backupSchedule"),
        ({"drillSchedule": "sometimes"}, "drillSchedule"),
        ({"maintenanceSchedule": "Sun 24:30"}, "maintenanceSchedule"),
        ({"keepBinlogHours": "-1"}, "keepBinlogHours"),
        ({"keepBinlogHours": "8785"}, "keepBinlogHours"),
        ({"diskWarnPercent": "0"}, "diskWarnPercent"),
        ({"diskWarnPercent": "92"}, "diskWarnPercent"),
        ({"diskCriticalPercent": "100"}, "diskCriticalPercent"),
        ({"mysqlArchiveUrl": "ftp://example.org/mysql.tar.gz"}, "mysqlArchiveUrl"),
        ({"mysqlArchiveUrl": "https://me:word@example.org/mysql.tar.gz"}, "mysqlArchiveUrl"),
        ({"mysqlArchiveChecksum": "md5:abc"}, "mysqlArchiveChecksum"),
        ({"mysqlSettings": {"server-id": "7"}}, "mysqlSettings.server-id"),
        ({"mysqlSettings": {"log_bin": "x"}}, "mysqlSettings.log_bin"),
        ({"mysqlSettings": {"tmp_table_sice": "1M"}}, "mysqlSettings.tmp_table_sice"),
        ({"mysqlSettings": {"tmp_table_size": "1M\nssl=0"}}, "mysqlSettings.tmp_table_size"),
        ({"mysqlSettings": {"tmp_table_size": [1]}}, "mysqlSettings.tmp_table_size"),
        ({"mysqlSettings": "text"}, "mysqlSettings"),
        ({"databases": ["mysql"]}, "databases[0]"),
        ({"databases": ["a b"]}, "databases[0]"),
        ({"users": [{"name": "app", "databases": ["other"]}]}, "users[0].databases"),
        ({"users": [{"name": "root", "databases": ["app"]}]}, "users[0].name"),
        ({"users": [{"name": "x" * 17, "databases": ["app"]}]}, "users[0].name"),
        ({"users": [{"name": "app"}]}, "users[0].databases"),
        ({"users": [{"name": "app", "databases": ["app"], "host": "%"}]}, "users[0].host"),
        ({"users": ["app"]}, "users[0]"),
        ({"users": [{"name": "app", "databases": "app"}]}, "users[0].databases"),
        ({"replicationUser": "root"}, "replicationUser"),
        ({"requireClientTls": "perhaps"}, "requireClientTls"),
        ({"tags": {"Name": "mine"}}, "tags.Name"),
        ({"nodes": []}, "nodes"),
        ({"adminCidr": "198.51.100.0/24"}, "adminCidr"),
        ({"passwords": {"root": "plain-word"}}, "passwords"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_setting(
    values: dict[str, Any], setting: str
) -> None:
    assert setting in mistakes(**values)


def node(**changes: Any) -> list[NodeSettings]:
    first = {**ARTICLE_NODES[0].__dict__, **changes}
    return [NodeSettings(**first), ARTICLE_NODES[1]]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"client_address": "192.168.101.10"}, "nodes[0].clientAddress"),
        ({"client_address": "192.168.100.3"}, "nodes[0].clientAddress"),
        ({"client_address": "192.168.100.255"}, "nodes[0].clientAddress"),
        ({"replication_address": "ten"}, "nodes[0].replicationAddress"),
        ({"replication_address": "10.10.1.11"}, "nodes.replicationAddress"),
        ({"server_id": 0}, "nodes[0].serverId"),
        ({"server_id": 2}, "nodes.serverId"),
        ({"auto_increment_offset": 2}, "nodes.autoIncrementOffset"),
        ({"auto_increment_offset": 3}, "nodes[0].autoIncrementOffset"),
        ({"name": "node-2"}, "nodes.name"),
        ({"name": "Node_1"}, "nodes[0].name"),
    ],
)
def test_a_wrong_node_is_refused_by_the_name_of_its_setting(
    changes: dict[str, Any], setting: str
) -> None:
    settings = RingArgs(admin_cidrs=ADMIN, nodes=node(**changes))
    assert setting in {problem.setting for problem in problems_of(settings)}


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"passwords": {"root": "x" * 33}}, "passwords.root"),
        ({"passwords": {"root": "with space"}}, "passwords.root"),
        ({"passwords": {"nobody": "word"}}, "passwords.nobody"),
        ({"ca_certificate": "PEM"}, "caPrivateKey"),
        ({"ca_private_key": "hush-key"}, "caPrivateKey"),
        ({"ssh_private_key": "ssh-ed25519 hush-key"}, "sshPrivateKey"),
        (
            {"node_certificates": {"node-1": NodeCertificate("c", "BEGIN hush-key")}},
            "nodeCertificates.node-1.key",
        ),
    ],
)
def test_a_wrong_secret_is_refused_without_being_shown(
    changes: dict[str, Any], setting: str
) -> None:
    settings = RingArgs(admin_cidrs=ADMIN, **changes)
    problems = problems_of(settings)
    assert setting in {problem.setting for problem in problems}
    text = str(SettingsError(problems)) + repr(settings)
    for value in ("with space", "x" * 33, "hush-key"):
        assert value not in text


def test_a_secret_in_plain_text_is_refused_and_an_encrypted_one_is_read() -> None:
    passwords = {"root": "given-word"}
    with pytest.raises(SettingsError) as caught:
        configured(passwords=passwords)
    assert "pulumi config set --secret --path passwords.ACCOUNT" in str(caught.value)
    assert "given-word" not in str(caught.value)
    assert configured(secrets=("passwords",), passwords=passwords).passwords == passwords


def test_a_secret_of_the_wrong_shape_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        configured(secrets=("passwords", "nodeCertificates"), passwords="hush", nodeCertificates=[])
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"data_volume_gib": 4},
        {"data_volume_gib": 65536, "data_volume_iops": 80000, "data_volume_throughput": 2000},
        {"data_volume_gib": 4, "data_volume_iops": 3000, "data_volume_throughput": 750},
        {"data_volume_type": "gp2", "data_volume_gib": 16384},
        {"data_volume_type": "io1", "data_volume_iops": 1000},
        {"data_volume_type": "io2", "data_volume_iops": 20000},
        {"open_without_peer_seconds": 5},
    ],
)
def test_what_aws_lets_a_volume_be_is_taken(values: dict[str, Any]) -> None:
    assert problems_of(RingArgs(admin_cidrs=ADMIN, **values)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"bucket_name": "ring.logs-1"},
        {"keep_backups_days": 2, "keep_logs_days": 2, "keep_versions_days": 1},
        {"keep_backups_days": 3650, "keep_logs_days": 3650, "keep_versions_days": 3650},
        {"archive_interval_seconds": 10, "keep_binlog_hours": 0},
        {"archive_interval_seconds": 86400, "keep_binlog_hours": 8784},
        {"disk_warn_percent": 98, "disk_critical_percent": 99},
        {"drill_schedule": "Sat 12:00", "maintenance_schedule": ""},
    ],
)
def test_the_bounds_of_what_is_kept_are_taken(values: dict[str, Any]) -> None:
    assert problems_of(RingArgs(admin_cidrs=ADMIN, **values)) == []


def test_every_mistake_of_the_data_volumes_is_in_one_error() -> None:
    wrong = {
        "dataVolumeType": "gp2",
        "dataVolumeGib": "1",
        "dataVolumeIops": "7",
        "dataVolumeThroughput": "7",
        "openWithoutPeerSeconds": "0",
    }
    assert mistakes(**wrong) == set(wrong) - {"dataVolumeType"}


def test_one_error_lists_every_mistake_with_value_and_expectation() -> None:
    with pytest.raises(SettingsError) as caught:
        configured(adminCidrs=[], clientCidr="everywhere", rootVolumeGib="many", instanceTyp="x")
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "clientCidr: found 'everywhere', expected an IPv4 range" in text
    assert "instanceTyp: found a value, expected a setting" in text
    assert "did you mean instanceType?" in text


def test_one_unread_entry_of_a_mapping_does_not_hide_the_mistakes_beside_it() -> None:
    assert mistakes(
        mysqlSettings={"wait_timeout": None, "server-id": 3}, tags={"a": 1, "Name": "x"}
    ) == {"mysqlSettings.wait_timeout", "mysqlSettings.server-id", "tags.a", "tags.Name"}


def test_an_unread_setting_is_not_judged_by_its_default() -> None:
    assert mistakes(nodes="two") == {"nodes"}


def test_numbers_and_truth_values_of_my_cnf_are_taken_as_written() -> None:
    settings = configured(
        mysqlSettings={
            "max_connections": 77,
            "long_query_time": 0.5,
            "old": True,
            "query_cache_type": "0",
        },
        users=[{"name": "app", "databases": ["app"], "privileges": ["SELECT"]}],
    )
    assert settings.mysql_settings == {
        "max_connections": "77",
        "long_query_time": "0.5",
        "old": "true",
        "query_cache_type": "0",
    }
    assert settings.users == [UserSettings("app", ["app"], ["SELECT"])]


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"databases": [83]}, "databases[0]"),
        ({"users": [{"name": 83, "databases": ["app"]}]}, "users[0].name"),
        ({"users": [{"name": "app", "databases": [83]}]}, "users[0].databases"),
        ({"nodes": [{"name": True}]}, "nodes[0].name"),
        ({"tags": {"CostCentre": 10}}, "tags.CostCentre"),
        ({"mysqlSettings": {"max_binlog_cache_size": 18446744073709552000}}, "mysqlSettings.max"),
    ],
)
def test_a_number_where_yaml_has_changed_a_text_is_refused(
    values: dict[str, Any], setting: str
) -> None:
    """YAML reads 0123 as 83, 1_000 as 1000 and rounds what is beyond 2^53."""
    with pytest.raises(SettingsError) as caught:
        configured(**values)
    found = [problem for problem in caught.value.problems if problem.setting.startswith(setting)]
    assert [("quotes" in problem.expected) for problem in found] == [True]


def test_a_password_that_is_a_number_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        configured(secrets=("passwords",), passwords={"root": 1234567890})
    assert "passwords.root: found a secret" in str(caught.value)
    assert "1234567890" not in str(caught.value)


def test_sound_settings_pass_every_check() -> None:
    assert problems_of(RingArgs(admin_cidrs=ADMIN)) == []
