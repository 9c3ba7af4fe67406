"""Settings that arrive as outputs: they stay what they are, and are judged when they are known."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from conftest import Given, ring_args
from pulumi.output import UNKNOWN
from recording import Recorded, attempt, run, step

from components.checks import problems_of
from components.problems import SettingsError
from components.ring import Ring
from components.settings import ARTICLE_NODES, NodeCertificate

pytestmark = pytest.mark.unit

WORD = "a-word-for-the-app"
CHECKSUM = "md5:" + "0" * 32


def later(value: Any) -> pulumi.Output[Any]:
    """A value that is known when its turn in the event loop has come."""
    return pulumi.Output.from_input(value).apply(lambda known: known)


def secret(value: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(value)


def unknown() -> pulumi.Output[Any]:
    """As an output of a resource that a preview does not make."""
    return pulumi.Output.from_input(UNKNOWN)


def with_outputs(given: Given, wrap: Any) -> dict[str, Any]:
    """Everything that may be an output, as one."""
    return {
        "instance_type": later("t3.large"),
        "mysql_archive_url": later("https://example.org/mysql.tar.gz"),
        "mysql_archive_checksum": later(CHECKSUM),
        "mysql_settings": {"max_connections": later("77")},
        "tags": {"Owner": later("me")},
        "require_client_tls": later(False),
        "destroy_bucket_contents": later(True),
        "ssh_private_key": wrap(given.ssh_private_key),
        "ca_certificate": later(given.ca_certificate),
        "ca_private_key": wrap(given.ca_private_key),
        "node_certificates": {
            name: NodeCertificate(later(each.certificate), wrap(each.key))  # type: ignore[arg-type]
            for name, each in given.node_certificates.items()
        },
        "passwords": {"app": wrap(WORD), "root": wrap("another-word")},
    }


def stand_up(changes: Any, **options: Any) -> Recorded:
    """Outputs are made inside of the program, where its event loop is."""
    return run(lambda: Ring("ring", ring_args(**changes())).outputs, **options)


def refusal(changes: Any, **options: Any) -> tuple[Recorded, SettingsError]:
    recorded, error = attempt(lambda: Ring("ring", ring_args(**changes())).outputs, **options)
    assert isinstance(error, SettingsError), error
    return recorded, error


def inputs(recorded: Recorded) -> dict[str, Any]:
    return {
        each.name: {**each.inputs, "source": None, "logging": None, "secrets": each.secrets}
        for each in recorded.resources
    }


def test_outputs_make_the_same_ring_as_plain_values(given: Given) -> None:
    as_outputs = stand_up(lambda: with_outputs(given, secret))
    plain = stand_up(
        lambda: {
            **with_outputs(given, str),
            "instance_type": "t3.large",
            "mysql_archive_url": "https://example.org/mysql.tar.gz",
            "mysql_archive_checksum": CHECKSUM,
            "mysql_settings": {"max_connections": "77"},
            "tags": {"Owner": "me"},
            "require_client_tls": False,
            "destroy_bucket_contents": True,
            "ca_certificate": given.ca_certificate,
            "node_certificates": given.node_certificates,
        }
    )
    assert inputs(as_outputs) == inputs(plain)
    assert as_outputs.outputs == plain.outputs
    my_cnf = as_outputs.named("ring-node-1-mysql-config").inputs["stdin"]
    assert "\nmax_connections = 77\n" in my_cnf


def test_an_output_shares_its_secrecy_with_no_other(given: Given) -> None:
    ring = stand_up(lambda: with_outputs(given, secret))
    instance = ring.named("ring-node-1-instance")
    assert instance.inputs["instanceType"] == "t3.large"
    assert not {"instanceType", "tags"} & instance.secrets
    assert "stdin" not in ring.named("ring-node-1-mysql-install").secrets
    assert "stdin" not in ring.named("ring-node-1-mysql-config").secrets
    assert ring.outputs["passwords"][1] is True
    assert ring.outputs["caCertificate"][1] is False
    for verb in ("tls", "server", "accounts"):
        assert "stdin" in ring.named(step("node-1", verb)).secrets


WRONG = {
    "instance_type": "t4g.nano",
    "mysql_archive_checksum": "sha1:0",
    "mysql_settings": {"init_connect": "a # b"},
    "tags": {"Owner": "me?"},
    "ssh_private_key": "hush",
    "ca_certificate": "hush",
    "ca_private_key": "hush",
    "node_certificates": {"node-1": NodeCertificate("hush", "hush")},
    "passwords": {"app": "hush", "root": "x" * 33},
}


def as_outputs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_outputs(each) for key, each in value.items()}
    if isinstance(value, NodeCertificate):
        return NodeCertificate(later(value.certificate), secret(str(value.key)))
    return later(value)


def test_mistakes_in_outputs_are_one_list_with_the_same_words_as_in_plain_values() -> None:
    _, error = refusal(lambda: {name: as_outputs(each) for name, each in WRONG.items()})
    assert error.problems == tuple(problems_of(ring_args(**WRONG)))
    assert len(error.problems) == 11
    text = str(error)
    assert "11 mistakes in the settings, seen when outputs were known" in text
    assert "hush" not in text


def test_a_secret_that_is_wrong_is_named_and_not_shown() -> None:
    wrong = {
        "instance_type": "t4g.nano",
        "mysql_archive_url": "ftp://example.org/me:word@hidden?word",
        "mysql_archive_checksum": "sha1:word",
        "mysql_settings": {"init_connect": "word # word"},
        "tags": {"Owner": "word?"},
        "passwords": {"app": "word"},
    }

    def as_secrets() -> dict[str, Any]:
        return {
            name: {key: secret(each) for key, each in value.items()}
            if isinstance(value, dict)
            else secret(value)
            for name, value in wrong.items()
        }

    _, error = refusal(as_secrets)
    assert len(error.problems) == len(wrong)
    assert not any(
        part in problem.found for problem in error.problems for part in ("word", "t4g", "hidden")
    )
    assert "passwords.app: found 4 characters" in str(error)
    assert "tags.Owner: found a secret, expected a value of letters" in str(error)


def test_nothing_that_takes_a_wrong_output_is_declared() -> None:
    recorded, error = refusal(lambda: {"passwords": {"app": secret("hush")}})
    assert [problem.setting for problem in error.problems] == ["passwords.app"]
    names = {resource.name for resource in recorded.resources}
    assert not {name for name in names if name.endswith("-accounts")}
    assert not any("hush" in str(resource.inputs) for resource in recorded.resources)


def test_a_mistake_in_a_plain_value_does_not_wait_for_outputs() -> None:
    recorded, error = refusal(
        lambda: {"passwords": {"app": secret("hush")}, "databases": ["app", "mysql"]}
    )
    assert [problem.setting for problem in error.problems] == ["databases[1]"]
    assert recorded.resources == []


def test_a_preview_judges_what_is_known_and_leaves_the_rest_to_the_update() -> None:
    preview = {"preview": True}
    ring = stand_up(
        lambda: {"passwords": {"app": unknown()}, "instance_type": later("t3.large")}, **preview
    )
    assert ring.named("ring-node-1-instance").inputs["instanceType"] == "t3.large"
    _, error = refusal(
        lambda: {"passwords": {"app": unknown()}, "instance_type": later("t4g.nano")}, **preview
    )
    assert [problem.setting for problem in error.problems] == ["instanceType"]


def test_what_belongs_to_an_output_is_asked_for_before_it_is_known() -> None:
    for changes, setting in (
        ({"ca_certificate": later("PEM")}, "caPrivateKey"),
        ({"passwords": {"nobody": secret(WORD)}}, "passwords.nobody"),
        ({"mysql_settings": {"log_bin": later("x")}}, "mysqlSettings.log_bin"),
        ({"tags": {"aws:x": later("x")}}, "tags.aws:x"),
    ):
        recorded, error = refusal(lambda changes=changes: changes)
        assert [problem.setting for problem in error.problems] == [setting]
        assert recorded.resources == []


@pytest.mark.parametrize("value", [7, None, ["a-word-in-a-list"]])
def test_an_output_that_is_no_text_is_named(value: Any) -> None:
    _, error = refusal(lambda: {"passwords": {"app": later(value)}})
    assert [str(problem) for problem in error.problems] == [
        "passwords.app: found an output that is no text, expected a text"
    ]


def test_an_output_where_the_ring_takes_its_shape_is_refused_by_name() -> None:
    recorded, error = refusal(
        lambda: {
            "client_cidr": later("192.168.100.0/24"),
            "admin_cidrs": [later("10.0.0.0/8")],
            "nodes": [replace(ARTICLE_NODES[0], server_id=later(7)), ARTICLE_NODES[1]],
            "passwords": later({"app": WORD}),
        }
    )
    assert {problem.setting for problem in error.problems} == {
        "adminCidrs[0]",
        "clientCidr",
        "nodes[0].serverId",
        "passwords",
    }
    assert recorded.resources == []


def test_a_step_that_may_print_a_secret_output_shows_nothing_that_it_prints() -> None:
    plain = stand_up(lambda: {"mysql_settings": {"max_connections": "77"}})
    given = stand_up(
        lambda: {
            "mysql_settings": {"init_connect": secret("SET @word = 'x'")},
            "mysql_archive_url": secret("https://example.org/mysql.tar.gz?signature=x"),
        }
    )
    for verb in ("install", "config"):
        shown, hidden = plain.named(step("node-1", verb)), given.named(step("node-1", verb))
        assert not shown.secret_outputs & {"stdin", "stdout", "stderr"}
        assert shown.inputs["logging"] == "stderr"
        assert {"stdout", "stderr"} <= hidden.secret_outputs
        assert hidden.inputs["logging"] == "none"
        assert "stdin" in hidden.secrets
