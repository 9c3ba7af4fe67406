"""Users of the host that services run as."""

from __future__ import annotations

import pwd

from . import programs


def make(name: str) -> bool:
    """A user without a home or a shell. False when there was one of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        programs.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
             "/nonexistent", "--shell", "/usr/sbin/nologin", name],
            seconds=60,
            expected=f"a system user {name}",
            next_step="read the message",
        )  # fmt: skip
        return True
    return False
