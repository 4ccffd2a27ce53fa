"""The targets of a broadcast: rows of the connections table, in pages, each with the position after it.

A `Source` reads ahead in parallel but hands its pages out in one thread; a page's `position` given back to `pages` goes
on right after that page, so that a run which is killed lists nothing twice and leaves nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from whatschat_ops.aws.item_pages import AttributeValue, ItemPage, ItemPages
from whatschat_ops.worker.rows import Row as Row
from whatschat_ops.worker.tally import stored_time

_MILLISECONDS_FROM = 100_000_000_000  # as in websocket.store: seconds of this size lie after the year 5000


class StoredConnection(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What a broadcast reads of a row, as it is stored."""

    connection_id: AttributeValue
    user_id: AttributeValue = AttributeValue()
    connected_at: msgspec.Raw = msgspec.Raw()
    ttl: AttributeValue = AttributeValue()


ConnectionPages = ItemPages[StoredConnection]
ConnectionPage = ItemPage[StoredConnection]


class Page(NamedTuple):
    """Some rows, and the position (JSON) of what comes after them."""

    rows: Sequence[Row]
    position: str


class Source(Protocol):
    """Where rows come from."""

    def pages(self, position: str | None) -> Iterator[Page]:
        """The pages from `position` on; None: from the start. Close the iterator to stop early."""
        ...


Keep = Callable[[Row], bool]
"""Whether a row is wanted."""


def live_rows(items: Iterable[StoredConnection], now_s: float) -> list[Row]:
    """The rows of a page that have not expired at `now_s` (epoch seconds)."""
    rows = []
    for item in items:
        # As the handlers write it; asked here, because a call for each row takes as long as the rest.
        expires = item.ttl.N
        if expires is None:
            is_live = not _expired_by_text(item.ttl.S, now_s)
        else:
            is_live = expires > now_s and not _MILLISECONDS_FROM < expires <= now_s * 1000
        if is_live:
            rows.append(Row(item.connection_id.S, item.user_id.S, str(item.connected_at, "utf-8")))
    return rows


def _expired_by_text(ttl: str, now_s: float) -> bool:
    moment = stored_time({"S": ttl}) if ttl else None
    return moment is not None and moment.timestamp() <= now_s
