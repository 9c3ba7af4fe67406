"""The functions (data sources) a program may call."""

from collections.abc import Callable
from typing import Any

from cloud.providers.aws.errors import ignoring
from cloud.providers.aws.resources.bucket import MISSING, ZONES
from cloud.providers.aws.session import Session
from cloud.providers.resource import Call, ProviderError

_PARTITION_NAMES = {"aws": "com.amazonaws", "aws-cn": "cn.com.amazonaws"}


def _arguments(token: str, given: dict[str, Any], *known: str) -> dict[str, Any]:
    values = {key: value for key, value in given.items() if value is not None}
    for key in values:
        if key not in known:
            raise ProviderError(
                f"{token}: {key!r} is no argument here; it takes {', '.join(known) or 'none'}"
            )
    return values


def _parameter(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    values = _arguments("getParameter", given, "name", "withDecryption", "region")
    decrypt = values.get("withDecryption", True)
    found = session.client("ssm").get_parameter(Name=values["name"], WithDecryption=decrypt)
    parameter = found["Parameter"]
    name = parameter["Name"]
    secure = parameter["Type"] == "SecureString"
    return {
        "id": name,
        "name": name,
        "arn": parameter.get("ARN") or session.arn("ssm", f"parameter/{name.lstrip('/')}"),
        "type": parameter["Type"],
        "value": parameter["Value"],
        "insecureValue": "" if secure else parameter["Value"],
        "version": parameter["Version"],
        "withDecryption": decrypt,
        "region": session.region,
    }


def _zones(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    values = _arguments(
        "getAvailabilityZones",
        given,
        "allAvailabilityZones",
        "excludeNames",
        "excludeZoneIds",
        "filters",
        "region",
        "state",
    )
    filters = [
        {"Name": one["name"], "Values": one["values"]} for one in values.get("filters") or []
    ]
    if values.get("state"):
        filters.append({"Name": "state", "Values": [values["state"]]})
    found = session.client("ec2").describe_availability_zones(
        AllAvailabilityZones=values.get("allAvailabilityZones", False), Filters=filters
    )["AvailabilityZones"]
    zones = sorted(
        (
            zone
            for zone in found
            if zone["ZoneName"] not in (values.get("excludeNames") or ())
            and zone.get("ZoneId") not in (values.get("excludeZoneIds") or ())
        ),
        key=lambda zone: zone["ZoneName"],
    )
    return {
        **values,
        "id": session.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        "groupNames": sorted({zone.get("GroupName") or session.region for zone in zones}),
        "region": session.region,
    }


def _offerings(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    """Three lists, in which the same place is of the same offering."""
    values = _arguments("getInstanceTypeOfferings", given, "filters", "locationType", "region")
    arguments: dict[str, Any] = {
        "Filters": [
            {"Name": one["name"], "Values": one["values"]} for one in values.get("filters") or []
        ]
    }
    if values.get("locationType"):
        arguments["LocationType"] = values["locationType"]
    pages = session.client("ec2").get_paginator("describe_instance_type_offerings")
    found = [each for page in pages.paginate(**arguments) for each in page["InstanceTypeOfferings"]]
    return {
        **values,
        "id": session.region,
        "instanceTypes": [each["InstanceType"] for each in found],
        "locations": [each["Location"] for each in found],
        "locationTypes": [each["LocationType"] for each in found],
        "region": session.region,
    }


def _volumes(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    values = _arguments("getEbsVolumes", given, "filters", "region", "tags")
    filters = [
        {"Name": one["name"], "Values": one["values"]} for one in values.get("filters") or []
    ]
    filters += [
        {"Name": f"tag:{name}", "Values": [value]}
        for name, value in (values.get("tags") or {}).items()
    ]
    pages = session.client("ec2").get_paginator("describe_volumes").paginate(Filters=filters)
    found = [each["VolumeId"] for page in pages for each in page["Volumes"]]
    return {**values, "id": session.region, "ids": found, "region": session.region}


def _region(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    values = _arguments("getRegion", given, "id", "name", "region", "endpoint")
    region = values.get("region") or values.get("name") or session.region
    return {
        "id": region,
        "name": region,
        "region": region,
        "endpoint": f"ec2.{region}.{session.dns_suffix}",
        "description": region,
    }


def _identity(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    _arguments("getCallerIdentity", given, "id")
    identity = session.identity()
    return {**identity, "id": identity["accountId"]}


def _partition(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    _arguments("getPartition", given, "id")
    return {
        "id": session.partition,
        "partition": session.partition,
        "dnsSuffix": session.dns_suffix,
        "reverseDnsPrefix": _PARTITION_NAMES.get(session.partition, "com.amazonaws"),
    }


def _bucket(session: Session, given: dict[str, Any], _call: Call) -> dict[str, Any]:
    name = _arguments("getBucket", given, "bucket", "region")["bucket"]
    s3 = session.client("s3")
    if ignoring(MISSING, s3.head_bucket, Bucket=name) is None:
        raise ProviderError(f"reading S3 Bucket ({name}): couldn't find resource")
    # S3 has no name for the first of its regions
    region = s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
    suffix = session.dns_suffix
    return {
        "id": name,
        "bucket": name,
        "arn": f"arn:{session.partition}:s3:::{name}",
        "bucketDomainName": f"{name}.s3.{suffix}",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{name}.s3.{region}.{suffix}",
        "hostedZoneId": ZONES.get(region, ""),
        "region": session.region,
        "websiteDomain": "",
        "websiteEndpoint": "",
    }


FUNCTIONS: dict[str, Callable[[Session, dict[str, Any], Call], dict[str, Any]]] = {
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "aws:ebs/getEbsVolumes:getEbsVolumes": _volumes,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:s3/getBucket:getBucket": _bucket,
}
