"""Starts the command."""

import signal
import sys
from typing import Any, NoReturn

from ops.errors import HOST, OpsError

try:
    from ops.command import main
except ModuleNotFoundError as missing:
    if missing.name not in ("click", "rich"):
        raise
    error = OpsError(
        f"no package {missing.name} in {sys.prefix}",
        "those of requirements.txt",
        "run `pulumi install` in the folder of the program",
        HOST,
    )
    print(error.render(), file=sys.stderr)
    sys.exit(error.code)


def interrupted(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


# Else the file with the key would stay.
signal.signal(signal.SIGTERM, interrupted)
signal.signal(signal.SIGHUP, interrupted)
main(prog_name="ring")
