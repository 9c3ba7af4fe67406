"""Every resource type against moto: made, read without a difference, changed, deleted."""

import base64
from typing import Any

import pytest
from cloud.providers.aws.errors import AwsError
from cloud.providers.resource import CreatedPartly, ProviderError
from provider_engine import Engine, Made, configured
from provider_world import IMAGE, KEY, TRUST, WRITE, bucket_policy

pytestmark = pytest.mark.unit

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
ATTACHMENT = "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment"
INSTANCE = "aws:ec2/instance:Instance"
BUCKET = "aws:s3/bucket:Bucket"


def settled(engine: Engine, made: Made) -> None:
    """A fresh resource shows no change, and reading it changes neither inputs nor state."""
    assert engine.diff(made) == {}
    found = engine.read(made)
    assert found is not None
    assert found[0] == made.id
    assert made.resource.diff(found[1], made.inputs, engine.call()) == {}
    assert found[2] == made.inputs
    missing = set(made.resource.table.outputs) - set(found[1]) - {"ingress", "egress"}
    assert missing == set()


def gone(engine: Engine, made: Made) -> None:
    engine.delete(made)
    assert engine.read(made) is None
    if made.resource.type_name not in (INSTANCE, ATTACHMENT):
        engine.delete(made)  # a delete that was cut short is asked for again


def subnet(engine: Engine) -> Made:
    vpc = engine.create(VPC, cidrBlock="192.168.100.0/24")
    return engine.create(
        SUBNET, vpcId=vpc.id, cidrBlock="192.168.100.0/24", availabilityZone="eu-central-1a"
    )


def interface(engine: Engine, place: Made, address: str) -> Made:
    group = engine.create(GROUP, vpcId=place.inputs["vpcId"], description="d")
    return engine.create(
        INTERFACE, subnetId=place.id, privateIps=[address], securityGroups=[group.id]
    )


def instance(engine: Engine, place: Made, **more: Any) -> Made:
    client = interface(engine, place, "192.168.100.10")
    return engine.create(
        INSTANCE,
        ami=IMAGE,
        instanceType="t3.small",
        primaryNetworkInterface={"networkInterfaceId": client.id},
        **more,
    )


def test_vpc(aws: Engine) -> None:
    made = aws.create(
        VPC, cidrBlock="10.10.1.0/24", enableDnsHostnames=True, tags={"Name": "a", "Old": "x"}
    )
    settled(aws, made)
    assert made.state["enableDnsHostnames"] is True
    assert made.state["defaultSecurityGroupId"].startswith("sg-")
    made = aws.update(made, enableDnsHostnames=False, tags={"Name": "b"})
    assert made.state["enableDnsHostnames"] is False
    assert made.state["tagsAll"] == {"Name": "b"}
    gone(aws, made)


def test_subnet(aws: Engine) -> None:
    made = subnet(aws)
    settled(aws, made)
    made = aws.update(made, mapPublicIpOnLaunch=True)
    assert made.state["mapPublicIpOnLaunch"] is True
    gone(aws, made)


def test_gateway_and_routes(aws: Engine) -> None:
    place = subnet(aws)
    vpc = place.inputs["vpcId"]
    gateway = aws.create("aws:ec2/internetGateway:InternetGateway", vpcId=vpc, tags={"a": "b"})
    table = aws.create("aws:ec2/routeTable:RouteTable", vpcId=vpc)
    route = aws.create(
        "aws:ec2/route:Route",
        routeTableId=table.id,
        destinationCidrBlock="0.0.0.0/0",
        gatewayId=gateway.id,
    )
    association = aws.create(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        routeTableId=table.id,
        subnetId=place.id,
    )
    for made in (gateway, table, route, association):
        settled(aws, made)
    assert route.state["state"] == "active"
    with pytest.raises(ProviderError, match="RouteAlreadyExists"):
        aws.create(
            "aws:ec2/route:Route",
            routeTableId=table.id,
            destinationCidrBlock="0.0.0.0/0",
            gatewayId=gateway.id,
        )
    for made in (association, route, table, gateway):
        gone(aws, made)


def test_a_new_group_lets_nothing_out_until_a_rule_says_so(aws: Engine) -> None:
    place = subnet(aws)
    group = aws.create(GROUP, vpcId=place.inputs["vpcId"], description="d", tags={"a": "b"})
    settled(aws, group)
    client = aws.provider.session.client("ec2")
    rules = client.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group.id]}]
    )["SecurityGroupRules"]
    assert rules == []
    gone(aws, group)


def test_a_group_whose_create_was_cut_short_is_closed_by_the_next_up(
    aws: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = subnet(aws).inputs["vpcId"]
    client = aws.provider.session.client("ec2")

    def fail(**_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(client, "revoke_security_group_egress", fail)
    resource = aws.resource(GROUP)
    inputs = aws.checked(GROUP, vpcId=vpc, description="d")
    with pytest.raises(CreatedPartly) as raised:
        resource.create(inputs, aws.call())
    monkeypatch.undo()
    cut = Made(resource, raised.value.resource_id, inputs, raised.value.state)
    found = aws.read(cut)  # a refresh in between changes nothing of it
    assert found is not None
    cut = Made(resource, cut.id, inputs, found[1])
    assert aws.diff(cut) == {"__unfinished": ("update", False)}
    repaired = aws.update(cut)
    assert aws.diff(repaired) == {}
    groups = client.describe_security_groups(GroupIds=[cut.id])["SecurityGroups"]
    assert groups[0]["IpPermissionsEgress"] == []


def test_a_subnet_changes_its_route_table_in_place(aws: Engine) -> None:
    place = subnet(aws)
    first, second = (
        aws.create("aws:ec2/routeTable:RouteTable", vpcId=place.inputs["vpcId"]) for _ in range(2)
    )
    made = aws.create(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        routeTableId=first.id,
        subnetId=place.id,
    )
    moved = aws.update(made, routeTableId=second.id)
    assert aws.diff(moved) == {}
    found = aws.read(moved)
    assert found is not None
    assert found[0] != made.id  # a refresh tells the engine the new id
    assert found[1]["routeTableId"] == second.id
    aws.delete(moved)
    assert aws.read(moved) is None


def test_rules(aws: Engine) -> None:
    place = subnet(aws)
    group = aws.create(GROUP, vpcId=place.inputs["vpcId"], description="d")
    mysql = aws.create(
        INGRESS,
        securityGroupId=group.id,
        ipProtocol="TCP",
        fromPort=3306,
        toPort=3306,
        cidrIpv4="192.168.100.0/24",
        description="mysql",
        tags={"a": "b"},
    )
    peer = aws.create(
        INGRESS,
        securityGroupId=group.id,
        ipProtocol="tcp",
        fromPort=1,
        toPort=2,
        referencedSecurityGroupId=group.id,
    )
    out = aws.create(EGRESS, securityGroupId=group.id, ipProtocol="-1", cidrIpv4="0.0.0.0/0")
    for made in (mysql, peer, out):
        settled(aws, made)
    assert mysql.state["tagsAll"] == {"a": "b"}
    mysql = aws.update(mysql, description="clients", toPort=3307)
    assert (mysql.state["description"], mysql.state["toPort"]) == ("clients", 3307)
    changes = aws.diff(mysql, cidrIpv4=None, referencedSecurityGroupId=group.id)
    assert all(replace for _, replace in changes.values())
    for made in (mysql, peer, out, group):
        gone(aws, made)


def test_interface(aws: Engine) -> None:
    place = subnet(aws)
    made = interface(aws, place, "192.168.100.10")
    settled(aws, made)
    assert made.state["privateIp"] == "192.168.100.10"
    assert made.state["macAddress"].count(":") == 5
    other = aws.create(GROUP, vpcId=place.inputs["vpcId"], description="o", name="other")
    made = aws.update(made, securityGroups=[other.id], description="client")
    assert made.state["securityGroups"] == [other.id]
    assert aws.diff(made, privateIps=["192.168.100.11"]) == {"privateIps": ("update", True)}
    kept = {"privateIps": ("update", False)}
    assert aws.diff(made, privateIps=["192.168.100.10", "192.168.100.11"]) == kept
    gone(aws, made)


def test_instance_with_its_interfaces(aws: Engine) -> None:
    place = subnet(aws)
    made = instance(
        aws,
        place,
        userData="#cloud-config\n",
        metadataOptions={"httpTokens": "required", "httpEndpoint": "enabled"},
        rootBlockDevice={"volumeType": "gp3", "volumeSize": 20, "encrypted": True},
        tags={"Name": "node-1"},
    )
    settled(aws, made)
    assert made.state["instanceState"] == "running"
    assert made.state["userData"] == "#cloud-config\n"
    assert made.state["privateIp"] == "192.168.100.10"
    primary = made.inputs["primaryNetworkInterface"]["networkInterfaceId"]
    assert made.state["primaryNetworkInterfaceId"] == primary
    second = aws.create(INTERFACE, subnetId=place.id, privateIps=["192.168.100.20"])
    attachment = aws.create(
        ATTACHMENT, instanceId=made.id, networkInterfaceId=second.id, deviceIndex=1
    )
    settled(aws, attachment)
    gone(aws, attachment)
    gone(aws, second)
    made = aws.update(made, instanceType="t3.medium", tags={"Name": "other"})
    assert (made.state["instanceType"], made.state["instanceState"]) == ("t3.medium", "running")
    assert made.state["tagsAll"] == {"Name": "other"}
    gone(aws, made)


def test_user_data_given_encoded_reaches_the_instance_as_it_is(aws: Engine) -> None:
    encoded = base64.b64encode(b"\x1f\x8bbinary").decode()
    made = instance(aws, subnet(aws), userDataBase64=encoded)
    settled(aws, made)
    assert made.state["userDataBase64"] == encoded


def test_an_instance_ended_by_someone_else_is_gone(aws: Engine) -> None:
    made = instance(aws, subnet(aws))
    aws.provider.session.client("ec2").terminate_instances(InstanceIds=[made.id])
    assert aws.read(made) is not None  # it is shutting down
    aws.call().pause(0)
    assert aws.read(made) is None


def test_address(aws: Engine) -> None:
    place = subnet(aws)
    client = interface(aws, place, "192.168.100.10")
    aws.create("aws:ec2/internetGateway:InternetGateway", vpcId=place.inputs["vpcId"])
    address = aws.create("aws:ec2/eip:Eip", domain="vpc", tags={"a": "b"})
    settled(aws, address)
    association = aws.create(
        "aws:ec2/eipAssociation:EipAssociation",
        allocationId=address.state["allocationId"],
        networkInterfaceId=client.id,
    )
    settled(aws, association)
    assert association.state["publicIp"] == address.state["publicIp"]
    gone(aws, association)
    gone(aws, address)


def test_key_pair(aws: Engine) -> None:
    made = aws.create("aws:ec2/keyPair:KeyPair", publicKey=KEY, tags={"a": "b"})
    settled(aws, made)
    made = aws.update(made, tags={"a": "c"})
    assert made.state["tagsAll"] == {"a": "c"}
    gone(aws, made)


def test_role_policy_and_profile(aws: Engine) -> None:
    role = aws.create("aws:iam/role:Role", assumeRolePolicy=TRUST, tags={"a": "b"})
    policy = aws.create("aws:iam/rolePolicy:RolePolicy", role=role.id, policy=WRITE)
    profile = aws.create("aws:iam/instanceProfile:InstanceProfile", role=role.id)
    for made in (role, policy, profile):
        settled(aws, made)
    role = aws.update(role, description="d", tags={"a": "c"})
    assert role.state["tagsAll"] == {"a": "c"}
    policy = aws.update(policy, policy=WRITE.replace("PutObject", "GetObject"))
    assert "GetObject" in policy.state["policy"]
    for made in (profile, policy, role):
        gone(aws, made)


def test_bucket_and_its_settings(aws: Engine) -> None:
    bucket = aws.create(BUCKET, forceDestroy=True, tags={"a": "b"})
    blocks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    settings = [
        aws.create(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            bucket=bucket.id,
            **dict.fromkeys(blocks, True),
        ),
        aws.create(
            "aws:s3/bucketServerSideEncryptionConfiguration:"
            "BucketServerSideEncryptionConfiguration",
            bucket=bucket.id,
            rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        ),
        aws.create(
            "aws:s3/bucketVersioning:BucketVersioning",
            bucket=bucket.id,
            versioningConfiguration={"status": "Enabled"},
        ),
        aws.create(
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            bucket=bucket.id,
            rule={"objectOwnership": "BucketOwnerEnforced"},
        ),
        aws.create(
            "aws:s3/bucketPolicy:BucketPolicy",
            bucket=bucket.id,
            policy=bucket_policy(bucket.id, "s3:GetObject"),
        ),
    ]
    for made in (bucket, *settings):
        settled(aws, made)
    bucket = aws.update(bucket, tags={})
    assert bucket.state["tagsAll"] == {}
    client = aws.provider.session.client("s3")
    for made in settings:
        aws.delete(made)
    client.put_object(Bucket=bucket.id, Key="a", Body=b"1")
    client.delete_object(Bucket=bucket.id, Key="a")
    gone(aws, bucket)


def test_a_bucket_with_objects_is_kept_unless_told(aws: Engine) -> None:
    bucket = aws.create(BUCKET)
    aws.provider.session.client("s3").put_object(Bucket=bucket.id, Key="a", Body=b"1")
    with pytest.raises(AwsError, match="BucketNotEmpty") as raised:
        aws.delete(bucket)
    assert raised.value.code == "BucketNotEmpty"


def test_drift_is_found_and_undone(aws: Engine) -> None:
    made = aws.create(VPC, cidrBlock="10.10.1.0/24", tags={"Name": "a"})
    client = aws.provider.session.client("ec2")
    client.create_tags(Resources=[made.id], Tags=[{"Key": "Name", "Value": "drifted"}])
    client.modify_vpc_attribute(VpcId=made.id, EnableDnsSupport={"Value": False})
    found = aws.read(made)
    assert found is not None
    assert found[2]["tags"] == {"Name": "drifted"}
    drifted = Made(made.resource, made.id, made.inputs, found[1])
    assert set(aws.diff(drifted)) == {"tags.Name", "enableDnsSupport"}
    assert aws.diff(aws.update(drifted)) == {}


def test_default_tags_are_on_everything_and_not_in_the_resources_own(aws: Engine) -> None:
    engine = Engine(configured(default_tags={"Project": "ring"}))
    made = engine.create(VPC, cidrBlock="10.10.1.0/24", tags={"Name": "a"})
    assert made.state["tags"] == {"Name": "a"}
    assert made.state["tagsAll"] == {"Name": "a", "Project": "ring"}
    settled(engine, made)
    other = Engine(configured(default_tags={"Project": "other"}))
    assert other.diff(made) == {"tagsAll.Project": ("update", False)}
    assert aws.diff(made) == {"tagsAll.Project": ("delete", False)}
