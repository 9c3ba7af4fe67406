"""One of every AWS resource type: a row each, in the order in which a program makes them."""

import json
from collections.abc import Callable
from typing import Any

from provider_engine import Engine, Made
from provider_types import (
    ASSOCIATION,
    ATTACHMENT,
    BLOCK,
    BUCKET,
    EGRESS,
    EIP,
    EIP_ASSOCIATION,
    ENCRYPTION,
    ENDPOINT,
    GATEWAY,
    GROUP,
    INGRESS,
    INSTANCE,
    INTERFACE,
    KEY_PAIR,
    LIFECYCLE,
    OWNERSHIP,
    PLACEMENT,
    POLICY,
    PROFILE,
    ROLE,
    ROLE_POLICY,
    ROUTE,
    SUBNET,
    TABLE,
    VERSIONING,
    VOLUME,
    VOLUME_ATTACHMENT,
    VPC,
)

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
SECOND = "second"
"""In a world, an interface besides the one of INTERFACE."""
TAGS = {"a": "b"}
World = dict[str, Made]
Id = Callable[[str], str]
RULE = {"cidrIpv4": "192.168.100.0/24", "description": "d", "ipProtocol": "tcp"}
PORTS = {"fromPort": 3306, "toPort": 3306}
LIFECYCLE_RULES = [
    {"id": "logs", "status": "Enabled", "filter": {"prefix": "a/"}, "expiration": {"days": 30}},
    {
        "id": "remains",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "expiration": {"expiredObjectDeleteMarker": True},
        "noncurrentVersionExpiration": {"noncurrentDays": 7},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    },
]
ROWS: dict[str, Callable[[Id], dict[str, Any]]] = {
    VPC: lambda _: {"cidrBlock": "192.168.100.0/24", "enableDnsHostnames": True},
    SUBNET: lambda id_of: {
        "vpcId": id_of(VPC),
        "cidrBlock": "192.168.100.0/24",
        "availabilityZone": "eu-central-1a",
        "tags": {"Name": "client"},
    },
    GATEWAY: lambda id_of: {"vpcId": id_of(VPC), "tags": TAGS},
    TABLE: lambda id_of: {"vpcId": id_of(VPC), "tags": TAGS},
    ROUTE: lambda id_of: {
        "routeTableId": id_of(TABLE),
        "destinationCidrBlock": "0.0.0.0/0",
        "gatewayId": id_of(GATEWAY),
    },
    ASSOCIATION: lambda id_of: {"routeTableId": id_of(TABLE), "subnetId": id_of(SUBNET)},
    ENDPOINT: lambda id_of: {
        "vpcId": id_of(VPC),
        "serviceName": "com.amazonaws.eu-central-1.s3",
        "routeTableIds": [id_of(TABLE)],
        "tags": TAGS,
    },
    GROUP: lambda id_of: {"vpcId": id_of(VPC), "description": "d", "tags": TAGS},
    INGRESS: lambda id_of: {"securityGroupId": id_of(GROUP), **RULE, **PORTS, "tags": TAGS},
    EGRESS: lambda id_of: {"securityGroupId": id_of(GROUP), **RULE, **PORTS},
    INTERFACE: lambda id_of: {
        "subnetId": id_of(SUBNET),
        "privateIps": ["192.168.100.10"],
        "securityGroups": [id_of(GROUP)],
        "description": "client",
    },
    SECOND: lambda id_of: {"subnetId": id_of(SUBNET), "privateIps": ["192.168.100.20"]},
    PLACEMENT: lambda _: {"strategy": "spread", "tags": TAGS},
    KEY_PAIR: lambda _: {"publicKey": KEY, "tags": TAGS},
    ROLE: lambda _: {"assumeRolePolicy": TRUST, "description": "d", "tags": TAGS},
    ROLE_POLICY: lambda id_of: {"role": id_of(ROLE), "policy": WRITE},
    PROFILE: lambda id_of: {"role": id_of(ROLE)},
    INSTANCE: lambda id_of: {
        "ami": IMAGE,
        "instanceType": "t3.small",
        "primaryNetworkInterface": {"networkInterfaceId": id_of(INTERFACE)},
        "rootBlockDevice": {"volumeType": "gp3", "volumeSize": 20},
        "userData": "#cloud-config\n",
        "iamInstanceProfile": id_of(PROFILE),
        "metadataOptions": {"httpTokens": "required"},
        "tags": {"Name": "node-1"},
    },
    ATTACHMENT: lambda id_of: {
        "instanceId": id_of(INSTANCE),
        "networkInterfaceId": id_of(SECOND),
        "deviceIndex": 1,
    },
    VOLUME: lambda _: {
        "availabilityZone": "eu-central-1a",
        "encrypted": True,
        "size": 20,
        "type": "gp3",
        "tags": TAGS,
    },
    VOLUME_ATTACHMENT: lambda id_of: {
        "deviceName": "/dev/sdf",
        "instanceId": id_of(INSTANCE),
        "volumeId": id_of(VOLUME),
    },
    EIP: lambda _: {"domain": "vpc", "tags": TAGS},
    EIP_ASSOCIATION: lambda id_of: {
        "allocationId": id_of(EIP),
        "networkInterfaceId": id_of(INTERFACE),
    },
    BUCKET: lambda _: {"forceDestroy": True, "tags": TAGS},
    BLOCK: lambda id_of: {"bucket": id_of(BUCKET), "blockPublicAcls": True},
    ENCRYPTION: lambda id_of: {
        "bucket": id_of(BUCKET),
        "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
    },
    VERSIONING: lambda id_of: {
        "bucket": id_of(BUCKET),
        "versioningConfiguration": {"status": "Enabled"},
    },
    LIFECYCLE: lambda id_of: {"bucket": id_of(BUCKET), "rules": LIFECYCLE_RULES},
    OWNERSHIP: lambda id_of: {
        "bucket": id_of(BUCKET),
        "rule": {"objectOwnership": "BucketOwnerEnforced"},
    },
    POLICY: lambda id_of: {"bucket": id_of(BUCKET), "policy": bucket_policy(id_of(BUCKET))},
}


def build(engine: Engine) -> World:
    world: World = {}
    for name, inputs in ROWS.items():
        kind = INTERFACE if name == SECOND else name
        world[name] = engine.create(kind, **inputs(lambda name: world[name].id))
    return world
