"""The bare script that `pulumi up` is compared with. It runs in the lab's world.

It makes the same hosts with boto3 and runs the same verbs with Debian's ssh, one connection per
verb, both nodes side by side. It remembers nothing, so it could not change or destroy what it made.
Standard input: the plan. Standard output: when each part began and ended, in seconds since the
first call of the API.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

ATTEMPTS_SECONDS = 180
STEP_SECONDS = 600
PAUSE = 0.1


class Bare:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.folder = Path(plan["folder"])
        self.marks: list[dict[str, Any]] = []
        session = boto3.Session(
            aws_access_key_id=plan["access_key"],
            aws_secret_access_key=plan["secret_key"],
            region_name=plan["region"],
        )
        self.ec2, self.iam, self.s3, self.ssm = (
            session.client(name) for name in ("ec2", "iam", "s3", "ssm")
        )
        self.addresses: dict[str, str] = {}
        self.replaced: dict[str, str] = {}
        self.started = time.monotonic()

    def run(self) -> None:
        steps = {step["name"]: step for step in self.plan["steps"]}
        done: dict[str, Future[None]] = {name: Future() for name in steps}
        hosts: dict[str, Future[None]] = {name: Future() for name in self.plan["hosts"]}

        def take(step: dict[str, Any]) -> None:
            for name in step["after"]:
                done[name].result()
            if step["node"] is None:
                with self.mark(step["name"]):
                    self.local(step)
                return
            for name in step["hosts"]:
                hosts[name].result()
            with self.mark(step["name"]):
                self.remote(step)

        for name, step in steps.items():
            fork(done[name], lambda step=step: take(step))
        with self.mark("network"):
            network = self.network()
        for name, host in self.plan["hosts"].items():
            fork(hosts[name], lambda name=name, host=host: self.host(name, host, network, done))
        for future in (*hosts.values(), *done.values()):
            future.result()

    @contextmanager
    def mark(self, name: str) -> Any:
        start = time.monotonic() - self.started
        yield
        self.marks.append({"name": name, "start": start, "end": time.monotonic() - self.started})

    # -- AWS

    def network(self) -> dict[str, Any]:
        ec2, ranges = self.ec2, self.plan["ranges"]
        zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
        found: dict[str, Any] = {
            "image": self.ssm.get_parameter(Name=self.plan["image"])["Parameter"]["Value"]
        }
        vpcs = {}
        for part in ("client", "replication"):
            vpc = vpcs[part] = ec2.create_vpc(CidrBlock=ranges[part])["Vpc"]["VpcId"]
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=ranges[part], AvailabilityZone=zone)
            found[f"{part}_subnet"] = subnet["Subnet"]["SubnetId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpcs["client"])
        table = ec2.create_route_table(VpcId=vpcs["client"])["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        ec2.associate_route_table(RouteTableId=table, SubnetId=found["client_subnet"])
        found["client_group"] = self.group(
            vpcs["client"], "client", [(22, ranges["admin"]), (3306, ranges["client"])]
        )
        found["replication_group"] = self.group(
            vpcs["replication"], "replication", [(3306, ranges["replication"])]
        )
        key = ec2.import_key_pair(
            KeyName="bare", PublicKeyMaterial=self.plan["public_key"].encode()
        )
        found["key"] = key["KeyName"]
        ec2.create_placement_group(GroupName="bare", Strategy="spread")
        self.s3.create_bucket(
            Bucket="bare-ring",
            CreateBucketConfiguration={"LocationConstraint": self.plan["region"]},
        )
        return found

    def group(self, vpc: str, name: str, rules: list[tuple[int, str]]) -> str:
        group = self.ec2.create_security_group(VpcId=vpc, GroupName=name, Description=name)
        self.ec2.authorize_security_group_ingress(
            GroupId=group["GroupId"],
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port,
                    "IpRanges": [{"CidrIp": cidr}],
                }
                for port, cidr in rules
            ],
        )
        return group["GroupId"]

    def profile(self, node: str) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                }
            ],
        }
        name = f"bare-{node}"
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        self.iam.create_instance_profile(InstanceProfileName=name)
        self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return name

    def host(
        self,
        name: str,
        host: dict[str, Any],
        network: dict[str, Any],
        done: dict[str, Future[None]],
    ) -> None:
        """One instance with both interfaces, up to the first SSH connection."""
        ec2 = self.ec2
        with self.mark(f"{name}-instance"):
            profile = self.profile(name)
            client, replication = (
                ec2.create_network_interface(
                    SubnetId=network[f"{part}_subnet"],
                    PrivateIpAddress=host[f"{part}_address"],
                    Groups=[network[f"{part}_group"]],
                )["NetworkInterface"]
                for part in ("client", "replication")
            )
            public = ec2.allocate_address(Domain="vpc")
            ec2.associate_address(
                AllocationId=public["AllocationId"],
                NetworkInterfaceId=client["NetworkInterfaceId"],
            )
            for each in host["after"]:
                done[each].result()
            instance = ec2.run_instances(
                ImageId=network["image"],
                InstanceType="t3.small",
                MinCount=1,
                MaxCount=1,
                KeyName=network["key"],
                IamInstanceProfile={"Name": profile},
                Placement={"GroupName": "bare"},
                MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
                NetworkInterfaces=[
                    {"DeviceIndex": 0, "NetworkInterfaceId": client["NetworkInterfaceId"]}
                ],
                UserData=host["user_data"].replace(host["mac"], replication["MacAddress"]),
            )["Instances"][0]["InstanceId"]
            until(lambda: self.state(instance) == "running")
            ec2.attach_network_interface(
                InstanceId=instance,
                NetworkInterfaceId=replication["NetworkInterfaceId"],
                DeviceIndex=1,
            )
        self.addresses[name] = public["PublicIp"]
        self.replaced[host["instance_id"]] = instance
        key = self.plan["host_keys"][name].strip()
        (self.folder / f"known-{name}").write_text(f"{public['PublicIp']} {key}\n")
        with self.mark(f"{name}-boot"):
            until(lambda: listens(public["PublicIp"]))
            until(lambda: self.ssh(name, "true", "", check=False) == 0)

    def state(self, instance: str) -> str:
        found = self.ec2.describe_instances(InstanceIds=[instance])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]

    # -- steps

    def local(self, step: dict[str, Any]) -> None:
        subprocess.run(
            ["/bin/sh", "-c", step["command"]],
            input=step["stdin"].encode(),
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=STEP_SECONDS,
        )

    def remote(self, step: dict[str, Any]) -> None:
        if step["command"] is None:
            tar = f"mkdir -p {step['target']} && tar -x -C {step['target']}"
            packed = subprocess.run(
                ["tar", "-c", "--exclude=__pycache__", "-C", step["source"], "."],
                capture_output=True,
                check=True,
                timeout=STEP_SECONDS,
            ).stdout
            self.ssh(step["node"], tar, packed)
            return
        text = step["stdin"]
        for old, new in dict(self.replaced).items():  # the other host may come in meanwhile
            text = text.replace(old, new)
        self.ssh(step["node"], step["command"], text)

    def ssh(self, node: str, command: str, stdin: str | bytes, *, check: bool = True) -> int:
        argv = ["ssh", "-F", "none", "-T"]
        for option in (
            f"IdentityFile={self.folder}/key",
            f"UserKnownHostsFile={self.folder}/known-{node}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "ConnectTimeout=2",
            "LogLevel=ERROR",
            "KexAlgorithms=curve25519-sha256",  # as the official plugin's library
        ):
            argv.append(f"-o{option}")
        done = subprocess.run(
            [*argv, f"{self.plan['login']}@{self.addresses[node]}", command],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=STEP_SECONDS,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{node}: {command}: {done.stderr.decode(errors='replace')[-800:]}")
        return done.returncode


def fork(future: "Future[None]", work: Callable[[], None]) -> None:
    """Run in a thread of its own: most of them wait for others."""

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()


def listens(address: str) -> bool:
    """Whether something takes connections there. A lost packet must not cost a second."""
    try:
        socket.create_connection((address, 22), timeout=0.3).close()
    except OSError:
        return False
    return True


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ATTEMPTS_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {ATTEMPTS_SECONDS} s")
        time.sleep(PAUSE)


def main() -> None:
    bare = Bare(json.load(sys.stdin))
    bare.run()
    print(json.dumps(sorted(bare.marks, key=lambda mark: mark["start"])))


if __name__ == "__main__":
    main()
