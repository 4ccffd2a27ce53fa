"""The table of planted faults (`python -m tests.mutants`) still fits the code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.planting import Fault
from tests.mutants.survivors import EXPLAINED
from tests.mutants.table import FAULTS

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted({fault.path for fault in FAULTS}))
def test_every_fault_of_the_table_can_be_planted(path: str) -> None:
    faults = [fault for fault in FAULTS if fault.path == path]
    text = faults[0].module().read_text(encoding="utf-8")
    assert [fault.why for fault in faults if fault.planted(text) == text] == []


def test_expected_tests_of_every_fault_exist() -> None:
    named = {test for fault in FAULTS for test in fault.tests}
    assert [test for test in sorted(named) if not (TESTS / test).exists()] == []
    assert [fault for fault in FAULTS if not fault.tests] == []


def test_every_package_has_faults_and_none_is_planted_twice() -> None:
    packages = {path.parent.name for path in (TESTS.parent / "whatschat_ops").glob("*/__init__.py")}
    assert packages - {fault.area for fault in FAULTS} == set()
    assert max(Counter((fault.path, fault.before, fault.after) for fault in FAULTS).values()) == 1
    assert len(FAULTS) >= 150


def test_only_faults_of_the_table_are_explained() -> None:
    assert EXPLAINED.keys() <= {(fault.path, fault.after) for fault in FAULTS}


def test_fault_that_is_no_other_program_is_refused() -> None:
    with pytest.raises(ValueError, match="changes nothing"):
        Fault("x.py", "2", "2  # two", "", ()).planted_in_program("a = 2\n")
    with pytest.raises(SyntaxError):
        Fault("x.py", "2", "", "", ()).planted_in_program("a = 2\n")


@pytest.mark.parametrize("text", ["a = 1\n", "a = 2\na = 2\n"])
def test_fault_whose_line_is_gone_or_there_twice_is_stale(text: str) -> None:
    with pytest.raises(ValueError, match="not once"):
        Fault("x.py", "a = 2", "a = 3", "", ()).planted(text)
