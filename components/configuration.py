"""How the settings of a stack are read."""

import difflib
import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import pulumi
from pulumi_aws import config as aws

from components.guard import mistakes
from components.problems import Problem, SettingsError
from components.settings import (
    NodeCertificate,
    NodeSettings,
    RestoreSettings,
    RingArgs,
    UserSettings,
    camel,
)

TEXT = "a text; what looks like a number needs quotes"
PLAIN = "one plain value; a number beyond 2^53 needs quotes"
# https://www.rfc-editor.org/rfc/rfc8259#section-6: settings with parts arrive as JSON.
LARGEST_EXACT_NUMBER = 2**53
# Each secret setting, and what `pulumi config set --secret` is given to set it. The CLI takes no
# whole object.
SECRETS = {
    "sshPrivateKey": "sshPrivateKey",
    "caPrivateKey": "caPrivateKey",
    "nodeCertificates": "--path nodeCertificates.NODE.key",
    "passwords": "--path passwords.ACCOUNT",
}


def plain(value: object) -> str | None:
    """A value of my.cnf as text, None for what has parts or is a number that YAML has rounded."""
    if isinstance(value, str):
        return value
    whole_number = isinstance(value, int) and abs(value) <= LARGEST_EXACT_NUMBER
    return json.dumps(value) if whole_number or isinstance(value, (bool, float)) else None


def string(value: object) -> str | None:
    """A text. What YAML reads as a number is another text by now: 0123 has become 83."""
    return value if isinstance(value, str) else None


def whole(value: object) -> int | None:
    """A whole number, also one written as text."""
    try:
        return value if type(value) is int else int(str(value))
    except ValueError:
        return None


def texts(value: object) -> list[str] | None:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    return value


# How a field of a dataclass is read, by its type.
FITS: dict[Any, tuple[str, Any]] = {
    str: (TEXT, string),
    pulumi.Input[str]: (TEXT, string),
    int: ("a whole number", whole),
    list[str]: (f"a list, each {TEXT}", texts),
}


def an_object(shape: type) -> str:
    return f"an object with {', '.join(camel(each.name) for each in fields(shape))}"


class Reader:
    """Reads a stack's configuration and collects everything that has the wrong shape."""

    def __init__(self, config: pulumi.Config) -> None:
        self.config = config
        self.problems: list[Problem] = []

    def refuse(self, setting: str, found: object, expected: str, *, secret: bool = False) -> None:
        shown = json.dumps(found, default=str, ensure_ascii=False)
        self.problems.append(Problem(setting, "a secret" if secret else shown, expected))

    def text(self, setting: str) -> str | None:
        return self.config.get(setting)

    def flag(self, setting: str) -> bool | None:
        text = self.config.get(setting)
        if text is None or text in ("true", "false"):
            return None if text is None else text == "true"
        self.refuse(setting, text, "true or false")
        return None

    def number(self, setting: str) -> int | None:
        text = self.config.get(setting)
        value = None if text is None else whole(text)
        if text is not None and value is None:
            self.refuse(setting, text, "a whole number")
        return value

    def parsed(self, setting: str, kind: type, expected: str) -> Any:
        text = self.config.get(setting)
        if text is None or (text == "" and setting in SECRETS):
            return None
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, kind):
            return value
        self.refuse(setting, text, expected, secret=setting in SECRETS)
        return None

    def strings(self, setting: str) -> list[str] | None:
        values = self.parsed(setting, list, "a list of strings")
        if values is None:
            return None
        for index, value in enumerate(values):
            if string(value) is None:
                self.refuse(f"{setting}[{index}]", value, TEXT)
        return [value for value in values if isinstance(value, str)]

    def pairs(
        self, setting: str, fit: Callable[[object], str | None] = string, expected: str = TEXT
    ) -> dict[str, str] | None:
        """A mapping of names to texts."""
        values = self.parsed(setting, dict, "a mapping of names to values")
        if values is None:
            return None
        read = {name: fit(value) for name, value in values.items()}
        for name, found in read.items():
            if found is None:
                where = f"{setting}.{name}"
                self.refuse(where, values[name], expected, secret=setting in SECRETS)
        return {name: found for name, found in read.items() if found is not None}

    def records(self, setting: str, shape: type) -> list[Any] | None:
        """A list of objects that have the fields of the dataclass `shape`."""
        values = self.parsed(setting, list, "a list of objects")
        if values is None:
            return None
        made = (self.record(f"{setting}[{i}]", value, shape) for i, value in enumerate(values))
        return [record for record in made if record is not None]

    def record(self, setting: str, value: object, shape: type, *, secret: bool = False) -> Any:
        known = {camel(each.name): each for each in fields(shape)}
        expected = an_object(shape)
        if not isinstance(value, dict):
            self.refuse(setting, value, expected, secret=secret)
            return None
        missing = [
            key
            for key, each in known.items()
            if each.default is each.default_factory is MISSING and key not in value
        ]
        wrong = len(self.problems)
        for key in missing:
            self.problems.append(Problem(f"{setting}.{key}", "nothing", expected))
        taken: dict[str, Any] = {}
        for key, entry in value.items():
            if key not in known:
                self.problems.append(Problem(f"{setting}.{key}", "a value", expected))
                continue
            what, fit = FITS[known[key].type]
            taken[known[key].name] = fit(entry)
            if taken[known[key].name] is None:
                self.refuse(f"{setting}.{key}", entry, what, secret=secret)
        return shape(**taken) if len(self.problems) == wrong else None

    def one(self, setting: str, shape: type) -> Any:
        """An object that has the fields of the dataclass `shape`; none when it is empty."""
        value = self.parsed(setting, dict, an_object(shape))
        return self.record(setting, value, shape) if value else None

    def certificates(self, setting: str) -> dict[str, NodeCertificate] | None:
        values = self.parsed(setting, dict, "an object with one entry per node")
        if values is None:
            return None
        made = {
            name: self.record(f"{setting}.{name}", value, NodeCertificate, secret=True)
            for name, value in values.items()
        }
        return {name: record for name, record in made.items() if record is not None}

    def refuse_unknown_names(self, known: list[str]) -> None:
        """A setting that nothing reads is most often a misspelt one."""
        prefix = f"{self.config.name}:"
        for full in pulumi.runtime.config.CONFIG.get():
            name = full.removeprefix(prefix)
            if full.startswith(prefix) and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.problems.append(Problem(name, "a value", f"a setting of Pulumi.yaml{hint}"))

    def refuse_plain_secrets(self) -> None:
        for name in SECRETS:
            full = self.config.full_key(name)
            given = self.config.get(name)
            if given not in (None, "", "{}") and not pulumi.runtime.is_config_secret(full):
                way = SECRETS[name]
                expected = f"an encrypted value: pulumi config set --secret {way}"
                self.problems.append(Problem(name, "a value in plain text", expected))


def read(config: pulumi.Config, ring: str) -> RingArgs:
    """The arguments of the ring of that name, from the configuration of the selected stack.

    Raises SettingsError when something in it cannot be read. Its list has every other mistake too,
    apart from those in what stands at its default because it could not be read.
    """
    reader = Reader(config)
    values: dict[str, Any] = {
        "admin_cidrs": reader.strings("adminCidrs") or [],
        "client_cidr": reader.text("clientCidr"),
        "client_ranges": reader.strings("clientRanges"),
        "replication_cidr": reader.text("replicationCidr"),
        "nodes": reader.records("nodes", NodeSettings),
        "availability_zone": reader.text("availabilityZone"),
        "instance_type": reader.text("instanceType"),
        "root_volume_gib": reader.number("rootVolumeGib"),
        "data_volume_gib": reader.number("dataVolumeGib"),
        "data_volume_type": reader.text("dataVolumeType"),
        "data_volume_iops": reader.number("dataVolumeIops"),
        "data_volume_throughput": reader.number("dataVolumeThroughput"),
        "protect_data": reader.flag("protectData"),
        "open_without_peer_seconds": reader.number("openWithoutPeerSeconds"),
        "mysql_archive_url": reader.text("mysqlArchiveUrl"),
        "mysql_archive_checksum": reader.text("mysqlArchiveChecksum"),
        "mysql_settings": reader.pairs("mysqlSettings", plain, PLAIN),
        "databases": reader.strings("databases"),
        "users": reader.records("users", UserSettings),
        "replication_user": reader.text("replicationUser"),
        "require_client_tls": reader.flag("requireClientTls"),
        "bucket_name": reader.text("bucketName"),
        "destroy_bucket_contents": reader.flag("destroyBucketContents"),
        "keep_backups_days": reader.number("keepBackupsDays"),
        "keep_logs_days": reader.number("keepLogsDays"),
        "keep_versions_days": reader.number("keepVersionsDays"),
        "archive_interval_seconds": reader.number("archiveIntervalSeconds"),
        "backup_schedule": reader.text("backupSchedule"),
        "drill_schedule": reader.text("drillSchedule"),
        "maintenance_schedule": reader.text("maintenanceSchedule"),
        "keep_binlog_hours": reader.number("keepBinlogHours"),
        "disk_warn_percent": reader.number("diskWarnPercent"),
        "disk_critical_percent": reader.number("diskCriticalPercent"),
        "restore_from": reader.one("restoreFrom", RestoreSettings),
        "tags": reader.pairs("tags"),
        "ssh_private_key": reader.text("sshPrivateKey"),
        "ca_certificate": reader.text("caCertificate"),
        "ca_private_key": reader.text("caPrivateKey"),
        "node_certificates": reader.certificates("nodeCertificates"),
        "passwords": reader.pairs("passwords"),
    }
    reader.refuse_unknown_names([camel(name) for name in values])
    reader.refuse_plain_secrets()
    args = RingArgs(**{name: value for name, value in values.items() if value is not None})
    if reader.problems:
        # Of a mapping, whose entries stand for themselves, the other entries are judged.
        unread = {problem.root for problem in reader.problems} - {"mysqlSettings", "tags"}
        seen = mistakes(ring, args, aws.region)
        judged = [each for each in seen if not {each.root, each.compared} & unread]
        raise SettingsError([*reader.problems, *judged])
    return args
