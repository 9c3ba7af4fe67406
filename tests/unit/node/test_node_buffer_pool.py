"""A buffer pool that follows the memory of the host."""

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.host import memory
from ring_node.mysql import buffer_pool, lifecycle
from ring_node.verbs import memory as verb

from components.mysql.configuration import render, template
from components.settings import ARTICLE_NODES

pytestmark = pytest.mark.unit

MIB = 1 << 20


@pytest.mark.parametrize(
    ("has", "gets"),
    [
        (200, 128),
        (512, 256),
        (1900, 896),
        (7700, 3840),
        (8192, 4096),
        (16384, 10240),
        (65536, 47104),
    ],
)
def test_the_server_gets_half_of_a_small_host_and_more_of_a_large_one(has: int, gets: int) -> None:
    assert buffer_pool.size(has * MIB) == gets * MIB


def test_the_memory_is_what_the_kernel_says() -> None:
    assert memory.total("MemTotal:        7950032 kB\nMemFree:  1 kB\n") == 7950032 << 10
    assert memory.total("MemFree:  1 kB\n") is None
    assert memory.total(memory.MEMINFO.read_text())


@pytest.mark.parametrize(
    ("setting", "given"),
    [({"innodb-buffer-pool-size": "auto"}, True), ({"innodb_buffer_pool_size": "1G"}, False)],
)
def test_the_host_decides_only_where_the_programs_my_cnf_leaves_it_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str], given: bool
) -> None:
    text = render(template(), ARTICLE_NODES[0], {**setting, "tmp_table_size": "1M"})
    written: dict[Path, bytes] = {}
    monkeypatch.setattr(paths, "CONFIG", tmp_path / "my.cnf")
    paths.CONFIG.write_text(text)
    monkeypatch.setattr(
        verb.files, "write", lambda path, content, **_: written.update({path: content})
    )
    assert verb.run() == 0
    sized = buffer_pool.size(memory.total(memory.MEMINFO.read_text()) or 0)
    expected = f"--innodb-buffer-pool-size={sized}" if given else ""
    assert written == {paths.MEMORY: f"MEMORY={expected}\n".encode()}
    assert ("innodb_buffer_pool_size = 128M\n" in text) == given, "a start without the host's word"


def test_a_server_starts_with_its_my_cnf_where_the_host_says_nothing() -> None:
    unit = lifecycle.UNIT
    assert f"ExecStartPre=-+{paths.CURRENT_RELEASE}/ring-node memory\n" in unit
    assert f"Environment=MEMORY=\nEnvironmentFile=-{paths.MEMORY}\n" in unit
    assert unit.partition("\nExecStart=")[2].partition("\n")[0].endswith(" $MEMORY")
