"""A command that runs on a node, which a test holds at a gate and then reads to its end."""

import subprocess

from waits import PATIENCE


class Running:
    def __init__(self, process: "subprocess.Popen[str]", seconds: float) -> None:
        self.process, self._seconds = process, seconds
        self.text = ""

    @property
    def at_work(self) -> bool:
        if self.process.poll() is None:
            return True
        self.end()
        return False

    def end(self) -> int:
        """Its exit code; what it printed is `text`."""
        if not self.text:
            self.text, _ = self.process.communicate(timeout=self._seconds * PATIENCE)
        return self.process.returncode
