import json

import pytest
from cloud.providers.aws.config import parse
from cloud.providers.aws.provider import AwsProvider
from cloud.providers.resource import ProviderError

pytestmark = pytest.mark.unit


def test_nested_settings_arrive_as_json_and_are_read() -> None:
    config, failures = parse(
        {
            "region": "eu-central-1",
            "accessKey": "a",
            "secretKey": "s",
            "defaultTags": json.dumps({"tags": {"Project": "ring"}}),
            "skipCredentialsValidation": "true",
            "maxRetries": "3",
            "version": "7.51.1",
        }
    )
    assert failures == []
    assert config is not None
    assert config.default_tags == {"Project": "ring"}
    assert (config.skip_credentials, config.max_retries) == (True, 3)


def test_credentials_are_not_in_the_text_of_the_configuration() -> None:
    config, _ = parse({"region": "r", "accessKey": "AKIA1", "secretKey": "hidden", "token": "t0k"})
    assert not {"AKIA1", "hidden", "t0k"} & set(repr(config).replace("'", " ").split())


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"region": "r", "regoin": "x"}, "regoin"),
        ({"region": "r", "defaultTags": "[1]"}, "defaultTags"),
        ({"region": "r", "defaultTags": "{not json"}, "defaultTags"),
        ({"region": "r", "skipCredentialsValidation": "perhaps"}, "skipCredentialsValidation"),
    ],
)
def test_a_setting_that_is_not_understood_is_refused(inputs: dict[str, str], path: str) -> None:
    assert path in {one.path for one in parse(inputs)[1]}


def test_a_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ProviderError, match="aws:region"):
        AwsProvider().configure({})


def test_another_region_replaces_the_provider() -> None:
    changes = AwsProvider().diff_config({"region": "a"}, {"region": "b", "maxRetries": "1"})
    assert changes["region"] == ("update", True)
    assert changes["maxRetries"] == ("update", False)
