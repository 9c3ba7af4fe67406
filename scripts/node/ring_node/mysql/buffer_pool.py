"""A buffer pool that follows the memory of the host, where the my.cnf asks for that."""

from __future__ import annotations

import re

# A section of my.cnf that mysqld passes over.
ASKED = re.compile(rb"^\[ring-node\]\s+innodb_buffer_pool_size = auto$", re.MULTILINE)
LEAST = 128 << 20  # the article's
PART = 64 << 20
LARGE = 8 << 30


def asked(my_cnf: bytes) -> bool:
    return ASKED.search(my_cnf) is not None


def size(memory: int) -> int:
    """Bytes, of a host that serves MySQL alone: half of its memory, of a large one more.

    Sessions, the query cache, the page cache of binary logs and the system need the rest.
    """
    share = min(memory, LARGE) // 2 + max(0, memory - LARGE) * 3 // 4
    return max(LEAST, share // PART * PART)


def argument(my_cnf: bytes, memory: int | None) -> str:
    """Of mysqld; empty where its my.cnf has the last word."""
    if memory is None or not asked(my_cnf):
        return ""
    return f"--innodb-buffer-pool-size={size(memory)}"
