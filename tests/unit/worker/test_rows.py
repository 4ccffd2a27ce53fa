"""Pages of the connections table: segments, users, and which rows are live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.worker.rows import END, FIRST_ROWS, PAGE_ROWS, USERS_OF_A_PAGE, Row, Table, live_rows

NOW_S = 1_800_000_000.0


@dataclass
class Meta:
    """Where botocore's hooks are registered."""

    hooks: dict[str, Any] = field(default_factory=dict)

    @property
    def events(self) -> Meta:
        return self

    def register(self, event: str, hook: Any) -> None:
        self.hooks[event] = hook


@dataclass
class DynamoDB:
    """Scans and queries rows in memory; `page` items in an answer, whatever the limit. `hooked`: through botocore's hook."""

    items: list[dict[str, Any]]
    page: int = 3
    hooked: bool = True
    meta: Meta = field(default_factory=Meta)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def scan(self, **request: Any) -> dict[str, Any]:
        return self._answer("Scan", self.items, request)

    def query(self, **request: Any) -> dict[str, Any]:
        wanted = request["ExpressionAttributeValues"][":u"]
        return self._answer("Query", [item for item in self.items if item["userId"] == wanted], request)

    def _answer(self, operation: str, items: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        start = int(request["ExclusiveStartKey"]["at"]["N"]) if "ExclusiveStartKey" in request else 0
        end = start + self.page
        more = {"LastEvaluatedKey": {"at": {"N": str(end)}}} if end < len(items) else {}
        answer: dict[str, Any] = {"Items": items[start:end], **more}
        if not self.hooked:
            return answer
        response = {"status_code": 200, "body": json.dumps(answer).encode()}
        customized: dict[str, Any] = {}
        self.meta.hooks[f"before-parse.dynamodb.{operation}"](response, customized)
        assert response["body"] == b"{}"
        return customized


def item(number: int, user: str = "u", **more: Any) -> dict[str, Any]:
    return {"connectionId": {"S": f"c{number}"}, "userId": {"S": user}, "connectedAt": {"S": "then"}, **more}


def table(*items: dict[str, Any], **more: Any) -> tuple[Table, DynamoDB]:
    client = DynamoDB(list(items), **more)
    return Table(client, "connections", lambda: NOW_S), client


def ids(pages: Iterator[Any]) -> list[str]:
    return [row.connection_id for page in pages for row in page.rows]


@pytest.mark.parametrize("hooked", [True, False], ids=["read by json", "read by botocore"])
def test_segment_is_read_page_by_page_and_goes_on_after_any_of_them(hooked: bool) -> None:
    rows, client = table(*map(item, range(8)), hooked=hooked)
    pages = list(rows.segment(2, 5, None))
    assert ids(iter(pages)) == [f"c{number}" for number in range(8)]
    assert pages[-1].position == END
    for number, page in enumerate(pages, 1):
        assert ids(rows.segment(2, 5, page.position)) == ids(iter(pages[number:]))
    assert {(asked["Segment"], asked["TotalSegments"]) for asked in client.asked} == {(2, 5)}
    assert [asked["Limit"] for asked in client.asked[:2]] == [FIRST_ROWS, PAGE_ROWS]


def test_users_are_read_some_to_a_page_and_one_with_many_rows_page_by_page() -> None:
    few = [item(number, f"user-{number}") for number in range(USERS_OF_A_PAGE)]
    many = [item(1_000 + number, "many") for number in range(7)]
    rows, _ = table(*few, *many, item(2_000, "last"))
    users = [f"user-{number}" for number in range(USERS_OF_A_PAGE)]
    users[3:3] = ["nobody", "many"]
    pages = list(rows.users([*users, "last"], None))
    found = ids(iter(pages))
    assert sorted(found) == sorted(row["connectionId"]["S"] for row in [*few, *many, item(2_000)])
    assert [name for page in pages for name in page.missing] == ["nobody"]
    assert pages[-1].position == END
    for number, page in enumerate(pages, 1):
        assert ids(rows.users([*users, "last"], page.position)) == ids(iter(pages[number:]))


def test_user_whose_last_page_is_empty_is_not_missing() -> None:
    rows, _ = table(*map(item, range(3)), item(9, "u", ttl={"N": "1"}))
    pages = list(rows.users(["u"], None))
    assert (len(ids(iter(pages))), [name for page in pages for name in page.missing]) == (3, [])


@pytest.mark.parametrize(
    ("ttl", "is_live"),
    [
        (None, True),
        ({"N": str(NOW_S + 1)}, True),
        ({"N": str(NOW_S)}, False),
        ({"N": str(NOW_S * 1000 + 1000)}, True),
        ({"N": str(NOW_S * 1000 - 1000)}, False),
        ({"S": "2099-01-01T00:00:00Z"}, True),
        ({"S": "2020-01-01T00:00:00"}, False),
        ({"S": "soon"}, True),
        ({"BOOL": True}, True),
    ],
)
def test_expired_rows_are_skipped_however_the_application_writes_the_time(
    ttl: dict[str, Any] | None, is_live: bool
) -> None:
    found = live_rows([item(1) | ({"ttl": ttl} if ttl else {})], NOW_S)
    assert found == ([Row("c1", "u", '{"S":"then"}')] if is_live else [])


def test_row_without_user_or_time_is_a_row() -> None:
    assert live_rows([{"connectionId": {"S": "c"}}], NOW_S) == [Row("c", "", "")]
