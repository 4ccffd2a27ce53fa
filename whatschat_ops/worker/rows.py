"""Rows of the connections table as a worker reads them: page by page, each page with the position after it.

A position is what a part keeps as JSON. What comes after it is read again by the next attempt, whose pages may be cut elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from math import inf
from typing import Any, Final, NamedTuple

PAGE_ROWS: Final = 2_000
"""Of a scan: some 60 read units of 0.5. What is sent again after a kill begins at the start of a page."""
FIRST_ROWS: Final = 500
"""Of a first page: the sending begins while the next one is read."""
USERS_AT_ONCE: Final = 16
USERS_OF_A_PAGE: Final = 64
USER_INDEX: Final = "userId-index"
END: Final = "end"
"""The position after the last page."""

_ATTRIBUTES: Final = {"#c": "connectionId", "#u": "userId", "#t": "connectedAt", "#x": "ttl"}
_MILLISECONDS_FROM: Final = 100_000_000_000
_HASH_BYTES: Final = 8

Position = Any
Keep = Callable[["Row"], bool]


class Row(NamedTuple):
    """One connection. `connected_at` is the attribute as DynamoDB JSON (`{"S":"..."}`), "" when absent."""

    connection_id: str
    user_id: str
    connected_at: str


class Page(NamedTuple):
    """Some rows, the position of what comes after them, and users who were looked up and have no row."""

    rows: Sequence[Row]
    position: Position
    missing: Sequence[str] = ()


class StoredPage(NamedTuple):
    """Some rows as they are stored (DynamoDB JSON), and the position of what comes after them."""

    items: Sequence[Mapping[str, Any]]
    position: Position


class Table:
    """The connections table, through a client that is this object's own: its answers are read by json, ten times faster
    than botocore reads them attribute by attribute."""

    def __init__(
        self, client: Any, name: str, now_s: Callable[[], float], *, include_expired: bool = False
    ) -> None:
        """`now_s` is the time in epoch seconds: expired rows are skipped, unless they are to be included."""
        for operation in ("Scan", "Query"):
            client.meta.events.register(f"before-parse.dynamodb.{operation}", _read_answer)
        self._client = client
        self._now_s: Callable[[], float] = (lambda: -inf) if include_expired else now_s
        self._request = {
            "TableName": name,
            "ProjectionExpression": ",".join(_ATTRIBUTES),
            "ExpressionAttributeNames": dict(_ATTRIBUTES),
        }

    def segment(self, segment: int, segments: int, position: Position) -> Iterator[Page]:
        """One of `segments` parts of the table, from `position` on."""
        key, limit = position, PAGE_ROWS if position else FIRST_ROWS
        while key != END:
            request = {"Segment": segment, "TotalSegments": segments, "Limit": limit}
            rows, key = self._page(self._client.scan, request, key)
            yield Page(rows, key or END)
            key, limit = key or END, PAGE_ROWS

    def items(self, segment: int, segments: int, position: Position) -> Iterator[StoredPage]:
        """The rows of one of `segments` parts of the table as they are stored, expired ones too, from `position` on."""
        request, key = {"Segment": segment, "TotalSegments": segments}, position
        while key != END:
            items, after = self._items(self._client.scan, request, key)
            key = after or END
            yield StoredPage(items, key)

    def users(self, users: Sequence[str], position: Position) -> Iterator[Page]:
        """The rows of users, some users to a page; one with very many rows has pages of its own."""
        at, key = position if position not in (None, END) else (0, None)
        if position == END:
            return
        with ThreadPoolExecutor(USERS_AT_ONCE, thread_name_prefix="query") as pool:
            while at < len(users):
                batch = users[at : at + USERS_OF_A_PAGE]
                keys = [key, *([None] * (len(batch) - 1))]
                answers = pool.map(self._of_user, batch, keys)
                rows: list[Row] = []
                missing: list[str] = []
                for user, start, (found, after) in zip(batch, keys, answers, strict=True):
                    rows += found
                    key = after
                    if after is not None:  # what was read of the users behind is read again
                        break
                    if not found and start is None:
                        missing.append(user)
                    at += 1
                yield Page(rows, END if at >= len(users) else [at, key], missing)

    def _of_user(self, user: str, key: Any) -> tuple[list[Row], Any]:
        request = {
            "IndexName": USER_INDEX,
            "KeyConditionExpression": "#u = :u",
            "ExpressionAttributeValues": {":u": {"S": user}},
        }
        return self._page(self._client.query, request, key)

    def _page(self, call: Any, request: Mapping[str, Any], key: Any) -> tuple[list[Row], Any]:
        items, after = self._items(call, request, key)
        return live_rows(items, self._now_s()), after

    def _items(self, call: Any, request: Mapping[str, Any], key: Any) -> tuple[Sequence[Any], Any]:
        start = {} if key is None else {"ExclusiveStartKey": key}
        answer = call(**self._request, **request, **start)
        answer = answer.get("Answer", answer)  # an older botocore has no such event, and has read it itself
        return answer["Items"], answer.get("LastEvaluatedKey")


def given_rows(rows: Sequence[Row], position: Position) -> Iterator[Page]:
    """Rows that the command named one by one."""
    at = len(rows) if position == END else position or 0
    while at < len(rows):
        piece = rows[at : at + PAGE_ROWS]
        at += len(piece)
        yield Page(piece, at if at < len(rows) else END)


def live_rows(items: Sequence[Mapping[str, Any]], now_s: float) -> list[Row]:
    """The items that have not expired. A time is seconds or milliseconds, or ISO 8601 text, as applications store it."""
    return [_row(item) for item in items if "ttl" not in item or not _is_past(item["ttl"], now_s)]


def wanted(selection: Mapping[str, Any]) -> Keep:
    """What the exclusions and the sample of a selection (`audience.selection.Selection`, as JSON) leave of the rows of its shards."""
    excluded = frozenset(selection.get("exclude_users", ()))
    named = frozenset(selection.get("connections", ()))
    sample = selection.get("sample") or {}
    below = sample_limit(sample["percent"]) if sample.get("percent") else None
    seed = str(sample.get("seed", ""))

    def keep(row: Row) -> bool:
        if row.user_id in excluded or row.connection_id in named:
            return False
        return below is None or hash_of(row.connection_id, seed) < below

    return keep


def hash_of(connection_id: str, seed: str) -> int:
    """A number from 0 to 2**64 - 1, as good as a random one (BLAKE2b, keyed with the seed)."""
    digest = blake2b(connection_id.encode(), digest_size=_HASH_BYTES, key=seed.encode()[:64]).digest()
    return int.from_bytes(digest, "big")


def sample_limit(percent: str) -> int:
    """Hashes below it are `percent`, a decimal number, of all."""
    from decimal import Decimal

    return int(Decimal(percent) / 100 * 2 ** (8 * _HASH_BYTES))


def _row(item: Mapping[str, Any]) -> Row:
    moment = item.get("connectedAt")
    return Row(
        item["connectionId"]["S"],
        item.get("userId", {}).get("S", ""),
        json.dumps(moment, separators=(",", ":"), ensure_ascii=False) if moment else "",
    )


def seconds_of(attribute: str) -> float | None:
    """A stored time (`Row.connected_at`) in epoch seconds; None when it is none."""
    return _seconds(json.loads(attribute)) if attribute else None


def _is_past(ttl: Mapping[str, str], now_s: float) -> bool:
    expires_s = _seconds(ttl)
    return expires_s is not None and expires_s <= now_s


def _seconds(attribute: Mapping[str, str]) -> float | None:
    try:
        if "N" in attribute:
            number = float(attribute["N"])
            return number / 1000 if number > _MILLISECONDS_FROM else number
        moment = datetime.fromisoformat(attribute["S"])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _read_answer(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """botocore's hook `before-parse`: read the answer here, and leave its parser nothing to read. Errors are for botocore."""
    if response_dict["status_code"] == 200:
        with suppress(ValueError, RecursionError):
            customized_response_dict["Answer"] = json.loads(response_dict["body"])
            response_dict["body"] = b"{}"
