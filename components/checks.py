"""What the settings must keep to, whatever they were read from.

Each check is a pure function that yields the mistakes it finds, so that one error can list all.
"""

import ipaddress
import re
from collections.abc import Callable
from difflib import get_close_matches
from itertools import combinations

from components import accounts, given_keys, keeping, volumes
from components.inputs import Texts, known
from components.mysql.configuration import (
    LEAST,
    OWNED,
    UNLIMITED,
    full_name,
    known_settings,
    plain_name,
)
from components.problems import Found, Problem
from components.settings import RingArgs

# VPC and subnet sizes: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
LARGEST_SUBNET_PREFIX = 16
SMALLEST_SUBNET_PREFIX = 28
# AWS keeps the first four addresses of a subnet and the last one.
RESERVED_AT_THE_START = 4
PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
# Of carriers, and inside VPCs as well: https://www.rfc-editor.org/rfc/rfc6598
SHARED_RANGE = ipaddress.IPv4Network("100.64.0.0/10")
# No host on another network has an address in these: https://www.rfc-editor.org/rfc/rfc6890
NO_CLIENTS = tuple(
    ipaddress.IPv4Network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
)
# The largest private range. Whatever is wider holds a part of the internet that nobody owns alone.
WIDEST_PREFIX = 8
LARGEST_SERVER_ID = 2**32 - 1
# The agent asks about once a second: with fewer a lost packet would be a lost peer.
OPEN_WITHOUT_PEER_SECONDS = (5, 3600)
NODE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
RING_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
# A role's name has 64 characters: ring-node-role-identity- and the seven that Pulumi adds.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_NAMES = 64 - len("--role-identity-") - 7
INSTANCE_TYPE = re.compile(r"(?P<family>[a-z][a-z0-9-]*)\.[a-z0-9-]+")
# AWS's names: a g among the letters after the generation is Graviton. Of interfaces there is
# nothing to check: DescribeInstanceTypes lists no type with fewer than two.
# https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
NOT_X86_FAMILY = re.compile(r"a1|mac.*|[a-z]+\d+[a-z]*g[a-z]*(-.*)?")
URL = re.compile(r"(?P<scheme>https?)://(?![^/]*@)[A-Za-z0-9.-]+(:\d+)?/[!-~]+")
CHECKSUM = re.compile(r"sha256:[0-9a-fA-F]{64}|md5:[0-9a-fA-F]{32}")
# Tags that the program sets itself. Roles carry them too, and IAM's rules are the strictest:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
OWN_TAGS = ("Name", "Project", "Ring", "Stack")
MOST_TAGS = 50
LONGEST_TAG_NAME = 128
LONGEST_TAG_VALUE = 256
TAG_TEXT = re.compile(r"[\w .:/=+@-]*")


def network(text: str) -> ipaddress.IPv4Network | None:
    """The range, if the text is the one way in which AWS writes it."""
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def expected_range(text: str, example: str) -> str:
    """What may have been meant by a text that is no range."""
    try:
        meant = ipaddress.IPv4Network(text.strip(), strict=False)
    except ValueError:
        return f"an IPv4 range such as {example}"
    return f"a range by its first address and its size: {meant}"


def address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def admin_ranges(settings: RingArgs) -> Found:
    if not settings.admin_cidrs:
        expected = "the ranges that may use SSH, such as the address you come from with /32"
        yield Problem("adminCidrs", "nothing", expected)
    for index, text in enumerate(settings.admin_cidrs):
        setting, found = f"adminCidrs[{index}]", network(text)
        if found is None:
            yield Problem(setting, repr(text), expected_range(text, "198.51.100.0/24"))
        elif found.prefixlen < WIDEST_PREFIX:
            expected = f"/{WIDEST_PREFIX} or smaller: SSH is not for the whole internet"
            yield Problem(setting, repr(text), expected)
        if settings.admin_cidrs.index(text) != index:
            yield Problem(setting, f"{text} again", "each range once")


def client_ranges(settings: RingArgs) -> Found:
    """Ranges that may reach MySQL: apart from one another, so that each has its own rule and its
    own accounts."""
    replication = network(settings.replication_cidr)
    for index, text in enumerate(settings.client_ranges):
        setting, found = f"clientRanges[{index}]", network(text)
        if found is None:
            yield Problem(setting, repr(text), expected_range(text, "10.40.0.0/16"))
            continue
        if found.prefixlen < WIDEST_PREFIX:
            expected = f"/{WIDEST_PREFIX} or smaller: MySQL is not for the whole internet"
            yield Problem(setting, repr(text), expected)
            continue
        if any(found.overlaps(each) for each in NO_CLIENTS):
            yield Problem(setting, text, "addresses that a client on a network has")
        if replication and found.subnet_of(replication):
            expected = (
                f"a range outside of replicationCidr {replication}: what the nodes answer to there "
                "leaves by the network for replication"
            )
            yield Problem(setting, text, expected, compared="replicationCidr")
        inside = any(found.subnet_of(each) for each in (*PRIVATE_RANGES, SHARED_RANGE))
        if not inside and settings.require_client_tls is False:
            expected = "a private range, or requireClientTls true: it comes over the internet"
            yield Problem(setting, text, expected, compared="requireClientTls")
        for other in map(network, settings.client_ranges[:index]):
            if found == other:
                yield Problem(setting, f"{text} again", "each range once")
                break
            if other and found.overlaps(other):
                wide, narrow = sorted((found, other), key=lambda each: each.prefixlen)
                yield Problem(setting, text, f"one of both: {narrow} is a part of {wide}")
                break


def node_range(text: str, example: str) -> tuple[ipaddress.IPv4Network | None, str]:
    """The range of a network of the nodes, or what was expected in its place."""
    found = network(text)
    if found is None:
        return None, expected_range(text, example)
    if not any(found.subnet_of(private) for private in PRIVATE_RANGES):
        return None, "a private range, inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
    if not LARGEST_SUBNET_PREFIX <= found.prefixlen <= SMALLEST_SUBNET_PREFIX:
        sizes = f"/{LARGEST_SUBNET_PREFIX} to /{SMALLEST_SUBNET_PREFIX}"
        return None, f"a size from {sizes}, as AWS has it for a VPC"
    return found, ""


def node_networks(settings: RingArgs) -> Found:
    """Both ranges, and the addresses inside those ranges that are sound."""
    client, client_expected = node_range(settings.client_cidr, "192.168.100.0/24")
    if client is None:
        yield Problem("clientCidr", repr(settings.client_cidr), client_expected)
    replication, expected = node_range(settings.replication_cidr, "10.10.1.0/24")
    if replication is None:
        yield Problem("replicationCidr", repr(settings.replication_cidr), expected)
    if client and replication and client.overlaps(replication):
        expected = f"a range that does not overlap clientCidr {client}"
        yield Problem("replicationCidr", repr(settings.replication_cidr), expected)
    for index, node in enumerate(settings.nodes):
        where = f"nodes[{index}]"
        yield from node_address(f"{where}.clientAddress", node.client_address, "clientCidr", client)
        given = node.replication_address
        yield from node_address(
            f"{where}.replicationAddress", given, "replicationCidr", replication
        )


def node_address(setting: str, text: str, of: str, inside: ipaddress.IPv4Network | None) -> Found:
    found = address(text)
    if found is None:
        yield Problem(setting, repr(text), "an IPv4 address")
    elif inside is not None and found not in inside:
        yield Problem(setting, text, f"an address inside {of} {inside}")
    elif inside is not None and (
        int(found) < int(inside.network_address) + RESERVED_AT_THE_START
        or found == inside.broadcast_address
    ):
        expected = f"none of the first four and not the last address of {inside}"
        yield Problem(setting, text, f"{expected}: AWS keeps those")


def two_nodes(settings: RingArgs) -> Found:
    if len(settings.nodes) != 2:
        yield Problem("nodes", f"{len(settings.nodes)} nodes", "exactly two")
    for index, node in enumerate(settings.nodes):
        where = f"nodes[{index}]"
        if not NODE_NAME.fullmatch(node.name):
            expected = "1 to 32 of a-z, 0-9 and -, a letter first"
            yield Problem(f"{where}.name", repr(node.name), expected)
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


def instance_type(_: RingArgs, texts: Texts) -> Found:
    if "instanceType" not in texts:
        return
    text = texts["instanceType"]
    found = INSTANCE_TYPE.fullmatch(text)
    if not found or NOT_X86_FAMILY.fullmatch(found["family"]):
        expected = "an x86-64 type such as t3.small or m6i.large, as MySQL 5.6 is"
        yield Problem("instanceType", repr(text), expected)


def open_without_peer(settings: RingArgs) -> Found:
    least, most = OPEN_WITHOUT_PEER_SECONDS
    seconds = settings.open_without_peer_seconds
    if not least <= seconds <= most:
        yield Problem("openWithoutPeerSeconds", str(seconds), f"{least} to {most} seconds")


def in_region(zone: str, region: str) -> bool:
    """Whether a zone's name is one of that region's, local zones among them."""
    return re.fullmatch(rf"{re.escape(region)}[a-z-][a-z0-9-]*", zone) is not None


def zone(settings: RingArgs, region: str | None) -> Found:
    """Whether the zone is one of the region's, where the region is known."""
    given = settings.availability_zone
    if given and region and not in_region(given, region):
        expected = f"a zone of aws:region {region}, such as {region}a"
        yield Problem("availabilityZone", repr(given), expected)


def tags(settings: RingArgs, texts: Texts) -> Found:
    most = MOST_TAGS - len(OWN_TAGS)
    if len(settings.tags) > most:
        expected = f"at most {most}, as {', '.join(OWN_TAGS)} are there too and AWS takes 50"
        yield Problem("tags", f"{len(settings.tags)} tags", expected)
    # IAM makes no difference between small and capital letters in the name of a tag.
    seen = {name.lower() for name in OWN_TAGS}
    for name in settings.tags:
        setting = f"tags.{name}"
        if name.lower() in seen:
            expected = f"a name other than {', '.join(OWN_TAGS)}, each once in any case"
            yield Problem(setting, repr(name), expected)
        seen.add(name.lower())
        if name.lower().startswith("aws:"):
            yield Problem(setting, repr(name), "a name without aws:, which AWS keeps for itself")
        for what, text, longest in (
            ("a name", name, LONGEST_TAG_NAME),
            ("a value", texts.get(setting, ""), LONGEST_TAG_VALUE),
        ):
            if len(text) > longest:
                expected = f"{what} of at most {longest}"
                yield Problem(setting, f"{len(text)} characters", expected)
            if not TAG_TEXT.fullmatch(text) or (what == "a name" and not text):
                expected = f"{what} of letters, digits, spaces and _ . : / = + - @"
                yield Problem(setting, repr(text), expected)


def archive(_: RingArgs, texts: Texts) -> Found:
    checksum = texts.get("mysqlArchiveChecksum")
    url = texts.get("mysqlArchiveUrl", "")
    for each in (url.split() or [""]) if "mysqlArchiveUrl" in texts else ():
        found = URL.fullmatch(each)
        if not found:
            expected = "https://HOST/PATH of a .tar.gz, without a user or a password"
            # Whatever stands before an @ may be a password, also one with a space in it.
            yield Problem("mysqlArchiveUrl", repr(re.sub(r"//.*@", "//...@", url)), expected)
        elif found["scheme"] == "http" and checksum and not checksum.startswith("sha256:"):
            expected = "https://, or a sha256 in mysqlArchiveChecksum"
            yield Problem("mysqlArchiveUrl", repr(each), expected, compared="mysqlArchiveChecksum")
    if checksum is not None and not CHECKSUM.fullmatch(checksum):
        expected = "sha256: and 64 hexadecimal digits, or md5: and 32"
        yield Problem("mysqlArchiveChecksum", repr(checksum), expected)


def mysql_settings(settings: RingArgs, texts: Texts) -> Found:
    if not settings.mysql_settings:
        return
    options = known_settings()
    seen: dict[str, str] = {}
    for name in settings.mysql_settings:
        setting, plain, meant = f"mysqlSettings.{name}", plain_name(name), full_name(name)
        value = texts.get(setting)
        shown = "an output" if value is None else repr(value)
        if meant in OWNED:
            yield Problem(setting, shown, f"no such setting: the ring sets {meant} itself")
        elif plain not in options:
            near = [meant] if meant in options else get_close_matches(meant, options - OWNED, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            expected = f"the full name of a server option of MySQL 5.6{hint}"
            yield Problem(setting, shown, expected)
        if plain == "log_warnings" and value is not None and value.strip() in ("0", "-0", "+0"):
            expected = "1 or 2: at 0 MySQL says nothing of rows that the slave passes over"
            yield Problem(setting, shown, expected)
        if plain in seen:
            yield Problem(setting, f"{seen[plain]} and {name}", "one of them: to MySQL - is _")
        seen[plain] = name
        if value is not None and plain in LEAST and value.isdecimal():
            given, least = int(value), LEAST[plain]
            if given < least and given != UNLIMITED.get(plain):
                yield Problem(setting, shown, f"at least {least}: the ring itself needs some")
        if value is not None and (not value.isprintable() or "#" in value):
            expected = "a value on one line, without # which begins a comment"
            yield Problem(setting, shown, expected)


SHAPES: tuple[Callable[[RingArgs], Found], ...] = (
    admin_ranges,
    client_ranges,
    node_networks,
    two_nodes,
    volumes.root,
    volumes.data,
    open_without_peer,
    accounts.databases,
    accounts.users,
    keeping.bucket,
    keeping.bounds,
    keeping.schedules,
    keeping.restore_from,
)
VALUES: tuple[Callable[[RingArgs, Texts], Found], ...] = (
    instance_type,
    tags,
    archive,
    mysql_settings,
    accounts.passwords,
    given_keys.authority,
    given_keys.nodes,
    given_keys.ssh_key,
)


def problems_of(settings: RingArgs) -> list[Problem]:
    """Every mistake that can be seen before any output is known, in the order of the checks."""
    shapes = [problem for check in SHAPES for problem in check(settings)]
    return [*shapes, *problems_in(settings, known(settings))]


def problems_in(settings: RingArgs, texts: Texts) -> Found:
    """Every mistake in values that may be outputs, as far as `texts` has them."""
    for check in VALUES:
        yield from check(settings, texts)


def ring_name(name: str, settings: RingArgs) -> Found:
    """AWS's names of roles and of the bucket begin with the ring's."""
    most = LONGEST_NAMES - max((len(node.name) for node in settings.nodes), default=0)
    if not RING_NAME.fullmatch(name) or len(name) > most:
        expected = f"1 to {most} of a-z, 0-9 and -, a letter first, as nodes are called as they are"
        yield Problem("name of the ring", repr(name), expected)
