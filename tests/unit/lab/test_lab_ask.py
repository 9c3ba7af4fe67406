"""Questions to the stand-in when the program that asks them is gone."""

import subprocess
import sys
from pathlib import Path

import pytest
from cloud.cli.ask import Asking
from cloud.cli.errors import LabError
from cloud.lab import Lab

pytestmark = pytest.mark.unit

# It ends in the middle of the third question, if it lives that long.
ANSWERS_TWICE = """\
import sys
for _ in range(2):
    sys.stdin.readline()
    print('[0, "{}", ""]', flush=True)
sys.stdin.readline()
"""


class AnswersTwice(Asking):
    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", ANSWERS_TWICE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def test_a_helper_that_ended_with_a_question_is_an_error_that_names_it_and_another_one_follows(
    tmp_path: Path,
) -> None:
    with AnswersTwice(Lab(tmp_path, tmp_path)) as ask:
        for _ in range(2):
            assert ask("ec2", "describe-vpcs") == {}
        with pytest.raises(LabError, match=r"ec2 describe-subnets.*without an answer"):
            ask("ec2", "describe-subnets")
        assert ask("ec2", "describe-subnets") == {}, "another one answers"


def test_a_helper_that_ended_between_two_questions_costs_neither(tmp_path: Path) -> None:
    with AnswersTwice(Lab(tmp_path, tmp_path)) as ask:
        assert ask("ec2", "describe-vpcs") == {}
        assert ask._process is not None
        former = ask._process
        former.kill()
        former.wait(timeout=10)
        assert ask("ec2", "describe-subnets") == {}
        assert ask._process is not former
