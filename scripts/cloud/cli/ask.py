"""Many questions to the stand-in: one program in the lab's world runs the AWS command line for all.

A program of its own for each question would spend most of its time on imports.
"""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from cloud.cli.errors import LabError
from cloud.cli.surroundings import argv_in_world, aws_environment
from cloud.lab import Lab

ANSWER_SECONDS = 120
END_SECONDS = 10

Ask = Callable[..., Any]


class Asking:
    """Called with the words of an AWS command, it gives the answer. The program starts with the
    first question, and again where it has ended."""

    def __init__(self, lab: Lab, seconds: float = ANSWER_SECONDS) -> None:
        self.lab, self.seconds = lab, seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        if self._process is not None:
            try:
                self._process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
            self._process = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def __call__(self, *words: str) -> Any:
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(self.seconds, process.kill)
        watchdog.start()
        try:
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            self.end()
        code, text, problem = json.loads(line or '[-1, "", "it ended without an answer"]')
        if code != 0:
            raise LabError(
                f"`aws {' '.join(words)}` ended with {code}: {problem.strip()[-2000:]}; expected "
                "an answer of the stand-in; see cloud/daemon.log in the lab's folder, then run it "
                "again"
            )
        return json.loads(text) if text.strip() else {}

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            argv_in_world(self.lab, [sys.executable, "-m", "cloud.cli.ask"]),
            env={
                **aws_environment(self.lab),
                "PYTHONPATH": str(self.lab.checkout / "scripts"),
                "PYTHONSAFEPATH": "1",
            },
            cwd=self.lab.checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def main() -> None:
    from awscli.clidriver import create_clidriver

    driver = create_clidriver()
    for line in sys.stdin:
        words = [*json.loads(line), "--output", "json"]
        text, problem = io.StringIO(), io.StringIO()
        with redirect_stdout(text), redirect_stderr(problem):
            code = driver.main(words)
        print(json.dumps([code, text.getvalue(), problem.getvalue()]), flush=True)


if __name__ == "__main__":
    main()
