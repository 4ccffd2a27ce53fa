"""`cost reconcile` and `cost forecast` of damaged bills: the command line, in this process, without AWS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.bills import Row, rows, write
from tests.in_process import Done, run
from whatschat_ops.errors import ExitCode

DAY = date(2026, 9, 1)
BAD = "a cost that is not a number"


@pytest.fixture(autouse=True)
def here(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sold(days: int) -> list[Row]:
    return rows({"websocket_messages": Decimal(60_000_000)}, DAY, days)


def bill(found: Sequence[Row], name: str = "cur2.csv.gz") -> str:
    return str(write(found, Path(name)))


def result(*arguments: str) -> Any:
    done: Done = run("cost", *arguments, "--json")
    assert done.code == ExitCode.DONE, done.said
    return json.loads(done.stdout)


def test_forecast_of_a_damaged_bill_counts_the_rows_it_leaves_out() -> None:
    path = bill([*sold(60), replace(sold(1)[0], cost="x")])
    (reject,) = result("forecast", "--bill", path, "--days", "1")["rejects"]
    assert (reject["reason"], reject["count"]) == (BAD, 1)
    shown = run("cost", "forecast", "--bill", path, "--days", "1").stdout
    assert f"1 row, {BAD}" in " ".join(shown.split())


def test_reconciliation_says_what_of_the_measured_source_was_not_counted(here: Path) -> None:
    (here / "bad.log").write_text("words\n", encoding="utf-8")
    asked = ("reconcile", "--bill", bill(sold(2)), "--from", "logs=bad.log")
    (source,) = result(*asked)["sources"]
    assert source["rejects"] == [{"reason": "a line that is not JSON", "count": 1, "samples": ["words"]}]
    assert "logs: Not added up: 1 row, a line that is not JSON (words)" in run("cost", *asked).stdout


@pytest.mark.parametrize("name", ["focus.csv", "explorer.json"])
def test_bill_of_which_no_row_can_be_added_up_is_refused_and_not_zero(name: str) -> None:
    path = bill(sold(2), name)
    Path(path).write_text(Path(path).read_text(encoding="utf-8").replace("USD", "EUR"), encoding="utf-8")
    done = run("cost", "reconcile", "--bill", path)
    assert done.code == ExitCode.FAILED
    assert "No row of the bill can be added up" in done.stderr
    assert "EUR" in done.stderr
    assert "--bill" in done.stderr


def test_month_without_usage_is_named_with_those_that_the_bill_has() -> None:
    found = result("reconcile", "--bill", bill(sold(2)), "--month", "2026-05")
    assert "The bill has no usage of the stack in 2026-05; it has usage of 2026-09." in found["remarks"]


def test_focus_without_usage_types_says_by_what_its_rows_are_matched() -> None:
    path = Path(bill(sold(2), "focus.csv"))
    text = path.read_text(encoding="utf-8").replace("x_UsageType", "SkuMeter")
    path.write_text(text.replace("USE1-ApiGatewayMessage", "Messages"), encoding="utf-8")
    assert any("x_UsageType" in each for each in result("reconcile", "--bill", str(path))["remarks"])


def test_cost_explorer_grouped_by_record_type_is_not_asked_for_it_again() -> None:
    path = Path(bill(sold(2), "explorer.json"))
    answer = json.loads(path.read_text(encoding="utf-8"))
    keys = [each["Key"] for each in answer["GroupDefinitions"]]
    if "RECORD_TYPE" not in keys:
        answer["GroupDefinitions"].append({"Type": "DIMENSION", "Key": "RECORD_TYPE"})
        for period in answer["ResultsByTime"]:
            for group in period["Groups"]:
                group["Keys"].append("Usage")
    path.write_text(json.dumps(answer), encoding="utf-8")
    remarks = result("reconcile", "--bill", str(path))["remarks"]
    assert not any("not apart" in each for each in remarks)
