"""What the settings of the volumes must keep to: sizes, types, and how fast AWS lets them be."""

from dataclasses import dataclass

from components.problems import Found, Problem
from components.settings import RingArgs

SMALLEST_ROOT_VOLUME_GIB = 8
LARGEST_ROOT_VOLUME_GIB = 16384
# mkfs.xfs wants 300 MiB, an empty server has InnoDB's two logs of 264 MiB, a copy that arrives is
# beside what it takes the place of, and what is left is for binary logs.
SMALLEST_DATA_VOLUME_GIB = 4


@dataclass(frozen=True)
class VolumeType:
    """The largest size in GiB; the range of operations per second, and how many each GiB may
    have; the range of MiB/s, and how many each operation may have. None: not to be set."""

    largest_gib: int
    iops: tuple[int, int] | None = None
    iops_of_a_gib: int = 0
    throughput: tuple[int, int] | None = None
    throughput_of_an_operation: float = 0
    needs_iops: bool = False


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html and, for the ratios,
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html. The types with disks that
# turn (st1, sc1, standard) are not for a database.
TYPES = {
    "gp3": VolumeType(65536, (3000, 80000), 500, (125, 2000), 0.25),
    "gp2": VolumeType(16384),
    "io1": VolumeType(16384, (100, 64000), 50, needs_iops=True),
    "io2": VolumeType(65536, (100, 256000), 1000, needs_iops=True),
}
# What a gp3 volume of any size has: operations per second, MiB/s.
GP3_IOPS = 3000
GP3_THROUGHPUT = 125


def speed(settings: RingArgs) -> tuple[int | None, int | None]:
    """Operations per second and MiB/s of a data volume, as AWS is told them; None: the type has
    none to set.

    0 of a gp3 volume is told as what it has then: of a volume that stands, AWS and the provider
    take one that is left out for the one that it has (ModifyVolume; both are computed in
    resourceEBSVolume of terraform-provider-aws), and gp3 would begin with the iops of a gp2.
    """
    iops, throughput = settings.data_volume_iops, settings.data_volume_throughput
    if settings.data_volume_type == "gp3":
        return iops or GP3_IOPS, throughput or GP3_THROUGHPUT
    return iops or None, throughput or None


def root(settings: RingArgs) -> Found:
    size = settings.root_volume_gib
    if not SMALLEST_ROOT_VOLUME_GIB <= size <= LARGEST_ROOT_VOLUME_GIB:
        expected = f"{SMALLEST_ROOT_VOLUME_GIB} to {LARGEST_ROOT_VOLUME_GIB} GiB"
        yield Problem("rootVolumeGib", str(size), expected)


def data(settings: RingArgs) -> Found:
    name, size = settings.data_volume_type, settings.data_volume_gib
    kind = TYPES.get(name)
    if kind is None:
        yield Problem("dataVolumeType", repr(name), f"one of {', '.join(TYPES)}")
        return
    if not SMALLEST_DATA_VOLUME_GIB <= size <= kind.largest_gib:
        expected = f"{SMALLEST_DATA_VOLUME_GIB} to {kind.largest_gib} GiB, as {name} has it"
        yield Problem("dataVolumeGib", str(size), expected, compared="dataVolumeType")
    yield from _iops(settings, name, kind)
    yield from _throughput(settings, name, kind)


def _iops(settings: RingArgs, name: str, kind: VolumeType) -> Found:
    iops, size = settings.data_volume_iops, settings.data_volume_gib
    if kind.iops is None:
        if iops:
            expected = f"0, as {name} has what its size gives"
            yield Problem("dataVolumeIops", str(iops), expected, compared="dataVolumeType")
        return
    least, most = kind.iops
    if not least <= iops <= most and (iops != 0 or kind.needs_iops):
        zero = "" if kind.needs_iops else ", or 0 for the least"
        expected = f"{least} to {most} for {name}{zero}"
        yield Problem("dataVolumeIops", str(iops), expected, compared="dataVolumeType")
    elif iops > max(size * kind.iops_of_a_gib, GP3_IOPS if name == "gp3" else 0):
        expected = f"at most {kind.iops_of_a_gib} for each of {size} GiB of {name}"
        yield Problem("dataVolumeIops", str(iops), expected, compared="dataVolumeGib")


def _throughput(settings: RingArgs, name: str, kind: VolumeType) -> Found:
    wanted, iops = settings.data_volume_throughput, settings.data_volume_iops or GP3_IOPS
    if not wanted:
        return
    setting = "dataVolumeThroughput"
    if kind.throughput is None:
        expected = f"0, as {name} has no throughput to set"
        yield Problem(setting, str(wanted), expected, compared="dataVolumeType")
        return
    least, most = kind.throughput
    if not least <= wanted <= most:
        yield Problem(setting, str(wanted), f"{least} to {most} MiB/s, or 0 for the least")
    elif wanted > iops * kind.throughput_of_an_operation:
        expected = f"at most a quarter of the operations per second, which are {iops}"
        yield Problem(setting, str(wanted), expected, compared="dataVolumeIops")
