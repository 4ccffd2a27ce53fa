"""What workers read of the table without doing anything to connections (`worker.counting`), and `ws connections stats` from it.

Their sums are merged here, exactly. A user may have connections in every segment, so the users of all segments are added up in a temporary file, with constant memory.
Nothing is kept of such a run: one that ends early is run again, and its objects are deleted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.selection import Selection, select
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.distributed.engine import POLL_S, fleet_of, require_workers
from whatschat_ops.broadcast.distributed.executions import Execution
from whatschat_ops.broadcast.distributed.launching import Launcher
from whatschat_ops.broadcast.distributed.outcomes import DOWNLOADS, Outcomes
from whatschat_ops.broadcast.distributed.steering import delete_run_objects
from whatschat_ops.broadcast.journal.record import RunRecord, new_run_id, timestamp
from whatschat_ops.choices import EngineName
from whatschat_ops.config import Names, Settings
from whatschat_ops.connections.statistics import ConnectionStats, stats_of
from whatschat_ops.errors import PROVISION, Hint, OpsError
from whatschat_ops.plurals import counted
from whatschat_ops.sender.model import SendPolicy
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.counting import counted_in
from whatschat_ops.worker.kinds import COUNT
from whatschat_ops.worker.objects import Keys, given_in
from whatschat_ops.worker.tally import Tally

STALLED_S: Final = 3_600.0
"""Longer than the three attempts of at most 15 minutes each that the state machine makes before a shard is finished or handed over."""
NOTHING_SENT: Final = SendPolicy(rate_per_s=1, burst=1)
Segments = Iterator[tuple[Mapping[str, Any], Iterator[list[Any]]]]
T = TypeVar("T")
_CACHE_KIB: Final = 65_536
_UNKNOWN_KIND: Final = "KeyError"
"""What a worker of an earlier version, which has no such kind of run, fails with."""


def count_connections(
    settings: Settings, aws: Aws, table: str, *, top: int, say: Callable[[str], None] = lambda _line: None
) -> ConnectionStats:
    """The figures of the table, as its rows are when workers read them, at the time when the run began.

    Raises UsageError when the stack has no workers, OpsError when some shards were not counted, and AwsError.
    """
    hint = Hint(("ws", "connections", "stats", "--engine", EngineName.DISTRIBUTED.value))
    reading = Reading(settings, aws, table, say)
    return reading.by_workers(COUNT, select(), lambda found: merged(found, top=top), hint)


@dataclass(frozen=True, slots=True)
class Reading:
    """The table as workers read it in a run that does nothing to connections, and that is deleted at its end."""

    settings: Settings
    aws: Aws
    table: str
    say: Callable[[str], None] = lambda _line: None

    def by_workers(
        self, kind: str, selection: Selection, then: Callable[[Segments], T], hint: Hint | None
    ) -> T:
        """What `then` makes of what they found. `hint`: what to do when it fails. Raises as count_connections."""
        settings, aws = self.settings, self.aws
        require_workers(settings)
        record = self._record(kind, selection)
        fleet = fleet_of(record.run_id, settings, aws, NOTHING_SENT, Table(aws, self.table), self.say)
        launcher, finished = Launcher(fleet, record), False
        try:
            outcomes = counted_by(launcher, hint)
            finished = True
            return then(segments_of(fleet.objects, launcher.keys, outcomes.shards))
        finally:
            with suppress(OpsError):  # what ended the run is what the user is to know; objects expire
                if not finished:
                    launcher.stop()
                    fleet.executions.stop(1)
                delete_run_objects(settings, aws, record.run_id)

    def _record(self, kind: str, selection: Selection) -> RunRecord:
        return RunRecord(
            run_id=new_run_id(),
            created_at=timestamp(),
            environment=self.settings.environment,
            stack=Names(self.settings).stack,
            table_name=self.table,
            region=self.aws.region,
            callback_url="",
            message=b"",
            message_id="",
            selection=selection.to_json(),
            policy="{}",
            engine=EngineName.DISTRIBUTED.value,
            caller_arn=self.aws.caller_arn,
            kind=kind,
        )


def segments_of(objects: Objects, keys: Keys, shards: Iterable[int]) -> Segments:
    """The sums of each shard, and its items, some at a time."""
    for content in _contents(objects, [keys.counted(shard) for shard in shards]):
        sums, items = counted_in(content)
        yield sums, map(given_in, _contents(objects, items))


def merged(segments: Segments, *, top: int) -> ConnectionStats:
    """The figures of all segments together."""
    tally = Tally()
    with closing(UserSums()) as users:
        for sums, items in segments:
            tally.merge(Tally.from_document(sums))
            for some in items:
                users.add(some)
        return stats_of(tally, users.count(), users.most(max(1, top)), top=top)


class UserSums:
    """Connections of each user, in a temporary file of SQLite's own, which is deleted when it is closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("CREATE TABLE sums (user TEXT PRIMARY KEY, connections INTEGER) WITHOUT ROWID")

    def add(self, users: Sequence[tuple[str, int]]) -> None:
        """Add connections of users, each named once."""
        self._database.executemany(
            "INSERT INTO sums VALUES (?, ?) ON CONFLICT DO UPDATE SET connections = connections + excluded.connections",
            sorted(users),
        )
        self._database.commit()

    def count(self) -> int:
        """How many users there are."""
        (found,) = self._database.execute("SELECT count(*) FROM sums").fetchone()
        return int(found)

    def most(self, users: int) -> list[tuple[str, int]]:
        """So many users with the most connections, first by their number, then by name."""
        query = "SELECT user, connections FROM sums ORDER BY connections DESC, user LIMIT ?"
        return self._database.execute(query, (users,)).fetchall()

    def close(self) -> None:
        """Delete it."""
        self._database.close()


def _contents(objects: Objects, keys: Sequence[str]) -> Iterator[bytes]:
    """Objects in the order of their keys; few at a time, so that they are never all in memory."""
    with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="counted") as pool:
        for at in range(0, len(keys), DOWNLOADS):
            yield from pool.map(objects.get, keys[at : at + DOWNLOADS])


def counted_by(
    launcher: Launcher,
    hint: Hint | None,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcomes:
    """Run the workers until all shards are counted. Raises OpsError when they are not, or when none was for STALLED_S, not even in part."""
    objects, executions, execution = launcher.fleet.objects, launcher.fleet.executions, launcher.first()
    outcomes = launcher.outcomes()
    reached, since_s = (len(outcomes.unfinished), 0), clock_s()
    while True:
        execution = executions.refreshed(execution)
        outcomes.refresh()
        before, reached = reached, (len(outcomes.unfinished), len(objects.keys(launcher.keys.all_handed)))
        if reached != before:
            since_s = clock_s()
        if not outcomes.unfinished:
            return outcomes
        if not execution.is_running or clock_s() - since_s >= STALLED_S:
            raise _failure(launcher, execution, len(outcomes.unfinished), hint)
        sleep(POLL_S)


def _failure(launcher: Launcher, execution: Execution, left: int, hint: Hint | None) -> OpsError:
    why = " ".join(launcher.fleet.executions.why(execution)).strip()
    if execution.is_running:
        why = f"none was for {STALLED_S / 60:.0f} minutes"
    shards = f"{counted(left, 'shard')} of the table could not be read ({execution.status}): {why}"
    if _UNKNOWN_KIND in why:
        hint = Hint(PROVISION.argv, "Workers of an earlier version cannot do this. Replace them")
    return OpsError(shards, hint=hint)
