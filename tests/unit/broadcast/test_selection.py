"""Who is meant by a broadcast: options, users files, samples, and the JSON that a journal keeps."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.broadcast.audience.sampling import SampledSource, hash_of, percentage, smallest
from whatschat_ops.broadcast.audience.selection import (
    LARGEST_SAMPLE,
    Sample,
    Selection,
    UsersFile,
    check_unchanged,
    examine_users_file,
    parse_sample,
    select,
    users_in,
)
from whatschat_ops.broadcast.audience.targets import Page, Row, StoredConnection, live_rows
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import UsageError
from whatschat_ops.worker.tally import stored_time

NAMES = st.text(min_size=1, max_size=5).filter(str.strip)
SAMPLES = st.builds(Sample, st.integers(1, 9), st.none(), NAMES) | st.builds(
    Sample, st.none(), st.sampled_from(["0.5", "50"]), NAMES
)
FILES = st.builds(UsersFile, NAMES, NAMES, st.integers(1, 9))


def rows(number: int) -> list[Row]:
    return [Row(f"c{each}", f"u{each % 7}", "") for each in range(number)]


class Fixed:
    """A source of rows that are there already."""

    def __init__(self, *pages: list[Row]) -> None:
        self._pages = pages

    def pages(self, position: str | None):  # type: ignore[no-untyped-def]
        for number, page in enumerate(self._pages[int(position or 0) :], int(position or 0)):
            yield Page(page, str(number + 1))


@given(
    st.builds(
        select,
        users=st.lists(NAMES),
        connections=st.lists(NAMES),
        exclude_users=st.lists(NAMES),
        users_file=st.none() | FILES,
        sample=st.none() | SAMPLES,
    )
)
def test_a_selection_survives_the_journal(selection: Selection) -> None:
    assert Selection.from_json(selection.to_json()) == selection


def test_a_selection_says_what_it_selects() -> None:
    assert str(select()) == "every connection"
    assert select().whole_table
    assert str(select(users=["a", "a", "b"], connections=["c"])) == (
        "the connections of 2 users and 1 named connection"
    )
    assert str(select(exclude_users=["a"], sample=parse_sample("5%", "s"))) == (
        "a sample (5%) of every connection except those of 1 user"
    )


@pytest.mark.parametrize("option", ["users", "connections", "exclude_users"])
def test_an_empty_id_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="is empty"):
        select(**{option: ["a", " "]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "count", "percent"),
    [
        ("500", 500, None),
        ("10_000", 10_000, None),
        ("2.50%", None, "2.5"),
        (" 100 % ", None, "100"),
        ("1e1%", None, "10"),
    ],
)
def test_a_sample_is_a_number_or_a_percentage(text: str, count: int | None, percent: str | None) -> None:
    assert parse_sample(text, "seed") == Sample(count, percent, "seed")


@pytest.mark.parametrize(
    "text", ["", "%", "0", "-1", "1.5", "0%", "101%", "NaN", "NaN%", "Infinity", "x", str(LARGEST_SAMPLE + 1)]
)
def test_another_sample_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a number"):
        parse_sample(text, "seed")


def test_a_users_file_names_users_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes("\ufeffalice\r\n\n# comment\n  bob \nalice".encode())

    file = examine_users_file(path)

    assert file.lines == 3
    assert list(users_in(file)) == ["alice", "bob", "alice"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\n# none\n", "names no user"),
        (b"a\n\xff\n", "line 2: it is not UTF-8"),
        (b"x" * 2049, "2,048 bytes"),
    ],
)
def test_a_users_file_that_makes_no_sense_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "users").write_bytes(content)

    with pytest.raises(UsageError, match=why):
        examine_users_file(tmp_path / "users")


def test_a_users_file_that_was_changed_or_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("alice\n")
    file = examine_users_file(path)
    check_unchanged(file)

    path.write_text("alicia\n")
    with pytest.raises(UsageError, match="has changed"):
        check_unchanged(file)
    path.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        check_unchanged(file)


@given(st.lists(st.text(alphabet="ab#\ud7ff é", max_size=4)))
def test_what_was_counted_in_a_users_file_is_what_is_read(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "users"
        path.write_text("\n".join(["someone", *lines]), encoding="utf-8")
        file = examine_users_file(path)
        assert len(list(users_in(file))) == file.lines


def test_a_percentage_keeps_the_same_connections_for_the_same_seed() -> None:
    every_row = rows(20_000)

    kept = list(filter(percentage("10", "seed"), every_row))

    assert kept == list(filter(percentage("10", "seed"), every_row))
    assert kept != list(filter(percentage("10", "other"), every_row))
    assert 1_800 < len(kept) < 2_200
    assert list(filter(percentage("100", "seed"), every_row)) == every_row


def test_a_larger_percentage_contains_a_smaller_one() -> None:
    every_row = rows(2_000)

    small, large = (set(filter(percentage(percent, "s"), every_row)) for percent in ("5", "50"))

    assert small < large


@given(st.integers(0, 60), st.integers(0, 70), st.text(max_size=3))
def test_a_sample_has_exactly_so_many_in_order_of_their_hashes(have: int, want: int, seed: str) -> None:
    every_row = rows(have)

    chosen = smallest(every_row + every_row[:5], want, seed, (-1, ""))

    in_order = sorted(every_row, key=lambda row: hash_of(row.connection_id, seed))
    assert chosen == in_order[:want]


@given(st.integers(0, 50), st.randoms())
def test_a_sample_does_not_depend_on_the_order_of_the_table(want: int, random) -> None:  # type: ignore[no-untyped-def]
    every_row = rows(50)
    shuffled = random.sample(every_row, len(every_row))

    assert smallest(every_row, want, "s", (-1, "")) == smallest(shuffled, want, "s", (-1, ""))


def test_each_connection_is_as_likely_to_be_in_a_sample() -> None:
    every_row, counts = rows(10), dict.fromkeys(range(10), 0)
    for seed in range(2_000):
        for row in smallest(every_row, 3, f"seed {seed}", (-1, "")):
            counts[int(row.connection_id[1:])] += 1

    assert all(500 < count < 700 for count in counts.values()), counts


@pytest.mark.parametrize("pages_before", [0, 1, 2])
def test_a_sample_that_is_resumed_goes_on_with_its_own(pages_before: int) -> None:
    every_row = rows(5_000)
    whole = list(SampledSource(Fixed(every_row), 2_500, "seed").pages(None))
    assert [len(page.rows) for page in whole] == [1_000, 1_000, 500]
    position = whole[pages_before - 1].position if pages_before else None

    rest = list(SampledSource(Fixed(every_row[:2_000], every_row[2_000:]), 2_500, "seed").pages(position))

    assert [page.rows for page in rest] == [page.rows for page in whole[pages_before:]]


def test_a_sample_that_is_resumed_after_the_table_has_changed_repeats_no_connection() -> None:
    every_row = rows(5_000)
    first = next(iter(SampledSource(Fixed(every_row), 2_500, "seed").pages(None)))

    rest = SampledSource(
        Fixed(every_row[1_000:] + [Row(f"n{each}", "", "") for each in range(900)]), 2_500, "seed"
    )
    others = [row for page in rest.pages(first.position) for row in page.rows]

    assert len(others) == 1_500
    assert not {row.connection_id for row in first.rows} & {row.connection_id for row in others}


TIMES = (
    st.none()
    | st.builds(lambda number: {"N": str(number)}, st.integers(-10, 10**15) | st.floats(0, 1e13))
    | st.sampled_from(
        [{"S": "2020-01-01T00:00:00Z"}, {"S": "2040-01-01T00:00:00"}, {"S": "never"}, {"BOOL": True}]
    )
)


@given(TIMES, st.none() | st.just("S") | st.just("N"), st.none() | st.text(max_size=3), st.text(max_size=3))
def test_a_row_is_read_as_the_store_reads_it(
    ttl: dict[str, Any] | None, connected: str | None, user: str | None, text: str
) -> None:
    item: dict[str, Any] = {"connectionId": {"S": "c"}}
    if ttl is not None:
        item["ttl"] = ttl
    if connected is not None:
        item["connectedAt"] = {connected: text if connected == "S" else "12"}
    if user is not None:
        item["userId"] = {"S": user}

    found = live_rows(
        [msgspec.json.decode(json.dumps(item), type=StoredConnection, strict=False)], 1_800_000_000.0
    )

    expected = Connection("c", user or "", None, stored_time(ttl))
    assert bool(found) != expected.expired(1_800_000_000.0)
    for row in found:
        assert row[:2] == ("c", user or "")
        assert (json.loads(row.connected_at) if row.connected_at else None) == item.get("connectedAt")
