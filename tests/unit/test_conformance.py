"""Markers are read from syntax trees as pytest applies them."""

from __future__ import annotations

import textwrap

import pytest

from tests import conformance
from tests.conformance import Difference, MarkedTest, NotLiteralError


def marked(source: str) -> list[MarkedTest]:
    text = f"import pytest\n{textwrap.dedent(source)}"
    return conformance.marked_tests("local/test_conformance_logs.py", text)


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        ("@pytest.mark.aws('page')\ndef test_a(): ...", [1]),
        ("@pytest.mark.aws(source='page')\nasync def test_a(): ...", [1]),
        ("def test_a(): ...", []),
        (
            "pytestmark = pytest.mark.aws('page')\ndef test_a(): ...\ndef test_b(): ...\ndef helper(): ...",
            [1, 1],
        ),
        ("pytestmark = [pytest.mark.local, pytest.mark.aws('page')]\ndef test_a(): ...", [1]),
        ("@pytest.mark.aws('page')\nclass TestA:\n  def test_a(self): ...\ndef test_b(): ...", [1]),
        ("class TestA:\n  pytestmark = pytest.mark.aws('page')\n  def test_a(self): ...", [1]),
        ("@pytest.mark.aws('p')\n@pytest.mark.parametrize('x', [1, 2, 3])\ndef test_a(x): ...", [3]),
        (
            "@pytest.mark.aws('p')\n@pytest.mark.parametrize('x', [1, 2])\n@pytest.mark.parametrize('y', 'a')\ndef test_a(x, y): ...",
            [2],
        ),
        (
            "R = (1, 2)\n@pytest.mark.aws('p')\n@pytest.mark.parametrize('x', [*R, 3])\ndef test_a(x): ...",
            [3],
        ),
        (
            "R: dict = {1: 2}\n@pytest.mark.aws('p')\n@pytest.mark.parametrize('x', R)\ndef test_a(x): ...",
            [1],
        ),
        ("@pytest.mark.aws('p')\n@pytest.mark.parametrize('x', range(9))\ndef test_a(x): ...", [1]),
        (
            "@pytest.mark.parametrize('y', [1, 2])\n"
            "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.aws('p'))])\ndef test_a(x, y): ...",
            [2],
        ),
    ],
)
def test_cases_are_counted_as_pytest_collects_them(source: str, cases: list[int]) -> None:
    assert [test.aws_cases for test in marked(source)] == cases


def test_differences_of_tests_and_rows_become_rows_of_the_table() -> None:
    tests = marked(
        """
        @pytest.mark.difference("Lambda", aws="a" "b", here="c | d")
        @pytest.mark.parametrize("x", [
            1,
            pytest.param(2, marks=[pytest.mark.difference("Athena", aws="executes", here="refused")]),
        ])
        def test_a(x): ...
        """
    )
    path = "local/test_conformance_logs.py"
    assert [test.differences for test in tests] == [
        (Difference("Lambda", "ab", "c | d", path), Difference("Athena", "executes", "refused", path))
    ]
    assert conformance.difference_table([*tests, *tests])[2:] == [
        f"| Athena | executes | refused | `{path}` |",
        f"| Lambda | ab | c \\| d | `{path}` |",
    ]


@pytest.mark.parametrize(
    "marker",
    [
        "aws",
        "aws()",
        "aws(PAGE)",
        "difference('a', aws='b')",
        "difference('a', aws='b', here=f'{c}')",
        "aws('')",
    ],
)
def test_marker_that_is_not_written_out_is_named_with_its_line(marker: str) -> None:
    with pytest.raises(NotLiteralError, match=r"tests/local/test_conformance_logs\.py:2: mark\.\w+ needs"):
        marked(f"@pytest.mark.{marker}\ndef test_a(): ...")


def test_tests_are_counted_by_area() -> None:
    tests = [
        MarkedTest("local/test_gateway_conformance.py", 3, ()),
        MarkedTest("component/local/test_gateway_wire.py", 1, ()),
        MarkedTest("local/test_conformance_other_things.py", 2, ()),
        MarkedTest("local/test_differences.py", 0, (Difference("a", "b", "c", "d"),)),
    ]
    assert conformance.area_table(tests)[2:] == [
        "| API Gateway | 2 | 4 | `component/local/test_gateway_wire.py`, `local/test_gateway_conformance.py` |",
        "| Other things | 1 | 2 | `local/test_conformance_other_things.py` |",
        "| **all** | 3 | 6 | |",
        "| **differences that remain** | | 1 | |",
    ]
