"""The table between the names of a program and those of the API."""

import pytest
from cloud.providers.aws.parameters import parameters, properties, told
from cloud.providers.schema import BOOLEAN, INTEGER, LIST, OBJECT, Argument

pytestmark = pytest.mark.unit

ARGUMENTS = (
    Argument("vpcId"),
    Argument("ami", api="ImageId"),
    Argument("blockAcls", BOOLEAN, default=False),
    Argument(
        "rules",
        LIST,
        fields=(
            Argument("inner", OBJECT, fields=(Argument("sseAlgorithm", api="SSEAlgorithm"),)),
            Argument("days", INTEGER),
        ),
    ),
)
GIVEN = {"ami": "ami-1", "rules": [{"inner": {"sseAlgorithm": "AES256"}}, {"days": 7}]}
SENT = {
    "ImageId": "ami-1",
    "BlockAcls": False,
    "Rules": [{"Inner": {"SSEAlgorithm": "AES256"}}, {"Days": 7}],
}


def test_what_is_given_is_sent_under_the_apis_names_with_the_defaults() -> None:
    assert parameters(ARGUMENTS, GIVEN) == SENT


def test_a_call_gets_only_the_parameters_that_it_takes() -> None:
    assert parameters(ARGUMENTS, GIVEN, {"ImageId", "VpcId"}) == {"ImageId": "ami-1"}


def test_what_the_api_sends_comes_back_as_it_was_given() -> None:
    assert properties(ARGUMENTS, SENT) == {**GIVEN, "blockAcls": False}


def test_what_an_answer_has_a_place_for_and_not_is_nothing_and_of_the_rest_it_says_nothing() -> (
    None
):
    assert told(ARGUMENTS, {"ImageId": "ami-1"}, {"VpcId", "Rules"}) == {
        "ami": "ami-1",
        "vpcId": "",
        "rules": [],
    }
