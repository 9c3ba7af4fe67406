"""The MySQL archive that the lab makes: the vendor's layout, the same bytes everywhere."""

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from cloud.setup.archive import STORED_BLOCK, check_integrity, gzip_stored, members, write_archive
from cloud.setup.entry import SetupError

pytestmark = pytest.mark.unit


def package(*files: tuple[str, bytes, int, float]) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, mode, mtime in files:
            header = tarfile.TarInfo(name)
            header.size, header.mode, header.mtime = len(content), mode, mtime
            archive.addfile(header, io.BytesIO(content))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


SERVER = ("package/server/mysqld", b"ELF", 0o644, 1.0)
TABLES = ("package/server/share/mysql_system_tables.sql", b"sql", 0o777, 2.0)
DATA = ("package/server/data/ibdata1", b"data", 0o644, 3.0)


def test_the_archive_has_the_vendors_layout(tmp_path: Path) -> None:
    target = tmp_path / "a.tar.gz"
    write_archive(target, members(package(TABLES, DATA, SERVER)))
    with tarfile.open(target, "r:gz") as archive:
        found = {m.name: (m.mode, m.isdir(), m.uid, m.mtime) for m in archive.getmembers()}
    top = "mysql-5.6.24-linux-glibc2.12-x86_64"
    assert found == {
        top: (0o755, True, 0, 0),
        f"{top}/bin": (0o755, True, 0, 0),
        f"{top}/bin/mysqld": (0o755, False, 0, 0),
        f"{top}/share": (0o755, True, 0, 0),
        f"{top}/share/mysql_system_tables.sql": (0o644, False, 0, 0),
    }


def test_order_times_and_modes_of_the_package_do_not_change_the_archive(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_archive(one, members(package(SERVER, TABLES)))
    later = (TABLES[0], TABLES[1], 0o600, 99.0)
    write_archive(other, members(package(later, DATA, SERVER)))
    assert one.read_bytes() == other.read_bytes()


def test_the_archive_is_known_to_the_byte(tmp_path: Path) -> None:
    target = tmp_path / "a.tar.gz"
    write_archive(target, members(package(SERVER, TABLES)))
    assert hashlib.sha256(target.read_bytes()).hexdigest() == (
        "2b163738258ce93bd17de03e89a7d571824a84799e9bb926308252ba6cd84857"
    )


def test_a_package_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="bin/mysqld"):
        write_archive(tmp_path / "a", members(package(TABLES)))


@pytest.mark.parametrize("size", [0, 1, STORED_BLOCK - 1, STORED_BLOCK, STORED_BLOCK + 1, 200_000])
def test_a_stored_gzip_file_unpacks_to_what_was_put_in(size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    assert gzip.decompress(gzip_stored(content)) == content


def test_a_package_with_another_hash_is_refused_and_both_hashes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "p.tgz"
    file.write_bytes(b"content")
    good = "sha512-" + base64.b64encode(hashlib.sha512(b"content").digest()).decode()
    check_integrity(file, good)
    file.write_bytes(b"other")
    with pytest.raises(SetupError) as refused:
        check_integrity(file, good)
    assert good in str(refused.value)
    assert base64.b64encode(hashlib.sha512(b"other").digest()).decode() in str(refused.value)
