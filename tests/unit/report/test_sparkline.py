from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.report.sparkline import BLOCKS, sparkline


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ([], 5, ""),
        ([3], 5, "█"),
        ([None, None], 5, "  "),
        ([0, 0], 5, "▁▁"),
        ([0, None, 4, 8], 5, "▁ ▄█"),
        ([1, 8, None, 2, None, None], 3, "█▂ "),
    ],
    ids=["nothing", "one value", "no data", "all zero", "a gap", "several values for a character"],
)
def test_values_are_drawn_as_shares_of_the_highest(
    values: list[float | None], width: int, shown: str
) -> None:
    assert sparkline(values, width) == shown


@given(st.lists(st.none() | st.floats(0, 1e12), max_size=300), st.integers(1, 80))
def test_line_fits_and_a_blank_is_no_data(values: list[float | None], width: int) -> None:
    shown = sparkline(values, width)
    assert len(shown) == min(width, len(values))
    assert set(shown) <= {*BLOCKS, " "}
    assert (set(shown) <= {" "}) == all(value is None for value in values)
