"""The settings whose values may be outputs: what is known of them now, and what is not yet.

A value is judged as soon as it is known. One that is known when the ring is declared is judged
before anything is touched, with all other settings. An output is judged when it resolves, and
nothing that takes it is declared before that.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace

import pulumi

from components.problems import Found, Problem, SettingsError
from components.settings import NodeCertificate, RingArgs, camel

Texts = Mapping[str, str]
"""The values that are known, by the names of their settings, such as `passwords.root`."""
Judge = Callable[[RingArgs, Texts], Found]

SINGLE = (
    "instance_type",
    "mysql_archive_url",
    "mysql_archive_checksum",
    "ssh_private_key",
    "ca_certificate",
    "ca_private_key",
)
MAPPINGS = ("mysql_settings", "tags", "passwords")
# No message about these holds any part of their values.
NEVER_SHOWN = (
    "sshPrivateKey",
    "caCertificate",
    "caPrivateKey",
    "nodeCertificates",
    "passwords",
)
FLAGS = ("require_client_tls", "destroy_bucket_contents")


def given(value: pulumi.Input[str]) -> bool:
    """Whether there is a value: an output is one, whatever it will be."""
    return not (isinstance(value, str) and value == "")


def known(args: RingArgs) -> Texts:
    """What can be judged now."""
    return {name: value for name, value in _each(args) if isinstance(value, str)}


def judged_when_known(args: RingArgs, judge: Judge) -> RingArgs:
    """The same settings, in which each output waits until all of them that can be known are judged.

    An output keeps its own secrecy, in messages too, and its own dependencies. What is unknown in a
    preview is judged in the update.
    """
    pending = {
        name: pulumi.Output.from_input(value)
        for name, value in _each(args)
        if not isinstance(value, str)
    }
    if not pending:
        return args

    async def look() -> None:
        texts, problems, secret = dict(known(args)), [], set()
        for name, output in pending.items():
            value = await output.future()
            if await output.is_secret():
                secret.add(name)
            if isinstance(value, str):
                texts[name] = value
            elif value is not None or await output.is_known():
                problems.append(Problem(name, "an output that is no text", "a text"))
        problems += judge(args, texts)
        if problems:
            shown = [
                replace(each, found="a secret")
                if each.setting in secret and each.root not in NEVER_SHOWN
                else each
                for each in problems
            ]
            raise SettingsError(shown, late=True)

    done = pulumi.Output.from_input(look())

    def wait(name: str, value: pulumi.Input[str]) -> pulumi.Input[str]:
        if name not in pending:
            return value
        return pulumi.Output.all(pending[name], done).apply(lambda both: both[0])

    return _changed(args, wait)


def plain_fields(args: RingArgs) -> Found:
    """An output where a plain value is needed."""
    for each in fields(args):
        value = getattr(args, each.name)
        if each.name not in (*SINGLE, *FLAGS):
            yield from _plain(camel(each.name), value, values=each.name not in MAPPINGS)


def _plain(setting: str, value: object, *, values: bool = True) -> Found:
    if isinstance(value, pulumi.Output):
        expected = "a plain value: it shapes the ring, or is checked before anything is touched"
        yield Problem(setting, "an output", expected)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _plain(f"{setting}[{index}]", each)
    elif is_dataclass(value) and not isinstance(value, NodeCertificate):
        for each in fields(value):
            yield from _plain(f"{setting}.{camel(each.name)}", getattr(value, each.name))
    elif isinstance(value, dict) and values:
        for key, each in value.items():
            yield from _plain(f"{setting}.{key}", each)


def _each(args: RingArgs) -> Iterator[tuple[str, pulumi.Input[str]]]:
    found: list[tuple[str, pulumi.Input[str]]] = []

    def note(name: str, value: pulumi.Input[str]) -> pulumi.Input[str]:
        found.append((name, value))
        return value

    _changed(args, note)
    return iter(found)


def _changed(
    args: RingArgs, change: Callable[[str, pulumi.Input[str]], pulumi.Input[str]]
) -> RingArgs:
    """The settings with each value that may be an output changed."""
    single = {name: change(camel(name), getattr(args, name)) for name in SINGLE}
    mappings = {
        name: {
            key: change(f"{camel(name)}.{key}", value) for key, value in getattr(args, name).items()
        }
        for name in MAPPINGS
    }
    certificates = {
        node: NodeCertificate(
            change(f"nodeCertificates.{node}.certificate", each.certificate),
            change(f"nodeCertificates.{node}.key", each.key),
        )
        for node, each in args.node_certificates.items()
    }
    return replace(args, **single, **mappings, node_certificates=certificates)
