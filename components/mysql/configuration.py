"""my.cnf as text: a template, the node's own values, and the settings of the stack."""

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from components.settings import NodeSettings

HERE = Path(__file__).parent

# The ring stands on these. To set one would take it apart, so none can be overridden.
OWNED_NAMES = """
    auto_increment_increment auto_increment_offset basedir bind_address binlog_do_db
    binlog_error_action binlog_format binlog_ignore_db chroot datadir gtid_mode init_file innodb
    innodb_data_file_path innodb_data_home_dir innodb_log_group_home_dir innodb_read_only
    innodb_undo_directory log_bin log_bin_index log_error log_slave_updates master_info_file
    lower_case_table_names master_info_repository pid_file
    plugin_dir port read_only relay_log relay_log_index relay_log_info_file
    relay_log_info_repository relay_log_recovery replicate_do_db replicate_do_table
    replicate_ignore_db replicate_ignore_table replicate_rewrite_db replicate_same_server_id
    replicate_wild_do_table replicate_wild_ignore_table report_host report_port server_id
    secure_file_priv server_id_bits skip_grant_tables skip_name_resolve skip_networking
    skip_slave_start slave_parallel_workers slave_skip_errors slow_query_log_file socket ssl
    ssl_ca ssl_capath ssl_cert ssl_cipher ssl_crl ssl_crlpath ssl_key tmpdir
    transaction_read_only user
"""
OWNED = frozenset(OWNED_NAMES.split())
# Sessions that a server must have room for: those of the ring itself, with some for clients; and
# those of one account of the ring, where 0 is no limit. And rows: at 1 the slave of the peer asks
# this server for its id, is refused, and stops for good.
LEAST = {"max_connections": 30, "max_user_connections": 10, "max_join_size": 1000}
UNLIMITED = {"max_user_connections": 0}
# The one value of this setting that the host makes a number of, when its server starts.
POOL, AUTO = "innodb_buffer_pool_size", "auto"
BY_THE_HOST = f"""\
#
# By the memory of the host, whenever its server starts: docs/my.cnf.md
#
[ring-node]
{POOL} = {AUTO}"""
# MySQL takes these before an option's name.
# https://dev.mysql.com/doc/refman/5.6/en/option-modifiers.html
MODIFIER = re.compile(r"(loose|skip|disable|enable|maximum)_")

END = "# The end of what the program wrote."
SETTING = re.compile(r"(?P<name>[A-Za-z][\w-]*)(?P<equals>\s*=\s*)(?P<value>.*)")


def template() -> str:
    """The text that every node's my.cnf is made from."""
    return (HERE / "mysqld.cnf").read_text()


def known_settings() -> frozenset[str]:
    """The names of the options that mysqld 5.6 lists, with underscores."""
    return frozenset((HERE / "server-options.txt").read_text().split())


def dynamic_settings() -> frozenset[str]:
    """Those that 5.6.24 took by SET GLOBAL, and that the node tool brings in that way."""
    return frozenset((HERE / "dynamic-options.txt").read_text().split())


def needs_restart(old: str, new: str) -> bool:
    """Whether a server that runs with the one my.cnf has to restart for the other one."""
    before, after = values_of(old), values_of(new)
    names = before.keys() | after.keys()
    return not {name for name in names if before.get(name) != after.get(name)} <= (
        dynamic_settings()
    )


def plain_name(name: str) -> str:
    """MySQL reads - and _ in an option's name as the same."""
    return name.replace("-", "_")


def full_name(name: str) -> str:
    """The name of the option that is meant, if it is one: without capitals and modifiers."""
    plain, known = plain_name(name).strip().lower(), known_settings() | OWNED
    while plain not in known and (modifier := MODIFIER.match(plain)):
        plain = plain[modifier.end() :]
    return plain


def values_of(text: str) -> dict[str, str]:
    """The settings of a finished my.cnf, by their names with underscores."""
    found = (SETTING.fullmatch(line) for line in text.splitlines())
    return {plain_name(each["name"]): each["value"] for each in found if each}


def render(text: str, node: NodeSettings, overrides: Mapping[str, str]) -> str:
    """The my.cnf of one node.

    An override takes the place of the template's value, on the same line. What the template does
    not name follows at the end, sorted, so that the order of the settings makes no difference. A
    size that the host is to find follows in a section that mysqld passes over. The
    last line tells the host that the whole text has come.
    """
    filled = Template(text).substitute(
        server_id=node.server_id,
        auto_increment_offset=node.auto_increment_offset,
        replication_address=node.replication_address,
    )
    left = {plain_name(name): value for name, value in overrides.items()}
    by_the_host = left.get(POOL) == AUTO
    if by_the_host:
        del left[POOL]
    lines = []
    for line in filled.splitlines():
        found = SETTING.fullmatch(line)
        name = plain_name(found["name"]) if found else ""
        if found and name in left:
            lines.append(f"{found['name']}{found['equals']}{left.pop(name)}")
        else:
            lines.append(line)
    if left:
        lines += ["", "#", "# Settings of this stack", "#"]
        lines += [f"{name} = {left[name]}" for name in sorted(left)]
    if by_the_host:
        lines += ["", BY_THE_HOST]
    return "\n".join([*lines, "", END]) + "\n"
