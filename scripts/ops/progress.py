"""What is at work on the nodes, on a terminal; elsewhere only the lines that they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Display
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Progress:
    """A line for each verb at work, with the last words of its node and the time that it takes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = Lock()
        self._display: Display | None = None
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def at_work(self, node: str, verb: str) -> Iterator[None]:
        with self._lock:
            if self._display is None and self._console.is_terminal:
                columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
                self._display = Display(*columns, console=self._console, transient=True)
                self._display.start()
            if self._display is not None:
                self._tasks[node] = self._display.add_task(f"{node}: {verb}")
        try:
            yield
        finally:
            with self._lock:
                if self._display is not None:
                    self._display.remove_task(self._tasks.pop(node))
                    if not self._tasks:
                        self._display.stop()
                        self._display = None

    def say(self, node: str, text: str) -> None:
        with self._lock:
            if self._display is not None:
                self._display.update(self._tasks[node], description=escape(f"{node}: {text}"))
            else:
                self._console.print(f"{node}: {text}", markup=False, soft_wrap=True)
