"""The plugin's answers on the wire: errors, partial creates, names, logs."""

from typing import Any

import pytest
from cloud.providers.plugin import Server
from cloud.providers.protocol import provider_pb2, status_pb2
from cloud.providers.values import UNKNOWN, decode_map, encode_map
from provider_engine import shared
from provider_wire import Aborted, Context

pytestmark = pytest.mark.unit

VPC = "urn:pulumi:s::p::aws:ec2/vpc:Vpc::net"
ROLE = "urn:pulumi:s::p::my:Component$aws:iam/role:Role::Node-1"


@pytest.fixture
def server() -> Server:
    return Server(shared(), "127.0.0.1:0")


def check(server: Server, urn: str, olds: dict[str, Any] | None = None, **news: Any) -> Any:
    request = provider_pb2.CheckRequest(
        urn=urn, olds=encode_map(olds or {}), news=encode_map(news), randomSeed=b"\x01" * 32
    )
    return server.Check(request, Context())


def test_an_unknown_type_is_an_error_that_names_it(server: Server) -> None:
    context = Context()
    request = provider_pb2.CheckRequest(urn="urn:pulumi:s::p::aws:rds/instance:Instance::db")
    with pytest.raises(Aborted):
        server.Check(request, context)
    assert "'aws:rds/instance:Instance'" in context.text
    assert "aws:ec2/vpc:Vpc" in context.text


def test_an_unknown_function_is_an_error_that_names_it(server: Server) -> None:
    context = Context()
    with pytest.raises(Aborted, match="getAmi"):
        server.Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getAmi:getAmi"), context)


def test_a_name_is_made_once_and_kept(server: Server) -> None:
    first = decode_map(check(server, ROLE, assumeRolePolicy="{}").inputs)
    assert first["name"] == "Node-1-0101010"
    again = check(server, ROLE, {**first, "name": "Node-1-kept"}, assumeRolePolicy="{}")
    assert decode_map(again.inputs)["name"] == "Node-1-kept"


def test_a_name_of_the_program_goes_before_its_replacement(server: Server) -> None:
    old = {"name": "mine", "path": "/", "assumeRolePolicy": "{}"}
    new = {**old, "path": "/x/"}
    request = provider_pb2.DiffRequest(urn=ROLE, olds=encode_map(old), news=encode_map(new))
    answer = server.Diff(request, Context())
    assert list(answer.replaces) == ["path"]
    assert answer.deleteBeforeReplace
    named = {**new, "__defaults": ["name"]}
    request = provider_pb2.DiffRequest(urn=ROLE, olds=encode_map(old), news=encode_map(named))
    assert not server.Diff(request, Context()).deleteBeforeReplace


def test_a_preview_asks_nothing_of_the_api(server: Server) -> None:
    properties = encode_map({"cidrBlock": "10.0.0.0/16", "tags": {"a": UNKNOWN}})
    request = provider_pb2.CreateRequest(urn=VPC, properties=properties, preview=True)
    answer = server.Create(request, Context())
    state = decode_map(answer.properties)
    assert (answer.id, state["arn"], state["cidrBlock"]) == ("", UNKNOWN, "10.0.0.0/16")


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("error", [RuntimeError("hidden"), TimeoutError("hidden")])
def test_what_exists_is_reported_when_waiting_for_it_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    resource = server._provider.resource(VPC)

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(resource, "settle", fail)
    context = Context()
    request = provider_pb2.CreateRequest(
        urn=VPC, properties=encode_map({"cidrBlock": "10.0.0.0/16"})
    )
    with pytest.raises(Aborted):
        server.Create(request, context)
    name, packed = context.trailing[0]
    assert name == "grpc-status-details-bin"
    status = status_pb2.Status.FromString(packed)
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id.startswith("vpc-")
    assert decode_map(detail.properties)["cidrBlock"] == "10.0.0.0/16"
    assert "hidden" not in context.text


@pytest.mark.usefixtures("cloud")
def test_an_error_of_the_api_is_shown_with_its_code(server: Server) -> None:
    context = Context()
    request = provider_pb2.CreateRequest(
        urn="urn:pulumi:s::p::aws:ec2/subnet:Subnet::net",
        properties=encode_map({"vpcId": "vpc-12345678", "cidrBlock": "10.0.0.0/24"}),
    )
    with pytest.raises(Aborted):
        server.Create(request, context)
    assert "creating Subnet 'net'" in context.text
    assert "api error InvalidVpcID.NotFound: " in context.text


def test_an_unforeseen_error_does_not_show_values(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = server._provider.resource(VPC)

    def fail(*_: Any) -> None:
        raise KeyError("hidden-password")

    monkeypatch.setattr(resource, "diff", fail)
    context = Context()
    with pytest.raises(Aborted):
        server.Diff(provider_pb2.DiffRequest(urn=VPC), context)
    assert "KeyError at test_provider_plugin.py" in context.text
    assert "hidden" not in context.text


@pytest.mark.usefixtures("cloud")
def test_a_deleted_resource_reads_as_gone(server: Server) -> None:
    answer = server.Read(provider_pb2.ReadRequest(urn=VPC, id="vpc-1"), Context())
    assert answer.id == ""
