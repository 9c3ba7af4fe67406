"""What a node may do in the ring's bucket, tried from the node with the credentials of its
metadata."""

import shlex
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from labs import NODES, PEER, Kept, Lab
from waits import PATIENCE, within

pytestmark = pytest.mark.lab

# s3cmd asks the metadata service for the role's credentials, but only when it finds a file.
SETTINGS = "host_base = s3.eu-central-1.amazonaws.com\\nhost_bucket = %(bucket)s.{base}\\n"


def on_both(lab: Lab, command: str) -> None:
    """At the same time on both nodes."""
    with ThreadPoolExecutor(len(NODES)) as pool:
        for done in [pool.submit(lab.ssh, node, command) for node in NODES]:
            done.result()


# Keeps the credentials that a host has now where `sh` reads them.
KEEP_CREDENTIALS = """
import json, urllib.request
def ask(path, **how):
    request = urllib.request.Request("http://169.254.169.254/latest/" + path, **how)
    return urllib.request.urlopen(request, timeout=5).read().decode()
ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
token = {"X-aws-ec2-metadata-token": ask("api/token", method="PUT", headers=ttl)}
role = ask("meta-data/iam/security-credentials/", headers=token)
found = json.loads(ask("meta-data/iam/security-credentials/" + role, headers=token))
names = {"ACCESS_KEY_ID": "AccessKeyId", "SECRET_ACCESS_KEY": "SecretAccessKey",
         "SESSION_TOKEN": "Token"}
with open("kept", "w") as file:
    file.writelines(f"export AWS_{name}={found[key]}\\n" for name, key in names.items())
"""
CREDENTIAL_SECONDS = 20
PART = 15 * 1024 * 1024
"""Of an upload in parts: s3cmd's multipart_chunk_size_mb."""


@contextmanager
def with_settings(lab: Lab) -> Iterator[Lab]:
    """The step `schedule` has installed s3cmd."""
    text = SETTINGS.replace("{base}", "s3.eu-central-1.amazonaws.com")
    on_both(
        lab,
        f"printf '[default]\\n{text}bucket_location = eu-central-1\\n' > .s3cfg"
        " && echo backup > dump",
    )
    yield lab
    on_both(lab, "rm -f .s3cfg dump large kept")


@pytest.fixture(scope="module")
def prepared() -> Iterator[Kept[Lab]]:
    with Kept(with_settings) as kept:
        yield kept


@pytest.fixture
def nodes(ring: Lab, prepared: Kept[Lab]) -> Lab:
    return prepared.of(ring)


def s3cmd(lab: Lab, node: str, *words: str) -> subprocess.CompletedProcess[str]:
    return lab.run("ssh", node, "s3cmd", *words, expect=None)


@pytest.mark.parametrize("node", NODES)
def test_a_node_writes_and_reads_under_its_own_prefix(nodes: Lab, node: str) -> None:
    own = f"s3://{nodes.outputs()['bucket']['name']}/mysql/{node}/dump"
    put = s3cmd(nodes, node, "put", "dump", own)
    assert put.returncode == 0, put.stderr
    listed = s3cmd(nodes, node, "ls", own.removesuffix("dump"))
    assert own in listed.stdout
    got = s3cmd(nodes, node, "get", "--force", own, "got")
    assert got.returncode == 0, got.stderr
    assert nodes.ssh(node, "cat got; rm got") == "backup\n"


@pytest.mark.parametrize("node", NODES)
def test_a_node_reads_what_the_other_one_has_kept(nodes: Lab, node: str) -> None:
    peers = f"s3://{nodes.outputs()['bucket']['name']}/mysql/{PEER[node]}/kept"
    put = s3cmd(nodes, PEER[node], "put", "dump", peers)
    assert put.returncode == 0, put.stderr
    assert peers in s3cmd(nodes, node, "ls", peers.removesuffix("kept")).stdout
    got = s3cmd(nodes, node, "get", "--force", peers, "got")
    assert got.returncode == 0, got.stderr
    assert nodes.ssh(node, "cat got; rm got") == "backup\n"


@pytest.mark.parametrize("node", NODES)
def test_s3cmd_goes_on_with_an_upload_in_parts(nodes: Lab, node: str) -> None:
    """It asks the bucket for its open uploads, also when there is none."""
    large = f"s3://{nodes.outputs()['bucket']['name']}/mysql/{node}/large"
    nodes.ssh(node, "head -c 16777217 /dev/zero > large")
    put = s3cmd(nodes, node, "put", "--continue-put", "large", large)
    assert put.returncode == 0, put.stderr
    assert "16777217" in s3cmd(nodes, node, "ls", large).stdout


def test_credentials_that_end_in_the_middle_of_an_upload_are_renewed(nodes: Lab) -> None:
    """The answer to its first part is kept back until those that it began with are no good."""
    node = NODES[0]
    where = f"s3://{nodes.outputs()['bucket']['name']}/mysql/{node}/"
    nodes.ssh(node, f"head -c {2 * PART + 1} /dev/zero > large")
    listing = f"'. ./kept; s3cmd ls {where}'"
    with nodes.gates.credentials(CREDENTIAL_SECONDS), nodes.gates.api(after="PUT") as gate:
        nodes.ssh(node, "python3", "-c", shlex.quote(KEEP_CREDENTIALS))
        assert nodes.run("ssh", node, "sh", "-c", listing, expect=None).returncode == 0
        upload = nodes.popen(
            "ssh", node, "s3cmd", "put", "--no-progress", "large", f"{where}renewed"
        )
        gate.wait("s3 PUT: 200")
        ended = time.monotonic() + CREDENTIAL_SECONDS * PATIENCE
        within(2 * CREDENTIAL_SECONDS, "their end", lambda: time.monotonic() > ended)
        old = nodes.run("ssh", node, "sh", "-c", listing, expect=None)
        assert "ExpiredToken" in old.stdout + old.stderr
        gate.lift()
        printed, _ = upload.communicate(timeout=120 * PATIENCE)
        assert upload.returncode == 0, printed
    assert str(2 * PART + 1) in s3cmd(nodes, node, "ls", f"{where}renewed").stdout


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    "refused",
    [
        ["put", "dump", "s3://{bucket}/mysql/{peer}/dump"],
        ["put", "dump", "s3://{bucket}/dump"],
        ["ls", "s3://{bucket}/"],
        ["del", "s3://{bucket}/mysql/{node}/dump"],
        ["dellifecycle", "s3://{bucket}"],
        ["ls"],
    ],
    ids=["write for the peer", "write at the top", "list all", "delete", "rules", "list buckets"],
)
def test_a_node_is_denied_everything_else(nodes: Lab, node: str, refused: list[str]) -> None:
    names = {"bucket": nodes.outputs()["bucket"]["name"], "peer": PEER[node], "node": node}
    done = s3cmd(nodes, node, *(word.format(**names) for word in refused))
    assert done.returncode != 0
    assert "AccessDenied" in done.stderr + done.stdout
