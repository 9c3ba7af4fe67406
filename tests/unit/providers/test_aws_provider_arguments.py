"""No argument is taken without effect: what the SDK offers is served or refused by name."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from cloud.providers.aws.config import ARGUMENTS, WITHOUT_EFFECT, parse
from cloud.providers.aws.resources import RESOURCES
from provider_engine import Engine, shared

pytestmark = pytest.mark.unit


def sdk() -> Path:
    spec = importlib.util.find_spec("pulumi_aws")
    assert spec is not None, "pip install pulumi-aws"
    return Path(str(spec.origin)).parent


def offered(token: str) -> set[str]:
    """The arguments of the SDK's class, read from its text: importing it takes seconds."""
    module, name = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[1]
    file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    text = (sdk() / module / f"{file}.py").read_text()
    body = re.split(rf"^class {name}(?:Init)?Args:$", text, flags=re.MULTILINE)[1]
    body = re.split(r"^(?:class |@pulumi\.(?:input_)?type)", body, flags=re.MULTILINE)[0]
    getters = re.findall(
        r'^    @pulumi\.getter(?:\(name="(\w+)"\))?\n(?:    @.*\n)*    def (\w+)\(',
        body,
        re.MULTILINE,
    )
    return {camel or plain for camel, plain in getters}


@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_what_is_served_is_an_argument_of_the_sdk_and_the_rest_is_refused_by_name(
    token: str,
) -> None:
    served = set(RESOURCES[token].table.by_name)
    assert served <= offered(token)
    engine = Engine(shared())
    for name in offered(token) - served:
        reason = engine.refusals(token, **{name: "x"})[name]
        assert reason.startswith(f"'{name}' is no argument that this stand-in serves; it takes ")
        assert reason.endswith("leave it out, or install the official plugin")
        assert name not in engine.refusals(token, **{name: None})


def test_a_setting_is_one_of_the_sdk_and_any_other_of_them_is_refused_by_name() -> None:
    text = (sdk() / "provider.py").read_text()
    body = text.split("class ProviderArgs:")[1].split("@pulumi.type_token")[0]
    getters = re.findall(
        r'@pulumi\.getter(?:\(name="(\w+)"\))?\n(?:    @.*\n)*    def (\w+)\(', body
    )
    offered = {camel or plain for camel, plain in getters}
    served = {argument.name for argument in ARGUMENTS}
    assert served <= offered
    for name in offered - served:
        assert {one.path for one in parse({"region": "r", name: json.dumps(["x"])})[1]} == {name}


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_a_setting_without_effect_has_its_reason(name: str) -> None:
    assert WITHOUT_EFFECT[name]
    assert parse({"region": "r", name: "true"})[1] == []
