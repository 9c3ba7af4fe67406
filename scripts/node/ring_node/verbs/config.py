"""Verb `config`: my.cnf, judged by mysqld itself. A server that runs gets it with its restart."""

from __future__ import annotations

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..mysql import options, server_files
from ..ring import admission, renewal

END = "# The end of what the program wrote."
"""The last line of the program's text: a part of a my.cnf looks like a whole one."""


def run(text: str) -> Report:
    report = Report("config")
    if "[mysqld]" not in text or END not in text.splitlines():
        raise NodeError(
            Exit.INPUT,
            "standard input is no my.cnf, or a part of one",
            f"the text of my.cnf with a [mysqld] group and the line `{END}`",
            "run it again: a connection that breaks off leaves a part",
        )
    content = text.encode()
    old = server_files.read_by_server(paths.CONFIG)
    if content != old:
        values = options.judge(content)
        options.refuse_other_places(values)
        _refuse_other_server_id(old, values)
    renewal.lay({paths.CONFIG: content}, report)
    return report


def _refuse_other_server_id(old: bytes | None, values: dict[str, str]) -> None:
    """An event with an id that no node has any more would go round the ring for ever."""
    if old is None or not admission.admitted():
        return
    before, after = options.server_id(old), values.get("server-id", "")
    if before and before != after:
        raise refused(
            f"server-id would change from {before} to {after} on a joined node",
            "the server-id that it joined with",
            "keep it: the data of this node was written with it",
        )
