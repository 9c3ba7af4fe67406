"""The instances, the role and the bucket, as AWS gets them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import stand_up
from recording import Recorded

from components.bucket import bucket_policy, node_policy
from components.first_boot import user_data
from components.role import trust_policy

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"
HOST_KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nZmlyc3Q=\nc2Vjb25k\n-----END OPENSSH PRIVATE KEY-----\n"
)


def boot_text() -> str:
    return user_data(
        HOST_KEY, "ssh-ed25519 AAAA mysql-ring\n", "02:00:00:00:00:01", "10.10.1.10/24"
    )


def test_user_data_is_the_golden_file() -> None:
    assert boot_text() == (GOLDEN / "user-data.yaml").read_text()


def test_user_data_is_a_document_that_cloud_init_reads() -> None:
    text = boot_text()
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert document["ssh_keys"]["ed25519_private"] == HOST_KEY
    assert set(document) == {"ssh_keys", "write_files", "runcmd"}
    (network,) = document["write_files"]
    assert network["path"] == "/etc/systemd/network/05-replication.network"
    assert "MACAddress=02:00:00:00:00:01\n" in network["content"]
    assert "Gateway" not in network["content"]


def test_the_role_policy_is_the_golden_file() -> None:
    text = node_policy("arn:aws:s3:::store", "node-1")
    assert text + "\n" == (GOLDEN / "role-policy.json").read_text()


def test_a_node_writes_under_its_own_prefix_reads_the_rings_and_deletes_nothing() -> None:
    policy = json.loads(node_policy("arn:aws:s3:::store", "node-1"))
    actions = json.dumps([statement["Action"] for statement in policy["Statement"]])
    assert "Delete" not in actions
    assert "*" not in actions

    def where(action: str) -> list[str]:
        return [each["Resource"] for each in policy["Statement"] if action in each["Action"]]

    assert where("s3:PutObject") == ["arn:aws:s3:::store/mysql/node-1/*"]
    assert where("s3:GetObject") == ["arn:aws:s3:::store/mysql/*"]


def test_each_role_has_the_policy_of_its_node(ring: Recorded) -> None:
    for node in ("node-1", "node-2"):
        made = ring.named(f"ring-bucket-{node}-access").inputs
        assert made["role"] == f"ring-{node}-role-identity"
        assert made["policy"] == node_policy("arn:aws:s3:::ring-bucket-store", node)


def test_only_ec2_may_take_the_role() -> None:
    (statement,) = json.loads(trust_policy())["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_the_bucket_policy_is_the_golden_file() -> None:
    roles = [f"arn:aws:iam::123456789012:role/node-{number}" for number in (1, 2)]
    text = bucket_policy("arn:aws:s3:::store", roles)
    assert text + "\n" == (GOLDEN / "bucket-policy.json").read_text()


def test_each_node_has_a_role_of_its_own(ring: Recorded) -> None:
    profiles = {
        node: ring.named(f"ring-{node}-instance").inputs["iamInstanceProfile"]
        for node in ("node-1", "node-2")
    }
    assert profiles == {"node-1": "ring-node-1-role-profile", "node-2": "ring-node-2-role-profile"}


def test_the_bucket_is_private_encrypted_and_versioned(ring: Recorded) -> None:
    private = ring.of_type(":BucketPublicAccessBlock")[0].inputs
    assert {private[key] for key in private if key != "bucket"} == {True}
    encryption = ring.of_type(":BucketServerSideEncryptionConfiguration")[0].inputs
    (rule,) = encryption["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    versioning = ring.of_type(":BucketVersioning")[0].inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    ownership = ring.of_type(":BucketOwnershipControls")[0].inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


def test_the_bucket_refuses_to_both_roles_what_would_lose_data(ring: Recorded) -> None:
    text = ring.named("ring-bucket-policy").inputs["policy"]
    roles = [f"arn:aws:iam::123456789012:role/ring-node-{n}-role-identity" for n in (1, 2)]
    assert text == bucket_policy("arn:aws:s3:::ring-bucket-store", roles)


def test_the_bucket_lets_each_kind_go_after_its_days_and_gives_up_open_uploads() -> None:
    made = stand_up(keep_backups_days=40, keep_logs_days=20, keep_versions_days=3)
    lifecycle = made.named("ring-bucket-lifecycle")
    rules = {rule["filter"]["prefix"]: rule for rule in lifecycle.inputs["rules"]}
    assert {prefix: rule["expiration"].get("days") for prefix, rule in rules.items()} == {
        "mysql/node-1/backups/": 40,
        "mysql/node-1/logs/": 20,
        "mysql/node-2/backups/": 40,
        "mysql/node-2/logs/": 20,
        "mysql/": None,
    }
    assert rules["mysql/"]["expiration"] == {"expiredObjectDeleteMarker": True}
    assert rules["mysql/"]["noncurrentVersionExpiration"] == {"noncurrentDays": 3}
    assert rules["mysql/"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert {rule["status"] for rule in rules.values()} == {"Enabled"}
    assert len({rule["id"] for rule in rules.values()}) == len(lifecycle.inputs["rules"]) == 5
    assert "ring-bucket-versioning" in made.before("ring-bucket-lifecycle")


def test_of_an_existing_bucket_nothing_is_changed_and_the_roles_get_into_it() -> None:
    made = stand_up(bucket_name="logs-of-mine")
    kinds = {each.type.rpartition(":")[2] for each in made.resources if ":s3/" in each.type}
    assert kinds == set()
    policy = made.named("ring-bucket-node-2-access").inputs["policy"]
    assert policy == node_policy("arn:aws:s3:::logs-of-mine", "node-2")
    assert made.outputs["bucket"][0] == {
        "name": "logs-of-mine",
        "arn": "arn:aws:s3:::logs-of-mine",
        "region": "eu-west-1",
    }


def test_backups_outlive_a_destroy_unless_the_settings_say_otherwise(ring: Recorded) -> None:
    assert ring.named("ring-bucket-store").inputs["forceDestroy"] is False
    test = stand_up(destroy_bucket_contents=True)
    assert test.named("ring-bucket-store").inputs["forceDestroy"] is True


def test_the_instance_asks_for_metadata_with_a_token_only(ring: Recorded) -> None:
    assert ring.named("ring-node-1-instance").inputs["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }


def test_the_root_volume_is_encrypted_and_as_large_as_the_settings_say() -> None:
    root = stand_up(root_volume_gib=33).named("ring-node-2-instance").inputs["rootBlockDevice"]
    assert (root["volumeType"], root["encrypted"], root["volumeSize"]) == ("gp3", True, 33)
    assert root["tags"]["Name"] == "mysql-ring-test-ring-node-2-root"


def test_the_data_volume_is_encrypted_and_as_the_settings_say(ring: Recorded) -> None:
    assert {
        key: value
        for key, value in ring.named("ring-node-2-data-volume").inputs.items()
        if key != "tags"
    } == {
        "availabilityZone": "eu-central-1a",
        "size": 20,
        "type": "gp3",
        "iops": 3000,
        "throughput": 125,
        "encrypted": True,
    }


@pytest.mark.parametrize(
    ("settings", "iops", "throughput"),
    [
        ({"data_volume_iops": 4000, "data_volume_throughput": 250}, 4000, 250),
        ({"data_volume_iops": 4000}, 4000, 125),
        ({"data_volume_throughput": 250}, 3000, 250),
        ({"data_volume_type": "gp2"}, None, None),
        ({"data_volume_type": "io1", "data_volume_iops": 200}, 200, None),
        ({"data_volume_type": "io2", "data_volume_iops": 200}, 200, None),
    ],
)
def test_a_speed_that_is_not_set_is_named_where_a_volume_that_stands_would_keep_another_one(
    settings: dict[str, Any], iops: int | None, throughput: int | None
) -> None:
    inputs = stand_up(**settings).named("ring-node-1-data-volume").inputs
    assert (inputs.get("iops"), inputs.get("throughput")) == (iops, throughput)


def test_the_data_volume_is_never_detached_from_a_host_that_runs(ring: Recorded) -> None:
    attachment = ring.named("ring-node-1-data-attachment")
    assert attachment.inputs == {
        "deviceName": "/dev/sdf",
        "instanceId": "ring-node-1-instance-id",
        "volumeId": "ring-node-1-data-volume-id",
        "stopInstanceBeforeDetaching": True,
    }
    assert attachment.deleted_with.endswith("::ring-node-1-instance")
    assert attachment.delete_before_replace


def test_the_end_of_an_instance_detaches_its_second_interface(ring: Recorded) -> None:
    """Which is deleted after it."""
    attachment = ring.named("ring-node-1-replication-attachment")
    assert attachment.deleted_with.endswith("::ring-node-1-instance")
    assert attachment.delete_before_replace
    assert "ring-node-1-replication-interface" in ring.before("ring-node-1-instance")


def test_an_instance_ends_before_its_volume_and_is_made_anew_with_what_it_cannot_leave(
    ring: Recorded,
) -> None:
    assert ring.named("ring-node-1-instance").replacement_trigger == [
        "ring-node-1-data-volume-id",
        "ring-node-1-replication-interface-id",
    ]
    assert "ring-node-1-data-volume" in ring.before("ring-node-1-instance")
    assert not ring.named("ring-node-1-data-volume").delete_before_replace


def test_protected_is_what_holds_data_and_nothing_else(ring: Recorded) -> None:
    holders = {"ring-node-1-data-volume", "ring-node-2-data-volume", "ring-bucket-store"}
    assert {each.name for each in ring.resources if each.protect} == holders
    free = stand_up(protect_data=False)
    assert [each.name for each in free.resources if each.protect] == []
    assert "pulumi config set protectData false" in ring.outputs["protection"][0]
    assert free.outputs["protection"][0] == ""


def test_the_instance_leaves_groups_and_addresses_to_its_interface(ring: Recorded) -> None:
    inputs = ring.named("ring-node-1-instance").inputs
    assert inputs["primaryNetworkInterface"] == {
        "networkInterfaceId": "ring-node-1-client-interface-id"
    }
    refused = {"vpcSecurityGroupIds", "securityGroups", "privateIp", "subnetId", "sourceDestCheck"}
    assert not refused & set(inputs)


def test_neither_a_newer_image_nor_another_first_boot_replaces_a_server(ring: Recorded) -> None:
    assert ring.named("ring-node-1-instance").ignored == {"ami", "userData", "keyName"}


def test_a_new_operators_key_keeps_the_name_that_a_replaced_instance_asks_for(
    ring: Recorded,
) -> None:
    key = ring.named("ring-key")
    assert key.inputs["keyName"] == "ring-spread"
    assert key.delete_before_replace
    assert ring.named("ring-node-1-instance").inputs["keyName"] == "ring-spread"


def test_the_nodes_run_on_different_hardware(ring: Recorded) -> None:
    assert ring.named("ring-spread").inputs["strategy"] == "spread"
    for node in ("node-1", "node-2"):
        assert ring.named(f"ring-{node}-instance").inputs["placementGroup"] == "ring-spread"
