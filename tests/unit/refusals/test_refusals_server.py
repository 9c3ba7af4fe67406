"""The refusals hold behind moto's server, which is how the stand-in serves its API."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from aws_world import REGION
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client, TestResponse

pytestmark = pytest.mark.refusals

HOST = f"ring-logs.s3.{REGION}.amazonaws.com"


def signed(key: str, service: str) -> dict[str, str]:
    scope = f"{key}/20261122/{REGION}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    }


@pytest.fixture
def server() -> Client:
    return Client(DomainDispatcherApplication(create_backend_app))


def get(server: Client, path: str, scheme: str = "https", key: str = "lab") -> TestResponse:
    return server.get(path, base_url=f"{scheme}://{HOST}", headers=signed(key, "s3"))


@pytest.fixture(autouse=True)
def bucket(aws: None, s3: Any) -> None:  # noqa: ARG001 (the API must be there first)
    s3.create_bucket(Bucket="ring-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="ring-logs", Key="a/b", Body=b"x")


def test_the_access_key_counts(server: Client) -> None:
    assert get(server, "/a/b").data == b"x"
    refused = get(server, "/a/b", key="AKIAIOSFODNN7EXAMPLE")
    assert refused.status_code == 403
    assert b"<Code>InvalidAccessKeyId</Code>" in refused.data
    assert server.get("/a/b", base_url=f"https://{HOST}").status_code == 403


def test_the_scheme_counts(server: Client, s3: Any) -> None:
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::ring-logs/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    assert get(server, "/a/b", scheme="http").status_code == 200
    s3.put_bucket_policy(
        Bucket="ring-logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": insecure})
    )
    assert get(server, "/a/b", scheme="http").status_code == 403
    assert get(server, "/a/b").status_code == 200


def test_a_refusal_of_ec2_has_its_form(server: Client) -> None:
    def create(block: str) -> TestResponse:
        form = {"Action": "CreateVpc", "Version": "2016-11-15", "CidrBlock": block}
        return server.post(
            "/",
            base_url=f"https://ec2.{REGION}.amazonaws.com",
            headers=signed("lab", "ec2"),
            data=urlencode(form),
            content_type="application/x-www-form-urlencoded; charset=utf-8",
        )

    refused = create("10.0.0.0/8")
    assert refused.status_code == 400
    assert b"<Code>InvalidVpc.Range</Code>" in refused.data
    assert b"The CIDR '10.0.0.0/8' is invalid." in refused.data
    assert create("10.0.0.0/16").status_code == 200
