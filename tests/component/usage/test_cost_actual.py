"""`cost actual` of records of calls: the command line, in this process, without AWS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Done, run
from whatschat_ops.errors import ExitCode

CALLS = (
    "meeting,attendee,joined,left,video\n"
    "m1,alice,2026-11-02T09:00:00Z,2026-11-02T09:10:00Z,yes\n"
    "m1,bob,2026-11-02T09:00:00Z,,\n"
    "m1,,2026-11-02T09:00:00Z,2026-11-02T09:20:00Z,\n"
    "m1,eve,never,,\n"
)
TIME = ("--since", "2026-11-01", "--until", "2026-11-08")


@pytest.fixture(autouse=True)
def here(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "calls.csv").write_text(CALLS, encoding="utf-8")
    return tmp_path


def actual(*arguments: str) -> Done:
    return run("cost", "actual", *TIME, "--no-free-tier", *arguments)


def result(*arguments: str) -> Any:
    done = actual(*arguments, "--json")
    assert done.code == ExitCode.DONE, done.said
    return json.loads(done.stdout)


def test_result_has_bounds_costs_and_rows_that_needed_a_rule() -> None:
    found = result("--from", "calls=calls.csv")
    assert (found["since"], found["until"]) == ("2026-11-01T00:00:00Z", "2026-11-08T00:00:00Z")
    audio, video = found["lines"]
    assert audio["by_source"] == {"calls": {"low": "0", "high": "20"}}
    assert audio["cost"]["AWS"] == {"low": "0", "high": "0.034"}
    assert video["cost"] == {
        "Guide": {"low": "0.07", "high": "0.07"},
        "AWS": {"low": "0.017", "high": "0.017"},
    }
    assert found["totals"]["AWS"] == {"low": "0.017", "high": "0.051"}
    (source,) = found["sources"]
    assert [each["count"] for each in (*source["rejects"], *source["handled"])] == [1, 1]
    assert source["rejects"][0]["samples"] == ["m1 eve never"]
    assert source["rows"] == 4


def test_paths_of_one_source_are_one_measurement(here: Path) -> None:
    (here / "more.jsonl").write_text(
        '{"meeting":"m2","attendee":"eve","joined":"2026-11-02T09:00:00Z","minutes":"2.5"}\n',
        encoding="utf-8",
    )
    found = result("--from", "calls=calls.csv", "--from", "calls=*.jsonl")
    assert found["sources"][0]["quantities"]["chime_audio"] == {"low": "2.5", "high": "22.5"}
    assert found["differences"] == []


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = actual("--from", "calls=calls.csv").stdout
    assert max(map(len, shown.splitlines())) <= columns
    for text in ("0–20", "$0.07", "$0.02", "Attendances", "m1 eve never"):
        assert text in re.sub(r"\s+", " ", shown), shown


def test_quantities_that_no_source_measured_are_named_and_not_priced() -> None:
    shown = re.sub(r"\s+", " ", actual("--from", "calls=calls.csv").stdout)
    assert "Not measured: API Gateway WebSocket, messages;" in shown
    assert "API Gateway WebSocket Messages" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "bill"), "cloudwatch, ledger, calls, logs"),
        (("--from", "calls"), "--from calls=PATH"),
        (("--from", "calls="), "--from calls=PATH"),
        (("--from", "ledger=x"), "--from ledger"),
        (("--from", "calls=nothing.csv"), "nothing.csv"),
        (("--from", "calls=*.parquet"), "names no files"),
        (("--from", "calls=calls.csv", "--last", "7d"), "--last and --since"),
        (("--from", "calls=calls.csv", "--until", "2026-11-01"), "The time is empty"),
        (("--from", "calls=calls.csv", "--until", "2999-01-01"), "in the future"),
        (("--from", "calls=calls.csv", "--until", "soon"), "--until"),
        (("--from", "calls=calls.csv", "--first-year"), "contradict"),
    ],
)
def test_line_that_is_not_valid_says_what_is(arguments: tuple[str, ...], says: str) -> None:
    done = actual(*arguments)
    assert done.code == ExitCode.USAGE, done.said
    assert says in done.stderr
