"""One of every AWS resource type."""

import json
from typing import Any

from provider_engine import Engine, Made

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
WRITE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
    }
)


def bucket_policy(bucket: str, action: str = "s3:PutObject") -> str:
    resource = f"arn:aws:s3:::{bucket}/*"
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMMrz5CPBUMvpAGtVlnMUYmx4kw3L7XYNzFjWmnWRm3F x"
IMAGE = "ami-0deb1a4120000f00d"
EC2 = {
    name: f"aws:ec2/{name[0].lower()}{name[1:]}:{name}"
    for name in (
        "Vpc",
        "Subnet",
        "InternetGateway",
        "RouteTable",
        "Route",
        "RouteTableAssociation",
        "SecurityGroup",
        "NetworkInterface",
        "NetworkInterfaceAttachment",
        "Eip",
        "EipAssociation",
        "KeyPair",
        "Instance",
        "PlacementGroup",
    )
}
S3 = {
    name: f"aws:s3/{name[0].lower()}{name[1:]}:{name}"
    for name in (
        "Bucket",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
        "BucketOwnershipControls",
        "BucketPolicy",
    )
}
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
PROFILE = "aws:iam/instanceProfile:InstanceProfile"


def build(engine: Engine) -> dict[str, Made]:
    """One resource of every type, in the order in which a program makes them."""
    world: dict[str, Made] = {}

    def make(token: str, **inputs: Any) -> Made:
        world[token] = engine.create(token, **inputs)
        return world[token]

    vpc = make(EC2["Vpc"], cidrBlock="192.168.100.0/24", enableDnsHostnames=True)
    place = make(
        EC2["Subnet"],
        vpcId=vpc.id,
        cidrBlock="192.168.100.0/24",
        availabilityZone="eu-central-1a",
        tags={"Name": "client"},
    )
    gateway = make(EC2["InternetGateway"], vpcId=vpc.id, tags={"a": "b"})
    table = make(EC2["RouteTable"], vpcId=vpc.id, tags={"a": "b"})
    make(
        EC2["Route"],
        routeTableId=table.id,
        destinationCidrBlock="0.0.0.0/0",
        gatewayId=gateway.id,
    )
    make(EC2["RouteTableAssociation"], routeTableId=table.id, subnetId=place.id)
    group = make(EC2["SecurityGroup"], vpcId=vpc.id, description="d", tags={"a": "b"})
    rule = {"securityGroupId": group.id, "cidrIpv4": "192.168.100.0/24", "description": "d"}
    make(INGRESS, ipProtocol="tcp", fromPort=3306, toPort=3306, **rule)
    make(EGRESS, ipProtocol="tcp", fromPort=3306, toPort=3306, **rule)
    client = make(
        EC2["NetworkInterface"],
        subnetId=place.id,
        privateIps=["192.168.100.10"],
        securityGroups=[group.id],
        description="client",
    )
    second = world["second"] = engine.create(
        EC2["NetworkInterface"], subnetId=place.id, privateIps=["192.168.100.20"]
    )
    make(EC2["PlacementGroup"], strategy="spread", tags={"a": "b"})
    make(EC2["KeyPair"], publicKey=KEY, tags={"a": "b"})
    role = make(ROLE, assumeRolePolicy=TRUST, description="d", tags={"a": "b"})
    make(ROLE_POLICY, role=role.id, policy=WRITE)
    profile = make(PROFILE, role=role.id)
    host = make(
        EC2["Instance"],
        ami=IMAGE,
        instanceType="t3.small",
        primaryNetworkInterface={"networkInterfaceId": client.id},
        rootBlockDevice={"volumeType": "gp3", "volumeSize": 20},
        userData="#cloud-config\n",
        iamInstanceProfile=profile.id,
        metadataOptions={"httpTokens": "required"},
        tags={"Name": "node-1"},
    )
    make(
        EC2["NetworkInterfaceAttachment"],
        instanceId=host.id,
        networkInterfaceId=second.id,
        deviceIndex=1,
    )
    address = make(EC2["Eip"], domain="vpc", tags={"a": "b"})
    make(EC2["EipAssociation"], allocationId=address.id, networkInterfaceId=client.id)
    bucket = make(S3["Bucket"], forceDestroy=True, tags={"a": "b"})
    make(S3["BucketPublicAccessBlock"], bucket=bucket.id, blockPublicAcls=True)
    make(
        S3["BucketServerSideEncryptionConfiguration"],
        bucket=bucket.id,
        rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
    )
    make(S3["BucketVersioning"], bucket=bucket.id, versioningConfiguration={"status": "Enabled"})
    make(
        S3["BucketOwnershipControls"],
        bucket=bucket.id,
        rule={"objectOwnership": "BucketOwnerEnforced"},
    )
    make(S3["BucketPolicy"], bucket=bucket.id, policy=bucket_policy(bucket.id))
    return world
