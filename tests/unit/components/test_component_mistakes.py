"""The mistakes that the settings are checked for, one by one, each beside its sound twin."""

import gzip
import json
from pathlib import Path
from typing import Any

import moto.ec2
import pulumi
import pytest
from conftest import configured

from components.checks import problems_of, zone
from components.problems import SettingsError
from components.settings import ARTICLE_NODES, NodeSettings, RingArgs, UserSettings

pytestmark = pytest.mark.unit

ADMIN = ["198.51.100.0/24"]
SHA256 = "sha256:" + "0aF9" * 16
HERE = "https://example.org/mysql-5.6.51.tar.gz"


def found(**changes: Any) -> dict[str, str]:
    """What is wrong with the article's settings after some changes, by setting."""
    problems = problems_of(RingArgs(**{"admin_cidrs": ADMIN, **changes}))
    return {problem.setting: str(problem) for problem in problems}


def user(name: str = "app", *databases: str, privileges: tuple[str, ...] = ("ALL",)) -> Any:
    return UserSettings(name, list(databases) or ["app"], list(privileges))


def nodes(**changes: Any) -> list[NodeSettings]:
    return [NodeSettings(**{**ARTICLE_NODES[0].__dict__, **changes}), ARTICLE_NODES[1]]


@pytest.mark.parametrize(
    ("changes", "setting", "expected"),
    [
        ({"admin_cidrs": ["198.51.100.7"]}, "adminCidrs[0]", "198.51.100.7/32"),
        ({"admin_cidrs": ["198.51.100.7/24"]}, "adminCidrs[0]", "198.51.100.0/24"),
        ({"admin_cidrs": [" 198.51.100.0/24"]}, "adminCidrs[0]", "size: 198.51.100.0/24"),
        ({"admin_cidrs": ["10.0.0.0/255.0.0.0"]}, "adminCidrs[0]", "10.0.0.0/8"),
        ({"admin_cidrs": ["2001:db8::/32"]}, "adminCidrs[0]", "IPv4"),
        ({"admin_cidrs": ["0.0.0.0/0"]}, "adminCidrs[0]", "whole internet"),
        ({"admin_cidrs": ["128.0.0.0/1"]}, "adminCidrs[0]", "whole internet"),
        ({"admin_cidrs": ADMIN * 2}, "adminCidrs[1]", "each range once"),
        ({"client_ranges": ["10.40.0.1/16"]}, "clientRanges[0]", "size: 10.40.0.0/16"),
        ({"client_ranges": ["10.40.0.0"]}, "clientRanges[0]", "10.40.0.0/32"),
        ({"client_ranges": ["10.40.0.0/255.255.0.0"]}, "clientRanges[0]", "10.40.0.0/16"),
        ({"client_ranges": ["fd00::/64"]}, "clientRanges[0]", "IPv4"),
        ({"client_ranges": ["0.0.0.0/0"]}, "clientRanges[0]", "whole internet"),
        ({"client_ranges": ["172.0.0.0/7"]}, "clientRanges[0]", "/8 or smaller"),
        ({"client_ranges": ["127.0.0.1/32"]}, "clientRanges[0]", "a client on a network"),
        ({"client_ranges": ["169.254.0.0/17"]}, "clientRanges[0]", "a client on a network"),
        ({"client_ranges": ["224.0.0.0/8"]}, "clientRanges[0]", "a client on a network"),
        ({"client_ranges": ["10.10.1.0/24"]}, "clientRanges[0]", "replicationCidr 10.10.1.0/24"),
        ({"client_ranges": ["10.10.1.11/32"]}, "clientRanges[0]", "replicationCidr"),
        ({"client_ranges": ["10.40.0.0/16"] * 2}, "clientRanges[1]", "each range once"),
        (
            {"client_ranges": ["10.40.0.0/16", "10.40.7.0/24"]},
            "clientRanges[1]",
            "10.40.7.0/24 is a part of 10.40.0.0/16",
        ),
        (
            {"client_ranges": ["10.40.7.0/24", "10.40.0.0/16"]},
            "clientRanges[1]",
            "10.40.7.0/24 is a part of 10.40.0.0/16",
        ),
        (
            {"client_ranges": ["198.51.100.7/32"], "require_client_tls": False},
            "clientRanges[0]",
            "requireClientTls true",
        ),
        ({"client_cidr": "192.168.100.10/24"}, "clientCidr", "192.168.100.0/24"),
        ({"client_cidr": "fd00::/64"}, "clientCidr", "IPv4"),
        ({"client_cidr": "0.0.0.0/0"}, "clientCidr", "private"),
        ({"client_cidr": "192.168.100.0/29"}, "clientCidr", "/16 to /28"),
        ({"replication_cidr": "10.0.0.0/8"}, "replicationCidr", "/16 to /28"),
        ({"nodes": nodes(client_address="192.168.100.3")}, "nodes[0].clientAddress", "AWS keeps"),
        ({"nodes": nodes(client_address="192.168.100.255")}, "nodes[0].clientAddress", "last"),
        ({"nodes": nodes(server_id=2**32)}, "nodes[0].serverId", "4294967295"),
        ({"nodes": nodes(name="")}, "nodes[0].name", "a letter first"),
        ({"instance_type": "t4g.nano"}, "instanceType", "x86-64"),
        ({"instance_type": "T3.small"}, "instanceType", "x86-64"),
        ({"tags": {"project": "mine"}}, "tags.project", "any case"),
        ({"tags": {"Ring": "mine"}}, "tags.Ring", "any case"),
        ({"tags": {"aws:owner": "me"}}, "tags.aws:owner", "AWS keeps"),
        ({"tags": {"x" * 129: "y"}}, "tags." + "x" * 129, "128"),
        ({"tags": {"x": "y" * 257}}, "tags.x", "256"),
        ({"tags": {"x": "y?"}}, "tags.x", "letters"),
        ({"tags": {f"t{index}": "" for index in range(47)}}, "tags", "at most 46"),
        ({"mysql_archive_url": "http://example.org/a.tar.gz"}, "mysqlArchiveUrl", "sha256"),
        ({"mysql_archive_url": "https://me:word@x/a.tar.gz"}, "mysqlArchiveUrl", "without a user"),
        ({"mysql_archive_url": "https://example.org"}, "mysqlArchiveUrl", "PATH"),
        ({"mysql_archive_url": f"{HERE} ftp://example.org/a.tar.gz"}, "mysqlArchiveUrl", "PATH"),
        ({"mysql_archive_url": " "}, "mysqlArchiveUrl", "PATH"),
        ({"mysql_archive_checksum": "sha1:" + "0" * 40}, "mysqlArchiveChecksum", "sha256"),
        ({"mysql_archive_checksum": SHA256[:-1]}, "mysqlArchiveChecksum", "64"),
        ({"mysql_settings": {"log-warnings": "0"}}, "mysqlSettings.log-warnings", "1 or 2"),
        ({"mysql_settings": {"read-only": "1"}}, "mysqlSettings.read-only", "ring sets"),
        ({"mysql_settings": {"Server_ID": "1"}}, "mysqlSettings.Server_ID", "sets server_id"),
        (
            {"mysql_settings": {"loose-server-id": "1"}},
            "mysqlSettings.loose-server-id",
            "sets server_id itself",
        ),
        (
            {"mysql_settings": {"loose_skip-log-bin": ""}},
            "mysqlSettings.loose_skip-log-bin",
            "sets log_bin itself",
        ),
        (
            {"mysql_settings": {"disable-log-bin": ""}},
            "mysqlSettings.disable-log-bin",
            "sets log_bin itself",
        ),
        (
            {"mysql_settings": {"replicate-do-db": "app"}},
            "mysqlSettings.replicate-do-db",
            "ring sets",
        ),
        (
            {"mysql_settings": {"slave_skip_errors": "all"}},
            "mysqlSettings.slave_skip_errors",
            "ring sets",
        ),
        *(
            ({"mysql_settings": {name: value}}, f"mysqlSettings.{name}", said)
            for name, value, said in (
                ("transaction_read_only", "1", "ring sets"),
                ("skip-transaction-read-only", "", "ring sets"),
                ("lower-case-table-names", "1", "ring sets"),
                ("max_connections", "1", "at least 30"),
                ("max-connections", "29", "at least 30"),
                ("max_user_connections", "1", "at least 10"),
                ("max_join_size", "1", "at least 1000"),
                ("log_warnings", "0", "1 or 2: at 0 MySQL says nothing"),
            )
        ),
        (
            {"mysql_settings": {"maximum-max_connections": "1"}},
            "mysqlSettings.maximum-max_connections",
            "did you mean max_connections?",
        ),
        (
            {"mysql_settings": {"tmp_table_sice": "1"}},
            "mysqlSettings.tmp_table_sice",
            "did you mean tmp_table_size?",
        ),
        (
            {"mysql_settings": {"innodb_flush_log": "1"}},
            "mysqlSettings.innodb_flush_log",
            "full name",
        ),
        ({"mysql_settings": {"[mysqld]": ""}}, "mysqlSettings.[mysqld]", "server option"),
        ({"mysql_settings": {"!include": "x"}}, "mysqlSettings.!include", "server option"),
        ({"mysql_settings": {"wait_timeout": "1\n[x]"}}, "mysqlSettings.wait_timeout", "one line"),
        ({"mysql_settings": {"init_connect": "a # b"}}, "mysqlSettings.init_connect", "comment"),
        (
            {"mysql_settings": {"wait-timeout": "1", "wait_timeout": "2"}},
            "mysqlSettings.wait_timeout",
            "one of them",
        ),
        ({"databases": ["app", "app"]}, "databases[1]", "once"),
        ({"databases": ["app", "x" * 65]}, "databases[1]", "1 to 64"),
        ({"databases": ["app", "shop "]}, "databases[1]", "letters"),
        ({"databases": ["app", "MySQL"]}, "databases[1]", "none of"),
        ({"users": [user("ring_peer")]}, "users[0].name", "does not use itself"),
        ({"users": [user("repuser")]}, "users[0].name", "does not use itself"),
        ({"users": [user(), user()]}, "users[1].name", "one entry"),
        ({"users": [user("a", "app", "app")]}, "users[0].databases", "each once"),
        ({"users": [user("a", "shop")]}, "users[0].databases", "databases (app)"),
        ({"users": [UserSettings("a", [])]}, "users[0].databases", "at least one"),
        ({"users": [user(privileges=("SELCT",))]}, "users[0].privileges", "SELECT"),
        ({"users": [user(privileges=("GRANT OPTION",))]}, "users[0].privileges", "on a database"),
        ({"users": [user(privileges=())]}, "users[0].privileges", "at least one"),
        ({"replication_user": "ring_heartbeat"}, "replicationUser", "other than"),
        ({"passwords": {"root": "short"}}, "passwords.root", "8 to 32"),
        ({"passwords": {"root": "x" * 33}}, "passwords.root", "8 to 32"),
        ({"passwords": {"root": 'quo"te-word'}}, "passwords.root", "quotes"),
        ({"passwords": {"root": "back\\slash"}}, "passwords.root", "backslashes"),
        ({"passwords": {"root": "pässword-1"}}, "passwords.root", "ASCII"),
    ],
)
def test_a_mistake_is_named_once_with_what_was_expected(
    changes: dict[str, Any], setting: str, expected: str
) -> None:
    problems = found(**changes)
    assert set(problems) == {setting}
    assert expected in problems[setting]


def test_every_mistake_in_the_client_ranges_is_in_the_one_error() -> None:
    ranges = ["10.40.0.0/16", "me", "0.0.0.0/0", "10.10.1.0/25", "10.40.9.0/24"]
    assert list(found(client_ranges=ranges)) == [f"clientRanges[{index}]" for index in (1, 2, 3, 4)]


def test_ranges_that_overlap_are_refused() -> None:
    problems = found(replication_cidr="192.168.100.0/25")
    assert "overlap" in problems["replicationCidr"]
    assert "inside replicationCidr" in problems["nodes[0].replicationAddress"]


@pytest.mark.parametrize(
    "changes",
    [
        {"admin_cidrs": ["10.0.0.0/8", "198.51.100.7/32"]},
        {"client_ranges": ["192.168.0.0/16", "172.16.0.0/12", "10.40.16.0/20", "10.0.0.64/26"]},
        {"client_ranges": ["10.128.0.0/9", "100.64.0.0/10"], "require_client_tls": False},
        {"client_ranges": ["198.51.100.7/32", "10.0.0.0/8"]},
        {"client_cidr": "192.168.100.0/28", "nodes": nodes(client_address="192.168.100.4")},
        {"nodes": nodes(server_id=2**32 - 1)},
        {"tags": {"Größe": "zwei, drei".replace(",", " +"), "x" * 128: "y" * 256}},
        {"mysql_archive_url": f"{HERE} {HERE}"},
        {"mysql_archive_url": HERE.replace("https", "http"), "mysql_archive_checksum": SHA256},
        {"mysql_settings": {"init-connect": "SET NAMES utf8", "sql_mode": ""}},
        {"databases": ["app", "my-shop$1", "x" * 64]},
        {"users": [user("my.app-1", privileges=("select", "CREATE VIEW"))]},
        {"passwords": {"root": "!#$%&()*+,-./:;<=>?@[]^_`{|}~a", "app": "x" * 32}},
        {"mysql_settings": {"max_connections": "30", "max_user_connections": "0"}},
        {"mysql_settings": {"sql_mode": "ANSI", "autocommit": "0", "wait_timeout": "5"}},
    ],
)
def test_what_is_sound_is_not_refused(changes: dict[str, Any]) -> None:
    changes.setdefault("nodes", list(ARTICLE_NODES))
    problems = found(**changes)
    # The other node's address is outside the smaller range.
    problems.pop("nodes[1].clientAddress", None) if "client_cidr" in changes else None
    assert problems == {}


def test_no_password_is_in_a_message() -> None:
    for word in ("hush", "hush hush"):
        assert "hush" not in str(found(mysql_archive_url=f"https://me:{word}@example.org/a.tar.gz"))
    text = "\n".join(found(passwords={"root": "hush hush hush", "app": "hu", "nobody": "hush"}))
    assert "hush" not in text


def test_the_types_that_aws_lists_are_refused_by_architecture_alone() -> None:
    """AWS's own list, as moto keeps it: every x86-64 type passes, no other does, and each has the
    two interfaces that a node needs."""
    folder = Path(moto.ec2.__file__).parent / "resources"
    listed = json.loads(gzip.decompress((folder / "instance_types.json.gz").read_bytes()))
    assert len(listed) > 1000
    for name, described in listed.items():
        architectures = described["ProcessorInfo"]["SupportedArchitectures"]
        assert bool(found(instance_type=name)) == ("x86_64" not in architectures), name
        assert described["NetworkInfo"]["MaximumNetworkInterfaces"] >= 2, name


@pytest.mark.parametrize(
    ("given", "region", "wrong"),
    [
        ("eu-central-1a", "eu-central-1", False),
        ("us-west-2-lax-1a", "us-west-2", False),
        ("", "eu-central-1", False),
        ("us-east-1a", None, False),
        ("us-east-1a", "eu-central-1", True),
        ("eu-central-1", "eu-central-1", True),
        ("eu-central-11a", "eu-central-1", True),
    ],
)
def test_a_zone_of_another_region_is_refused(given: str, region: str | None, wrong: bool) -> None:
    settings = RingArgs(admin_cidrs=ADMIN, availability_zone=given)
    assert bool(list(zone(settings, region))) is wrong


def test_the_region_of_the_provider_is_the_one_that_counts() -> None:
    pulumi.runtime.set_all_config(
        {
            "aws:region": "eu-central-1",
            "mysql-ring:adminCidrs": json.dumps(ADMIN),
            "mysql-ring:availabilityZone": "us-east-1a",
        },
        [],
    )
    with pytest.raises(SettingsError) as caught:
        configured()
    assert [problem.setting for problem in caught.value.problems] == ["availabilityZone"]


def test_what_depends_on_an_unread_setting_is_not_judged() -> None:
    """With users unread nobody knows whose password this is."""
    values = {
        "adminCidrs": list(ADMIN),
        "databases": "shop",
        "users": [{"name": "shop", "databases": ["shop"], "grants": []}],
        "passwords": {"shop": "word-of-shop"},
    }
    texts = {f"mysql-ring:{name}": json.dumps(value) for name, value in values.items()}
    pulumi.runtime.set_all_config(texts, ["mysql-ring:passwords"])
    with pytest.raises(SettingsError) as caught:
        configured()
    settings = [problem.setting for problem in caught.value.problems]
    assert sorted(settings) == ["databases", "users[0].grants"]
