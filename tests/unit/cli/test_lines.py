"""Results as lines of text."""

from __future__ import annotations

import io

import pytest

from whatschat_ops.cli.terminal.lines import Lines, Styled, aligned
from whatschat_ops.cli.terminal.output import Output

SHOWN = Lines(
    [
        Styled("Name  Size", "bold"),
        Styled("a        1"),
        Styled(""),
        Styled("one two three", "dim", wrapped=True),
    ]
)


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("Name", "Size", "From"), ("a", "1", "default"), ("longer", "1000", "")]
    assert aligned(rows, right={1}) == ["Name    Size  From", "a          1  default", "longer  1000"]


def test_only_paragraphs_are_wrapped() -> None:
    assert SHOWN.text(9, styled=False).splitlines() == ["Name  Size", "a        1", "", "one two", "three"]


def test_styles_are_codes_around_each_line() -> None:
    assert SHOWN.text(9, styled=True).splitlines() == [
        "\x1b[1mName  Size\x1b[0m",
        "a        1",
        "",
        "\x1b[2mone two\x1b[0m",
        "\x1b[2mthree\x1b[0m",
    ]


@pytest.mark.parametrize(("columns", "last"), [("9", "three"), ("40", "one two three")])
def test_lines_fit_the_terminal_and_have_no_style_in_a_pipe(
    columns: str, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe = Terminal(), io.StringIO()
    Output(stdout=terminal).result("x", lambda _: SHOWN)
    Output(stdout=pipe).result("x", lambda _: SHOWN)
    assert terminal.getvalue().splitlines()[-1] == f"\x1b[2m{last}\x1b[0m"
    assert pipe.getvalue().splitlines()[-1] == last
    assert "\x1b" not in pipe.getvalue()


def test_control_characters_of_values_do_not_reach_the_terminal() -> None:
    stream = io.StringIO()
    Output(stdout=stream).result("x", lambda _: Lines([Styled("a\x07\rb")]))
    assert stream.getvalue() == "ab\n"
