"""Who gets a broadcast: rows of the connections table, in pages, each with the place to go on after it.

A `Source` reads ahead in parallel but hands its pages out in one thread; a page's `position` given back to `pages` goes
on right after that page, so that a run which is killed lists nothing twice and leaves nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from json import dumps
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple, Protocol

from whatschat_ops.websocket.store import stored_time

ATTRIBUTES = ("connectionId", "userId", "connectedAt", "ttl")
"""What a broadcast reads of a row."""

_MILLISECONDS_FROM = 100_000_000_000  # as in websocket.store: seconds of this size lie after the year 5000


class Row(NamedTuple):
    """One connection. `connected_at` is the attribute as compact DynamoDB JSON (`{"S":"..."}`), "" when absent."""

    connection_id: str
    user_id: str
    connected_at: str


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


def live_rows(items: Iterable[Mapping[str, Any]], now_s: float) -> list[Row]:
    """The rows of a page of items (DynamoDB JSON) that have not expired at `now_s` (epoch seconds)."""
    rows = []
    for item in items:
        try:  # as the handlers write it: without a call for each attribute, twice as fast
            expires = float(item["ttl"]["N"])
            row = Row(
                item["connectionId"]["S"],
                item["userId"]["S"],
                '{"S":' + encode_basestring_ascii(item["connectedAt"]["S"]) + "}",
            )
        except KeyError:
            if not _expired(item.get("ttl"), now_s):
                rows.append(_row(item))
            continue
        if expires > now_s and (expires <= _MILLISECONDS_FROM or expires > now_s * 1000):
            rows.append(row)
    return rows


def _row(item: Mapping[str, Any]) -> Row:
    user = item.get("userId", {}).get("S", "")
    return Row(item["connectionId"]["S"], user, compact(item.get("connectedAt")))


def compact(attribute: Mapping[str, Any] | None) -> str:
    """An attribute as compact DynamoDB JSON; "" when there is none."""
    return "" if attribute is None else dumps(attribute, separators=(",", ":"))


def _expired(ttl: Mapping[str, Any] | None, now_s: float) -> bool:
    moment = stored_time(ttl)
    return moment is not None and moment.timestamp() <= now_s
