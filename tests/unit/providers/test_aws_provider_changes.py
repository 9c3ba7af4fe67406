"""What replaces and what updates, by the official provider's rules."""

from typing import Any

import pytest
from cloud.providers.aws.resources import RESOURCES
from cloud.providers.resource import ProviderError
from cloud.providers.values import UNKNOWN
from provider_engine import REGION, Engine, shared
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

pytestmark = pytest.mark.unit

AES = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
KMS = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}
ROOT = {"deleteOnTermination": True, "volumeSize": 10, "encrypted": True}
RULE = {"id": "r", "status": "Enabled", "filter": {"prefix": "a/"}, "expiration": {"days": 7}}
BASE: dict[str, dict[str, Any]] = {
    VPC: {"cidrBlock": "10.10.1.0/24"},
    SUBNET: {"vpcId": "vpc-1", "cidrBlock": "10.10.1.0/24", "availabilityZone": "a"},
    ROUTE: {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"},
    ASSOCIATION: {"routeTableId": "rtb-1", "subnetId": "subnet-1"},
    GROUP: {"name": "g", "description": "d", "vpcId": "vpc-1"},
    INGRESS: {
        "securityGroupId": "sg-1",
        "ipProtocol": "tcp",
        "fromPort": 1,
        "toPort": 1,
        "cidrIpv4": "10.0.0.0/8",
    },
    EGRESS: {"securityGroupId": "sg-1", "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
    GATEWAY: {"vpcId": "vpc-1"},
    TABLE: {"vpcId": "vpc-1"},
    ENDPOINT: {"vpcId": "vpc-1", "serviceName": "s3", "routeTableIds": ["rtb-1"]},
    BLOCK: {"bucket": "b", "blockPublicAcls": True},
    LIFECYCLE: {"bucket": "b", "rules": [RULE]},
    OWNERSHIP: {"bucket": "b", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
    POLICY: {"bucket": "b", "policy": "{}"},
    ENCRYPTION: {"bucket": "b", "rules": [AES]},
    INTERFACE: {
        "subnetId": "subnet-1",
        "privateIps": ["10.10.1.10"],
        "securityGroups": ["sg-1"],
    },
    ATTACHMENT: {"deviceIndex": 1, "instanceId": "i-1", "networkInterfaceId": "eni-1"},
    EIP: {"domain": "vpc"},
    EIP_ASSOCIATION: {"allocationId": "eipalloc-1", "networkInterfaceId": "eni-1"},
    PLACEMENT: {"name": "p", "strategy": "spread"},
    KEY_PAIR: {"keyName": "k", "publicKey": "ssh-ed25519 AAAA"},
    INSTANCE: {
        "ami": "ami-1",
        "instanceType": "t3.small",
        "keyName": "k",
        "userData": "a",
        "iamInstanceProfile": "p",
        "placementGroup": "pg",
        "primaryNetworkInterface": {"networkInterfaceId": "eni-1"},
        "rootBlockDevice": ROOT,
        "metadataOptions": {"httpTokens": "required"},
    },
    VOLUME: {"availabilityZone": "a", "size": 20, "type": "gp3", "iops": 3000, "throughput": 125},
    VOLUME_ATTACHMENT: {"deviceName": "/dev/sdf", "instanceId": "i-1", "volumeId": "vol-1"},
    ROLE: {"name": "r", "assumeRolePolicy": "{}"},
    ROLE_POLICY: {"name": "n", "role": "r", "policy": "{}"},
    PROFILE: {"name": "p", "role": "r"},
    BUCKET: {"bucket": "b"},
    VERSIONING: {"bucket": "b", "versioningConfiguration": {"status": "Enabled"}},
}
REPLACED, UPDATED = True, False
ROWS = [
    (VPC, {"cidrBlock": "10.10.2.0/24"}, "cidrBlock", REPLACED),
    (VPC, {"instanceTenancy": "dedicated"}, "instanceTenancy", REPLACED),
    (VPC, {"enableNetworkAddressUsageMetrics": True}, "enableNetworkAddressUsageMetrics", UPDATED),
    (VPC, {"enableDnsHostnames": True}, "enableDnsHostnames", UPDATED),
    (VPC, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (SUBNET, {"vpcId": "vpc-2"}, "vpcId", REPLACED),
    (SUBNET, {"availabilityZone": "b"}, "availabilityZone", REPLACED),
    (SUBNET, {"mapPublicIpOnLaunch": True}, "mapPublicIpOnLaunch", UPDATED),
    (ROUTE, {"gatewayId": "igw-2"}, "gatewayId", UPDATED),
    (ROUTE, {"destinationCidrBlock": "10.0.0.0/8"}, "destinationCidrBlock", REPLACED),
    (ASSOCIATION, {"routeTableId": "rtb-2"}, "routeTableId", UPDATED),
    (ASSOCIATION, {"subnetId": "subnet-2"}, "subnetId", REPLACED),
    (GROUP, {"description": "other"}, "description", REPLACED),
    (GROUP, {"vpcId": "vpc-2"}, "vpcId", REPLACED),
    (GROUP, {"revokeRulesOnDelete": True}, "revokeRulesOnDelete", UPDATED),
    (INGRESS, {"description": "other"}, "description", UPDATED),
    (INGRESS, {"toPort": 2}, "toPort", UPDATED),
    (INGRESS, {"cidrIpv4": "10.1.0.0/16"}, "cidrIpv4", UPDATED),
    (INGRESS, {"securityGroupId": "sg-2"}, "securityGroupId", REPLACED),
    (EGRESS, {"description": "other"}, "description", UPDATED),
    (EGRESS, {"ipProtocol": "tcp"}, "ipProtocol", UPDATED),
    (EGRESS, {"cidrIpv4": "10.0.0.0/8"}, "cidrIpv4", UPDATED),
    (EGRESS, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (EGRESS, {"securityGroupId": "sg-2"}, "securityGroupId", REPLACED),
    (GATEWAY, {"vpcId": "vpc-2"}, "vpcId", UPDATED),
    (TABLE, {"vpcId": "vpc-2"}, "vpcId", REPLACED),
    (TABLE, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (ROUTE, {"routeTableId": "rtb-2"}, "routeTableId", REPLACED),
    (ENDPOINT, {"vpcId": "vpc-2"}, "vpcId", REPLACED),
    (ENDPOINT, {"serviceName": "dynamodb"}, "serviceName", REPLACED),
    (ENDPOINT, {"routeTableIds": ["rtb-2"]}, "routeTableIds", UPDATED),
    (ENDPOINT, {"policy": '{"a":1}'}, "policy", UPDATED),
    (ENDPOINT, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (
        LIFECYCLE,
        {"rules": [{**RULE, "expiration": {"days": 8}}]},
        "rules[0].expiration.days",
        UPDATED,
    ),
    (
        LIFECYCLE,
        {"rules": [{**RULE, "filter": {"prefix": "b/"}}]},
        "rules[0].filter.prefix",
        UPDATED,
    ),
    (LIFECYCLE, {"bucket": "other"}, "bucket", REPLACED),
    (BLOCK, {"blockPublicAcls": False}, "blockPublicAcls", UPDATED),
    (BLOCK, {"bucket": "other"}, "bucket", REPLACED),
    (OWNERSHIP, {"rule": {"objectOwnership": "ObjectWriter"}}, "rule.objectOwnership", UPDATED),
    (OWNERSHIP, {"bucket": "other"}, "bucket", REPLACED),
    (POLICY, {"policy": '{"a":1}'}, "policy", UPDATED),
    (POLICY, {"bucket": "other"}, "bucket", REPLACED),
    (
        ENCRYPTION,
        {"rules": [KMS]},
        "rules[0].applyServerSideEncryptionByDefault.sseAlgorithm",
        UPDATED,
    ),
    (
        ENCRYPTION,
        {"rules": [{**AES, "bucketKeyEnabled": True}]},
        "rules[0].bucketKeyEnabled",
        UPDATED,
    ),
    (ENCRYPTION, {"bucket": "other"}, "bucket", REPLACED),
    (INTERFACE, {"subnetId": "subnet-2"}, "subnetId", REPLACED),
    (INTERFACE, {"privateIps": ["10.10.1.11"]}, "privateIps", REPLACED),
    (INTERFACE, {"privateIps": ["10.10.1.10", "10.10.1.11"]}, "privateIps", UPDATED),
    (INTERFACE, {"securityGroups": ["sg-2"]}, "securityGroups", UPDATED),
    (INTERFACE, {"description": "x"}, "description", UPDATED),
    (INTERFACE, {"sourceDestCheck": False}, "sourceDestCheck", UPDATED),
    (ATTACHMENT, {"instanceId": "i-2"}, "instanceId", REPLACED),
    (ATTACHMENT, {"deviceIndex": 2}, "deviceIndex", REPLACED),
    (EIP, {"domain": "standard"}, "domain", REPLACED),
    (EIP, {"networkInterface": "eni-2"}, "networkInterface", UPDATED),
    (EIP_ASSOCIATION, {"networkInterfaceId": "eni-2"}, "networkInterfaceId", REPLACED),
    (PLACEMENT, {"strategy": "cluster"}, "strategy", REPLACED),
    (KEY_PAIR, {"publicKey": "ssh-ed25519 BBBB"}, "publicKey", REPLACED),
    (INSTANCE, {"ami": "ami-2"}, "ami", REPLACED),
    (INSTANCE, {"keyName": "other"}, "keyName", REPLACED),
    (INSTANCE, {"placementGroup": "other"}, "placementGroup", REPLACED),
    (INSTANCE, {"instanceType": "t3.large"}, "instanceType", UPDATED),
    (INSTANCE, {"userData": "b"}, "userData", UPDATED),
    (INSTANCE, {"iamInstanceProfile": "q"}, "iamInstanceProfile", UPDATED),
    (
        INSTANCE,
        {"primaryNetworkInterface": {"networkInterfaceId": "eni-2"}},
        "primaryNetworkInterface.networkInterfaceId",
        REPLACED,
    ),
    (INSTANCE, {"primaryNetworkInterface": UNKNOWN}, "primaryNetworkInterface", REPLACED),
    (INSTANCE, {"rootBlockDevice": UNKNOWN}, "rootBlockDevice", UPDATED),
    (
        INSTANCE,
        {"rootBlockDevice": {**ROOT, "volumeSize": 20}},
        "rootBlockDevice.volumeSize",
        UPDATED,
    ),
    (
        INSTANCE,
        {"rootBlockDevice": {**ROOT, "encrypted": False}},
        "rootBlockDevice.encrypted",
        REPLACED,
    ),
    (
        INSTANCE,
        {"metadataOptions": {"httpTokens": "optional"}},
        "metadataOptions.httpTokens",
        UPDATED,
    ),
    (VOLUME, {"availabilityZone": "b"}, "availabilityZone", REPLACED),
    (VOLUME, {"encrypted": True}, "encrypted", REPLACED),
    (VOLUME, {"kmsKeyId": "arn:aws:kms:x:1:key/2"}, "kmsKeyId", REPLACED),
    (VOLUME, {"snapshotId": "snap-1"}, "snapshotId", REPLACED),
    (VOLUME, {"size": 30}, "size", UPDATED),
    (VOLUME, {"iops": 4000}, "iops", UPDATED),
    (VOLUME, {"throughput": 250}, "throughput", UPDATED),
    (VOLUME, {"type": "io2"}, "type", UPDATED),
    (VOLUME, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (VOLUME_ATTACHMENT, {"deviceName": "/dev/sdg"}, "deviceName", REPLACED),
    (VOLUME_ATTACHMENT, {"instanceId": "i-2"}, "instanceId", REPLACED),
    (VOLUME_ATTACHMENT, {"volumeId": "vol-2"}, "volumeId", REPLACED),
    (VOLUME_ATTACHMENT, {"forceDetach": True}, "forceDetach", UPDATED),
    (
        VOLUME_ATTACHMENT,
        {"stopInstanceBeforeDetaching": True},
        "stopInstanceBeforeDetaching",
        UPDATED,
    ),
    (ROLE, {"name": "other"}, "name", REPLACED),
    (ROLE, {"path": "/x/"}, "path", REPLACED),
    (ROLE, {"assumeRolePolicy": '{"a":1}'}, "assumeRolePolicy", UPDATED),
    (ROLE_POLICY, {"policy": '{"a":1}'}, "policy", UPDATED),
    (ROLE_POLICY, {"role": "other"}, "role", REPLACED),
    (PROFILE, {"role": "other"}, "role", UPDATED),
    (BUCKET, {"bucket": "other"}, "bucket", REPLACED),
    (BUCKET, {"bucketPrefix": "b"}, "bucketPrefix", REPLACED),
    (BUCKET, {"objectLockEnabled": True}, "objectLockEnabled", REPLACED),
    (BUCKET, {"tags": {"a": "b"}}, "tags.a", UPDATED),
    (BUCKET, {"forceDestroy": True}, "forceDestroy", UPDATED),
    (VERSIONING, {"bucket": "other"}, "bucket", REPLACED),
    (
        VERSIONING,
        {"versioningConfiguration": {"status": "Suspended"}},
        "versioningConfiguration.status",
        UPDATED,
    ),
]


@pytest.fixture
def engine() -> Engine:
    return Engine(shared())


def state_of(engine: Engine, token: str) -> dict[str, Any]:
    """The state after a create that gave the API nothing of its own to add."""
    resource = engine.resource(token)
    found = {"privateIp": "10.10.1.10"} if token == INTERFACE else {}
    return resource._merge(engine.provider.session, BASE[token], found)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("token", "changed", "path", "replaced"), ROWS)
def test_a_change_replaces_or_updates_as_the_official_provider(
    engine: Engine, token: str, changed: dict[str, Any], path: str, replaced: bool
) -> None:
    inputs = {**BASE[token], **changed}
    changes = engine.resource(token).diff(state_of(engine, token), inputs, engine.call())
    assert {one: replace for one, (_, replace) in changes.items()} == {path: replaced}


@pytest.mark.parametrize("token", sorted(BASE))
def test_no_change_is_none(engine: Engine, token: str) -> None:
    state = state_of(engine, token)
    assert engine.resource(token).diff(state, BASE[token], engine.call()) == {}


def test_there_is_a_row_of_every_type() -> None:
    assert {token for token, *_ in ROWS} == set(RESOURCES) == set(BASE)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("token", [one for one in sorted(BASE) if not one.startswith("aws:iam/")])
def test_another_region_replaces_also_when_it_is_the_providers(
    engine: Engine, token: str, named: bool
) -> None:
    state = {**state_of(engine, token), "region": "us-east-1"}
    inputs = {**BASE[token], **({"region": REGION} if named else {})}
    changes = engine.resource(token).diff(state, inputs, engine.call())
    assert changes == {"region": ("update", True)}


def test_a_route_to_another_kind_of_target_is_changed_in_place(engine: Engine) -> None:
    inputs = {**BASE[ROUTE], "natGatewayId": "nat-1"}
    del inputs["gatewayId"]
    changes = engine.resource(ROUTE).diff(state_of(engine, ROUTE), inputs, engine.call())
    assert changes == {"gatewayId": ("delete", False), "natGatewayId": ("add", False)}


def test_a_rule_with_another_kind_of_source_is_replaced(engine: Engine) -> None:
    for token in (INGRESS, EGRESS):
        inputs = {**BASE[token], "referencedSecurityGroupId": "sg-2"}
        del inputs["cidrIpv4"]
        changes = engine.resource(token).diff(state_of(engine, token), inputs, engine.call())
        assert changes == {
            "cidrIpv4": ("delete", True),
            "referencedSecurityGroupId": ("add", True),
        }


def test_user_data_replaces_when_told(engine: Engine) -> None:
    inputs = {**BASE[INSTANCE], "userData": "b", "userDataReplaceOnChange": True}
    changes = engine.resource(INSTANCE).diff(state_of(engine, INSTANCE), inputs, engine.call())
    assert changes["userData"] == ("update", True)


def test_a_vpc_gives_up_dedicated_tenancy_in_place(engine: Engine) -> None:
    state = {**state_of(engine, VPC), "instanceTenancy": "dedicated"}
    changes = engine.resource(VPC).diff(state, BASE[VPC], engine.call())
    assert changes == {"instanceTenancy": ("update", False)}


def test_versioning_cannot_be_disabled_again(engine: Engine) -> None:
    inputs = {**BASE[VERSIONING], "versioningConfiguration": {"status": "Disabled"}}
    with pytest.raises(ProviderError, match="cannot be updated from 'Enabled' to 'Disabled'"):
        engine.resource(VERSIONING).diff(state_of(engine, VERSIONING), inputs, engine.call())


def test_every_type_says_where_its_rules_come_from() -> None:
    for resource in RESOURCES.values():
        assert resource.table.source.startswith("terraform-provider-aws internal/service/")


@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_an_argument_that_is_in_no_table_is_refused(engine: Engine, token: str) -> None:
    reason = engine.refusals(token, colour="red")["colour"]
    assert "'colour' is no argument that this stand-in serves" in reason


@pytest.mark.parametrize(
    "argument",
    ["subnetId", "privateIp", "vpcSecurityGroupIds", "sourceDestCheck"],
)
def test_interface_arguments_are_refused_beside_an_interface(engine: Engine, argument: str) -> None:
    value: Any = {"vpcSecurityGroupIds": ["sg-1"], "sourceDestCheck": True}.get(argument, "x")
    reasons = engine.refusals(INSTANCE, **{**BASE[INSTANCE], argument: value})
    assert reasons == {
        "primaryNetworkInterface": f"'primaryNetworkInterface' conflicts with '{argument}'"
    }


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (
            INGRESS,
            {"securityGroupId": "sg", "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/8"},
            "fromPort",
        ),
        (INGRESS, {"securityGroupId": "sg", "ipProtocol": "-1", "cidrIpv4": "x"}, "cidrIpv4"),
        (EGRESS, {**BASE[EGRESS], "cidrIpv4": "10.0.0.1/8"}, "cidrIpv4"),
        (EGRESS, {**BASE[EGRESS], "cidrIpv4": None, "cidrIpv6": "::1/0"}, "cidrIpv6"),
        (VPC, {"cidrBlock": "10.10.1.9/24"}, "cidrBlock"),
        (VPC, {"cidrBlock": "10.0.0.0/8"}, "cidrBlock"),
        (VPC, {"cidrBlock": "10.0.0.0/29"}, "cidrBlock"),
        (SUBNET, {**BASE[SUBNET], "cidrBlock": "10.10.1.0"}, "cidrBlock"),
        (ROUTE, {**BASE[ROUTE], "destinationCidrBlock": "10.0.0.0"}, "destinationCidrBlock"),
        (
            ROUTE,
            {"routeTableId": "r", "destinationCidrBlock": "0.0.0.0/0", "egressOnlyGatewayId": "e"},
            "egressOnlyGatewayId",
        ),
        (
            ROUTE,
            {"routeTableId": "r", "destinationIpv6CidrBlock": "::/0", "carrierGatewayId": "c"},
            "carrierGatewayId",
        ),
        (
            ROUTE,
            {"routeTableId": "r", "destinationPrefixListId": "pl-1", "vpcEndpointId": "v"},
            "vpcEndpointId",
        ),
        (BUCKET, {"bucketPrefix": "b" * 38}, "bucketPrefix"),
        (VOLUME, {"availabilityZone": "a", "type": "gp3"}, "size"),
        (VOLUME, {**BASE[VOLUME], "type": "io1", "iops": None}, "iops"),
        (VOLUME, {**BASE[VOLUME], "type": "gp2"}, "iops"),
        (VOLUME, {**BASE[VOLUME], "type": "io2"}, "throughput"),
        (VOLUME, {**BASE[VOLUME], "throughput": 124}, "throughput"),
        (VOLUME, {**BASE[VOLUME], "throughput": 2001}, "throughput"),
        (BUCKET, {"bucket": "b--euc1-az1--x-s3"}, "bucket"),
        (PLACEMENT, {"strategy": "partition", "partitionCount": 8}, "partitionCount"),
        (INGRESS, {"securityGroupId": "sg", "ipProtocol": "-1"}, "cidrIpv4"),
        (ROUTE, {"routeTableId": "r", "gatewayId": "g"}, "destinationCidrBlock"),
        (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy"),
        (INSTANCE, {**BASE[INSTANCE], "userData": "x" * 16385}, "userData"),
        (PLACEMENT, {"strategy": "scatter"}, "strategy"),
        (PLACEMENT, {"strategy": "spread", "partitionCount": 2}, "partitionCount"),
        (PLACEMENT, {"strategy": "cluster", "spreadLevel": "rack"}, "spreadLevel"),
        (INTERFACE, {"subnetId": "subnet-1", "privateIpLists": ["10.10.1.10"]}, "privateIpLists"),
        (VPC, {"cidrBlock": "10.0.0.0/16", "region": "us-east-1"}, "region"),
        (BUCKET, {"bucket": "b" * 64}, "bucket"),
    ],
)
def test_a_rule_of_the_type_is_checked(
    engine: Engine, token: str, inputs: dict[str, Any], path: str
) -> None:
    assert path in engine.refusals(token, **inputs)


def test_a_preview_of_a_create_knows_what_is_given_and_nothing_else(engine: Engine) -> None:
    inputs = {**BASE[INSTANCE], "tags": {"Name": "a"}}
    state = engine.resource(INSTANCE).preview(None, inputs, engine.call())
    assert state["instanceType"] == "t3.small"
    assert state["tagsAll"] == {"Name": "a"}
    assert state["primaryNetworkInterfaceId"] == "eni-1"
    for name in ("arn", "publicIp", "instanceState", "privateIp", "availabilityZone"):
        assert state[name] is UNKNOWN


def test_a_preview_of_an_update_keeps_what_the_update_does_not_touch(engine: Engine) -> None:
    old = {**BASE[INSTANCE], "arn": "arn:x", "privateIp": "10.10.1.10", "publicIp": "203.0.113.1"}
    resource = engine.resource(INSTANCE)
    tagged = {**BASE[INSTANCE], "tags": {"a": "b"}}
    state = resource.preview(old, tagged, engine.call())
    assert (state["arn"], state["publicIp"]) == ("arn:x", "203.0.113.1")
    resized = {**BASE[INSTANCE], "instanceType": "t3.large"}
    assert resource.preview(old, resized, engine.call())["publicIp"] is UNKNOWN
