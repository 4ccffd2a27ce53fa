"""`--sort` and `--limit`."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from whatschat_ops.cli.commands import every_command
from whatschat_ops.cli.completing.words import read_grammar
from whatschat_ops.cli.listing import in_order, listed, newest
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import UsageError


@dataclass(frozen=True)
class Row:
    name: str
    size: int | None
    tags: dict[str, str]


ROWS = [Row("b", 2, {}), Row("C", None, {}), Row("a", 10, {}), Row("A", 2, {})]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", "aAbC"),  # case tells nothing; equal ones stay in their order
        ("name:desc", "CbaA"),
        ("size", "bAaC"),  # 2 < 10, and what is not known comes last
        ("size:asc", "bAaC"),
        ("size:desc", "abAC"),
    ],
)
def test_rows_are_sorted_by_a_field(sort: str, names: str) -> None:
    assert "".join(row.name for row in in_order(Row, ROWS, sort)) == names


@pytest.mark.parametrize("sort", ["", "colour", "name:down", ":desc", "tags"])
def test_what_is_no_field_to_sort_by_is_refused(sort: str) -> None:
    with pytest.raises(UsageError, match="--sort"):
        in_order(Row, ROWS, sort)


def test_an_unknown_field_is_refused_where_nothing_is_listed() -> None:
    with pytest.raises(UsageError, match="name, size, tags"):
        in_order(Row, [], "colour")


def test_a_field_that_is_nearly_one_is_named() -> None:
    with pytest.raises(UsageError, match=r"there is no field 'nam'\. Did you mean 'name'\? The fields are"):
        in_order(Row, ROWS, "nam")
    with pytest.raises(UsageError, match="the order is asc or desc, not 'down'"):
        in_order(Row, ROWS, "name:down")


@pytest.mark.parametrize("path", [path for path, _ in every_command() if path.endswith(("list", "history"))])
def test_every_list_can_be_sorted_and_limited(path: str) -> None:
    options = read_grammar()[path]["options"]
    assert {"--sort", "--limit", "-L"} <= set(options)


def test_the_newest_are_read_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    rows = iter(ROWS)
    assert newest(Output(), Row, rows, "name", 2) == [ROWS[0], ROWS[1]]
    assert next(rows) == ROWS[3]  # one more than are shown tells that there are more
    assert "Only the newest 2 are shown" in capsys.readouterr().err


def test_a_limit_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Output(), Row, ROWS, "size:desc", 1) == [ROWS[2]]
    assert capsys.readouterr().err == "Showing 1 of 4. Raise --limit for more.\n"


def test_a_limit_that_leaves_nothing_out_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Output(), Row, ROWS, None, 4) == ROWS
    assert capsys.readouterr().err == ""
