"""CA, certificate and key of a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    ca: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Keys()"
