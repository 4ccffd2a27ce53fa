"""The rows of connections and users that were named one by one."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from whatschat_ops.broadcast.audience.retry_policy import retry_throttled
from whatschat_ops.broadcast.audience.targets import (
    ConnectionPage,
    ConnectionPages,
    Keep,
    Page,
    Row,
    Source,
    live_rows,
)
from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.connections.store import Connection

AT_ONCE = 16
PAGE_ROWS = 1_000

Say = Callable[[str], None]


class ConnectionsSource:
    """Connections by id. One without a row is sent to all the same: the socket may be open."""

    def __init__(self, get: Callable[[str], Connection | None], ids: Sequence[str], keep: Keep) -> None:
        self._get = get
        self._ids = ids
        self._keep = keep

    def pages(self, position: str | None) -> Iterator[Page]:
        """All of them in one page; there are as many as fit on a command line."""
        if position is not None:
            return
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="get") as pool:
            found = pool.map(lambda name: retry_throttled(lambda: self._get(name)), self._ids)
            rows = [_row(name, row) for name, row in zip(self._ids, found, strict=True)]
        yield Page(list(filter(self._keep, rows)), "{}")


class UsersSource:
    """The rows of users, through the user index. Users are queried in parallel and returned in order."""

    def __init__(
        self,
        items: ConnectionPages,
        now_s: Callable[[], float],
        users: Callable[[], Iterable[str]],
        keep: Keep,
        say: Say,
    ) -> None:
        """`users` gives the same users each time. `say` is called for those who have no connection."""
        self._items = items
        self._now_s = now_s
        self._users = users
        self._keep = keep
        self._say = say

    def pages(self, position: str | None) -> Iterator[Page]:
        """Pages of whole users, or of a part of one with very many. The position is that user's place and key."""
        place: dict[str, Any] = json.loads(position or '{"user": 0, "key": null}')
        first, key = int(place["user"]), place["key"]
        missing = Missing(self._say)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="query") as pool:
            try:
                asked = self._asked(pool, islice(self._users(), first, None), key)
                yield from self._collected(asked, first, key, missing)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        missing.end()

    def _asked(
        self, pool: ThreadPoolExecutor, users: Iterator[str], key: Any
    ) -> Iterator[tuple[str, Future[ConnectionPage], bool]]:
        """(user, first page, whether one would have to wait for the next user's), always `AT_ONCE` ahead."""
        waiting: deque[tuple[str, Future[ConnectionPage]]] = deque()
        while True:
            for user in islice(users, AT_ONCE - len(waiting)):
                waiting.append((user, pool.submit(self._query, user, key)))
                key = None
            if not waiting:
                return
            user, future = waiting.popleft()
            yield user, future, not waiting or not waiting[0][1].done()

    def _collected(
        self,
        asked: Iterator[tuple[str, Future[ConnectionPage], bool]],
        first: int,
        key: Any,
        missing: Missing,
    ) -> Iterator[Page]:
        rows: list[Row] = []
        for number, (user, future, idle) in enumerate(asked, first):
            page, found = future.result(), key is not None
            while True:
                live = live_rows(page.items, self._now_s())
                found = found or bool(live)
                rows += filter(self._keep, live)
                if page.next_key is None:
                    break
                yield Page(rows, json.dumps({"user": number, "key": page.next_key}))
                rows, page = [], self._query(user, page.next_key)
            key = None
            if not found:
                missing.add(user)
            if idle or len(rows) >= PAGE_ROWS:
                yield Page(rows, json.dumps({"user": number + 1, "key": None}))
                rows = []

    def _query(self, user: str, key: Any) -> ConnectionPage:
        return retry_throttled(lambda: self._items.query(USER_INDEX, "userId", user, key))


class ChainedSource:
    """One source after the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def pages(self, position: str | None) -> Iterator[Page]:
        """The pages of all. The position says which source it is of."""
        first, inner = (0, None) if position is None else json.loads(position)
        for number, source in enumerate(self._sources[first:], first):
            for page in source.pages(inner):
                yield Page(page.rows, json.dumps([number, page.position]))
            inner = None


class Missing:
    """Reports users who have no connection: some by name, the rest by number."""

    NAMED = 5

    def __init__(self, say: Say) -> None:
        self._say = say
        self._count = 0

    def add(self, user: str) -> None:
        """Count one."""
        self._count += 1
        if self._count <= self.NAMED:
            self._say(f"The user {user!r} has no connection.")

    def end(self) -> None:
        """Tell how many were not named."""
        if self._count > self.NAMED:
            self._say(f"{self._count - self.NAMED:,} more users have no connection.")


class WantedUsers:
    """Very many user ids: kept in a temporary database, so that they take no memory. Of one thread."""

    def __init__(self, users: Iterable[str]) -> None:
        self._database = sqlite3.connect("")  # a file that SQLite deletes by itself
        self._database.execute(
            "CREATE TABLE wanted (user_id TEXT PRIMARY KEY, found INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO wanted (user_id) VALUES (?)", ((user,) for user in users)
        )

    def has(self, user_id: str) -> bool:
        """Whether the user is one of them; remembers that they were found."""
        row = self._database.execute("SELECT found FROM wanted WHERE user_id = ?", (user_id,)).fetchone()
        if row is not None and not row[0]:
            self._database.execute("UPDATE wanted SET found = 1 WHERE user_id = ?", (user_id,))
        return row is not None

    def close(self) -> None:
        """Forget them."""
        self._database.close()

    def not_found(self) -> int:
        """How many were not found so far."""
        return int(self._database.execute("SELECT count(*) FROM wanted WHERE NOT found").fetchone()[0])


def _row(connection_id: str, found: Connection | None) -> Row:
    if found is None:
        return Row(connection_id, "", "")
    attribute = found.connected_at_attribute
    return Row(connection_id, found.user_id, "" if attribute is None else json.dumps(attribute))
