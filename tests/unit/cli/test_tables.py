"""Tables at any width: nothing that tells rows apart is cut, no word is broken, nothing moves the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, display_width, figures

ROWS = (
    ("websocket-connect", "12,345 B", "python3.12", "256 MB", "published by the pipeline"),
    ("websocket-disconnect", "9 B", "python3.12", "256 MB"),
)
FUNCTIONS = Table(
    (
        Column("Function"),
        *figures("Size"),
        Column("Runtime", optional=True),
        Column("Memory", right=True, optional=True),
        Column("Note", wraps=True),
    ),
    ROWS,
)


def test_wide_table_has_a_line_for_each_row() -> None:
    assert FUNCTIONS.text(120, styled=False).splitlines() == [
        "Function                  Size  Runtime     Memory  Note",
        "websocket-connect     12,345 B  python3.12  256 MB  published by the pipeline",
        "websocket-disconnect       9 B  python3.12  256 MB",
    ]


def test_texts_are_wrapped_before_columns_go() -> None:
    assert FUNCTIONS.text(64, styled=False).splitlines() == [
        "Function                  Size  Runtime     Memory  Note",
        "websocket-connect     12,345 B  python3.12  256 MB  published by",
        "                                                    the pipeline",
        "websocket-disconnect       9 B  python3.12  256 MB",
    ]


def test_optional_columns_go_from_the_last_one() -> None:
    narrow = Table(FUNCTIONS.columns[:-1], [list(row)[:4] for row in ROWS])
    wide = Table((*narrow.columns, Column("Hash")), [(*row[:4], "f" * 20) for row in ROWS])
    assert wide.text(66, styled=False).splitlines()[0].split() == ["Function", "Size", "Runtime", "Hash"]
    assert wide.text(60, styled=False).splitlines()[0].split() == ["Function", "Size", "Hash"]


def test_below_60_columns_rows_become_records_with_all_their_columns() -> None:
    assert FUNCTIONS.text(40, styled=False).splitlines() == [
        "Function  websocket-connect",
        "Size      12,345 B",
        "Runtime   python3.12",
        "Memory    256 MB",
        "Note      published by the pipeline",
        "",
        "Function  websocket-disconnect",
        "Size      9 B",
        "Runtime   python3.12",
        "Memory    256 MB",
    ]


def test_a_long_heading_is_said_once_and_records_stand_under_their_first_cell() -> None:
    long = Table(
        (Column("What depends on usage", wraps=True), *figures("Price")), [("Lambda, requests", "$0.20")]
    )
    assert long.text(20, styled=False) == "What depends on usage\n\nLambda, requests\n  Price  $0.20"


def test_records_without_headings_stand_under_their_first_cell() -> None:
    facts = Table(
        (Column(""), Column(""), Column("")), [("Caller", "arn:aws:iam::1:user/me", "the variables")]
    )
    assert facts.text(80, styled=False) == "Caller  arn:aws:iam::1:user/me  the variables"
    assert facts.text(30, styled=False) == "Caller\n  arn:aws:iam::1:user/me\n  the variables"


def test_values_stand_beside_their_own_headings_where_an_optional_column_has_gone() -> None:
    table = Table(
        (Column("Name"), Column("Note", optional=True), Column("Identity")),
        [("a", "n" * 40, "i" * 70), ("b", "", "j")],
    )
    assert table.text(60, styled=False).splitlines()[:2] == ["Name      a", f"Identity  {'i' * 70}"]


def test_a_table_without_rows_says_so() -> None:
    assert Table((Column("Run"),), [], empty="No broadcasts.").text(40, styled=False) == "No broadcasts."


def test_small_table_stays_a_table_on_a_narrow_terminal() -> None:
    assert (
        Table(figures("Gone", "Failed"), [("1", "22")]).text(20, styled=False) == "Gone  Failed\n   1      22"
    )


def test_styles_are_around_texts_and_change_no_width() -> None:
    table = Table((Column("A"), Column("B")), [(Styled("x", "red"), "y")])
    assert table.text(80, styled=True) == "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31mx\x1b[0m  y"


def test_control_characters_are_shown_and_not_sent() -> None:
    shown = Table((Column("User"),), [("\x1b[2Jeve\r",)]).text(80, styled=False)
    assert shown.splitlines()[1] == r"\x1b[2Jeve\x0d"


def test_what_must_not_be_shown_is_taken_out_before_the_layout() -> None:
    table = Table((Column("Token"), Column("B")), [("secret-value", "y")])
    assert table.text(80, styled=False, clean=lambda text: text.replace("secret-value", "***")) == (
        "Token  B\n***    y"
    )


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_what_a_terminal_uses(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_facts_leave_out_what_is_empty_and_indent_what_is_long() -> None:
    facts = Facts({"Connection": "abc", "Reason": "no message arrived for all of ten minutes", "User": ""})
    assert facts.text(40, styled=False).splitlines() == [
        "Connection  abc",
        "Reason      no message arrived for all",
        "            of ten minutes",
    ]


def test_a_value_that_is_too_long_for_its_place_stands_below_its_name() -> None:
    facts = Facts({"Name in AWS": "/aws/lambda/websocket-disconnect", "State": "in sync"})
    assert facts.text(40, styled=False).splitlines() == [
        "Name in AWS",
        "  /aws/lambda/websocket-disconnect",
        "State        in sync",
    ]


def test_a_text_stands_below_a_name_that_takes_most_of_the_line() -> None:
    facts = Facts({"For the users in its share": "New calls of the cohort go to Chime.", "Share": "0 %"})
    assert facts.text(40, styled=False).splitlines() == [
        "For the users in its share",
        "  New calls of the cohort go to Chime.",
        "Share                       0 %",
    ]


def test_a_long_point_is_continued_below_its_text() -> None:
    blocks = Blocks(["- one two three", Styled("  ~ version: 2 -> 3")])
    assert blocks.text(14, styled=False).splitlines() == [
        "- one two",
        "  three",
        "  ~ version: 2",
        "    -> 3",
    ]


def test_blocks_stand_one_below_the_other() -> None:
    assert Blocks([Facts({"A": "b"}), "", "two words"]).text(5, styled=False) == "A  b\n\ntwo\nwords"


WORD = st.text("abcdefghij0123456789-:/", min_size=1, max_size=45)


@given(
    rows=st.lists(
        st.tuples(WORD, WORD, st.lists(WORD, max_size=6).map(" ".join), WORD), min_size=1, max_size=4
    ),
    width=st.integers(20, 160),
)
def test_no_word_is_cut_or_broken_at_any_width(rows: list[tuple[str, str, str, str]], width: int) -> None:
    columns = (Column("Id"), *figures("Count"), Column("Note", wraps=True), Column("Extra", optional=True))
    shown = Table(columns, rows).text(width, styled=False)
    words = shown.split()
    for identity, count, note, _ in rows:
        assert {identity, count, *note.split()} <= set(words)
    if width >= 60 and shown.startswith("Id  "):
        table = shown.splitlines()
        assert all(display_width(line) <= width for line in table)


def test_a_text_between_rows_runs_over_all_columns() -> None:
    table = Table(
        figures("Gone", "Failed"), [("1", "22"), Styled("of the second Region:", "dim"), ("3", "4")]
    )
    assert table.text(60, styled=False).splitlines()[2:] == ["of the second Region:", "   3       4"]
    assert table.text(11, styled=False).split("\n\n")[1] == "of the\nsecond\nRegion:"


def test_records_keep_columns_of_one_heading_apart() -> None:
    table = Table(figures("Now", "Cost", "Cost"), [("1" * 10, "2" * 10, "3" * 10)])
    assert table.text(20, styled=False).splitlines() == [
        "Now   1111111111",
        "Cost  2222222222",
        "Cost  3333333333",
    ]
