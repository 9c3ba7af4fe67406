"""No secret is where somebody without the passphrase could read it."""

import json
import re
import shlex
import threading
from contextlib import nullcontext

import pytest
from cloud.pulumi import SECRET, SIGNATURE, urn_name
from labs import NODES, Kept, Lab, hostname, step_name
from updates import UP_COMMAND, Update
from waits import PATIENCE

pytestmark = pytest.mark.lab


def secrets_of(lab: Lab) -> set[str]:
    """Every password and every line of a private key that the state holds."""
    shown = lab.pulumi("stack", "export", "--show-secrets").stdout
    outputs = lab.outputs()
    found = set(outputs["passwords"].values())
    keys = re.findall(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END",
        shown.encode().decode("unicode_escape"),
        re.S,
    )
    for key in keys:
        found.update(line for line in key.replace("\\n", "\n").split("\n") if len(line) >= 32)
    return found


@pytest.fixture(scope="module")
def kept() -> Kept[set[str]]:
    return Kept(lambda lab: nullcontext(secrets_of(lab)))


@pytest.fixture
def secrets(ring: Lab, kept: Kept[set[str]]) -> set[str]:
    return kept.of(ring)


def test_the_search_for_secrets_would_find_them(ring: Lab, secrets: set[str]) -> None:
    passwords = set(ring.outputs()["passwords"].values())
    assert len(passwords) >= 3
    assert all(len(password) <= 32 for password in passwords)
    assert len(secrets) > len(passwords) + 20
    shown = ring.pulumi("stack", "export", "--show-secrets").stdout
    assert all(password in shown for password in passwords)


def test_no_secret_in_outputs_previews_and_exports(ring: Lab, secrets: set[str]) -> None:
    changed = ring.settings_with(databases=["app", "other"])
    texts = {
        "scripts/lab up": ring.first_up,
        "preview": ring.pulumi("preview", "--diff").stdout,
        "preview of changed accounts": ring.pulumi(
            "preview", "--diff", "--config-file", str(changed)
        ).stdout,
        "preview as JSON": ring.pulumi("preview", "--json").stdout,
        "stack export": ring.pulumi("stack", "export").stdout,
        "stack output": ring.pulumi("stack", "output", "--json").stdout,
        "the lab's logs": "".join(
            path.read_text(errors="replace") for path in ring.folder.rglob("*.log")
        ),
    }
    for where, text in texts.items():
        leaked = [secret[:4] + "..." for secret in secrets if secret in text]
        assert not leaked, f"{where} shows {len(leaked)} secrets: {leaked}"


def test_no_secret_in_arguments_or_environment_of_processes_while_steps_run(
    ring: Lab, secrets: set[str]
) -> None:
    lab = ring
    seen: dict[str, str] = {}
    stop = threading.Event()
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    sampler = f"for i in $(seq 75); do {look}; sleep 0.1; done"

    def sample(node: str, words: str) -> None:
        seen[node] = seen.get(node, "") + lab.ssh(node, "sudo sh -c " + shlex.quote(words))

    def keep_sampling(node: str) -> None:
        while not stop.is_set():
            sample(node, sampler)

    threads = [threading.Thread(target=keep_sampling, args=(node,)) for node in NODES]
    changed = lab.settings_with(databases=["app", "other"])
    with lab.gates.verb("accounts") as gate:
        update = Update(lab, *UP_COMMAND, "--config-file", str(changed))
        for node in NODES:
            gate.wait(by=update, note=hostname(lab, node))
            sample(node, look)
            assert "ring-node\naccounts" in seen[node], "the step is held, and is not seen"
        for thread in threads:
            thread.start()
    try:
        assert update.end() == 0, update.text
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60 * PATIENCE)
    for node in NODES:
        leaked = [secret[:4] + "..." for secret in secrets if secret in seen[node]]
        assert not leaked, f"{node} shows {leaked} in /proc"


@pytest.mark.parametrize("node", NODES)
def test_no_secret_in_a_file_that_others_can_read(ring: Lab, secrets: set[str], node: str) -> None:
    patterns = "\n".join(sorted(secrets)) + "\n"
    search = (
        'umask 077; patterns=$(mktemp /root/patterns.XXXXXX); trap "rm -f $patterns" EXIT;'
        ' cat >"$patterns"; find / -xdev -type f -perm {mode} -size -20M -newer /etc/machine-id'
        ' -not -path "/proc/*" -not -path "/sys/*" -not -path "$patterns" -print0'
        ' | xargs -0 -r grep -lFf "$patterns"; exit 0'
    )

    def holding(mode: str) -> list[str]:
        script = "sudo bash -c " + shlex.quote(search.format(mode=mode))
        return ring.ssh(node, script, stdin=patterns).split()

    assert holding("/o=r") == []
    # The same search finds the files that do hold the secrets.
    assert "/root/.my.cnf" in holding("0600")


def test_the_labs_own_files_are_closed_to_others(ring: Lab) -> None:
    for name in ("state", "passphrase"):
        mode = (ring.folder / name).stat().st_mode & 0o077
        assert mode == 0, f"{name} has mode bits {mode:o} for others"


def test_every_step_that_carries_a_secret_has_it_encrypted_in_the_state(ring: Lab) -> None:
    encrypted = json.dumps({SIGNATURE: SECRET})
    marker = encrypted.strip("{}")
    carrying = ("tls", "server", "accounts")
    steps = {
        urn_name(r["urn"]): r for r in ring.resources() if r["type"] == "command:remote:Command"
    }
    for node in NODES:
        for verb in carrying:
            name = step_name(node, verb)
            stdin = json.dumps(steps[name]["inputs"]["stdin"])
            assert marker in stdin, f"{name} has its stdin in clear"
