"""EBS volume and its attachment to an instance."""

import zlib
from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, filters, first
from cloud.providers.aws.errors import code_of, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Ask, AwsResource, Work
from cloud.providers.resource import ProviderError
from cloud.providers.schema import BOOLEAN, INTEGER, Argument, Failure, Table
from cloud.providers.values import Unknown

_SECONDS = 5 * MINUTE
_INSTANCE_SECONDS = 10 * MINUTE
_WITH_IOPS = ("gp3", "io1", "io2")
_WITH_THROUGHPUT = ("gp3",)
_THROUGHPUT = (125, 2000)


class Volume(Ec2Resource):
    type_name = "aws:ebs/volume:Volume"
    noun, kind = "Volume", "volume"
    missing = ("InvalidVolume.NotFound",)
    available = ("available", "in-use")
    available_within, deleted_within = _SECONDS, 10 * MINUTE
    held = ("VolumeInUse",)
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ebs_volume.go",
        arguments=(
            Argument("availabilityZone", required=True, replace=True),
            Argument("encrypted", BOOLEAN, replace=True, computed=True),
            Argument("iops", INTEGER, computed=True),
            Argument("kmsKeyId", replace=True, computed=True),
            REGION,
            Argument("size", INTEGER, computed=True),
            Argument("snapshotId", replace=True, computed=True),
            TAGS,
            Argument("throughput", INTEGER, computed=True),
            Argument("type", computed=True, api="VolumeType"),
        ),
        outputs=("arn", "createTime"),
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        """What belongs to which type, and how large it is (resourceEBSVolumeCustomizeDiff)."""
        if inputs.get("size") is None and inputs.get("snapshotId") is None:
            return [Failure("size", "one of `size,snapshotId` must be specified")]
        kind, iops, throughput = (inputs.get(name) for name in ("type", "iops", "throughput"))
        if any(isinstance(value, Unknown) for value in (kind, iops, throughput)):
            return []
        kind = kind or ""
        failures = []
        if kind in ("io1", "io2") and not iops:
            failures.append(Failure("iops", f"'iops' must be set when 'type' is '{kind}'"))
        if iops and kind not in _WITH_IOPS:
            failures.append(Failure("iops", f"'iops' must not be set when 'type' is '{kind}'"))
        if throughput and kind not in _WITH_THROUGHPUT:
            reason = f"'throughput' must not be set when 'type' is '{kind}'"
            failures.append(Failure("throughput", reason))
        low, high = _THROUGHPUT
        if throughput and not low <= throughput <= high:
            reason = f"expected throughput to be in the range ({low} - {high}), got {throughput}"
            failures.append(Failure("throughput", reason))
        return failures

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        return {
            **super().told(work, found),
            "createTime": found["CreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def change(self, work: Work) -> None:
        names = [name for name in ("iops", "size", "throughput", "type") if name in work.inputs]
        if not work.changed(*names):
            return
        values = {**work.old, **work.inputs}
        asked = {name for name in names if work.changed(name)}
        if values.get("type") in _WITH_THROUGHPUT and values.get("throughput"):
            asked.add("throughput")  # the call forgets it otherwise
        if "type" in asked and values["type"] in _WITH_IOPS:
            asked.add("iops")
        parameters = {
            self.table.by_name[name].parameter: values[name] for name in asked if values.get(name)
        }
        work.ec2.modify_volume(VolumeId=work.id, **parameters)

        def look() -> str | None:
            answer = work.ec2.describe_volumes_modifications(VolumeIds=[work.id])
            found = answer["VolumesModifications"]
            return found[0]["ModificationState"] if found else None

        done = ("optimizing", "completed")
        wait_until(work.call, _SECONDS, f"modification of {work.id}", look, done)


_VOLUME = Volume()


class VolumeAttachment(AwsResource):
    type_name = "aws:ec2/volumeAttachment:VolumeAttachment"
    imports_by_place = True
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ebs_volume_attachment.go",
        arguments=(
            Argument("deviceName", required=True, replace=True, api="Device"),
            Argument("forceDetach", BOOLEAN),
            Argument("instanceId", required=True, replace=True),
            REGION,
            Argument("skipDestroy", BOOLEAN),
            Argument("stopInstanceBeforeDetaching", BOOLEAN),
            Argument("volumeId", required=True, replace=True),
        ),
    )

    def make(self, work: Work) -> str:
        if self._attached(work, work.inputs) is None:
            self._wait_for_instance(work, work.inputs["instanceId"], ("running", "stopped"))
            work.ec2.attach_volume(**self.given(work, "AttachVolume"))
        return _attachment_id(work.inputs)

    def left(self, inputs: dict[str, Any], ask: Ask) -> list[str]:
        place = ":".join((inputs["deviceName"], inputs["volumeId"], inputs["instanceId"]))
        path = "Volumes[].Attachments[].join(':', [Device, VolumeId, InstanceId])"
        words = ("--filters", f"Name=volume-id,Values={inputs['volumeId']}", "--query", path)
        return [place] if place in (ask("ec2", "describe-volumes", *words) or []) else []

    def _attached(self, work: Work, place: dict[str, Any]) -> str | None:
        found = first(
            work.ec2.describe_volumes,
            "Volumes",
            _VOLUME.missing,
            VolumeIds=[place["volumeId"]],
            Filters=filters(
                **{
                    "attachment.device": place["deviceName"],
                    "attachment.instance_id": place["instanceId"],
                }
            ),
        )
        for attachment in (found or {}).get("Attachments", []):
            if attachment["InstanceId"] == place["instanceId"]:
                return attachment["State"]
        return None

    def _wait_for_instance(self, work: Work, instance: str, wanted: tuple[str, ...]) -> None:
        def look() -> str | None:
            answer = work.ec2.describe_instances(InstanceIds=[instance])
            found = [one for each in answer["Reservations"] for one in each["Instances"]]
            return found[0]["State"]["Name"] if found else None

        wait_until(work.call, _INSTANCE_SECONDS, f"instance {instance}", look, wanted)

    def settle(self, work: Work) -> None:
        what = f"attachment of {work.inputs['volumeId']}"
        wait_until(
            work.call, _SECONDS, what, lambda: self._attached(work, work.inputs), ("attached",)
        )

    def describe(self, work: Work) -> dict[str, Any] | None:
        place = {**work.old, **work.inputs}
        if not place.get("volumeId"):  # an import: DEVICE:VOLUME:INSTANCE
            parts = work.id.split(":")
            if len(parts) != 3:
                raise ProviderError(
                    f"found the id {work.id!r}; expected DEVICE_NAME:VOLUME_ID:INSTANCE_ID"
                )
            device, volume, instance = parts
            place = {"deviceName": device, "volumeId": volume, "instanceId": instance}
        work.id = _attachment_id(place)
        if self._attached(work, place) is None:
            return None
        return {name: place[name] for name in ("deviceName", "instanceId", "volumeId")}

    def destroy(self, work: Work) -> None:
        place = work.old
        if place.get("skipDestroy"):
            return
        instance = place["instanceId"]
        if place.get("stopInstanceBeforeDetaching"):
            work.ec2.stop_instances(InstanceIds=[instance])
            self._wait_for_instance(work, instance, ("stopped",))
        try:
            work.ec2.detach_volume(
                Device=place["deviceName"],
                Force=bool(place.get("forceDetach")),
                InstanceId=instance,
                VolumeId=place["volumeId"],
            )
        except Exception as error:
            if code_of(error) == "IncorrectState" and "available" in str(error):
                return
            raise

        def look() -> str:
            state = self._attached(work, place)
            if state not in (None, "detaching"):
                # The official plugin waits on no other state than detaching.
                raise ProviderError(
                    f"waiting for {place['volumeId']} to leave {instance}: unexpected state "
                    f"'{state}', wanted target ''"
                )
            return state or "detached"

        wait_until(work.call, _SECONDS, f"attachment of {place['volumeId']}", look, ("detached",))


def _attachment_id(place: dict[str, Any]) -> str:
    """The official plugin's own: vai- and a CRC-32 (volumeAttachmentID)."""
    text = f"{place['deviceName']}-{place['instanceId']}-{place['volumeId']}-"
    return f"vai-{zlib.crc32(text.encode())}"


RESOURCES = (_VOLUME, VolumeAttachment())
