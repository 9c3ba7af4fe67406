"""A call of a service, as the rules and the permissions see it. S3's is in `bucket`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from cloud.api import lookup


class Call:
    """One call of a service: its parameters and the state that it finds."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.service: str = response.service_name or ""
        self.action: str = response._get_action() or ""

    @cached_property
    def backend(self) -> Any:
        return self.response.ec2_backend if self.service == "ec2" else self.response.backend

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.response._get_param(name, otherwise)

    def flag(self, name: str) -> bool:
        return lookup.is_true(self.get(name))
