"""The disk image of the hosts: Debian 12 as it is on AWS, as a folder that overlays lie on."""

import shutil
from pathlib import Path

from cloud.setup.commands import run_logged
from cloud.setup.debian import KEYRING, RELEASE, Source, source_list
from cloud.setup.entry import Entry, Report, digest_of
from cloud.setup.packages import BASE

RECIPE = "2"
TREE = "tree"
LOG = "debootstrap.log"

CLOUD_CONFIG = """\
# As on Debian's image for AWS: the login is admin.
system_info:
  default_user:
    name: admin
    gecos: Debian
    groups: [adm, sudo]
    lock_passwd: true
    shell: /bin/bash
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
apt_preserve_sources_list: true
manage_etc_hosts: true
"""
"""Login and hosts file of Debian's image for AWS."""

APT_CONFIG = """\
// The mirror holds no translations, and stays as it was on the day it was made.
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
"""


def entry(sources: list[Source]) -> Entry:
    def build(folder: Path, report: Report) -> None:
        _build(folder, sources, report)

    digest = digest_of(RECIPE, RELEASE, *BASE, source_list(sources), CLOUD_CONFIG, APT_CONFIG)
    return Entry("base", digest, build)


def _build(folder: Path, sources: list[Source], report: Report) -> None:
    tree = folder / TREE
    run_logged(
        [
            "unshare",
            "--mount",
            str(Path(__file__).with_name("bootstrap.sh")),
            str(tree),
            "--variant=minbase",
            f"--keyring={KEYRING}",
            f"--include={','.join(BASE)}",
            RELEASE,
            sources[0].uri,
        ],
        folder / LOG,
        report,
        what="debootstrap",
        next_step="check that apt-get update works on this machine, then run the command again",
        timeout=1800,
    )
    report("prepare the image")
    _prepare(tree, sources)


def _prepare(tree: Path, sources: list[Source]) -> None:
    (tree / "etc/apt/sources.list").write_text(source_list(sources))
    (tree / "etc/apt/apt.conf.d/60mirror").write_text(APT_CONFIG)
    (tree / "etc/cloud/cloud.cfg.d/01_debian_cloud.cfg").write_text(CLOUD_CONFIG)
    # Empty, not absent: systemd then gives each host one of its own at first boot.
    (tree / "etc/machine-id").write_text("")
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "debootstrap"):
        shutil.rmtree(tree / folder, ignore_errors=True)
    for folder in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial"):
        (tree / folder).mkdir(parents=True)
