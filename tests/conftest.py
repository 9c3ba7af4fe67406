"""What every tier needs.

scripts/node is uploaded to the hosts as it stands and its content names the release, so nothing
may write byte code into it.

No test depends on another one or on the order: MYSQL_RING_TEST_ORDER=reversed runs them from the
last to the first.
"""

import os
import sys
from collections.abc import Generator

import pytest

sys.dont_write_bytecode = True
# The program looks for the agent that this names, and no test needs the caller's.
os.environ.pop("SSH_AUTH_SOCK", None)

ORDERS = ("", "reversed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = os.environ.get("MYSQL_RING_TEST_ORDER", "")
    if order not in ORDERS:
        raise pytest.UsageError(f"found MYSQL_RING_TEST_ORDER={order}; expected one of {ORDERS}")
    if order == "reversed":
        items.reverse()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a test that failed the next one takes nothing of its lab for granted; its report says
    what was to be seen of the lab."""
    del call
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab is not None:
        lab.suspect = True
        report.sections.append(("the lab", lab.evidence()))
    return report
