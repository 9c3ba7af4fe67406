"""The server that a snapshot is taken of: where its files are, and whether they can be copied."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import refused
from ..host import reflink
from .sql import Session

PLACES = (
    "SELECT @@datadir AS datadir, @@innodb_data_home_dir AS innodb_data_home_dir,"
    " @@innodb_log_group_home_dir AS innodb_log_group_home_dir,"
    " @@innodb_undo_directory AS innodb_undo_directory,"
    " @@innodb_data_file_path AS innodb_data_file_path, @@log_bin AS log_bin,"
    " @@log_bin_basename AS log_bin_basename, @@version AS version, @@server_uuid AS uuid,"
    " @@relay_log_info_repository AS repository, @@myisam_use_mmap AS mapped"
)


@dataclass(frozen=True)
class Source:
    """`unseen_writes`: files may change without a trace in their times."""

    data: Path
    logs: Path
    spaces: frozenset[str]  # files of InnoDB's system tablespace
    unseen_writes: bool
    version: str
    uuid: str


def read(session: Session) -> Source:
    """Refuses a server whose data cannot be copied as one folder."""
    row = session.row(PLACES)
    assert row is not None
    if not row["log_bin"]:
        raise refused(
            "the server writes no binary log", "log-bin in its my.cnf", "see its error log"
        )
    if row["repository"] != "TABLE":
        raise refused(
            f"relay_log_info_repository is {row['repository']}", "TABLE", "correct its my.cnf"
        )
    data = Path(row["datadir"]).resolve()
    for name, value in row.items():
        far = outside(data, name, value or "") if name.startswith("innodb_") else None
        if far:
            raise refused(
                f"{name} is {value}: {far} is outside of the data directory",
                f"all of InnoDB's files in {data}",
                "correct the my.cnf settings of the program",
            )
    strays = elsewhere(reflink.listed(data))
    if strays:
        raise refused(
            f"data outside of the data directory: {', '.join(strays[:5])}",
            f"every table in {data} (DATA DIRECTORY and INDEX DIRECTORY put one elsewhere)",
            "dump it, drop it, and load it without that option, then run this again",
        )
    logs = Path(row["log_bin_basename"]).parent
    spaces = frozenset(part.partition(":")[0] for part in row["innodb_data_file_path"].split(";"))
    return Source(data, logs, spaces, bool(row["mapped"]), row["version"], row["uuid"])


def outside(data: Path, name: str, value: str) -> str | None:
    """The first place of InnoDB that is not at the top of the data directory."""
    if name == "innodb_data_file_path":
        places = [part.partition(":")[0] for part in value.split(";")]
        return next((place for place in places if "/" in place), None)
    return value if value and (data / value).resolve() != data else None


def elsewhere(found: Mapping[str, os.stat_result]) -> list[str]:
    """What in a data directory only points at a place elsewhere: links, and links of InnoDB."""
    return sorted(
        name
        for name, status in found.items()
        if stat.S_ISLNK(status.st_mode) or name.endswith(".isl")
    )
