"""Progress of things that run side by side: live on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

QUIET_SECONDS = 20.0
"""How often a thing that runs says so where there is no terminal."""


class Display:
    """A line per thing that runs. Used as a context; its lines go to standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._live = self.console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[name]:<24}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.description}", style="dim", markup=False),
            console=self.console,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def line(self, name: str) -> Callable[[str], None]:
        """Begin a line; the function that it returns changes the line's text."""
        with self._lock:
            self._begun[name] = time.monotonic()
            self._tasks[name] = self._progress.add_task("", name=name, total=None)

        def report(text: str) -> None:
            if self._live:
                self._progress.update(self._tasks[name], description=text)
                return
            now = time.monotonic()
            with self._lock:
                due = now - self._said.get(name, -QUIET_SECONDS) >= QUIET_SECONDS
                if due:
                    self._said[name] = now
            if due:
                self._print(f"{name} ({now - self._begun[name]:.0f} s): {text}")

        return report

    def finish(self, name: str, seconds: float) -> None:
        """End a line; what it did stays on the screen."""
        self._progress.remove_task(self._tasks[name])
        self._print(f"{name}: done in {seconds:.1f} s")

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)
