"""What a node may do in the ring's bucket, tried from the node with the credentials of its
metadata."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from archive import short_credentials
from labs import NODES, PEER, Kept, Lab
from waits import PATIENCE

pytestmark = pytest.mark.lab

# s3cmd asks the metadata service for the role's credentials, but only when it finds a file.
SETTINGS = "host_base = s3.eu-central-1.amazonaws.com\\nhost_bucket = %(bucket)s.{base}\\n"


def on_both(lab: Lab, command: str) -> None:
    """At the same time on both nodes."""
    with ThreadPoolExecutor(len(NODES)) as pool:
        for done in [pool.submit(lab.ssh, node, command) for node in NODES]:
            done.result()


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
    on_both(lab, "rm -f .s3cfg dump large")


@pytest.fixture(scope="module")
def prepared() -> Iterator[Kept[Lab]]:
    with Kept(with_settings) as kept:
        yield kept


@pytest.fixture
def nodes(ring: Lab, prepared: Kept[Lab]) -> Lab:
    return prepared.of(ring)


def s3cmd(lab: Lab, node: str, *words: str) -> subprocess.CompletedProcess[str]:
    return lab.run_on(node, "s3cmd", *words, expect=None)


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
    with short_credentials(nodes, node) as ended, nodes.gates.api(after="PUT") as gate:
        upload = nodes.popen_on(node, "s3cmd", "put", "--no-progress", "large", f"{where}renewed")
        gate.wait("s3 PUT: 200")
        ended()
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
