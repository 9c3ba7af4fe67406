"""What is secret arrives as a secret, and what is made once stays."""

import json

import pytest
from conftest import Given, stand_up
from recording import MADE, Recorded, step

pytestmark = pytest.mark.unit

SECRET_VALUES = (MADE["private_key"].splitlines()[1], MADE["password"], "BEGIN RSA PRIVATE KEY")
SECRET_STEPS = ("tls", "server", "accounts")
OPEN_STEPS = ("tools", "install", "config", "seed", "replicate", "restart", "verify", "schedule")


def test_no_secret_value_is_in_an_input_that_is_not_secret(ring: Recorded) -> None:
    for resource in ring.resources:
        shown = {
            key: value for key, value in resource.inputs.items() if key not in resource.secrets
        }
        assert not any(
            secret in json.dumps(shown, default=str)
            for secret in ("BEGIN OPENSSH", MADE["password"], "BEGIN RSA PRIVATE KEY")
        ), resource.name


@pytest.mark.parametrize("verb", SECRET_STEPS)
def test_a_step_with_secrets_shows_neither_document_nor_output(ring: Recorded, verb: str) -> None:
    for node in ("node-1", "node-2"):
        found = ring.named(step(node, verb))
        assert "stdin" in found.secrets
        assert {"stdin", "stdout", "stderr"} <= found.secret_outputs
        assert found.inputs["logging"] == "none"


@pytest.mark.parametrize("verb", OPEN_STEPS)
def test_a_step_without_secrets_is_readable_in_a_preview(ring: Recorded, verb: str) -> None:
    for node in ("node-1", "node-2"):
        assert "stdin" not in ring.named(step(node, verb)).secrets


def test_the_host_key_is_a_secret_on_its_way_to_the_host(ring: Recorded) -> None:
    instance = ring.named("ring-node-1-instance")
    assert "userData" in instance.secrets
    assert "userData" in instance.secret_outputs


def test_what_was_made_is_kept_secret_in_the_state(ring: Recorded) -> None:
    made = ring.of_type("local:Command")
    assert len(made) == 11
    for command in made:
        assert {"stdin", "stdout", "stderr"} <= command.secret_outputs, command.name
        assert command.inputs["logging"] == "none", command.name
        assert command.inputs["addPreviousOutputInEnv"] is False, command.name


def test_keys_the_ca_and_passwords_are_never_made_again(ring: Recorded) -> None:
    again = {
        command.name
        for command in ring.of_type("local:Command")
        if command.ignored != {"create", "stdin"}
    }
    # A certificate has the node's addresses in it, so it follows them.
    assert again == {"ring-credentials-node-1-certificate", "ring-credentials-node-2-certificate"}


def test_no_command_line_on_the_operators_side_has_a_secret_in_it(ring: Recorded) -> None:
    for command in ring.of_type("local:Command"):
        assert not any(secret in command.inputs["create"] for secret in SECRET_VALUES)


OPEN = ("nodes", "network", "bucket", "users", "endpoints", "port", "caCertificate", "login")


@pytest.mark.parametrize("output", ["passwords", "sshPrivateKey"])
def test_a_secret_output_is_a_secret(ring: Recorded, output: str) -> None:
    assert ring.outputs[output][1] is True


@pytest.mark.parametrize("output", OPEN)
def test_an_open_output_is_not_a_secret(ring: Recorded, output: str) -> None:
    assert ring.outputs[output][1] is False


def test_given_credentials_take_the_place_of_made_ones(given: Given) -> None:
    ring = stand_up(
        ssh_private_key=given.ssh_private_key,
        ca_certificate=given.ca_certificate,
        node_certificates=given.node_certificates,
        passwords={"root": "given-root", "app": "given-app"},
    )
    made = {command.name for command in ring.of_type("local:Command")}
    assert made == {
        "ring-credentials-ssh-key",
        "ring-credentials-node-1-ssh-host-key",
        "ring-credentials-node-2-ssh-host-key",
        "ring-credentials-password-repuser",
        "ring-credentials-password-ring_peer",
        "ring-credentials-password-ring_heartbeat",
    }
    reading = ring.named("ring-credentials-ssh-key")
    assert reading.inputs["create"].endswith("ssh-key read")
    assert "stdin" in reading.secrets
    tls = ring.named("ring-node-2-mysql-tls")
    assert "stdin" in tls.secrets
    assert json.loads(tls.inputs["stdin"]) == {
        "ca": given.ca_certificate,
        "certificate": given.node_certificates["node-2"].certificate,
        "key": given.node_certificates["node-2"].key,
    }
    assert ring.outputs["passwords"] == (
        {"root": "given-root", "repuser": MADE["password"], "app": "given-app"},
        True,
    )
