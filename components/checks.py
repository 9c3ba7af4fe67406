"""What the settings must keep to, whatever they were read from.

Each check is a pure function that yields the mistakes it finds, so that one error can list all.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from itertools import combinations

from components.mysql.configuration import OWNED, known_settings, plain_name
from components.problems import Problem, SettingsError
from components.settings import Settings

# VPC and subnet sizes: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
LARGEST_SUBNET_PREFIX = 16
SMALLEST_SUBNET_PREFIX = 28
# AWS keeps the first four addresses of a subnet and the last one.
RESERVED_AT_THE_START = 4
PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
# MySQL 5.6: MASTER_PASSWORD holds 32 characters, an account's name 16, a schema's name 64.
LONGEST_PASSWORD = 32
LONGEST_USER = 16
LONGEST_DATABASE = 64
LARGEST_SERVER_ID = 2**32 - 1
SMALLEST_ROOT_VOLUME_GIB = 8
LARGEST_ROOT_VOLUME_GIB = 16384
# What a client's option file and a shell take without quoting.
PASSWORD = re.compile(r"[A-Za-z0-9_.+/=@%,:-]{1,32}")
IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
NODE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
SYSTEM_DATABASES = ("mysql", "information_schema", "performance_schema", "mysql_ring", "test")
PEER_USER = "ring_peer"
HEARTBEAT_USER = "ring_heartbeat"
# The replication account in the output `passwords`, whatever it is called on the servers.
REPLICATION_OUTPUT = "replication"
# Tags that the program sets itself, and the prefix that AWS keeps.
OWN_TAGS = ("Name", "Project", "Stack")

Found = Iterator[Problem]


def system_users(settings: Settings) -> tuple[str, ...]:
    """The accounts that every ring has."""
    return ("root", settings.replication_user, PEER_USER, HEARTBEAT_USER)


def network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def admin_ranges(settings: Settings) -> Found:
    if not settings.admin_cidrs:
        yield Problem("adminCidrs", "nothing", "the ranges that SSH is allowed from")
    for index, text in enumerate(settings.admin_cidrs):
        if network(text) is None:
            expected = "an IPv4 range such as 198.51.100.0/24, without host bits"
            yield Problem(f"adminCidrs[{index}]", text, expected)
        elif text.endswith("/0"):
            yield Problem(f"adminCidrs[{index}]", text, "a range, not the whole internet")


def node_ranges(settings: Settings) -> Found:
    given = {
        "clientCidr": settings.client_cidr,
        "replicationCidr": settings.replication_cidr,
    }
    for setting, text in given.items():
        found = network(text)
        if found is None:
            yield Problem(setting, text, "an IPv4 range such as 10.10.1.0/24, without host bits")
        elif not any(found.subnet_of(private) for private in PRIVATE_RANGES):
            yield Problem(setting, text, "a range inside 10/8, 172.16/12 or 192.168/16")
        elif not LARGEST_SUBNET_PREFIX <= found.prefixlen <= SMALLEST_SUBNET_PREFIX:
            expected = f"a size from /{LARGEST_SUBNET_PREFIX} to /{SMALLEST_SUBNET_PREFIX}"
            yield Problem(setting, text, f"{expected}, as AWS has it for a VPC")
    client, replication = network(settings.client_cidr), network(settings.replication_cidr)
    if client and replication and client.overlaps(replication):
        expected = f"a range that does not overlap clientCidr {settings.client_cidr}"
        yield Problem("replicationCidr", settings.replication_cidr, expected)


def node_addresses(settings: Settings) -> Found:
    ranges = {
        "clientAddress": ("clientCidr", network(settings.client_cidr)),
        "replicationAddress": ("replicationCidr", network(settings.replication_cidr)),
    }
    for index, node in enumerate(settings.nodes):
        given = {
            "clientAddress": node.client_address,
            "replicationAddress": node.replication_address,
        }
        for key, text in given.items():
            setting = f"nodes[{index}].{key}"
            of, inside = ranges[key]
            found = address(text)
            if found is None:
                yield Problem(setting, text, "an IPv4 address")
            elif inside is not None and found not in inside:
                yield Problem(setting, text, f"an address inside {of} {inside}")
            elif inside is not None and (
                found < inside[RESERVED_AT_THE_START] or found == inside.broadcast_address
            ):
                expected = f"none of the first four and not the last address of {inside}"
                yield Problem(setting, text, f"{expected}: AWS keeps those")


def two_nodes(settings: Settings) -> Found:
    if len(settings.nodes) != 2:
        yield Problem("nodes", f"{len(settings.nodes)} nodes", "exactly two")
    for index, node in enumerate(settings.nodes):
        where = f"nodes[{index}]"
        if not NODE_NAME.fullmatch(node.name):
            expected = "a name of a-z, 0-9 and -, at most 32 characters"
            yield Problem(f"{where}.name", node.name, expected)
        if not 1 <= node.server_id <= LARGEST_SERVER_ID:
            yield Problem(f"{where}.serverId", str(node.server_id), f"1 to {LARGEST_SERVER_ID}")
        if not 1 <= node.auto_increment_offset <= 2:
            found = str(node.auto_increment_offset)
            yield Problem(f"{where}.autoIncrementOffset", found, "1 or 2, one for each node")
    for one, other in combinations(settings.nodes, 2):
        pairs = {
            "name": (one.name, other.name),
            "clientAddress": (one.client_address, other.client_address),
            "replicationAddress": (one.replication_address, other.replication_address),
            "serverId": (one.server_id, other.server_id),
            "autoIncrementOffset": (one.auto_increment_offset, other.auto_increment_offset),
        }
        for key, (left, right) in pairs.items():
            if left == right:
                yield Problem(f"nodes.{key}", f"{left} twice", "a value of its own for each node")


def machine(settings: Settings) -> Found:
    if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", settings.instance_type):
        yield Problem("instanceType", settings.instance_type, "a type such as t3.small")
    size = settings.root_volume_gib
    if not SMALLEST_ROOT_VOLUME_GIB <= size <= LARGEST_ROOT_VOLUME_GIB:
        expected = f"{SMALLEST_ROOT_VOLUME_GIB} to {LARGEST_ROOT_VOLUME_GIB} GiB"
        yield Problem("rootVolumeGib", str(size), expected)
    for name in settings.tags:
        if name in OWN_TAGS or name.lower().startswith("aws:"):
            expected = f"none of {', '.join(OWN_TAGS)} and no name that starts with aws:"
            yield Problem(f"tags.{name}", "a tag", expected)


def archive(settings: Settings) -> Found:
    url = settings.mysql_archive_url
    if not re.fullmatch(r"https?://[^/\s@]+/\S+", url):
        yield Problem("mysqlArchiveUrl", url, "an http(s) address of a .tar.gz, without a password")
    if not CHECKSUM.fullmatch(settings.mysql_archive_checksum):
        expected = "sha256: and 64 or md5: and 32 hexadecimal digits, lower case"
        yield Problem("mysqlArchiveChecksum", settings.mysql_archive_checksum, expected)


def mysql_settings(settings: Settings) -> Found:
    if not settings.mysql_settings:
        return
    known = known_settings()
    for name, value in settings.mysql_settings.items():
        setting = f"mysqlSettings.{name}"
        if plain_name(name) in OWNED:
            yield Problem(setting, value, "no value: the ring sets this one itself")
        elif plain_name(name) not in known:
            yield Problem(setting, value, "the full name of a server option of MySQL 5.6")
        elif "\n" in value or "\r" in value:
            yield Problem(setting, repr(value), "a value on one line")


def accounts(settings: Settings) -> Found:
    own = system_users(settings)
    for index, name in enumerate(settings.databases):
        setting = f"databases[{index}]"
        if not IDENTIFIER.fullmatch(name) or len(name) > LONGEST_DATABASE:
            expected = f"letters, digits and _, at most {LONGEST_DATABASE} characters"
            yield Problem(setting, name, expected)
        elif name.lower() in SYSTEM_DATABASES:
            yield Problem(setting, name, f"none of {', '.join(SYSTEM_DATABASES)}")
    named = {f"users[{index}].name": user.name for index, user in enumerate(settings.users)}
    for setting, name in {**named, "replicationUser": settings.replication_user}.items():
        if not IDENTIFIER.fullmatch(name) or len(name) > LONGEST_USER:
            expected = f"letters, digits and _, at most {LONGEST_USER} characters"
            yield Problem(setting, name, expected)
    if settings.replication_user in ("root", PEER_USER, HEARTBEAT_USER):
        yield Problem("replicationUser", settings.replication_user, "a name of its own")
    names = [user.name for user in settings.users]
    for index, user in enumerate(settings.users):
        if user.name in (*own, REPLICATION_OUTPUT):
            expected = f"none of {', '.join((*own, REPLICATION_OUTPUT))}"
            yield Problem(f"users[{index}].name", user.name, expected)
        if names.index(user.name) != index:
            yield Problem(f"users[{index}].name", user.name, "a name that no other user has")
        for database in user.databases:
            if database not in settings.databases:
                expected = f"one of the setting databases: {', '.join(settings.databases)}"
                yield Problem(f"users[{index}].databases", database, expected)
        for privilege in user.privileges:
            if not re.fullmatch(r"[A-Z]+( [A-Z]+)*", privilege):
                expected = "a privilege as GRANT writes it, such as SELECT or CREATE VIEW"
                yield Problem(f"users[{index}].privileges", privilege, expected)


def secrets(settings: Settings) -> Found:
    known = {*system_users(settings), *(user.name for user in settings.users)}
    for name, password in settings.passwords.items():
        setting = f"passwords.{name}"
        if name not in known:
            yield Problem(setting, "a password", f"an account: {', '.join(sorted(known))}")
        elif len(password) > LONGEST_PASSWORD:
            expected = f"at most {LONGEST_PASSWORD}, the limit of MASTER_PASSWORD in 5.6"
            yield Problem(setting, f"{len(password)} characters", expected)
        elif not PASSWORD.fullmatch(password):
            expected = "1 to 32 of the letters, digits and _ . + / = @ % , : -"
            yield Problem(setting, "a password with other characters", expected)
    if bool(settings.ca_certificate) != bool(settings.ca_private_key):
        both_nodes_given = {node.name for node in settings.nodes} <= set(settings.node_certificates)
        if not (settings.ca_certificate and both_nodes_given):
            given = "caCertificate" if settings.ca_certificate else "caPrivateKey"
            missing = "caPrivateKey" if settings.ca_certificate else "caCertificate"
            expected = f"{missing} too, or a certificate for each node in nodeCertificates"
            yield Problem(missing, f"nothing beside {given}", expected)
    if settings.node_certificates and not settings.ca_certificate:
        yield Problem("caCertificate", "nothing", "the certificate that signed nodeCertificates")
    for name, given in settings.node_certificates.items():
        if name not in {node.name for node in settings.nodes}:
            yield Problem(f"nodeCertificates.{name}", "a certificate", "the name of a node")
        if "-----BEGIN RSA PRIVATE KEY-----" not in given.key:
            expected = "an RSA key in PKCS#1 form (BEGIN RSA PRIVATE KEY): 5.6 reads no other"
            yield Problem(f"nodeCertificates.{name}.key", "another form", expected)
    if settings.ssh_private_key and "PRIVATE KEY-----" not in settings.ssh_private_key:
        yield Problem("sshPrivateKey", "another form", "a private key as ssh-keygen writes it")


CHECKS: tuple[Callable[[Settings], Found], ...] = (
    admin_ranges,
    node_ranges,
    node_addresses,
    two_nodes,
    machine,
    archive,
    mysql_settings,
    accounts,
    secrets,
)


def problems_of(settings: Settings) -> list[Problem]:
    """Every mistake in the settings, in the order of the checks."""
    return [problem for check in CHECKS for problem in check(settings)]


def require_sound(settings: Settings) -> None:
    """Raise SettingsError when the settings cannot make a ring."""
    found = problems_of(settings)
    if found:
        raise SettingsError(found)
