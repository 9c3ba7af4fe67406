"""S3 bucket and the settings that are resources of their own."""

from typing import Any

from cloud.providers.aws.errors import code_of, ignoring, retrying
from cloud.providers.aws.names import prefixed
from cloud.providers.aws.resource import (
    REGION,
    TAGS,
    Ask,
    AwsResource,
    Work,
    all_tags,
    listed,
    pairs,
    unpair,
)
from cloud.providers.schema import BOOLEAN, Argument, Failure, Table
from cloud.providers.values import Unknown

MISSING = ("NoSuchBucket", "404", "NotFound")
_SECONDS = 20 * 60.0
# AWS's hosted zones of website endpoints (docs.aws.amazon.com/general/latest/gr/s3.html).
ZONES = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
}
_LONGEST_NAME = 63
_UNIQUE_SUFFIX = 26  # of the names that the official plugin makes from a prefix


class Bucket(AwsResource):
    type_name = "aws:s3/bucket:Bucket"
    table = Table(
        source="terraform-provider-aws internal/service/s3/bucket.go",
        arguments=(
            Argument("bucket", replace=True, computed=True, conflicts=("bucketPrefix",)),
            Argument("bucketPrefix", replace=True, computed=True),
            Argument("forceDestroy", BOOLEAN, default=False),
            Argument("objectLockEnabled", BOOLEAN, replace=True, computed=True),
            REGION,
            TAGS,
        ),
        outputs=(
            "arn",
            "bucketDomainName",
            "bucketRegion",
            "bucketRegionalDomainName",
            "hostedZoneId",
        ),
        autoname="bucket",
        autoname_lower=True,
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        failures = []
        for argument, longest in (
            ("bucket", _LONGEST_NAME),
            ("bucketPrefix", _LONGEST_NAME - _UNIQUE_SUFFIX),
        ):
            name = inputs.get(argument)
            if name is None or isinstance(name, Unknown):
                continue
            if len(name) > longest:
                reason = f"expected at most {longest} characters, found {len(name)}"
                failures.append(Failure(argument, reason))
            elif argument == "bucket" and name.endswith("--x-s3"):
                reason = f"{name!r} is a name of a directory bucket, which is another type"
                failures.append(Failure(argument, reason))
        return failures

    def make(self, work: Work) -> str:
        name = prefixed(work.inputs, "bucket", "bucketPrefix")
        arguments: dict[str, Any] = work.pick(ObjectLockEnabledForBucket="objectLockEnabled")
        region = work.session.region
        if region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": region}
        retrying(
            work.call,
            _SECONDS,
            lambda code, _: code == "OperationAborted",
            lambda: work.s3.create_bucket(Bucket=name, **arguments),
        )
        return name

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        names = listed(ask, "s3api", "ListBuckets", "Buckets[].Name")
        return [name for name in names if name == inputs.get("bucket")]

    def settle(self, work: Work) -> None:
        tags = all_tags(work.session, work.inputs.get("tags"))
        if tags and self._tags(work) != tags:
            work.s3.put_bucket_tagging(Bucket=work.id, Tagging={"TagSet": pairs(tags)})

    def tag(self, work: Work, _removed: list[str], _tags: dict[str, str]) -> None:
        tags = all_tags(work.session, work.inputs.get("tags"))
        if tags:
            work.s3.put_bucket_tagging(Bucket=work.id, Tagging={"TagSet": pairs(tags)})
        else:
            work.s3.delete_bucket_tagging(Bucket=work.id)

    def _tags(self, work: Work) -> dict[str, str]:
        answer = ignoring(("NoSuchTagSet",), work.s3.get_bucket_tagging, Bucket=work.id)
        return unpair((answer or {}).get("TagSet"))

    def describe(self, work: Work) -> dict[str, Any] | None:
        session, name = work.session, work.id
        if ignoring(MISSING, work.s3.head_bucket, Bucket=name) is None:
            return None
        lock = ignoring(
            ("ObjectLockConfigurationNotFoundError",),
            work.s3.get_object_lock_configuration,
            Bucket=name,
        )
        suffix = session.dns_suffix
        return {
            "arn": f"arn:{session.partition}:s3:::{name}",
            "bucket": name,
            "bucketDomainName": f"{name}.s3.{suffix}",
            "bucketRegion": session.region,
            "bucketRegionalDomainName": f"{name}.s3.{session.region}.{suffix}",
            "hostedZoneId": ZONES.get(session.region, ""),
            "objectLockEnabled": bool(lock),
            "tags": self._tags(work),
        }

    def destroy(self, work: Work) -> None:
        def attempt() -> None:
            try:
                ignoring(MISSING, work.s3.delete_bucket, Bucket=work.id)
            except Exception as error:
                if code_of(error) != "BucketNotEmpty" or not work.old.get("forceDestroy"):
                    raise
                self._empty(work)
                ignoring(MISSING, work.s3.delete_bucket, Bucket=work.id)

        retrying(work.call, _SECONDS, lambda code, _: code == "OperationAborted", attempt)

    def _empty(self, work: Work) -> None:
        pages = work.s3.get_paginator("list_object_versions").paginate(Bucket=work.id)
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if objects:
                work.s3.delete_objects(Bucket=work.id, Delete={"Objects": objects, "Quiet": True})


RESOURCES = (Bucket(),)
