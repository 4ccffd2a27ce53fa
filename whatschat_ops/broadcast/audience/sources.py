"""From a `Selection` to the `Source` of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.named import (
    ChainedSource,
    ConnectionsSource,
    UsersSource,
    WantedUsers,
)
from whatschat_ops.broadcast.audience.sampling import SampledSource, percentage
from whatschat_ops.broadcast.audience.scanning import ScanSource
from whatschat_ops.broadcast.audience.selection import Selection, check_unchanged, users_in
from whatschat_ops.broadcast.audience.targets import (
    ConnectionPages,
    Keep,
    Page,
    Row,
    Source,
    StoredConnection,
)
from whatschat_ops.connections.store import ConnectionStore

FEW_USERS = 5_000
"""Up to this number users are queried one by one. For more, reading the whole table is faster (and usually cheaper)."""

Say = Callable[[str], None]


class Table:
    """The connections table as broadcasts read it."""

    def __init__(self, aws: Aws, name: str, *, now_s: Callable[[], float] = time.time) -> None:
        self._aws = aws
        self._name = name
        self._store = ConnectionStore(aws, name)
        self._items = ConnectionPages(aws, name, StoredConnection)
        self._now_s = now_s

    @property
    def read_units(self) -> float:
        """What reading has consumed so far, in read request units."""
        return self._items.read_units

    def about_how_many(self) -> int:
        """How many rows DynamoDB counted in the last six hours or so."""
        return self._store.about_how_many()

    def source(self, selection: Selection, say: Say = lambda _: None) -> Source:
        """The rows that are selected; `say` is called for users without a connection.

        Raises UsageError when a users file is gone or has changed since it was examined.
        """
        if selection.users_file:
            check_unchanged(selection.users_file)
        source = self._all(selection, say)
        sample = selection.sample
        return SampledSource(source, sample.count, sample.seed) if sample and sample.count else source

    def _all(self, selection: Selection, say: Say) -> Source:
        if selection.whole_table:
            return ScanSource(self._items, self._now_s, keep=_wanted(selection))
        named = _wanted(selection) or _any
        parts: list[Source] = []
        if selection.connections:
            parts.append(ConnectionsSource(self._store.get, selection.connections, named))
        if selection.users or selection.users_file:
            taken = frozenset(selection.connections)
            parts.append(
                self._of_users(selection, _all_of(named, lambda row: row.connection_id not in taken), say)
            )
        return ChainedSource(parts)

    def _of_users(self, selection: Selection, keep: Keep, say: Say) -> Source:
        lines = selection.users_file.lines if selection.users_file else 0
        if len(selection.users) + lines > FEW_USERS:
            return _ScanForUsers(self._items, self._now_s, selection, keep, say)
        return UsersSource(self._items, self._now_s, lambda: dict.fromkeys(named_users(selection)), keep, say)


class _ScanForUsers:
    """The whole table is read, and the rows of very many users are kept."""

    def __init__(
        self, items: ConnectionPages, now_s: Callable[[], float], selection: Selection, keep: Keep, say: Say
    ) -> None:
        self._items = items
        self._now_s = now_s
        self._selection = selection
        self._keep = keep
        self._say = say

    def pages(self, position: str | None) -> Iterator[Page]:
        """As a scan's."""
        with closing(WantedUsers(named_users(self._selection))) as users:
            keep = _all_of(lambda row: users.has(row.user_id), self._keep)
            yield from ScanSource(self._items, self._now_s, keep=keep).pages(position)
            missing = users.not_found()
        if missing and position is None:  # after a resume it is not known who was found before
            self._say(f"{missing:,} of the named users have no connection.")


def named_users(selection: Selection) -> Iterator[str]:
    """The users that are named, one by one and in the file."""
    yield from selection.users
    if selection.users_file:
        yield from users_in(selection.users_file)


def _wanted(selection: Selection) -> Keep | None:
    """What exclusions and a percentage leave; None: everything."""
    tests: list[Keep] = []
    if selection.exclude_users:
        excluded = frozenset(selection.exclude_users)
        tests.append(lambda row: row.user_id not in excluded)
    if selection.sample and selection.sample.percent:
        tests.append(percentage(selection.sample.percent, selection.sample.seed))
    return _all_of(*tests) if tests else None


def _all_of(*tests: Keep) -> Keep:
    return lambda row: all(test(row) for test in tests)


def _any(_row: Row) -> bool:
    return True
