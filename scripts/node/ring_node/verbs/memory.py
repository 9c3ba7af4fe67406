"""Hidden verb of the service, before each start of the server: its share of the memory.

A my.cnf that says no number cannot be read by mysqld, and one that the host wrote would not be the
program's. So it comes as an argument. Without one the server starts with what my.cnf has.
"""

from __future__ import annotations

from ..base import paths
from ..host import files, memory
from ..mysql import buffer_pool


def run() -> int:
    my_cnf = files.read_bytes(paths.CONFIG) or b""
    given = buffer_pool.argument(my_cnf, memory.total(memory.MEMINFO.read_text()))
    files.write(paths.MEMORY, f"MEMORY={given}\n".encode(), mode=0o644)
    return 0
