"""What a daemon of a lab removes that another one has left."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloud import daemon, groups
from cloud.names import Names
from cloud.network import namespaces

pytestmark = pytest.mark.unit

MINE, OTHER = Names("aaaaaa"), Names("bbbbbb")


def test_a_clean_up_removes_what_its_own_lab_has_left_and_nothing_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netns, hierarchy, folder = tmp_path / "netns", tmp_path / "cgroup", tmp_path / "cloud"
    folder.mkdir()
    (folder / "ready").write_text("{}")
    netns.mkdir()
    left = {
        names: [names.cloud, names.world, names.vpc("vpc-00000001"), names.host("i-00000001")]
        for names in (MINE, OTHER)
    }
    for name in (*left[MINE], *left[OTHER], "somebody-elses"):
        (netns / name).touch()
    for names in (MINE, OTHER):
        (hierarchy / names.control_group / "i-1").mkdir(parents=True)

    def run(argv: list[str], **_: object) -> str:
        assert argv[:3] == ["ip", "netns", "delete"]
        (netns / argv[3]).unlink()
        return ""

    monkeypatch.setattr(namespaces, "NETNS_FOLDER", netns)
    monkeypatch.setattr(namespaces, "run", run)
    monkeypatch.setattr(groups, "HIERARCHIES", (hierarchy,))
    assert daemon.clean_up(folder, MINE) == sorted(left[MINE])
    assert {path.name for path in netns.iterdir()} == {*left[OTHER], "somebody-elses"}
    assert [path.name for path in hierarchy.iterdir()] == [OTHER.control_group]
    assert not (folder / "ready").exists()
    assert daemon.clean_up(folder, MINE) == []
