"""Life of an instance as AWS tells it: through pending, stopping and shutting-down.

moto jumps to the final states at once. Here a request sets the state on the way, and the
reconciler sets the final one when the host is there or gone (`settle`).
"""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.responses.instances import InstanceResponse

from cloud.api.patching import replace
from cloud.names import private_name

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}

IMAGE_GIB = 8
"""Size of Debian's image."""

_moto_start = Instance.start
_moto_stop = Instance.stop
_moto_terminate = Instance.terminate
_moto_add_block_device = Instance.add_block_device
_moto_validate_mapping = InstanceResponse._validate_block_device_mapping
_moto_detach = NetworkInterfaceBackend.detach_network_interface
_moto_metadata_options = InstanceBackend.modify_instance_metadata_options


class IncorrectInstanceState(EC2ClientError):
    def __init__(self, instance: Instance, action: str) -> None:
        super().__init__(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in a state from which it can be {action}"
            f" (it is {instance.state}).",
        )


def become(instance: Any, name: str) -> InstanceState:
    """Set an instance's state; the answer is the one before."""
    previous = instance._state
    instance._state = InstanceState(name, CODES[name])
    return previous


def settle(instance: Any, name: str) -> None:
    """Set the state that the host has reached: running, stopped or terminated."""
    if name == "stopped":
        reason, code = instance.state_reason, instance._reason
        _moto_stop(instance)
        if reason.code:
            instance.state_reason, instance._reason = reason, code
    elif name == "terminated":
        _release(instance)
    become(instance, name)


def _release(instance: Any) -> None:
    """End an instance: volumes and own interfaces go, interfaces that came with it stay."""
    for eni in list(instance.nics.values()):
        instance.detach_eni(eni)
        eni.stop()
        if eni.delete_on_termination:
            eni.delete()
    _moto_terminate(instance)


def _start(self: Any) -> InstanceState:
    if self.state in ("pending", "running"):
        return self._state
    if self.state != "stopped":
        raise IncorrectInstanceState(self, "started")
    previous = self._state
    _moto_start(self)
    become(self, "pending")
    return previous


def _stop(self: Any) -> InstanceState:
    if self.state in ("stopping", "stopped"):
        return self._state
    if self.state not in ("pending", "running"):
        raise IncorrectInstanceState(self, "stopped")
    return become(self, "stopping")


def _terminate(self: Any) -> InstanceState:
    if self.state in ("shutting-down", "terminated"):
        return self._state
    return become(self, "shutting-down")


def _reboot(self: Any) -> None:
    if self.state not in ("pending", "running"):
        raise IncorrectInstanceState(self, "rebooted")
    self.reboot_count = getattr(self, "reboot_count", 0) + 1


def _setup_defaults(self: Any) -> None:
    self.add_block_device(None, self.root_device_name, None, False, True, None, None)


def _add_block_device(
    self: Any,
    size: int | None,
    device_path: str,
    snapshot_id: str | None,
    encrypted: bool,
    delete_on_termination: bool,
    kms_key_id: str | None,
    volume_type: str | None,
) -> None:
    """A volume with the size of the image and of the present general type, unless named."""
    _moto_add_block_device(
        self,
        size or IMAGE_GIB,
        device_path,
        snapshot_id,
        encrypted,
        delete_on_termination,
        kms_key_id,
        volume_type or "gp3",
    )


def _validate_mapping(device_mapping: dict[str, Any]) -> None:
    """As moto, and a size is not needed: the image has one."""
    ebs = device_mapping.get("Ebs")
    if ebs is not None and not ebs.get("VolumeSize") and not ebs.get("SnapshotId"):
        device_mapping = {**device_mapping, "Ebs": {**ebs, "VolumeSize": IMAGE_GIB}}
    _moto_validate_mapping(device_mapping)


def _detach(self: Any, attachment_id: str) -> None:
    for eni in self.enis.values():
        if eni.attachment_id == attachment_id and eni.device_index == 0:
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The network interface at device index 0 cannot be detached ({eni.id}).",
            )
    _moto_detach(self, attachment_id)


def _metadata_options(
    self: Any,
    instance_id: str,
    http_tokens: str | None = None,
    hop_limit: int | None = None,
    http_endpoint: str | None = None,
    dry_run: bool | None = False,
    http_protocol: str | None = None,
    metadata_tags: str | None = None,
) -> Any:
    """What a request does not name stays as it is (moto sets it to the defaults)."""
    now = self.get_instance(instance_id).metadata_options
    return _moto_metadata_options(
        self,
        instance_id,
        http_tokens or now.http_tokens,
        now.http_put_response_hop_limit if hop_limit is None else hop_limit,
        http_endpoint or now.http_endpoint,
        dry_run,
        http_protocol or now.http_protocol_ipv6,
        metadata_tags or now.instance_metadata_tags,
    )


def _primary(attribute: str) -> property:
    def read(self: Any) -> Any:
        nic = self.nics.get(0)
        return getattr(nic, attribute) if nic is not None else None

    return property(read)


def _private_dns_name(self: Any) -> str:
    address = self.private_ip
    return "" if address is None else private_name(address, self.region_name)


def install() -> None:
    """Put these methods in the place of moto's."""
    replace(
        Instance,
        start=_start,
        stop=_stop,
        terminate=_terminate,
        reboot=_reboot,
        private_ip=_primary("private_ip_address"),
        private_ip_address=_primary("private_ip_address"),
        public_ip=_primary("public_ip"),
        public_ip_address=_primary("public_ip"),
        private_dns_name=property(_private_dns_name),
        setup_defaults=_setup_defaults,
        add_block_device=_add_block_device,
    )
    replace(
        InstanceResponse,
        _validate_block_device_mapping=staticmethod(_validate_mapping),
    )
    replace(
        InstanceBackend,
        modify_instance_metadata_options=_metadata_options,
    )
    replace(NetworkInterfaceBackend, detach_network_interface=_detach)
