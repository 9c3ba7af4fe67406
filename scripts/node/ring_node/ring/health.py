"""The verdict: what is wrong with a node, in plain words, each with the next step.

Pure: facts in, problems out. `look` gathers the facts. A problem is what somebody must do something
about; a note is worth knowing and leaves the node healthy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..base import paths
from ..mysql.conflicts import Conflicts
from ..mysql.shows import Coordinates, SlaveStatus

STALE_SECONDS = 5.0  # of a heartbeat, which beats every second
CLOCK_SECONDS = 1.0
BEHIND_SECONDS = 30
SHOWN = 5
REJOIN = "`sudo ring-node rejoin` on this node"
ALREADY_DONE = (
    "if that very statement was run on this node too, or before a crash, see that its outcome is "
    "here, and pass over it: SET GLOBAL sql_slave_skip_counter = 1; START SLAVE. Otherwise "
)
LOG = "/var/log/mysql/error.log"
MENDED = "cd /var/log/mysql && mkdir -p mended && mv --backup=numbered -t mended error.log*"


@dataclass(frozen=True)
class Problem:
    case: str  # a short name that does not change
    text: str
    next_step: str


@dataclass(frozen=True)
class Disk:
    """One that the node needs, by one of the paths on it."""

    path: str
    free: int  # bytes
    size: int
    setting: str  # in the stack, that makes it larger

    @property
    def low(self) -> bool:
        """A tenth is too little; of a large disk 10 GiB are enough, of a small one 512 MiB not."""
        return self.free < min(10 << 30, max(self.size // 10, 512 << 20))


@dataclass(frozen=True)
class Server:
    """What the server itself answered."""

    server_id: int
    server_uuid: str
    version: str
    have_ssl: str
    read_only: bool
    uptime_s: int
    connections: int = 1
    max_connections: int = 151


@dataclass(frozen=True)
class Beats:
    """The heartbeat rows on this server, by this host's clock that runs on whatever is set."""

    own: float | None  # seconds since the own row was last updated here; None: not seen to be
    peer: float | None  # seconds since the peer's row was last seen to change here
    watched: float | None = None  # seconds that it was looked for; None: as long as the agent runs
    own_problem: str | None = None


@dataclass(frozen=True)
class Unanswered:
    """A statement that got no answer, and what is in its way."""

    statement: str
    why: str


@dataclass(frozen=True)
class Tables:
    """Users' tables that replicate worse than others."""

    memory: tuple[str, ...] = ()
    myisam: int = 0
    without_key: int = 0


@dataclass(frozen=True)
class Facts:
    """Of one node. What could not be found out is None, and `silent` or a note says why."""

    node: str = "this node"
    peer: str | None = None  # None: nobody has named one yet, and nothing of a ring is judged
    installed: bool = True
    initialised: bool = True
    mounted: bool = True  # the data volume
    volume_broken: str | None = None  # why nothing on it can be read
    service: str = "active"
    agent_service: str = "active"
    agent_silent: str | None = None  # why nothing that it wrote counts
    admitted: bool = True  # it held all that its peer held, and joined it
    gate: str = "open"  # or closed, or why that is not known
    gate_why: str = "the agent does not say why"
    disks: tuple[Disk, ...] = ()
    host_silent: str | None = None  # why services and disks are not known
    server: Server | None = None
    silent: str | None = None  # why the server cannot be asked
    all_taken: bool = False  # the reason is that every connection is taken, root's spare one too
    log_end: Coordinates | None = None  # SHOW MASTER STATUS
    slave: SlaveStatus | None = None
    unanswered: tuple[Unanswered, ...] = ()
    held_up_by: str | None = None  # who may hold the lock that the SQL thread waits for
    beats: Beats | None = None
    peer_problem: str | None = None  # why the peer's server cannot be asked
    clock_difference: float | None = None  # seconds that the peer's clock is ahead
    conflicts: Conflicts = field(default_factory=Conflicts)
    unapplied: int | None = None  # bytes that the slave has received and not applied
    tables: Tables | None = None
    restart_due: bool = False
    edited: bool = False  # my.cnf, by another hand than the program's
    not_looked_at: tuple[str, ...] = ()  # for the notes


def problems(facts: Facts) -> list[Problem]:
    """What is wrong, the cause before what follows from it."""
    found = [*_host(facts), *_server(facts)]
    if facts.server is not None and facts.peer is not None:
        found += [*_slave(facts), *_beats(facts), *_data(facts)]
    return found


def notes(facts: Facts) -> list[str]:
    result = list(facts.not_looked_at)
    tables = facts.tables
    if tables is not None and tables.memory:
        result.append(
            f"MEMORY tables, which a restart of one node empties on both: {_some(tables.memory)}"
        )
    if tables is not None and tables.myisam:
        result.append(f"{tables.myisam} MyISAM tables: a kill of the server may damage them")
    if tables is not None and tables.without_key:
        result.append(
            f"{tables.without_key} tables without a primary key: the slave searches them whole for "
            "each row that changes"
        )
    if facts.conflicts.passed_over:
        result.append(
            f"{facts.conflicts.passed_over >> 20} MiB of {LOG} were too much to be searched for "
            "conflicts: there may be more of them"
        )
    if facts.edited:
        result.append(
            f"{paths.CONFIG} is not as the program laid it: somebody changed it by hand. The next "
            "change of a setting undoes that. Put what is to stay into mysqlSettings; `pulumi up "
            "--replace` with the URNs of this node's `config` and `restart` brings the program's "
            "file back"
        )
    if facts.restart_due:
        result.append(
            "a changed file of the server waits for its restart: `pulumi up` sees to it, or, where "
            "nothing has changed for it, `pulumi up --replace` with the URN of `restart` of this "
            "node"
        )
    return result


def unapplied(slave: SlaveStatus) -> int:
    """Bytes that were received and not applied; where they lie in more than one of the master's
    logs, what is left in the relay logs, which is a little more."""
    if slave.drained or not slave.read.file:
        return 0
    if slave.read.file == slave.executed.file:
        return max(0, slave.read.offset - slave.executed.offset)
    return max(0, slave.relay_space - slave.relay_offset)


def read_on(behind_the_torn: Coordinates) -> str:
    """What to do where the master's log ends in the middle of an event. (A server that crashed cuts
    such an end off; one that was told to end does not.)"""
    file, offset = behind_the_torn
    return (
        "the master's log ends in the middle of an event, as when its server was ended while its "
        "disk was full: what it was writing was not acknowledged. See here that unapplied_bytes "
        f"is 0, then STOP SLAVE; CHANGE MASTER TO MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = "
        f"{offset}; START SLAVE: it goes on with the log after that, and nothing has to be copied"
    )


def _host(facts: Facts) -> Iterator[Problem]:
    if facts.volume_broken is not None:
        yield Problem(
            "volume broken",
            f"the data volume does not answer: {facts.volume_broken}",
            "see its state (`aws ec2 describe-volumes`) and `dmesg`; attach it to this instance "
            "again if it was detached, then reboot this host: its server comes back by itself. A "
            "volume that is lost is made anew (docs/operations.md)",
        )
    elif not facts.mounted:
        yield Problem(
            "volume not mounted",
            "the data volume is not mounted",
            "look at `systemctl status mysql-ring-volume` on the host",
        )
    if facts.host_silent is not None:
        yield Problem(
            "host hangs",
            f"services and disks cannot be looked at: {facts.host_silent}",
            "look at the host (`dmesg`): a disk may not answer",
        )
    for disk in facts.disks:
        if disk.low:
            yield Problem(
                "disk low",
                f"{disk.free >> 20} MiB of {disk.size >> 20} MiB are free on the disk of "
                f"{disk.path}",
                f"make room there, or make it larger ({disk.setting} in the settings). A server "
                "without room waits and goes on by itself: do not restart it before there is some",
            )


def _server(facts: Facts) -> Iterator[Problem]:
    server = facts.server
    if not facts.installed:
        yield Problem("server absent", "MySQL is not installed", "`pulumi up`")
    elif not facts.initialised and facts.mounted:
        yield Problem("server absent", "the server has no data directory yet", "`pulumi up`")
    elif server is None and facts.service not in ("active", "activating", "reloading"):
        yield Problem(
            "server down",
            f"the server does not run (mysql.service is {facts.service})",
            f"look at {LOG} on the host, then `sudo systemctl start mysql`",
        )
    elif server is None and facts.all_taken:
        yield Problem(
            "connections taken",
            "every connection of the server is taken, root's spare one too",
            "end what holds them, or stop an application; then raise max_connections",
        )
    elif server is None:
        yield Problem(
            "server silent",
            f"the server runs and cannot be asked: {facts.silent or 'nobody tried'}",
            f"look at {LOG} and at the disks; it may be starting, stopped by a signal or stuck",
        )
    elif server.connections >= server.max_connections:
        yield Problem(
            "connections taken",
            f"{server.connections} connections, and the server takes {server.max_connections}: "
            "clients, the peer's slave and the agent are turned away",
            "SHOW PROCESSLIST says whose they are: end some, or raise max_connections",
        )
    if facts.peer is None:
        if facts.initialised and facts.gate != "open":
            yield Problem(
                "not joined",
                f"{facts.node} has no record of its peer yet: its gate is {facts.gate}, clients "
                "are turned away",
                "`pulumi up`: its steps write that",
            )
        return
    if facts.agent_service != "active":
        yield Problem(
            "agent down",
            f"the agent does not run (it is {facts.agent_service}): nobody beats for this node",
            f"look at `journalctl --unit 'mysql-ring-*'`, then {REJOIN}",
        )
    elif facts.agent_silent is not None:
        yield Problem(
            "agent silent",
            f"the agent runs and says nothing: {facts.agent_silent}",
            "look at its journal (`journalctl --unit 'mysql-ring-*'`), then restart it",
        )
    if not facts.mounted:
        return  # whether it has joined is written there
    if not facts.admitted:
        yield Problem(
            "not joined",
            f"{facts.node} has not joined its ring: it is being filled, or that was interrupted",
            f"`pulumi up` or {REJOIN}: either goes on",
        )
    elif facts.gate != "open":
        yield Problem(
            "gate closed",
            f"the gate is {facts.gate}, clients are turned away: {facts.gate_why}",
            "the agent opens it when that has ended; `ring-node gate` says more",
        )
    elif server is not None and server.read_only:
        yield Problem(
            "read only",
            "clients are let in, and may not write: read_only is 1",
            "find out who set it; SET GLOBAL read_only = 0 takes writes again",
        )


def _slave(facts: Facts) -> Iterator[Problem]:
    for each in facts.unanswered:
        yield Problem(
            "statement hangs",
            f"{each.statement} gets no answer: {each.why}",
            "it goes on when that has ended; KILL with a process number ends a session",
        )
    hung = {each.statement for each in facts.unanswered}
    if facts.log_end is None and "SHOW MASTER STATUS" not in hung:
        yield Problem(
            "no binary log",
            f"{facts.node} writes no binary log: what is written here does not reach {facts.peer}",
            "take its clients away and restart the server; what was written since the log ended is "
            f"here only, so then on {facts.peer}: `sudo ring-node rejoin --discard {facts.peer}`; "
            f"meanwhile {REJOIN}",
        )
    slave = facts.slave
    if slave is None:
        if "SHOW SLAVE STATUS" not in hung:
            yield Problem("no slave", f"{facts.node} replicates from nobody", REJOIN)
        return
    yield from _threads(facts, slave)
    if not slave.ssl_allowed:
        yield Problem("no TLS", "the slave reads from its peer without TLS", REJOIN)
    if facts.held_up_by is not None:
        yield Problem(
            "slave held up",
            f"the slave stands still ({slave.sql_state}); what may hold it up: {facts.held_up_by}",
            "end that (KILL with its process); the slave then goes on by itself",
        )
    behind = slave.seconds_behind or 0
    if facts.unapplied and behind >= BEHIND_SECONDS:
        yield Problem(
            "behind",
            f"{facts.unapplied} bytes that came from {facts.peer} are not applied yet, and it is "
            f"{behind} s behind",
            "see that it goes down; a large transaction, a table without a key, a lock take long",
        )


def _threads(facts: Facts, slave: SlaveStatus) -> Iterator[Problem]:
    if slave.io_running != "Yes":
        if slave.io_errno:
            text = f"error {slave.io_errno}: {slave.io_error}"
        elif slave.io_stopped:
            text = "without an error: it was stopped, or has given up"
        else:
            text = "it has said no error yet"
        step = f"start it: START SLAVE IO_THREAD, or {REJOIN}"
        if not slave.io_stopped:
            step = f"see that {facts.peer}'s server runs and that the replication network is open"
        elif slave.behind_the_torn is not None:
            step = read_on(slave.behind_the_torn)
        elif slave.io_errno:
            step = f"resolve what it names, then {REJOIN}"
        yield Problem("IO thread", f"the IO thread says {slave.io_running}, {text}", step)
    if slave.sql_running != "Yes":
        text = "without an error: it was stopped"
        step = "start it: START SLAVE SQL_THREAD"
        if slave.sql_errno:
            text = f"error {slave.sql_errno}: {slave.sql_error}"
            step = "resolve what it names, then START SLAVE SQL_THREAD"
            if slave.repeats:
                step = ALREADY_DONE + step
        yield Problem("SQL thread", f"the SQL thread says {slave.sql_running}, {text}", step)


def _beats(facts: Facts) -> Iterator[Problem]:
    beats = facts.beats
    if beats is not None:
        if beats.peer is None or beats.peer > STALE_SECONDS:
            since = _since(beats.peer, beats.watched)
            why = (
                f"; its server cannot be asked: {facts.peer_problem}" if facts.peer_problem else ""
            )
            yield Problem(
                "peer silent",
                f"the heartbeat of {facts.peer} {since} to change here{why}",
                f"look at `ring-node status` on {facts.peer}, and at the replication network",
            )
        closed = facts.gate != "open"  # which is said already: behind it nobody beats
        if not closed and (beats.own is None or beats.own > STALE_SECONDS):
            why = f": {beats.own_problem}" if beats.own_problem else ""
            yield Problem(
                "no heartbeat",
                f"the heartbeat of {facts.node} {_since(beats.own, beats.watched)} to change{why}",
                "the peer takes this node for dead: see that the agent runs and the server writes",
            )
    if facts.clock_difference is not None and abs(facts.clock_difference) > CLOCK_SECONDS:
        way = "ahead of" if facts.clock_difference > 0 else "behind"
        yield Problem(
            "clocks differ",
            f"the clock of {facts.peer} is {abs(facts.clock_difference):.1f} s {way} this host's",
            "see that both hosts get their time (`timedatectl`): NOW() differs until then",
        )


def _since(seconds: float | None, watched: float | None) -> str:
    if seconds is not None:
        return f"was last seen {seconds:.0f} s ago"
    return "was not seen" + (f" in {watched:.0f} s" if watched is not None else "")


def _data(facts: Facts) -> Iterator[Problem]:
    conflicts, last = facts.conflicts, facts.conflicts.last
    if not conflicts.total or last is None:
        return
    most = sorted(conflicts.counts.items(), key=lambda item: (-item[1], item[0]))
    counted = _some(tuple(f"{name} ({count})" for name, count in most))
    yield Problem(
        "conflicts",
        f"{conflicts.total} rows that came from {facts.peer} did not fit and were passed over, by "
        f"error and table: {counted}; the last at {last.at}: {last.text}",
        "the nodes may differ in these tables: compare them, and mend the rows, or the node whose "
        "rows are not wanted copies the other one anew (`sudo ring-node rejoin --discard` with its "
        "own name). What is mended stays counted as long as the error logs are the same ones: "
        f"`sudo sh -c '{MENDED}'`, FLUSH ERROR LOGS and `sudo rm {paths.CONFLICTS}` begin new ones",
    )


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
