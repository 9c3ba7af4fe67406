"""A ring that begins with what a bucket has: its step, what that is told, and who may read."""

import json
from dataclasses import asdict, replace
from typing import Any

import pulumi
import pytest
import recording
from conftest import configured, ring_args
from recording import Recorded, step
from test_component_changes import LOST_RING, RING, UNBORN, YOUNG, refused, state
from test_component_effects import said
from test_component_steps import changed

from components.birth import to_be_born_from
from components.mysql.configuration import render, template
from components.problems import SettingsError
from components.ring import Ring
from components.settings import ARTICLE_NODES, RestoreSettings
from components.standing import STEP, Standing, standing

pytestmark = pytest.mark.unit

SOURCE = RestoreSettings("old-bucket", "2026-11-26T03:15:00Z", stack="prod")
OTHER = RestoreSettings("another-bucket", "latest")
EMPTY = RestoreSettings(moment="nothing")
RESTORE = "ring-birth-node-1-restore-new"
ACCESS = "ring-birth-node-1-access"
BORN = replace(RING, birth=SOURCE)


def stood_up(
    of: RestoreSettings | None,
    on: dict[str, Any] | None = None,
    gone: tuple[str, ...] = (),
    **more: Any,
) -> Recorded:
    return recording.run(
        lambda: Ring("ring", ring_args(restore_from=of, **more)).outputs, state=on or {}, gone=gone
    )


def state_of(birth: RestoreSettings | None, **volumes: str) -> dict[str, Any]:
    """What the engine answers of a ring whose two nodes hold data, on these volumes."""
    ids = {"node-1": "vol-1", "node-2": "vol-2"}
    one = state()
    two = json.loads(json.dumps(one).replace("node-1", "node-2"))
    found = {**two, **one}
    for node, peer in (("node-1", "node-2"), ("node-2", "node-1")):
        seed = next(urn for urn in found if urn.endswith(f"{node}-seed"))
        told = {"peer": {"name": peer, "volume_id": ids[peer]}}
        found[seed]["outputs"]["stdin"] = json.dumps(told)
        config = next(urn for urn in found if urn.endswith(f"{node}-mysql-config"))
        number = int(node[-1])
        found[config]["outputs"]["stdin"] = render(template(), ARTICLE_NODES[number - 1], {})
        volume = next(urn for urn in found if urn.endswith(f"{node}-data-volume"))
        now = volumes.get(node.replace("-", "_"), ids[node])
        found[volume]["outputs"]["arn"] = f"arn:aws:ec2:eu-central-1:1:volume/{now}"
    if birth:
        urn = next(urn for urn in found if urn.endswith("node-1-seed"))
        found[urn.replace("ring-replication-node-1-seed", RESTORE)] = {
            "type": STEP,
            "outputs": {"stdin": json.dumps({"restore": asdict(birth)})},
        }
    return found


@pytest.fixture(scope="module")
def born() -> Recorded:
    return stood_up(SOURCE)


def test_the_first_node_restores_when_both_have_their_accounts_and_before_either_is_seeded(
    born: Recorded,
) -> None:
    assert {step(node, "accounts") for node in ("node-1", "node-2")} <= born.before(RESTORE)
    for node in ("node-1", "node-2"):
        assert RESTORE in born.before(step(node, "seed"))
    assert ACCESS in born.before(RESTORE)


def test_it_is_told_both_nodes_and_whose_backups_it_may_take(born: Recorded) -> None:
    told = json.loads(born.named(RESTORE).inputs["stdin"])
    seed = json.loads(born.named(step("node-1", "seed")).inputs["stdin"])
    assert told == {
        **seed,
        "own_bucket": "ring-bucket-store-id",
        "restore": {
            "bucket": "old-bucket",
            "moment": "2026-11-26T03:15:00Z",
            "region": "eu-west-1",  # the provider's
            "stack": "prod",
            "ring": "ring",
        },
    }


def test_what_is_not_said_is_this_stack_and_ring() -> None:
    told = json.loads(stood_up(OTHER).named(RESTORE).inputs["stdin"])["restore"]
    assert (told["stack"], told["ring"]) == ("test", "ring")


def test_only_the_first_node_may_read_that_bucket_and_only_read(born: Recorded) -> None:
    policy = born.named(ACCESS)
    assert policy.inputs["role"] == born.named("ring-node-1-role-identity").name
    statements = json.loads(policy.inputs["policy"])["Statement"]
    actions = [
        action
        for each in statements
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    ]
    assert sorted(actions) == ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]
    assert {each["Resource"] for each in statements} == {
        "arn:aws:s3:::old-bucket",
        "arn:aws:s3:::old-bucket/mysql/*",
    }
    assert [each.name for each in born.resources if each.name.startswith("ring-birth")] == [
        "ring-birth",
        ACCESS,
        RESTORE,
    ]


def test_the_rings_own_bucket_needs_no_right_of_its_own() -> None:
    mine = replace(SOURCE, bucket="my-bucket")
    names = {each.name for each in stood_up(mine, bucket_name="my-bucket").resources}
    assert RESTORE in names
    assert ACCESS not in names


def test_without_the_setting_nothing_is_there_for_it(ring: Recorded) -> None:
    assert not [each.name for each in ring.resources if "birth" in each.name]
    assert not [each.name for each in stood_up(EMPTY).resources if "birth" in each.name]


@pytest.mark.parametrize(
    ("on", "of", "born"),
    [
        (Standing(), None, None),
        (Standing(), SOURCE, SOURCE),
        (UNBORN, SOURCE, SOURCE),
        (YOUNG, SOURCE, SOURCE),  # nothing was seeded: the last `up` did not come so far
        (LOST_RING, SOURCE, SOURCE),
        (replace(LOST_RING, birth=SOURCE), OTHER, OTHER),
        (LOST_RING, EMPTY, None),
        (RING, SOURCE, None),  # it holds data that came from elsewhere
        (BORN, SOURCE, SOURCE),
        (BORN, OTHER, SOURCE),
        (BORN, None, SOURCE),
    ],
)
def test_a_ring_that_holds_data_keeps_its_step_whatever_the_setting_says_by_now(
    on: Standing, of: RestoreSettings | None, born: RestoreSettings | None
) -> None:
    assert to_be_born_from(on, ring_args(restore_from=of)) == born


def test_a_ring_that_was_born_of_a_bucket_goes_on_unchanged_with_another_setting_or_none() -> None:
    whole = replace(SOURCE, region="eu-west-1", ring="ring")
    on = state_of(whole)
    same = stood_up(SOURCE, on)
    assert json.loads(same.named(RESTORE).inputs["stdin"])["restore"] == asdict(whole)
    assert changed(same, stood_up(OTHER, on)) == set()
    # The right to read goes with the setting, and nothing else.
    assert changed(same, stood_up(None, on)) == {ACCESS}


def test_a_ring_that_holds_data_says_that_the_setting_changes_nothing() -> None:
    assert changed(stood_up(None, state_of(None)), stood_up(SOURCE, state_of(None))) == set()
    (line,) = said({"restore_from": SOURCE})
    assert "restoreFrom changes nothing" in line
    assert said({"restore_from": SOURCE}, UNBORN) == []


def test_a_ring_whose_volumes_are_gone_is_not_made_empty_in_silence() -> None:
    found = refused({}, LOST_RING)
    assert set(found) == {"restoreFrom"}
    for part in ("the data volumes of both nodes gone", "latest", "{moment: nothing}"):
        assert part in found["restoreFrom"]
    assert "own-bucket" in refused({}, replace(LOST_RING, bucket="own-bucket"))["restoreFrom"]
    for settled in (SOURCE, EMPTY):
        assert refused({"restore_from": settled}, LOST_RING) == {}
    assert refused({}, UNBORN) == {}


def test_volumes_that_are_on_aws_no_more_are_lost_though_the_state_has_them() -> None:
    """The program of `pulumi up --refresh` is told the state from before the refresh."""
    on, both = state_of(None), ("vol-1", "vol-2")
    with pytest.raises(SettingsError, match="the data volumes of both nodes gone"):
        stood_up(None, on, both)
    assert RESTORE in {each.name for each in stood_up(SOURCE, on, both).resources}
    for one in both:
        assert changed(stood_up(None, on), stood_up(SOURCE, on, (one,))) == set()


def test_the_preview_says_of_what_a_lost_ring_begins() -> None:
    first, second = said({"restore_from": SOURCE}, LOST_RING)
    assert first.endswith("and it is restored from old-bucket as of 2026-11-26T03:15:00Z")
    assert "it copies node-1, which is restored from old-bucket" in second
    for line in said({"restore_from": EMPTY}, LOST_RING):
        assert "EMPTY" in line


def test_a_new_volume_in_the_place_of_a_lost_one_holds_no_data_until_the_peer_was_told() -> None:
    """An update may end between the new volumes and the restore: the next one restores too."""
    assert standing("ring", state_of(None)).holds_data
    one = standing("ring", state_of(None, node_1="vol-3"))
    assert [node.holds_data for node in one.nodes] == [False, True]
    assert not one.lost
    both = standing("ring", state_of(None, node_1="vol-3", node_2="vol-4"))
    assert both.lost
    assert to_be_born_from(both, ring_args(restore_from=SOURCE)) == SOURCE
    assert set(refused({}, both)) == {"restoreFrom"}


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        ({"bucket": "b" * 64, "moment": "latest"}, {"restoreFrom.bucket"}),
        ({"moment": "latest"}, {"restoreFrom.bucket"}),
        ({"bucket": "backups"}, {"restoreFrom.moment"}),
        ({"bucket": "backups", "moment": "now"}, {"restoreFrom.moment"}),
        ({"bucket": "backups", "moment": "2026-11-26 03:15:00"}, {"restoreFrom.moment"}),
        ({"bucket": "backups", "moment": "2026-11-26T03:15:00+01:00"}, {"restoreFrom.moment"}),
        ({"bucket": "backups", "moment": "2026-11-31T03:15:00Z"}, {"restoreFrom.moment"}),
        ({"bucket": "backups", "moment": "nothing"}, {"restoreFrom.bucket"}),
        ({"bucket": "backups", "moment": "latest", "from": "x"}, {"restoreFrom.from"}),
        ({"bucket": "backups", "moment": 3}, {"restoreFrom.moment"}),
        (["backups"], {"restoreFrom"}),
        (
            {"bucket": "B", "moment": "", "region": "europe", "stack": "a b", "ring": "R"},
            {
                "restoreFrom.bucket",
                "restoreFrom.moment",
                "restoreFrom.region",
                "restoreFrom.stack",
                "restoreFrom.ring",
            },
        ),
    ],
)
def test_every_mistake_in_it_is_named(value: Any, settings: set[str]) -> None:
    texts = {"adminCidrs": ["198.51.100.0/24"], "restoreFrom": value}
    config = {f"mysql-ring:{name}": json.dumps(each) for name, each in texts.items()}
    pulumi.runtime.set_all_config(config, [])
    with pytest.raises(SettingsError) as caught:
        configured()
    assert {problem.setting for problem in caught.value.problems} == settings
