"""my.cnf: the article's settings with the article's values, and what overrides do to the text."""

import configparser
from pathlib import Path

import pytest

from components.mysql.configuration import (
    END,
    OWNED,
    known_settings,
    plain_name,
    render,
    template,
)
from components.settings import ARTICLE_NODES

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = Path(__file__).parents[3] / "docs" / "my.cnf.md"
ARTICLE = {
    "character-set-server": "utf8",
    "collation-server": "utf8_unicode_ci",
    "ssl": "1",
    "ssl-ca": "/etc/mysql/ssl/CA.pem",
    "ssl-cert": "/etc/mysql/ssl/mysql.pem",
    "ssl-key": "/etc/mysql/ssl/mysql.key",
    "log-bin": "/var/log/mysql/bin.log",
    "binlog-format": "row",
    "log-slave-updates": "1",
    "log-bin-index": "/var/log/mysql/log-bin.index",
    "relay-log": "/var/log/mysql/relay.log",
    "relay-log-info-file": "/var/log/mysql/relay-log.info",
    "relay-log-index": "/var/log/mysql/relay-log.index",
    "replicate-same-server-id": "0",
    "auto_increment_increment": "2",
    "slave_exec_mode": "IDEMPOTENT",
    "innodb_flush_log_at_trx_commit": "1",
    "innodb_flush_method": "O_DIRECT",
    "sync_binlog": "1",
    "innodb_file_per_table": "1",
    "max_allowed_packet": "52M",
    "tmp_table_size": "32M",
    "max_heap_table_size": "32M",
    "query_cache_limit": "512K",
    "query_cache_min_res_unit": "2k",
    "query_cache_size": "80M",
    "innodb_buffer_pool_size": "128M",
    "innodb_buffer_pool_dump_at_shutdown": "1",
    "innodb_buffer_pool_load_at_startup": "1",
}
# The article's settings whose name or value had to change.
CHANGED = {
    "query_cache_type": "2",
    "key_buffer_size": "16M",
    "bind_address": "0.0.0.0",  # noqa: S104
    "ssl-cipher": "ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-SHA:AES256-SHA",
}
EACH_NODES_OWN = {"server-id", "auto_increment_offset", "report_host"}


def settings(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return dict(parser["mysqld"])


def of(index: int, **overrides: str) -> dict[str, str]:
    return settings(render(template(), ARTICLE_NODES[index], overrides))


@pytest.mark.parametrize("index", [0, 1])
def test_my_cnf_is_the_golden_file_of_its_node(index: int) -> None:
    node = ARTICLE_NODES[index]
    golden = GOLDEN / f"{node.name}.cnf"
    assert render(template(), node, {}) == golden.read_text()


@pytest.mark.parametrize("index", [0, 1])
def test_every_setting_of_the_article_has_the_articles_value(index: int) -> None:
    found = of(index)
    assert {name: found.get(name) for name in ARTICLE} == ARTICLE
    assert found["server-id"] == found["auto_increment_offset"] == str(index + 1)


def test_the_nodes_differ_in_these_settings_only() -> None:
    one, other = of(0), of(1)
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == EACH_NODES_OWN


def test_every_deviation_is_listed_with_its_reason() -> None:
    documented = {
        line.split("|")[1].strip().strip("`")
        for line in DOCUMENT.read_text().partition("## Changing a setting")[0].splitlines()
        if line.startswith("| `")
    }
    deviating = set(of(0)) - set(ARTICLE) - {"server-id", "auto_increment_offset"}
    assert documented == deviating


def test_the_settings_that_had_to_change_have_these_values() -> None:
    found = of(0)
    assert {name: found[name] for name in CHANGED} == CHANGED


def test_mysqld_knows_every_setting() -> None:
    names = {plain_name(name) for name in of(0)}
    # mysqld takes `user` and does not list it.
    assert names - known_settings() == {"user"}


def test_an_override_takes_the_place_of_the_value() -> None:
    text = render(template(), ARTICLE_NODES[0], {"innodb-buffer-pool-size": "1G"})
    assert "innodb_buffer_pool_size = 1G\n" in text
    assert "128M" not in text


def test_an_override_that_the_template_lacks_is_added_at_the_end() -> None:
    text = render(template(), ARTICLE_NODES[0], {"max_error_count": "77", "back_log": "90"})
    own, end = "# Settings of this stack\n#\nback_log = 90\nmax_error_count = 77\n", f"\n{END}\n"
    assert text.endswith(own + end)


def test_what_the_ring_stands_on_is_owned_by_it() -> None:
    tuning = {"key_buffer_size", "query_cache_type"}
    own = {plain_name(name) for name in {*EACH_NODES_OWN, *CHANGED}} - tuning
    paths = {plain_name(name) for name, value in of(0).items() if value.startswith("/")}
    assert own | paths <= OWNED


def test_what_a_killed_slave_needs_is_owned_and_what_trades_durability_for_speed_is_told() -> None:
    repositories = {"master_info_repository", "relay_log_info_repository"}
    assert repositories | {"relay_log_recovery", "slave_parallel_workers"} <= OWNED
    assert "binlog_error_action" in OWNED
    # A copy holds what is in the data directory. Started with two files, a young server of 5.6.24
    # does not survive a crash.
    assert {
        "innodb_data_file_path",
        "innodb_data_home_dir",
        "innodb_log_group_home_dir",
        "innodb_undo_directory",
    } <= OWNED
    told = DOCUMENT.read_text().partition("### Speed for durability")[2]
    for name in ("innodb_flush_log_at_trx_commit", "sync_binlog", "innodb_support_xa"):
        assert name in known_settings() - OWNED
        assert f"| `{name}` |" in told
