"""Every row of the table: a parallel scan whose segments are read ahead by one page each.

The position holds, for every segment, the key to go on after: no page is lost or listed twice, whatever the order in
which segments answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from whatschat_ops.broadcast.audience.retry_policy import retry_throttled
from whatschat_ops.broadcast.audience.targets import ConnectionPage, ConnectionPages, Keep, Page, live_rows

SEGMENTS = 4
"""One segment reads some 5,000 rows in 20 to 50 ms: four are faster than any account may post."""

FIRST_ROWS = 500
"""So many are read at first, alone: the sending begins while whole pages are read."""

_DONE = "done"


class ScanSource:
    """All live rows, or those that `keep` wants."""

    def __init__(
        self,
        items: ConnectionPages,
        now_s: Callable[[], float],
        *,
        keep: Keep | None = None,
        segments: int = SEGMENTS,
    ) -> None:
        self._items = items
        self._now_s = now_s
        self._keep = keep
        self._segments = segments

    def pages(self, position: str | None) -> Iterator[Page]:
        """One page for each answer of DynamoDB, in the order in which they come; some have no rows."""
        places: list[Any] = [None] * self._segments if position is None else json.loads(position)
        if position is None:
            yield self._page(self._read(0, len(places), None, limit=FIRST_ROWS), 0, places)
        with ThreadPoolExecutor(len(places), thread_name_prefix="scan") as pool:
            reading = {
                pool.submit(self._read, segment, len(places), place): segment
                for segment, place in enumerate(places)
                if place != _DONE
            }
            try:
                yield from self._until_read(pool, reading, places)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _until_read(
        self, pool: ThreadPoolExecutor, reading: dict[Future[ConnectionPage], int], places: list[Any]
    ) -> Iterator[Page]:
        while reading:
            for future in wait(reading, return_when=FIRST_COMPLETED).done:
                segment = reading.pop(future)
                page = future.result()
                if page.next_key is not None:
                    reading[pool.submit(self._read, segment, len(places), page.next_key)] = segment
                yield self._page(page, segment, places)

    def _page(self, page: ConnectionPage, segment: int, places: list[Any]) -> Page:
        places[segment] = _DONE if page.next_key is None else page.next_key
        rows = live_rows(page.items, self._now_s())
        return Page(rows if self._keep is None else list(filter(self._keep, rows)), json.dumps(places))

    def _read(
        self, segment: int, segments: int, start_key: Mapping[str, Any] | None, *, limit: int | None = None
    ) -> ConnectionPage:
        return retry_throttled(lambda: self._items.scan(segment, segments, start_key, limit=limit))
