"""How much memory the host has."""

from __future__ import annotations

import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
TOTAL = re.compile(r"^MemTotal: +(\d+) kB$", re.MULTILINE)


def total(meminfo: str) -> int | None:
    """Bytes, as proc(5) has them; None where it does not say."""
    found = TOTAL.search(meminfo)
    return int(found[1]) << 10 if found else None
