"""EBS volumes of a test's own, and where a host finds them."""

import contextlib
from collections.abc import Iterator

from cloud.cli.ask import Ask
from hosts_of_their_own import Host
from labs import Lab, eventually

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
GIB = 1 << 30


def path(volume: str) -> str:
    return f"{BY_ID}{volume.replace('-', '')}"


class Volumes:
    """Volumes of the test's own, deleted afterwards."""

    def __init__(self, aws: Ask, zone: str) -> None:
        self.aws, self.zone = aws, zone
        self.made: list[str] = []

    def make(self, gib: int = 1, **more: str) -> str:
        words = [word for name, value in more.items() for word in (f"--{name}", value)]
        made = self.aws(
            "ec2", "create-volume", "--availability-zone", self.zone, "--size", str(gib),
            "--volume-type", "gp3", "--encrypted", *words,
        )["VolumeId"]  # fmt: skip
        self.made.append(made)
        self.becomes(made, "available")
        return made

    def told(self, volume: str) -> tuple[str, str | None]:
        (found,) = self.aws("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"]
        states = [each["State"] for each in found["Attachments"]]
        return found["State"], states[0] if states else None

    def becomes(self, volume: str, state: str, attachment: str | None = None) -> None:
        eventually(
            lambda: self.told(volume),
            lambda told: told == (state, attachment),
            f"{volume} {state} {attachment}",
        )

    def attach(self, volume: str, to: Host) -> str:
        """The path of the device, by the volume's id."""
        self.aws(
            "ec2", "attach-volume", "--volume-id", volume, "--instance-id", to.instance,
            "--device", "/dev/sdf",
        )  # fmt: skip
        self.becomes(volume, "in-use", "attached")
        return path(volume)

    def detach(self, volume: str, *more: str) -> None:
        self.aws("ec2", "detach-volume", "--volume-id", volume, *more)

    def snapshot(self, volume: str) -> str:
        made = self.aws("ec2", "create-snapshot", "--volume-id", volume)["SnapshotId"]

        def state() -> str:
            answer = self.aws("ec2", "describe-snapshots", "--snapshot-ids", made)
            return answer["Snapshots"][0]["State"]

        eventually(state, lambda found: found == "completed", f"{made} completed")
        return made

    def delete(self) -> None:
        for volume in self.made:
            if self.told(volume)[1] is not None:
                self.detach(volume, "--force")
                self.becomes(volume, "available")
            self.aws("ec2", "delete-volume", "--volume-id", volume)


@contextlib.contextmanager
def volumes_beside(lab: Lab, host: Host) -> Iterator[Volumes]:
    """In the zone of that host. Whoever has mounted one lets go of it before the end."""
    aws = lab.aws
    answer = aws("ec2", "describe-instances", "--instance-ids", host.instance)
    zone = answer["Reservations"][0]["Instances"][0]["Placement"]["AvailabilityZone"]
    found = Volumes(aws, zone)
    yield found
    found.delete()
