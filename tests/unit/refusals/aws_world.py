"""Short ways to make what a refusal is about, and to say that a call is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

REGION = "eu-central-1"
IMAGE = "ami-0deb1a4120000f00d"
ZONE = "eu-central-1a"
OTHER_ZONE = "eu-central-1b"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@contextmanager
def refused(code: str, *words: str) -> Any:
    """The block's call is refused with this code, and the message holds these words."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    for word in words:
        assert word in error["Message"], error


class World:
    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2

    def vpc(self, block: str = "10.10.0.0/16") -> str:
        return self.ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]

    def subnet(self, vpc: str | None = None, block: str = "10.10.1.0/24", zone: str = ZONE) -> str:
        answer = self.ec2.create_subnet(
            VpcId=vpc or self.vpc(), CidrBlock=block, AvailabilityZone=zone
        )
        return answer["Subnet"]["SubnetId"]

    def group(self, vpc: str, name: str = "database") -> str:
        answer = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
        return answer["GroupId"]

    def interface(self, subnet: str, **arguments: Any) -> str:
        answer = self.ec2.create_network_interface(SubnetId=subnet, **arguments)
        return answer["NetworkInterface"]["NetworkInterfaceId"]

    def instance(self, **arguments: Any) -> str:
        wanted = {"ImageId": IMAGE, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
        return self.ec2.run_instances(**(wanted | arguments))["Instances"][0]["InstanceId"]

    def instance_with(self, *interfaces: str, **arguments: Any) -> str:
        named = [
            {"DeviceIndex": index, "NetworkInterfaceId": each}
            for index, each in enumerate(interfaces)
        ]
        return self.instance(NetworkInterfaces=named, **arguments)

    def attach(self, interface: str, instance: str, index: int = 1) -> str:
        answer = self.ec2.attach_network_interface(
            NetworkInterfaceId=interface, InstanceId=instance, DeviceIndex=index
        )
        return answer["AttachmentId"]

    def terminate(self, instance: str) -> None:
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.settle()

    def settle(self) -> None:
        """An instance ends or stops only when its host does, and here are no hosts."""
        self._reach({"shutting-down": "terminated", "stopping": "stopped"})

    def run(self) -> None:
        self._reach({"pending": "running"})

    def _reach(self, reached: dict[str, str]) -> None:
        from cloud.api import instances
        from moto.ec2.models import ec2_backends

        backends: list[Any] = [each for _, _, each in ec2_backends.iter_backends()]
        for backend in backends:
            for instance in backend.all_instances():
                if instance.state in reached:
                    instances.settle(instance, reached[instance.state])

    def gateway(self, vpc: str | None = None) -> str:
        answer = self.ec2.create_internet_gateway()
        gateway = answer["InternetGateway"]["InternetGatewayId"]
        if vpc:
            self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        return gateway

    def address(self) -> str:
        return self.ec2.allocate_address(Domain="vpc")["AllocationId"]


def status(call: Callable[..., Any], **arguments: Any) -> int:
    """The HTTP status of a call that may be refused."""
    try:
        return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
