"""One of the two instances, with its interfaces and its public address."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2

from components.credentials import KeyPair
from components.data_volume import DataVolume, DataVolumeArgs
from components.first_boot import user_data
from components.lookup import Place
from components.network import Network
from components.settings import NodeSettings, RingArgs
from components.step import Host, connect
from components.tags import Tags
from components.tools import Tools, ToolsArgs

REPLICATION_DEVICE_INDEX = 1
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html. The host sees an NVMe
# device and finds it by the volume's id.
DATA_DEVICE = "/dev/sdf"


@dataclass(frozen=True)
class NodeArgs:
    """What one node stands on. `network` must be complete before first boot: it is the way out."""

    node: NodeSettings
    settings: RingArgs
    tags: Tags
    network: Network
    place: Place
    image: pulumi.Input[str]
    profile_name: pulumi.Input[str]
    placement_group: pulumi.Input[str]
    key_name: pulumi.Input[str]
    ssh_key: KeyPair
    host_key: KeyPair
    release: str
    after: Sequence[pulumi.Resource] = ()
    """What has to be there before its instance is changed."""


class Node(pulumi.ComponentResource):
    """An instance with both interfaces and its data volume attached, and the tool in its place. It
    answers SSH when its first step runs."""

    instance_id: pulumi.Output[str]
    data_volume_id: pulumi.Output[str]
    public_address: pulumi.Output[str]
    client_interface_id: pulumi.Output[str]
    replication_interface_id: pulumi.Output[str]
    host: Host
    tools_step: pulumi.Resource
    """It ends after the first boot, before the replication interface is there."""
    attached: Sequence[pulumi.Resource]

    def __init__(
        self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Node", name, None, opts)
        self._name, self._args = name, args
        node, network = args.node, args.network
        client = self._interface(
            "client",
            node.client_address,
            network.client_subnet_id,
            network.client_security_group_id,
        )
        replication = self._interface(
            "replication",
            node.replication_address,
            network.replication_subnet_id,
            network.replication_security_group_ids[node.name],
        )
        public = ec2.Eip(
            f"{name}-public-address",
            domain="vpc",
            tags=args.tags.named(f"{name}-public-address"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[network]),
        )
        # By interface: an instance with two of them has no address of its own to associate.
        association = ec2.EipAssociation(
            f"{name}-public-address-association",
            allocation_id=public.id,
            network_interface_id=client.id,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        data = DataVolume(
            f"{name}-data",
            DataVolumeArgs(args.settings, args.place.zone, args.tags),
            pulumi.ResourceOptions(parent=self),
        )
        instance = self._instance(client, replication, data, [network, association, *args.after])
        self.host = Host(
            instance=instance,
            volume_id=data.volume_id,
            connection=connect(
                public.public_ip, args.ssh_key.private_key, args.host_key.public_key
            ),
            release=args.release,
        )
        self.tools_step = Tools(
            f"{name}-tools", ToolsArgs(node, self.host), pulumi.ResourceOptions(parent=self)
        ).last_step
        # EC2 launches with interfaces of one VPC only, so the second one joins afterwards: after
        # the first boot, as the host takes a default route from one that it does not know yet
        # (first_boot.py). In a destroy it leaves with the end of the instance: detached by itself
        # it would take minutes (hashicorp/terraform-provider-aws#45835).
        attachment = ec2.NetworkInterfaceAttachment(
            f"{name}-replication-attachment",
            instance_id=instance.id,
            network_interface_id=replication.id,
            device_index=REPLICATION_DEVICE_INDEX,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[self.tools_step],
                deleted_with=instance,
                delete_before_replace=True,
            ),
        )
        # A host never lets go of what it has mounted. In a destroy the end of the instance detaches
        # the volume; where the instance is replaced, the engine wants it detached before.
        data_attachment = ec2.VolumeAttachment(
            f"{name}-data-attachment",
            device_name=DATA_DEVICE,
            instance_id=instance.id,
            volume_id=data.volume_id,
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(
                parent=self, deleted_with=instance, delete_before_replace=True
            ),
        )
        self.instance_id = instance.id
        self.data_volume_id = data.volume_id
        self.public_address = public.public_ip
        self.client_interface_id = client.id
        self.replication_interface_id = replication.id
        self.attached = [attachment, data_attachment]
        self.register_outputs(
            {
                "instanceId": self.instance_id,
                "dataVolumeId": self.data_volume_id,
                "publicAddress": self.public_address,
                "clientInterfaceId": self.client_interface_id,
                "replicationInterfaceId": self.replication_interface_id,
            }
        )

    def _interface(
        self,
        part: str,
        address: str,
        subnet_id: pulumi.Input[str],
        group_id: pulumi.Input[str],
    ) -> ec2.NetworkInterface:
        return ec2.NetworkInterface(
            f"{self._name}-{part}-interface",
            subnet_id=subnet_id,
            private_ips=[address],
            security_groups=[group_id],
            description=f"{part} of {self._name}",
            tags=self._args.tags.named(f"{self._name}-{part}-interface"),
            # The address is fixed: the old interface has to give it back first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _instance(
        self,
        client: ec2.NetworkInterface,
        replication: ec2.NetworkInterface,
        data: DataVolume,
        depends_on: list[pulumi.Resource],
    ) -> ec2.Instance:
        args = self._args
        prefix = ipaddress.IPv4Network(args.settings.replication_cidr).prefixlen
        boot = pulumi.Output.all(
            args.host_key.private_key, args.host_key.public_key, replication.mac_address
        ).apply(
            lambda known: user_data(
                known[0], known[1], known[2], f"{args.node.replication_address}/{prefix}"
            )
        )
        return ec2.Instance(
            f"{self._name}-instance",
            ami=args.image,
            instance_type=args.place.instance_type,
            key_name=args.key_name,
            iam_instance_profile=args.profile_name,
            placement_group=args.placement_group,
            # Groups and addresses belong to the interface; the same arguments here are refused.
            primary_network_interface={"network_interface_id": client.id},
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            root_block_device={
                "volume_type": "gp3",
                "volume_size": args.settings.root_volume_gib,
                "encrypted": True,
                "delete_on_termination": True,
                "tags": args.tags.named(f"{self._name}-root"),
            },
            user_data=pulumi.Output.secret(boot),
            tags=args.tags.named(self._name),
            opts=pulumi.ResourceOptions(
                parent=self,
                # It ends before the volume does.
                depends_on=[*depends_on, data],
                delete_before_replace=True,
                # A host never lets go of a volume that its server writes to, and it is told its
                # second interface at its first boot.
                replacement_trigger=[data.volume_id, replication.id],
                # These three act at the first boot alone. A newer image, another text or another
                # key must not stop a server.
                ignore_changes=["ami", "user_data", "key_name"],
                additional_secret_outputs=["user_data"],
            ),
        )
