"""Life of instances at the API, without hosts: the reconciler's part is played by the test."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.unit


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_an_instance_is_pending_until_its_host_runs(
    cloud: Any, network: Any, state_of: Any
) -> None:
    instance = network.run(network.interface("192.168.100.10"))
    assert state_of(instance) == "pending"
    assert cloud.api.settle(instance, "pending", "running")
    assert state_of(instance) == "running"


def test_an_instance_and_its_volume_are_in_the_zone_of_its_first_interface(
    ec2: Any, network: Any
) -> None:
    vpc = ec2.create_vpc(CidrBlock="192.168.101.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(
        VpcId=vpc, CidrBlock="192.168.101.0/24", AvailabilityZone="eu-central-1b"
    )["Subnet"]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    instance = network.run(interface["NetworkInterfaceId"])
    (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert found["Placement"]["AvailabilityZone"] == "eu-central-1b"
    assert ec2.describe_volumes()["Volumes"][0]["AvailabilityZone"] == "eu-central-1b"


def test_a_stop_passes_through_stopping_and_a_start_needs_stopped(
    cloud: Any, ec2: Any, network: Any, state_of: Any
) -> None:
    instance = network.run(network.interface())
    cloud.api.settle(instance, "pending", "running")
    answer = ec2.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert answer["PreviousState"]["Name"] == "running"
    assert state_of(instance) == "stopping"
    with pytest.raises(ClientError) as error:
        ec2.start_instances(InstanceIds=[instance])
    assert code(error) == "IncorrectInstanceState"
    cloud.api.settle(instance, "stopping", "stopped")
    ec2.start_instances(InstanceIds=[instance])
    assert state_of(instance) == "pending"


def test_a_final_state_that_is_no_longer_wanted_is_not_set(
    cloud: Any, ec2: Any, network: Any, state_of: Any
) -> None:
    instance = network.run(network.interface())
    ec2.terminate_instances(InstanceIds=[instance])
    assert not cloud.api.settle(instance, "pending", "running")
    assert state_of(instance) == "shutting-down"


def test_termination_frees_the_interface_and_removes_the_volume(
    cloud: Any, ec2: Any, network: Any, state_of: Any
) -> None:
    interface = network.interface("192.168.100.10")
    instance = network.run(interface)
    assert ec2.describe_volumes()["Volumes"][0]["Attachments"][0]["Device"] == "/dev/xvda"
    ec2.terminate_instances(InstanceIds=[instance])
    with pytest.raises(ClientError) as error:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert code(error) == "InvalidParameterValue"
    cloud.api.settle(instance, "shutting-down", "terminated")
    assert state_of(instance) == "terminated"
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])
    assert found["NetworkInterfaces"][0]["Status"] == "available"
    assert ec2.describe_volumes()["Volumes"] == []
    ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_an_interface_that_came_with_the_subnet_goes_with_the_instance(
    cloud: Any, ec2: Any, network: Any
) -> None:
    answer = ec2.run_instances(
        ImageId="ami-0deb1a4120000f00d",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[
            {"DeviceIndex": 0, "SubnetId": network.subnet, "DeleteOnTermination": True}
        ],
    )
    instance = answer["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance])
    cloud.api.settle(instance, "shutting-down", "terminated")
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_the_same_client_token_gives_the_same_instance(network: Any) -> None:
    interface = network.interface()
    assert network.run(interface, ClientToken="one") == network.run(interface, ClientToken="one")


def test_a_protected_instance_is_not_terminated(ec2: Any, network: Any) -> None:
    instance = network.run(network.interface(), DisableApiTermination=True)
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[instance])
    assert code(error) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance])


def test_metadata_options_that_a_request_does_not_name_stay(ec2: Any, network: Any) -> None:
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    instance = network.run(network.interface(), MetadataOptions=options)
    ec2.modify_instance_metadata_options(InstanceId=instance, HttpEndpoint="disabled")
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    now = found["MetadataOptions"]
    assert (now["HttpTokens"], now["HttpPutResponseHopLimit"]) == ("required", 2)
    assert now["HttpEndpoint"] == "disabled"


def test_the_primary_interface_cannot_be_detached_and_another_can(
    ec2: Any, network: Any, make_network: Any
) -> None:
    instance = network.run(network.interface())
    other = make_network("10.10.1.0/24").interface("10.10.1.10")
    attachment = ec2.attach_network_interface(
        InstanceId=instance, NetworkInterfaceId=other, DeviceIndex=1
    )["AttachmentId"]
    ec2.detach_network_interface(AttachmentId=attachment)
    found = ec2.describe_network_interfaces(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance]}]
    )["NetworkInterfaces"]
    assert [each["Attachment"]["DeviceIndex"] for each in found] == [0]
    with pytest.raises(ClientError) as error:
        ec2.detach_network_interface(AttachmentId=found[0]["Attachment"]["AttachmentId"])
    assert code(error) == "OperationNotPermitted"


def test_a_root_volume_needs_no_size(ec2: Any, network: Any) -> None:
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeType": "gp3"}}
    network.run(network.interface(), BlockDeviceMappings=[mapping])
    volume = ec2.describe_volumes()["Volumes"][0]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (8, "gp3", True)


def test_a_gp3_volume_has_its_figures_whether_a_launch_made_it_or_not(
    ec2: Any, network: Any
) -> None:
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3"}}
    network.run(network.interface(), BlockDeviceMappings=[mapping])
    zone = ec2.describe_subnets()["Subnets"][0]["AvailabilityZone"]
    ec2.create_volume(AvailabilityZone=zone, Size=1, VolumeType="gp3")
    ec2.create_volume(AvailabilityZone=zone, Size=10, VolumeType="gp3", Iops=4000, Throughput=250)
    found = ec2.describe_volumes()["Volumes"]
    figures = {each["Size"]: (each["Iops"], each["Throughput"]) for each in found}
    assert figures == {8: (3000, 125), 1: (3000, 125), 10: (4000, 250)}


def test_a_host_that_switches_itself_off_stops_its_instance(
    cloud: Any, network: Any, state_of: Any
) -> None:
    instance = network.run(network.interface())
    cloud.api.settle(instance, "pending", "running")
    cloud.api.halted(instance)
    assert state_of(instance) == "stopping"


def test_changes_wake_the_reconciler_and_questions_do_not(cloud: Any, ec2: Any) -> None:
    ec2.describe_vpcs()
    assert cloud.wakes == 0
    ec2.create_vpc(CidrBlock="10.9.0.0/24")
    assert cloud.wakes == 1
