"""Names that AWS keeps unique, made from a prefix."""

import secrets
import time
from typing import Any


def prefixed(inputs: dict[str, Any], name: str, prefix: str) -> str:
    """The name given, or a unique one after the prefix (time and a random part)."""
    if inputs.get(name):
        return inputs[name]
    return f"{inputs.get(prefix, 'terraform-')}{int(time.time())}{secrets.token_hex(4)}"
