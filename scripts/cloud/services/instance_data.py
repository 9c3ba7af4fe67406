"""What an instance's metadata service says, read from moto's state."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloud.api import later
from cloud.api.snapshot import user_data_bytes
from cloud.api.state import backends, regions
from cloud.names import private_name
from cloud.services.metadata import Instance, Tree, as_json

CREDENTIAL_SECONDS = 21600
RENEW_BEFORE = 1800
"""Credentials are replaced when less than this is left, well before clients ask again."""
ORDERS = "credentials.json"
"""LAB/cloud/credentials.json with {"seconds": 20} has those that are issued end after so many: each
time somebody asks there are new ones. Good for ten minutes, as the orders of `later`."""
TIME = "%Y-%m-%dT%H:%M:%SZ"


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Directory:
    """Finds instances by VPC and address; call it while their state is `locked`.

    Credentials are issued inside `changing()`. `orders` is the folder that has ORDERS.
    """

    def __init__(
        self,
        now: Callable[[], datetime.datetime] = _utc_now,
        changing: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        orders: Path | None = None,
    ) -> None:
        self._now = now
        self._changing = changing
        self._orders = orders
        self._roles: dict[str, tuple[str, float, datetime.datetime, Any]] = {}
        self._lock = threading.Lock()

    def find(self, vpc_id: str, address: str) -> Instance | None:
        """The running instance that has this private address in this VPC."""
        for backend in regions("ec2"):
            if vpc_id not in backend.vpcs:
                continue
            for eni in backend.enis.values():
                if (
                    eni.instance is not None
                    and eni.vpc_id == vpc_id
                    and any(
                        entry["PrivateIpAddress"] == address for entry in eni.private_ip_addresses
                    )
                ):
                    return self._describe(backend, eni.instance)
        return None

    def _describe(self, backend: Any, instance: Any) -> Instance:
        options = instance.metadata_options
        return Instance(
            id=instance.id,
            tree={
                "meta-data": self._meta_data(backend, instance),
                "dynamic": {"instance-identity": {"document": self._document(backend, instance)}},
                **_user_data(instance),
            },
            tokens_required=options.http_tokens == "required",
            enabled=options.http_endpoint != "disabled",
        )

    def _meta_data(self, backend: Any, instance: Any) -> Tree:
        primary = instance.nics[0]
        tree: Tree = {
            "ami-id": instance.image_id,
            "ami-launch-index": str(instance.ami_launch_index),
            "hostname": instance.private_dns_name,
            "instance-action": "none",
            "instance-id": instance.id,
            "instance-life-cycle": "on-demand",
            "instance-type": instance.instance_type,
            "local-hostname": instance.private_dns_name,
            "local-ipv4": primary.private_ip_address,
            "mac": primary.mac_address,
            "network": {
                "interfaces": {
                    "macs": {
                        nic.mac_address: _interface(backend, index, nic)
                        for index, nic in sorted(instance.nics.items())
                    }
                }
            },
            "placement": {
                "availability-zone": instance.placement.zone,
                "region": backend.region_name,
            },
            "reservation-id": _reservation(backend, instance),
            "security-groups": "\n".join(sorted({group.name for group in primary.group_set})),
            "services": {"domain": "amazonaws.com", "partition": backend.partition},
        }
        if instance.placement.group_name:
            tree["placement"]["group-name"] = instance.placement.group_name
        if primary.public_ip:
            tree["public-ipv4"] = primary.public_ip
            tree["public-hostname"] = instance.public_dns_name or ""
        key = backend.key_pairs.get(instance.key_name) if instance.key_name else None
        if key is not None:
            tree["public-keys"] = {"0": {"": key.key_name, "openssh-key": key.public_key.strip()}}
        if (iam := self._iam(backend, instance)) is not None:
            tree["iam"] = iam
        return dict(sorted(tree.items()))

    def _iam(self, backend: Any, instance: Any) -> Tree | None:
        association = backend.iam_instance_profile_associations.get(instance.id)
        if association is None:
            return None
        profile = backends("iam")[backend.account_id][backend.partition].instance_profiles.get(
            association.iam_instance_profile.id
        )
        profile = profile or association.iam_instance_profile
        tree: Tree = {
            "info": as_json(
                {
                    "Code": "Success",
                    "LastUpdated": self._now().strftime(TIME),
                    "InstanceProfileArn": profile.arn,
                    "InstanceProfileId": profile.id,
                }
            )
        }
        if profile.roles:
            role = profile.roles[0]
            tree["security-credentials"] = {role.name: self._credentials(backend, instance, role)}
        return tree

    def _seconds(self) -> float:
        ordered = later.read_orders(self._orders / ORDERS) if self._orders else {}
        return ordered.get("seconds", CREDENTIAL_SECONDS)

    def _credentials(self, backend: Any, instance: Any, role: Any) -> str:
        now, seconds = self._now(), self._seconds()
        with self._lock:
            arn, good_for, updated, session = self._roles.get(instance.id, ("", 0, now, None))
            current = arn == role.arn and good_for == seconds
            if session is None or not current or _left(session, now) < RENEW_BEFORE:
                with self._changing():
                    session = backends("sts")[backend.account_id][backend.partition].assume_role(
                        region_name=backend.region_name,
                        role_session_name=instance.id,
                        role_arn=role.arn,
                        policy="",
                        duration=seconds,
                        external_id="",
                    )
                    updated = now
                    self._roles[instance.id] = (role.arn, seconds, updated, session)
        return as_json(
            {
                "Code": "Success",
                "LastUpdated": updated.strftime(TIME),
                "Type": "AWS-HMAC",
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key,
                "Token": session.session_token,
                "Expiration": session.expiration.strftime(TIME),
            }
        )

    def _document(self, backend: Any, instance: Any) -> str:
        return as_json(
            {
                "accountId": backend.account_id,
                "architecture": instance.architecture,
                "availabilityZone": instance.placement.zone,
                "imageId": instance.image_id,
                "instanceId": instance.id,
                "instanceType": instance.instance_type,
                "pendingTime": instance.launch_time.strftime(TIME),
                "privateIp": instance.private_ip_address,
                "region": backend.region_name,
                "version": "2017-09-30",
            }
        )


def _left(session: Any, now: datetime.datetime) -> float:
    return (session.expiration.replace(tzinfo=datetime.UTC) - now).total_seconds()


def _user_data(instance: Any) -> Tree:
    data = user_data_bytes(instance)
    return {"user-data": data} if data else {}


def _reservation(backend: Any, instance: Any) -> str:
    for reservation in backend.reservations.values():
        if any(each.id == instance.id for each in reservation.instances):
            return reservation.id
    return ""


def _interface(backend: Any, index: int, nic: Any) -> Tree:
    vpc = backend.vpcs[nic.vpc_id]
    name = private_name(nic.private_ip_address, backend.region_name)
    tree: Tree = {
        "device-number": str(index),
        "interface-id": nic.id,
        "local-hostname": name,
        "local-ipv4s": "\n".join(entry["PrivateIpAddress"] for entry in nic.private_ip_addresses),
        "mac": nic.mac_address,
        "owner-id": backend.account_id,
        "security-group-ids": "\n".join(sorted(group.id for group in nic.group_set)),
        "security-groups": "\n".join(sorted(group.name for group in nic.group_set)),
        "subnet-id": nic.subnet.id,
        "subnet-ipv4-cidr-block": nic.subnet.cidr_block,
        "vpc-id": vpc.id,
        "vpc-ipv4-cidr-block": vpc.cidr_block,
        "vpc-ipv4-cidr-blocks": vpc.cidr_block,
    }
    if nic.public_ip:
        tree["public-ipv4s"] = nic.public_ip
        tree["ipv4-associations"] = {nic.public_ip: nic.private_ip_address}
    return tree
