"""The documents that verbs read from standard input, checked before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import wrong_input
from ..base.fields import NAME, Fields, kind_of
from ..host.archive import Archive
from ..mysql.login import Login
from ..mysql.tls import Keys

PASSWORD_LONGEST = 32  # MASTER_PASSWORD of MySQL 5.6
USER_LONGEST = 16  # user names of MySQL 5.6
SERVER_ID_LARGEST = 4294967295
SHA256 = re.compile(r"[0-9a-f]{64}")
VOLUME_ID = re.compile(r"vol-[0-9a-f]{8,17}")
VOLUME_LARGEST_GIB = 65536  # of io2; the other types end before
OPEN_WITHOUT_PEER_LONGEST = 3600
# MySQL's option files and client programs read these in a way of their own.
PASSWORD_FORBIDDEN = frozenset("\"'\\ ")
PRIVILEGE = re.compile(r"[A-Z]+( [A-Z]+)*")
DATABASE = re.compile(r"[A-Za-z0-9_$-]{1,64}")
HOST = re.compile(r"[A-Za-z0-9_.%:/-]{1,60}")
RESERVED_DATABASES = frozenset({"mysql", "information_schema", "performance_schema", "mysql_ring"})


@dataclass(frozen=True)
class Node:
    name: str
    server_id: int
    client_address: str
    replication_address: str


@dataclass(frozen=True)
class Peer:
    name: str
    server_id: int
    replication_address: str
    volume_id: str  # another volume holds other data, and so is another peer


@dataclass(frozen=True)
class Pair:
    node: Node
    peer: Peer


@dataclass(frozen=True)
class Volume:
    volume_id: str
    size_gib: int


@dataclass(frozen=True)
class User:
    login: Login
    host: str
    privileges: tuple[str, ...]
    database: str
    require_ssl: bool


@dataclass(frozen=True)
class Accounts:
    replication: Login
    peer: Login
    heartbeat: Login
    peer_address: str
    databases: tuple[str, ...]
    users: tuple[User, ...]


def node(value: Any, where: str = "node") -> Node:
    fields = Fields(value, where)
    result = Node(
        name=fields.matching("name", NAME, "letters, digits, dot, dash"),
        server_id=fields.number("server_id", 1, SERVER_ID_LARGEST),
        client_address=fields.address("client_address"),
        replication_address=fields.address("replication_address"),
    )
    fields.end()
    return result


def peer(value: Any, where: str = "peer") -> Peer:
    fields = Fields(value, where)
    result = Peer(
        name=fields.matching("name", NAME, "letters, digits, dot, dash"),
        server_id=fields.number("server_id", 1, SERVER_ID_LARGEST),
        replication_address=fields.address("replication_address"),
        volume_id=fields.text("volume_id"),
    )
    fields.end()
    return result


def pair(value: Any) -> Pair:
    fields = Fields(value, "document")
    result = _pair(fields)
    fields.end()
    return result


def replicate(value: Any) -> tuple[Pair, int]:
    """Both nodes, and for how many seconds a node does without a peer that cannot be asked."""
    fields = Fields(value, "document")
    result = _pair(fields)
    seconds = fields.number("open_without_peer_seconds", 1, OPEN_WITHOUT_PEER_LONGEST)
    fields.end()
    return result, seconds


def _pair(fields: Fields) -> Pair:
    result = Pair(node(fields.any("node")), peer(fields.any("peer")))
    for name in ("name", "server_id", "replication_address"):
        mine, other = getattr(result.node, name), getattr(result.peer, name)
        if mine == other:
            raise wrong_input(f"node and peer have the same {name}, {mine!r}", "different ones")
    return result


def release(value: Any) -> tuple[str, Node]:
    fields = Fields(value, "document")
    digest = fields.matching("release", NAME, "a digest")
    result = node(fields.any("node"))
    fields.end()
    return digest, result


def archive(value: Any) -> Archive:
    fields = Fields(value, "document")
    url = fields.matching(
        "url",
        re.compile(r"https?://[!-~]+( +https?://[!-~]+)*"),
        "an http or https URL, or several with spaces between them",
    )
    checksum = fields.matching(
        "checksum",
        re.compile(r"sha256:[0-9a-fA-F]{64}|md5:[0-9a-fA-F]{32}"),
        "sha256: with 64 or md5: with 32 hexadecimal digits",
    )
    fields.end()
    algorithm, _, digest = checksum.partition(":")
    return Archive(tuple(url.split()), algorithm, digest.lower())


def volume(value: Any) -> Volume:
    fields = Fields(value, "document")
    result = Volume(
        fields.matching("volume_id", VOLUME_ID, "the id of an EBS volume"),
        fields.number("size_gib", 1, VOLUME_LARGEST_GIB),
    )
    fields.end()
    return result


def keys(value: Any) -> Keys:
    fields = Fields(value, "document")
    result = Keys(fields.text("ca"), fields.text("certificate"), fields.text("key"))
    fields.end()
    return result


def server_files(value: Any) -> dict[str, str]:
    """SHA-256 of what a server must run with: `my_cnf` and `certificate`."""
    fields = Fields(value, "document")
    result = {
        name: fields.matching(name, SHA256, "64 hex digits") for name in ("my_cnf", "certificate")
    }
    fields.end()
    return result


def root_password(value: Any) -> str:
    fields = Fields(value, "document")
    result = password(fields.text("root_password"), "document.root_password")
    fields.end()
    return result


def accounts(value: Any) -> Accounts:
    fields = Fields(value, "document")
    result = Accounts(
        replication=_login(Fields(fields.any("replication"), "replication")),
        peer=_login(Fields(fields.any("peer"), "peer")),
        heartbeat=_login(Fields(fields.any("heartbeat"), "heartbeat")),
        peer_address=fields.address("peer_address"),
        databases=tuple(_database(item, "databases") for item in fields.items("databases")),
        users=tuple(
            _user(Fields(item, f"users[{index}]"))
            for index, item in enumerate(fields.items("users"))
        ),
    )
    fields.end()
    _check_names(result)
    return result


def password(value: str, where: str) -> str:
    """Checks a password; no message ever quotes it."""
    if not 1 <= len(value) <= PASSWORD_LONGEST:
        raise wrong_input(f"{where} has {len(value)} characters", f"1 to {PASSWORD_LONGEST}")
    if any(not "!" <= character <= "~" for character in value) or PASSWORD_FORBIDDEN & set(value):
        raise wrong_input(
            f"{where} has a character that MySQL's client files would change",
            "printable ASCII without space, quotes and backslash",
        )
    return value


def login(value: Mapping[str, Any], where: str) -> Login:
    return _login(Fields(dict(value), where))


def _login(fields: Fields) -> Login:
    user = _user_name(fields.text("user"), fields.where)
    result = Login(user, password(fields.text("password"), f"{fields.where}.password"))
    fields.end()
    return result


def _user(fields: Fields) -> User:
    name = _user_name(fields.text("name"), fields.where)
    secret = password(fields.text("password"), f"{fields.where}.password")
    privileges = fields.any("privileges")
    listed = privileges.split(",") if isinstance(privileges, str) else privileges
    if not isinstance(listed, list) or not listed:
        raise wrong_input(f"{fields.where}.privileges is {kind_of(privileges)}", "privilege names")
    require_ssl = fields.optional("require_ssl", False)
    if not isinstance(require_ssl, bool):
        raise wrong_input(f"{fields.where}.require_ssl is {require_ssl!r}", "true or false")
    result = User(
        Login(name, secret),
        fields.matching("host", HOST, "a host or pattern that MySQL knows"),
        tuple(_privilege(item, fields.where) for item in listed),
        _database(fields.text("database"), fields.where),
        require_ssl,
    )
    fields.end()
    return result


def _user_name(value: str, where: str) -> str:
    if not NAME.fullmatch(value) or len(value) > USER_LONGEST:
        raise wrong_input(
            f"{where}: user name {value!r}",
            f"at most {USER_LONGEST} letters, digits, underscores, dots or dashes",
        )
    return value


def _privilege(value: Any, where: str) -> str:
    name = " ".join(value.upper().split()) if isinstance(value, str) else ""
    name = "ALL PRIVILEGES" if name == "ALL" else name
    if not PRIVILEGE.fullmatch(name) or name == "GRANT OPTION":
        raise wrong_input(f"{where}: privilege {value!r}", "a privilege of MySQL 5.6 on a database")
    return name


def _database(value: Any, where: str) -> str:
    if not isinstance(value, str) or not DATABASE.fullmatch(value):
        raise wrong_input(f"{where}: database {value!r}", "letters, digits, underscores, dashes")
    if value.lower() in RESERVED_DATABASES:
        raise wrong_input(f"{where}: database {value!r}", "a name that the ring does not use")
    return value


def _check_names(document: Accounts) -> None:
    own = [document.replication.user, document.peer.user, document.heartbeat.user]
    users = [f"{user.login.user}@{user.host} on {user.database}" for user in document.users]
    for names, what in ((own, "the ring's accounts"), (users, "users")):
        if len(set(names)) != len(names):
            raise wrong_input(f"{what} are {', '.join(names)}", "each name once")
    accounts: dict[tuple[str, str], User] = {}
    for user in document.users:
        first = accounts.setdefault((user.login.user, user.host), user)
        if (first.login, first.require_ssl) != (user.login, user.require_ssl):
            raise wrong_input(
                f"user {user.login.user}@{user.host} has two passwords or TLS requirements",
                "the same in each of its databases",
            )
        if user.login.user in {*own, "root"}:
            raise wrong_input(f"user {user.login.user!r} belongs to the ring", "another name")
        if user.database not in document.databases:
            raise wrong_input(
                f"user {user.login.user!r} has privileges on {user.database!r}",
                f"one of the databases {', '.join(document.databases) or '(none)'}",
            )
