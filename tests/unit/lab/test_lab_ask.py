"""Questions to the stand-in when the program that asks them is gone."""

import subprocess
import sys
from pathlib import Path

import pytest
from cloud.cli.ask import Asking
from cloud.cli.errors import LabError
from cloud.lab import Lab

pytestmark = pytest.mark.unit

ANSWERS_ONCE = """\
import sys
sys.stdin.readline()
print('[0, "{}", ""]', flush=True)
"""


class AnswersOnce(Asking):
    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", ANSWERS_ONCE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def test_a_question_after_the_helper_ended_is_an_error_that_names_the_question(
    tmp_path: Path,
) -> None:
    with AnswersOnce(Lab(tmp_path, tmp_path)) as ask:
        assert ask("ec2", "describe-vpcs") == {}
        assert ask._process is not None
        ask._process.wait(timeout=10)
        with pytest.raises(LabError, match=r"ec2 describe-subnets.*without an answer"):
            ask("ec2", "describe-subnets")
        assert ask("ec2", "describe-subnets") == {}, "another one answers"
