"""The mirror, the certificates, and what a host's image holds."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from cloud.hosts import firstboot, gates, image
from cloud.services.dnsmasq import Dnsmasq
from cloud.services.http import Server
from cloud.services.mirror import Mirror
from cloud.services.tls import Authority, ServerContexts
from cloud.wanted import Host, Interface
from werkzeug.test import Client

pytestmark = pytest.mark.unit

HOST = "downloads.example"


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    folder = tmp_path / "mirror" / HOST / "archives"
    folder.mkdir(parents=True)
    (folder / "mysql.tar.gz").write_bytes(bytes(range(100)))
    (tmp_path / "mirror" / "secret").write_text("outside")
    client = Client(Mirror(tmp_path / "mirror"))

    def ask(path: str, method: str = "GET", name: str = HOST, **headers: str) -> Any:
        return client.open(path, method=method, base_url=f"https://{name}", headers=headers)

    return ask


def test_the_mirror_serves_whole_files_and_ranges(mirror: Any) -> None:
    whole = mirror("/archives/mysql.tar.gz")
    assert (whole.status_code, whole.get_data()) == (200, bytes(range(100)))
    part = mirror("/archives/mysql.tar.gz", Range="bytes=10-19")
    assert (part.status_code, part.get_data()) == (206, bytes(range(10, 20)))
    head = mirror("/archives/mysql.tar.gz", "HEAD")
    assert (head.headers["Content-Length"], head.get_data()) == ("100", b"")


def test_the_mirror_says_when_nothing_has_changed(mirror: Any) -> None:
    date = mirror("/archives/mysql.tar.gz").headers["Last-Modified"]
    assert mirror("/archives/mysql.tar.gz", **{"If-Modified-Since": date}).status_code == 304


@pytest.mark.parametrize("path", ["/archives/", "/archives", "/", "/nothing", "/../secret"])
def test_the_mirror_lists_no_folder_and_leaves_its_root_alone(mirror: Any, path: str) -> None:
    assert mirror(path).status_code == 404


def test_the_mirror_knows_its_own_names_only(mirror: Any) -> None:
    assert mirror("/archives/mysql.tar.gz", name="other.example").status_code == 404
    assert mirror("/archives/mysql.tar.gz", name=f"{HOST}:443").status_code == 200
    assert mirror("/archives/mysql.tar.gz", "POST").status_code == 405


def _echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), environ["wsgi.input"].read()]


def test_a_connection_over_tls_serves_request_after_request(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    contexts = ServerContexts(authority, tmp_path / "tls", lambda name: name == HOST)
    server = Server("127.0.0.1", 0, _echo, contexts.context)
    server.start("test")
    try:
        trust = ssl.create_default_context(cafile=str(authority.certificate_path))
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
            trust.wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            client = http.client.HTTPConnection(HOST)
            client.sock = connection
            for body in (b"one", b"two"):
                client.request("POST", "/", body)
                answer = client.getresponse()
                assert (answer.status, answer.read()) == (200, b"POST" + body)
                assert client.sock is connection
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
            pytest.raises(ssl.SSLError),
        ):
            trust.wrap_socket(plain, server_hostname="other.example")
    finally:
        server.stop()
    assert not [each for each in threading.enumerate() if each.name == "test"]


def test_the_authority_stays_the_same_and_its_key_is_private(tmp_path: Path) -> None:
    first = Authority(tmp_path).certificate
    assert Authority(tmp_path).certificate == first
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


def test_the_image_trusts_the_authority_in_both_ways(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "etc/ssl/certs").mkdir(parents=True)
    (base / image.BUNDLE).write_text("")
    (base / gates.SFTP_SERVER).parent.mkdir(parents=True)
    (base / gates.SFTP_SERVER).write_text("Debian's")
    authority = Authority(tmp_path)
    layer = tmp_path / "image"
    for _ in range(2):
        image.build(layer, base, authority.certificate_path)
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(authority.sign(HOST, authority.key))
    assert shutil.which("openssl"), "openssl is missing: apt-get install openssl"
    for option, where in (("-CAfile", image.BUNDLE), ("-CApath", "etc/ssl/certs")):
        done = subprocess.run(
            ["openssl", "verify", option, str(layer / where), str(leaf)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (layer / "etc/machine-id").read_bytes() == b""
    assert (layer / gates.HELD_BACK).read_text() == "Debian's"


PRIMARY = Interface("eni-1", "02:00:00:00:00:01", "192.168.100.10", "subnet-1", "vpc-1", "i-1", 0)
SECOND = Interface("eni-2", "02:00:00:00:00:02", "10.10.1.10", "subnet-2", "vpc-2", "i-1", 1)


def host(user_data: bytes = b"", *more: Interface) -> Host:
    return Host(
        "i-1", "pending", 0, "eu-central-1", "eu-central-1a", "ip-192-168-100-10", (PRIMARY, *more),
        "ssh-ed25519 AAAA operator", user_data,
    )  # fmt: skip


def test_cloud_init_finds_identity_network_and_user_data(tmp_path: Path) -> None:
    firstboot.write(tmp_path, host(b"#cloud-config\n\xff"))
    seed = tmp_path / firstboot.SEED
    meta = json.loads((seed / "meta-data").read_text())
    assert meta["instance-id"] == "i-1"
    assert meta["local-hostname"] == "ip-192-168-100-10.eu-central-1.compute.internal"
    assert meta["public-keys"] == ["ssh-ed25519 AAAA operator"]
    network = json.loads((seed / "network-config").read_text())
    match = {"macaddress": PRIMARY.mac}
    assert network["ethernets"] == {"ens5": {"dhcp4": True, "match": match, "set-name": "ens5"}}
    assert (seed / "user-data").read_bytes() == b"#cloud-config\n\xff"
    assert (seed / "user-data").stat().st_mode & 0o777 == 0o600
    assert seed.stat().st_mode & 0o777 == 0o700


def test_a_second_interface_at_the_first_boot_gets_dhcp_too_and_a_worse_route() -> None:
    interfaces = firstboot.network_config(host(b"", SECOND))["ethernets"]
    assert interfaces["ens6"]["match"] == {"macaddress": SECOND.mac}
    routes = {name: each["dhcp4-overrides"] for name, each in interfaces.items()}
    assert routes == {"ens5": {"route-metric": 100}, "ens6": {"route-metric": 200}}


def test_user_data_is_not_in_a_hosts_representation() -> None:
    assert "secret" not in repr(host(b"secret"))


def test_the_lease_of_an_interface_that_is_gone_gives_its_address_back(tmp_path: Path) -> None:
    dnsmasq = Dnsmasq("nowhere", tmp_path, "group")
    dnsmasq.files = {"dhcp-hosts": "02:00:00:00:00:02,192.168.100.11\n"}
    gone = "1795369598 02:00:00:00:00:01 192.168.100.11 ip-192-168-100-11 ff:58\n"
    kept = "1795369598 02:00:00:00:00:02 192.168.100.12 ip-192-168-100-12 ff:59\n"
    (tmp_path / "leases").write_text(gone + kept)
    dnsmasq.drop_stale_leases()
    assert (tmp_path / "leases").read_text() == kept
