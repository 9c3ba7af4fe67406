"""Who logs in to a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Login:
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"
