"""Large tables: a page of a Scan costs what is on it, and a table is copied for saving without its items.

ministack sorts and hashes all keys for every page. Which segment a key belongs to stays as it has it. It never changes an item, but
puts another in its place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from contextvars import ContextVar
from copy import deepcopy
from hashlib import sha1
from itertools import islice
from struct import Struct
from types import SimpleNamespace
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction
from whatschat_ops.local.control.wire import Response

PAGE_BYTES: Final = 1_048_576
"""What one page reads at most (DynamoDB API reference, Scan)."""
TABLES: Final = 2
"""So many tables' orders are kept: that of 1 million keys takes some 100 MB."""

Items = Mapping[str, Mapping[str, Any]]
"""Partition key -> sort key -> item."""


class KeyOrder:
    """The partition keys of a table in the order of its scans. Keys that have been deleted since stay, and are skipped."""

    def __init__(self, items: Items) -> None:
        self._items = items  # kept: no other dictionary gets its id
        self._keys = list(items)
        self._segments: dict[int, list[list[str]]] = {1: [self._keys]}
        self._sorted: set[tuple[int, int]] = set()

    def segment(self, number: int, of: int) -> Sequence[str]:
        """The keys of one segment. They are sorted when they are first asked for: of a million rows that is most of the time."""
        if of not in self._segments:
            self._segments[of] = self._divided(of)
        found = self._segments[of][number]
        if (number, of) not in self._sorted:
            found.sort()
            self._sorted.add((number, of))
        return found

    def _divided(self, of: int) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in range(of)]
        first = Struct(">I").unpack_from
        for key in self._keys:
            found[first(sha1(key.encode(), usedforsecurity=False).digest())[0] % of].append(key)
        return found


def page_keys(
    keys: Sequence[str], items: Items, start: str, limit: int | None, size_of: Callable[[Any], int]
) -> Iterator[str]:
    """The keys of one page from `start` on, and of at least one item behind it, from which it is seen that there is more."""
    count = size = 0
    for key in islice(keys, bisect_left(keys, start), None):
        if found := items.get(key):
            yield key
            if key != start:
                count += len(found)
                size += sum(map(size_of, found.values())) if limit is None else 0
            if size > PAGE_BYTES or (limit is not None and count > limit):
                return


def copy_of(value: Any, *rest: Any) -> Any:
    """`copy.deepcopy`, but a table's items are the same ones."""
    if not (isinstance(value, dict) and isinstance(items := value.get("items"), defaultdict)):
        return deepcopy(value, *rest)
    others = {name: each for name, each in value.items() if name != "items"}
    return {**deepcopy(others, *rest), "items": {key: dict(found) for key, found in list(items.items())}}


def install(dynamodb: Any, changed: Callable[[], None]) -> None:
    """Replace how `_scan` sorts the keys of its table: the first thing that it sorts after its checks. `changed` is called with every item."""
    scan, store, remove = dynamodb._scan, dynamodb._set_item, dynamodb._remove_item
    orders: dict[int, KeyOrder] = {}
    asked: ContextVar[Mapping[str, Any] | None] = ContextVar("scan", default=None)

    def order_of(items: Items) -> KeyOrder:
        order = orders.pop(id(items), None) or KeyOrder(items)
        orders[id(items)] = order
        if len(orders) > TABLES:
            del orders[next(iter(orders))]
        return order

    def set_item(table: Mapping[str, Any], key: str, *rest: Any) -> Any:
        if not table["items"].get(key):
            orders.pop(id(table["items"]), None)
        changed()
        return store(table, key, *rest)

    def remove_item(*which: Any) -> Any:
        changed()
        return remove(*which)

    def sorted_keys(values: Iterable[Any], **options: Any) -> list[Any]:
        data = asked.get()
        if data is None or not isinstance(values, KeysView):
            return sorted(values, **options)
        asked.set(None)
        table = dynamodb._tables.get(dynamodb._normalize_table_name(data["TableName"]))
        items = table["items"]
        keys = order_of(items).segment(int(data.get("Segment") or 0), int(data.get("TotalSegments") or 1))
        start = dynamodb._extract_key_val((data.get("ExclusiveStartKey") or {}).get(table["pk_name"]))
        limit = data.get("Limit")
        size_of = dynamodb._item_size_bytes
        return list(page_keys(keys, items, start, None if limit is None else int(limit), size_of))

    def scan_by_page(data: Mapping[str, Any]) -> Response:
        token = asked.set(None if data.get("IndexName") else data)
        try:
            response: Response = scan(data)
        finally:
            asked.reset(token)
        return response

    dynamodb.copy = SimpleNamespace(deepcopy=copy_of)
    dynamodb._scan, dynamodb._set_item, dynamodb._remove_item = scan_by_page, set_item, remove_item
    vars(dynamodb)["sorted"] = sorted_keys  # instead of the built-in function


SCANS: Final = (
    Correction(
        what="sorts and hashes every key of a table for each page of a Scan; copies every item to save a table",
        why="the order is kept between pages: a page takes as long as what is on it; items are saved as they are",
        source="our decision: tables of a million rows can be scanned",
        replaces=("dynamodb._scan", "dynamodb._set_item", "dynamodb._remove_item", "dynamodb.copy"),
        apply=lambda modules, parts: install(modules.dynamodb, lambda: parts.changed(["dynamodb"])),
    ),
)
