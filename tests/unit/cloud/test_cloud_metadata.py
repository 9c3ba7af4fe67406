"""The instance metadata service."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud.services.instance_data import Directory
from cloud.services.metadata import Instance, Metadata
from werkzeug.test import Client

pytestmark = pytest.mark.unit

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Guest:
    """A host that asks the service."""

    def __init__(self, app: Metadata, address: str = "192.168.100.10") -> None:
        self.web = Client(app)
        self.environ = {"REMOTE_ADDR": address}

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        answer = self.web.open(
            path,
            method=method,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            environ_overrides=self.environ,
        )
        return answer.status_code, answer.get_data(as_text=True)

    def token(self, seconds: str = "60") -> str:
        status, text = self.ask("/latest/api/token", "PUT", **{TTL: seconds})
        assert status == 200
        return text

    def read(self, path: str) -> str:
        status, text = self.ask(path, **{TOKEN: self.token()})
        assert status == 200, path
        return text


TREE = {"meta-data": {"instance-id": "i-1", "iam": {"info": "{}"}}, "user-data": b"\x00raw"}


def service(clock: Clock | None = None, **more: Any) -> Metadata:
    instance = Instance("i-1", TREE, **{"tokens_required": True, **more})
    known = {"192.168.100.10": instance, "192.168.100.11": Instance("i-2", TREE, True)}
    return Metadata(known.get, clock or Clock())


def test_nothing_is_told_without_a_token() -> None:
    assert Guest(service()).ask("/latest/meta-data/instance-id")[0] == 401
    assert Guest(service(tokens_required=False)).ask("/latest/meta-data/instance-id")[1] == "i-1"


def test_a_token_needs_its_header_and_a_lifetime_within_bounds() -> None:
    guest = Guest(service())
    assert guest.ask("/latest/api/token", "PUT")[0] == 400
    for seconds in ("0", "21601", "x"):
        assert guest.ask("/latest/api/token", "PUT", **{TTL: seconds})[0] == 400
    assert guest.ask("/latest/api/token", "GET")[0] == 405


def test_a_token_ends_and_belongs_to_its_instance() -> None:
    clock = Clock()
    app = service(clock)
    token = Guest(app).token("60")
    path = "/latest/meta-data/instance-id"
    assert Guest(app, "192.168.100.11").ask(path, **{TOKEN: token})[0] == 401
    assert Guest(app).ask(path, **{TOKEN: token})[0] == 200
    clock.seconds = 61
    assert Guest(app).ask(path, **{TOKEN: token})[0] == 401


def test_folders_are_listed_and_unknown_entries_are_not_found() -> None:
    guest = Guest(service())
    assert guest.read("/latest/meta-data/") == "instance-id\niam/"
    assert guest.read("/latest/user-data") == "\x00raw"
    token = guest.token()
    for path in ("/latest/meta-data/nothing", "/latest/nothing", "/nothing"):
        assert guest.ask(path, **{TOKEN: token})[0] == 404


def test_strangers_and_forwarders_are_refused() -> None:
    assert Guest(service(), "10.0.0.1").ask("/latest/meta-data/")[0] == 404
    forwarded = {TTL: "60", "X-Forwarded-For": "1.2.3.4"}
    assert Guest(service()).ask("/latest/api/token", "PUT", **forwarded)[0] == 403
    assert Guest(service(enabled=False)).ask("/latest/api/token", "PUT", **{TTL: "6"})[0] == 403


def test_an_instance_reads_about_itself(
    ec2: Any, network: Any, make_network: Any, make_profile: Any
) -> None:
    network.route_out()
    make_profile("node-1")
    key = (Path(__file__).with_name("operator.pub")).read_text()
    ec2.import_key_pair(KeyName="operator", PublicKeyMaterial=key.encode())
    interface = network.interface("192.168.100.10")
    allocation = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=allocation["AllocationId"], NetworkInterfaceId=interface)
    instance = network.run(
        interface,
        KeyName="operator",
        UserData="#cloud-config\n",
        IamInstanceProfile={"Name": "node-1"},
        MetadataOptions={"HttpTokens": "required"},
    )
    other = make_network("10.10.1.0/24").interface("10.10.1.10")
    ec2.attach_network_interface(InstanceId=instance, NetworkInterfaceId=other, DeviceIndex=1)

    issued: list[None] = []

    @contextlib.contextmanager
    def changing() -> Iterator[None]:
        yield
        issued.append(None)

    directory = Directory(changing=changing)
    guest = Guest(Metadata(lambda address: directory.find(network.vpc, address)))
    assert guest.ask("/latest/meta-data/")[0] == 401
    base = "/latest/meta-data/"
    assert guest.read(base + "instance-id") == instance
    assert guest.read(base + "local-ipv4") == "192.168.100.10"
    assert guest.read(base + "public-ipv4") == allocation["PublicIp"]
    assert guest.read(base + "placement/region") == "eu-central-1"
    assert guest.read(base + "placement/availability-zone") == "eu-central-1a"
    assert guest.read(base + "public-keys/") == "0=operator"
    assert guest.read(base + "public-keys/0/openssh-key").startswith("ssh-ed25519 ")
    assert guest.read("/latest/user-data") == "#cloud-config\n"
    macs = guest.read(base + "network/interfaces/macs/").split()
    assert [guest.read(f"{base}network/interfaces/macs/{mac}device-number") for mac in macs] == [
        "0",
        "1",
    ]
    assert guest.read(f"{base}network/interfaces/macs/{macs[1]}local-ipv4s") == "10.10.1.10"
    document = json.loads(guest.read("/latest/dynamic/instance-identity/document"))
    assert (document["instanceId"], document["region"]) == (instance, "eu-central-1")
    assert guest.read(base + "iam/security-credentials/") == "node-1"
    assert json.loads(guest.read(base + "iam/info"))["Code"] == "Success"
    credentials = json.loads(guest.read(base + "iam/security-credentials/node-1"))
    assert credentials["Code"] == "Success"
    assert {"LastUpdated", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"} <= set(
        credentials
    )
    again = json.loads(guest.read(base + "iam/security-credentials/node-1"))
    assert again == credentials
    assert issued == [None]


def test_an_address_is_looked_up_in_its_own_vpc(cloud: Any, network: Any) -> None:
    network.run(network.interface("192.168.100.10"))
    directory = Directory()
    assert directory.find(network.vpc, "192.168.100.10") is not None
    assert directory.find("vpc-other", "192.168.100.10") is None
    assert directory.find(network.vpc, "192.168.100.11") is None
    del cloud


def test_credentials_are_renewed_before_they_end(network: Any, make_profile: Any) -> None:
    make_profile("r")
    network.run(network.interface("192.168.100.10"), IamInstanceProfile={"Name": "r"})
    now = [datetime.datetime.now(datetime.UTC)]
    directory = Directory(now=lambda: now[0])

    def key() -> str:
        found = directory.find(network.vpc, "192.168.100.10")
        assert found is not None
        text = found.tree["meta-data"]["iam"]["security-credentials"]["r"]
        return json.loads(text)["AccessKeyId"]

    first = key()
    now[0] += datetime.timedelta(hours=5)
    assert key() == first
    now[0] += datetime.timedelta(minutes=45)
    assert key() != first


def test_credentials_end_as_soon_as_a_test_orders_it(
    network: Any, make_profile: Any, tmp_path: Path
) -> None:
    make_profile("r")
    network.run(network.interface("192.168.100.10"), IamInstanceProfile={"Name": "r"})
    directory = Directory(orders=tmp_path)

    def credentials() -> dict[str, str]:
        found = directory.find(network.vpc, "192.168.100.10")
        assert found is not None
        return json.loads(found.tree["meta-data"]["iam"]["security-credentials"]["r"])

    def good_for(found: dict[str, str]) -> float:
        ends = datetime.datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%S%z")
        return (ends - datetime.datetime.now(datetime.UTC)).total_seconds()

    long = credentials()
    assert credentials() == long
    order = tmp_path / "credentials.json"
    order.write_text('{"seconds": 120}')
    short = credentials()
    assert short["AccessKeyId"] != long["AccessKeyId"]
    assert good_for(short) <= 120
    assert credentials()["AccessKeyId"] != short["AccessKeyId"]
    order.unlink()
    assert good_for(credentials()) > 3600
