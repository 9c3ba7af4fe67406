"""Binary logs of a node in the ring's bucket, as the tests look at them: by the API, and by the
host's own s3cmd."""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labs import Lab
from waits import PATIENCE, within

TIMERS = "mysql-ring-archive.timer mysql-ring-purge.timer"
SERVICES = "mysql-ring-archive.service mysql-ring-purge.service"
TABLE = "inet mysql_ring_test"
CUT_OFF = f"""\
table {TABLE} {{
  chain out {{
    type filter hook output priority -300; policy accept;
    tcp dport 443 counter reject with tcp reset
  }}
}}
"""
# Arguments: the prefix of a server's logs, and those of them that are to be the same as there.
COMPARE = """
import json, subprocess, sys
sys.path.insert(0, "/opt/mysql-ring/current")
from ring_node.backup import catalogue, place
from ring_node.backup.store import Store
prefix, *names = sys.argv[1:]
store = Store(place.read())
chain = catalogue.read(store, prefix)
wrong = []
for name in names:
    with store.get(catalogue.log_key(prefix, name)) as stream:
        kept = subprocess.run(["zstd", "-dcq"], stdin=stream, capture_output=True).stdout
    with open("/var/log/mysql/" + name, "rb") as file:
        if kept != file.read():
            wrong.append(name)
entries = [each.file for each in chain.entries]
print(json.dumps({"entries": entries, "gaps": [str(each) for each in chain.gaps], "wrong": wrong}))
"""
COMPARE_SECONDS = 120
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


def objects(lab: Lab, prefix: str) -> dict[str, int]:
    """Keys and sizes, by the API."""
    bucket = lab.outputs()["bucket"]["name"]
    listed = lab.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix)
    return {each["Key"]: each["Size"] for each in (listed or {}).get("Contents", [])}


def logs(lab: Lab, node: str) -> list[str]:
    return [row[0] for row in lab.sql(node, "SHOW BINARY LOGS")]


def prefix(lab: Lab, node: str) -> str:
    return f"mysql/{node}/logs/{lab.value(node, 'SELECT @@server_uuid')}/"


def all_closed_logs_are_safe(lab: Lab, node: str) -> list[str]:
    """The catalogue has no gap and every closed log, and what the bucket has is that log. Those."""
    closed = logs(lab, node)[:-1]
    words = shlex.join(["sudo", "python3", "-B", "-c", COMPARE, prefix(lab, node), *closed])
    found = json.loads(lab.ssh(node, words, timeout=COMPARE_SECONDS))
    assert set(closed) <= set(found["entries"]), (closed, found)
    assert (found["gaps"], found["wrong"]) == ([], []), found
    return closed


@contextmanager
def s3_away(lab: Lab, node: str) -> Iterator[None]:
    """The node's host reaches nobody by TLS."""
    lab.run_on(node, "sudo nft -f -", stdin=CUT_OFF)
    try:
        yield
        table = lab.ssh(node, f"sudo nft list table {TABLE}")
        assert "packets 0 " not in table, f"the cut met nobody: {table}"
    finally:
        lab.ssh(node, f"sudo nft delete table {TABLE}")


@contextmanager
def short_credentials(lab: Lab, node: str) -> Iterator[Callable[[], None]]:
    """Those that hosts get meanwhile end soon. The function waits until those that the node's host
    has at the beginning are no good any more."""
    where = f"s3://{lab.outputs()['bucket']['name']}/mysql/{node}/"
    listing = f"'. ./kept; s3cmd --config=/etc/mysql-ring/s3cfg ls {where}'"

    def ended() -> None:
        end = time.monotonic() + CREDENTIAL_SECONDS * PATIENCE
        within(2 * CREDENTIAL_SECONDS, "their end", lambda: time.monotonic() > end)
        old = lab.run_on(node, "sudo", "sh", "-c", listing, expect=None)
        assert "ExpiredToken" in old.stdout + old.stderr

    with lab.gates.credentials(CREDENTIAL_SECONDS):
        lab.ssh(node, "python3", "-c", shlex.quote(KEEP_CREDENTIALS))
        try:
            assert lab.run_on(node, "sudo", "sh", "-c", listing, expect=None).returncode == 0
            yield ended
        finally:
            lab.ssh(node, "rm kept")
