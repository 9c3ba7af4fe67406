"""The API in this process, called by boto3 without a socket."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from cloud import aws
from cloud.api.application import Api
from cloud.api.state import Store
from cloud.network import namespaces
from moto.core.base_backend import BackendDict
from werkzeug.test import Client

REGION = "eu-central-1"
IMAGE = "ami-0deb1a4120000f00d"


_serving: list[Cloud] = []


@functools.cache
def _client(service: str, region: str) -> Any:
    """Clients take long to make: one for all tests."""
    client = boto3.client(
        service,  # type: ignore[call-overload]
        region_name=region,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 - any key is taken
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send", lambda request, **_: _serving[0].answer(request))
    return client


class _Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Cloud:
    """An API over a state folder, with clients of it."""

    def __init__(self, folder: Path) -> None:
        self.wakes = 0
        aws.install()
        self.api = Api(Store(folder / "state"), self._wake)
        self.web = Client(self.api)

    def _wake(self) -> None:
        self.wakes += 1

    def client(self, service: str, region: str = REGION) -> Any:
        """A client whose requests go to this API."""
        _serving[:] = [self]
        return _client(service, region)

    def answer(self, request: Any) -> AWSResponse:
        body = request.body
        data = body.read() if hasattr(body, "read") else body or b""
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding")
        }
        url = urlsplit(request.url)
        answer = self.web.open(
            path=unquote(url.path),
            base_url=f"{url.scheme}://{url.netloc}",
            query_string=url.query,
            method=request.method,
            headers=headers,
            data=data,
        )
        return AWSResponse(
            request.url, answer.status_code, dict(answer.headers), _Raw(answer.get_data())
        )


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    BackendDict.reset()
    yield Cloud(tmp_path)
    BackendDict.reset()


@pytest.fixture
def ec2(cloud: Cloud) -> Any:
    return cloud.client("ec2")


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
"""The trust policy of a role for instances."""


@pytest.fixture
def make_profile(cloud: Cloud) -> Callable[[str], None]:
    """Makes a role, and an instance profile of the same name that holds it."""

    def make(name: str) -> None:
        iam = cloud.client("iam")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)

    return make


class Network:
    """A VPC with one subnet, and what tests put into it."""

    def __init__(self, ec2: Any, cidr: str = "192.168.100.0/24") -> None:
        self.ec2 = ec2
        self.cidr = cidr
        self.vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=f"{REGION}a")
        self.subnet = subnet["Subnet"]["SubnetId"]

    def route_out(self) -> str:
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.create_route(
            RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
        )
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=self.subnet)
        return gateway

    def group(self, name: str = "group") -> str:
        return self.ec2.create_security_group(VpcId=self.vpc, GroupName=name, Description=name)[
            "GroupId"
        ]

    def interface(self, address: str | None = None, groups: list[str] | None = None) -> str:
        extra: dict[str, Any] = {"PrivateIpAddress": address} if address else {}
        if groups:
            extra["Groups"] = groups
        answer = self.ec2.create_network_interface(SubnetId=self.subnet, **extra)
        return answer["NetworkInterface"]["NetworkInterfaceId"]

    def run(self, interface: str, **more: Any) -> str:
        answer = self.ec2.run_instances(
            ImageId=IMAGE,
            MinCount=1,
            MaxCount=1,
            NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface}],
            **more,
        )
        return answer["Instances"][0]["InstanceId"]


@pytest.fixture
def network(ec2: Any) -> Network:
    return Network(ec2)


@pytest.fixture
def make_network(ec2: Any) -> Callable[[str], Network]:
    return lambda cidr: Network(ec2, cidr)


@pytest.fixture
def state_of(ec2: Any) -> Callable[[str], str]:
    def read(instance_id: str) -> str:
        answer = ec2.describe_instances(InstanceIds=[instance_id])
        return answer["Reservations"][0]["Instances"][0]["State"]["Name"]

    return read


class Kernel:
    """The namespaces of routers: what was asked of them, and the links that are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self.there: set[str] = set()
        monkeypatch.setattr(namespaces, "create", lambda name, *_: self._note(name, "create"))
        monkeypatch.setattr(namespaces, "delete", lambda name: self._note(name, "delete"))
        monkeypatch.setattr(namespaces, "link", self._link)
        monkeypatch.setattr(namespaces, "run", self._run)

    def _note(self, namespace: str, command: str) -> None:
        self.asked.append((namespace, command))

    def _link(self, namespace: str, commands: Iterable[str]) -> None:
        for command in commands:
            self._note(namespace, command)
            words = command.split()
            if words[:2] == ["link", "add"]:
                self.there.add(words[2])
            elif words[:2] == ["link", "delete"]:
                self.there.discard(words[2])

    def _run(self, argv: list[str], **_: Any) -> str:
        return "".join(f"1: {end}@if2: <UP>\n" for end in self.there) if "show" in argv else ""

    def routes(self, namespace: str) -> list[str]:
        """What was asked of a namespace's routes since the last time."""
        found = [
            command
            for where, command in self.asked
            if where == namespace and command.startswith("route ")
        ]
        self.asked.clear()
        return found


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)
