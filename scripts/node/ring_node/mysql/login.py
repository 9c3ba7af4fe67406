"""Who logs in to a server, and the file that keeps root's password."""

from __future__ import annotations

from dataclasses import dataclass

from ..base import paths
from ..base.errors import Exit, NodeError
from ..host import files


@dataclass(frozen=True)
class Login:
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


def root_password() -> str:
    text = files.read_bytes(paths.ROOT_CLIENT)
    stored = stored_password(text.decode()) if text else None
    if stored is None:
        raise NodeError(
            Exit.REFUSED,
            f"no root password in {paths.ROOT_CLIENT}",
            "the file that `ring-node server` writes",
            "run `ring-node server` first",
        )
    return stored


def keep_root_password(password: str) -> bool:
    """Writes it down for this tool and for who works on the host as root."""
    content = client_file(Login("root", password), f"socket={paths.SOCKET}\nloose-skip-ssl\n")
    return files.write(paths.ROOT_CLIENT, content, mode=0o600)


def client_file(login: Login, extra: str = "") -> bytes:
    return f'[client]\nuser={login.user}\npassword="{login.password}"\n{extra}'.encode()


def stored_password(text: str) -> str | None:
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator and key.strip() == "password":
            return value.strip().strip('"')
    return None
