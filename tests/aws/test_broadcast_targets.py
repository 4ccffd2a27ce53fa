"""The connections of a broadcast, read from a table on moto: parallel scans, users, samples, and going on after any page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.connections_table import create_table
from whatschat_ops.aws import Aws, AwsTarget, connect
from whatschat_ops.aws.item_pages import AttributeValue
from whatschat_ops.broadcast.audience import scanning, sources
from whatschat_ops.broadcast.audience.retry_policy import ATTEMPTS, retry_throttled
from whatschat_ops.broadcast.audience.selection import examine_users_file, parse_sample, select
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.audience.targets import ConnectionPages, Row, Source, StoredConnection
from whatschat_ops.errors import NotFound, NotProvisioned, Throttled, UsageError
from whatschat_ops.redaction import Secret

TABLE = "websocket-connections"
NOW_S = 1_800_000_000.0
CONNECTED = {"S": "2027-01-15T08:00:00.123Z"}
MANY_BYTES = "x" * 60_000
"""Seventeen rows of these fill a page of 1 MB."""


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A table with 100 rows of 50 users on several pages, and some that have expired."""
    with mock_aws():
        found = connect(AwsTarget("us-east-1", access_key_id="testing", secret_access_key=Secret("testing")))
        create_table(found.client("dynamodb"), TABLE)
        for number in range(100):
            put(found, f"c{number}", f"u{number % 50}", padding={"S": MANY_BYTES})
        for number in range(30):
            put(found, f"b{number}", "busy", padding={"S": MANY_BYTES})
        put(found, "expired", "u0", ttl={"N": str(int(NOW_S))})
        put(found, "expired-ms", "u0", ttl={"N": str(int(NOW_S - 1) * 1000)})
        put(found, "expired-text", "u0", ttl={"S": "2020-01-01T00:00:00Z"})
        put(found, "future-ms", "odd", ttl={"N": str(int(NOW_S + 1) * 1000)})
        put(found, "no-time", "odd", ttl=None, connectedAt=None)
        put(found, "a-number", "odd", ttl={"S": "never"}, connectedAt={"N": "1700000000"})
        put(found, "umlaut", "odd", connectedAt={"S": 'ä"\\'})
        yield found


def put(aws: Aws, connection_id: str, user_id: str, **more: Any) -> None:
    item = {
        "connectionId": {"S": connection_id},
        "userId": {"S": user_id},
        "connectedAt": {"S": "2027-01-15T08:00:00.123Z"},
        "ttl": {"N": str(int(NOW_S) + 60)},
        **more,
    }
    item = {name: value for name, value in item.items() if value is not None}
    aws.client("dynamodb").put_item(TableName=TABLE, Item=item)


EVERY_ID = sorted(
    [f"c{number}" for number in range(100)]
    + [f"b{number}" for number in range(30)]
    + ["future-ms", "no-time", "a-number", "umlaut"]
)


def table(aws: Aws) -> Table:
    return Table(aws, TABLE, now_s=lambda: NOW_S)


def ids(source: Source, position: str | None = None) -> list[str]:
    return sorted(row.connection_id for page in source.pages(position) for row in page.rows)


def test_a_scan_finds_every_live_row_once(aws: Aws) -> None:
    source = table(aws).source(select())

    pages = list(source.pages(None))

    assert len(pages) > 4
    assert sorted(row.connection_id for page in pages for row in page.rows) == EVERY_ID
    found = {row.connection_id: row for page in pages for row in page.rows}
    assert found["c7"][:2] == ("c7", "u7") and json.loads(found["c7"].connected_at) == CONNECTED
    assert found["no-time"].connected_at == ""
    assert json.loads(found["a-number"].connected_at) == {"N": "1700000000"}
    assert json.loads(found["umlaut"].connected_at) == {"S": 'ä"\\'}


def test_first_page_of_a_scan_is_small_so_that_the_sending_can_begin(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "FIRST_ROWS", 3)
    source = table(aws).source(select())

    first = next(iter(source.pages(None)))

    assert 0 < len(first.rows) <= 3
    assert sorted([row.connection_id for row in first.rows] + ids(source, first.position)) == EVERY_ID


def test_rows_are_those_that_botocore_reads(aws: Aws) -> None:
    quick, slow = ConnectionPages(aws, TABLE, StoredConnection), aws.client("dynamodb")

    pages = [quick.scan(0, 1)]
    while pages[-1].next_key is not None:
        pages.append(quick.scan(0, 1, pages[-1].next_key))
    scanned = list(slow.get_paginator("scan").paginate(TableName=TABLE))

    assert len(pages) == len(scanned) > 4
    for page, answer in zip(pages, scanned, strict=True):
        assert page.next_key == answer.get("LastEvaluatedKey")
        assert [as_stored(item) for item in page.items] == [
            {name: item[name] for name in item if name != "padding"} for item in answer["Items"]
        ]
    of_user = quick.query("userId-index", "userId", "u3").items
    assert sorted(item.connection_id.S for item in of_user) == ["c3", "c53"]
    assert quick.read_units > 0


def as_stored(item: StoredConnection) -> dict[str, Any]:
    """The attributes of a row as botocore gives them."""
    raw = bytes(item.connected_at)
    found = {
        "connectionId": plain(item.connection_id),
        "userId": plain(item.user_id),
        "connectedAt": json.loads(raw) if raw else {},
        "ttl": plain(item.ttl),
    }
    return {name: value for name, value in found.items() if value}


def plain(value: AttributeValue) -> dict[str, str]:
    return {"S": value.S} if value.S else {} if value.N is None else {"N": f"{value.N:.0f}"}


def test_an_error_of_aws_is_still_ours(aws: Aws) -> None:
    with pytest.raises(NotFound) as caught:
        ConnectionPages(aws, "nowhere", StoredConnection).scan(0, 1)

    assert caught.value.aws_code == "ResourceNotFoundException"


def test_without_a_table_the_command_that_creates_it_is_named(aws: Aws) -> None:
    with pytest.raises(NotFound) as caught:
        ids(Table(aws, "nowhere").source(select()))

    assert isinstance(caught.value, NotProvisioned)


def by_users(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "users"
    path.write_text(
        "\n".join(["u1", "busy", "u1", "# u2", "unknown", *(f"u{number}" for number in range(30, 40))])
    )
    return {
        "users": ["u5", "busy"],
        "users_file": examine_users_file(path),
        "connections": ["c5", "c6", "b0"],
    }


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "every connection": lambda _: {},
    "but some": lambda _: {"exclude_users": ["busy", "u3"]},
    "percent": lambda _: {"sample": parse_sample("30%", "seed")},
    "count": lambda _: {"sample": parse_sample("20", "seed"), "exclude_users": ["busy"]},
    "users": by_users,
    "users sampled": lambda path: {**by_users(path), "sample": parse_sample("40%", "seed")},
    "busy user": lambda _: {"users": ["busy"]},
}


@pytest.mark.parametrize("few_users", [5_000, 2], ids=["queries", "one scan"])
@pytest.mark.parametrize("case", CASES)
def test_going_on_after_any_page_misses_and_repeats_no_connection(
    aws: Aws, tmp_path: Path, case: str, few_users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FEW_USERS", few_users)
    source = table(aws).source(select(**CASES[case](tmp_path)))
    pages = list(source.pages(None))
    rows = [[row.connection_id for row in page.rows] for page in pages]
    every_id = sorted(chain.from_iterable(rows))
    assert every_id == sorted(set(every_id)) != []

    for number in range(len(pages)):
        before = list(chain.from_iterable(rows[: number + 1]))
        assert sorted(before + ids(source, pages[number].position)) == every_id, number


@pytest.mark.parametrize("few_users", [5_000, 2], ids=["queries", "one scan"])
def test_users_their_file_and_connections_add_up(
    aws: Aws, tmp_path: Path, few_users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FEW_USERS", few_users)
    said: list[str] = []

    found = ids(table(aws).source(select(**by_users(tmp_path)), said.append))

    numbers = [1, 5, *range(30, 40)]
    of_users = [f"c{number + more}" for number in numbers for more in (0, 50)]
    assert found == sorted({*of_users, *(f"b{number}" for number in range(30)), "c5", "c6"})
    assert said == (
        ["The user 'unknown' has no connection."]
        if few_users > 2
        else ["1 of the named users have no connection."]
    )


def test_many_unknown_users_are_told_by_number(aws: Aws) -> None:
    said: list[str] = []

    assert ids(table(aws).source(select(users=[f"x{number}" for number in range(40)]), said.append)) == []

    assert said[0] == "The user 'x0' has no connection."
    assert said[-1] == "35 more users have no connection."
    assert len(said) == 6


def test_a_connection_without_a_row_is_sent_to_all_the_same(aws: Aws) -> None:
    (page,) = table(aws).source(select(connections=["unknown", "c1"])).pages(None)

    assert page.rows == [Row("unknown", "", ""), Row("c1", "u1", json.dumps(CONNECTED))]


def test_exclusion_and_sample_apply_to_named_connections_too(aws: Aws) -> None:
    source = table(aws).source(select(connections=["c1", "c2"], users=["u3"], exclude_users=["u2"]))
    assert ids(source) == ["c1", "c3", "c53"]
    sampled = table(aws).source(
        select(connections=["c1", "c2"], users=["u3"], sample=parse_sample("2", "seed"))
    )
    assert len(ids(sampled)) == 2


def test_a_users_file_that_was_changed_is_refused_before_anything_is_read(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("u1")
    selection = select(users_file=examine_users_file(tmp_path / "users"))
    (tmp_path / "users").write_text("u2")

    with pytest.raises(UsageError, match="has changed"):
        table(aws).source(selection)


def test_pages_that_are_not_taken_are_not_read(aws: Aws) -> None:
    found = table(aws)
    pages = iter(found.source(select()).pages(None))
    next(pages)
    time.sleep(0.3)
    segments, units_of_a_page = 4, 140

    assert 0 < found.read_units <= (segments + 1) * units_of_a_page
    pages.close()  # type: ignore[attr-defined]


def test_reading_goes_on_when_dynamodb_throttles() -> None:
    slept: list[float] = []
    failures = [Throttled("busy"), Throttled("busy")]

    def read() -> str:
        if failures:
            raise failures.pop()
        return "rows"

    assert retry_throttled(read, sleep=slept.append) == "rows"
    assert len(slept) == 2

    def throttled() -> None:
        raise Throttled("busy")

    with pytest.raises(Throttled):
        retry_throttled(throttled, sleep=slept.append)
    assert len(slept) == 2 + ATTEMPTS - 1
