from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.errors import UsageError
from whatschat_ops.migration.comparison_file import MEASURES, ComparedPaths, compared_paths
from whatschat_ops.migration.gate import PathFigures, Thresholds, Verdict, judge

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
URL = "ws://127.0.0.1:4702/a1/production"


def side(sent: int = 100, lost: int = 0, p95_ms: float | None = 10.0) -> dict[str, Any]:
    return {"sent": sent, "lost": lost, "latency": {"count": sent - lost, "p95_ms": p95_ms}}


def path(mode: str, url: str, **more: Any) -> dict[str, Any]:
    return {"mode": mode, "url": url, "cut": {}, "errors": {}, "not_sent": 0, **more}


def report(**changes: Any) -> dict[str, Any]:
    return {
        "started_at": "2026-11-29T11:50:00+00:00",
        "interrupted": False,
        "duration_s": 30.0,
        "a": path("socketio", "ws://localhost:3001"),
        "b": path("apigateway", URL, cut={"1001": 2}, errors={"INTERNAL": 3}, not_sent=1),
        "kinds": [
            {"kind": "message", "a": side(), "b": side(lost=4, p95_ms=30.0), "why": ""},
            {"kind": "typing", "a": side(300, 0, 20.0), "b": side(300, 0, 50.0), "why": ""},
            {"kind": "ping", "a": None, "b": side(999), "why": "no counterpart"},
        ],
        **changes,
    }


def read(document: Any, *, since: datetime | None = None) -> ComparedPaths:
    return compared_paths(json.dumps(document), url=URL, since=since, now=NOW)


def test_report_gives_figures_of_the_kinds_that_both_paths_have() -> None:
    found = read(report())
    assert found.old == PathFigures(400, 0, 17.5, 0)
    assert found.new == PathFigures(400, 8, (96 * 30 + 300 * 50) / 396, 2)
    assert (found.measures, found.notes, found.duration_s) == (MEASURES, (), 30.0)
    judged = judge(found.old, found.new, Thresholds(), seconds=30, measures=found.measures)
    assert judged.verdict is Verdict.FAIL


def test_paths_are_told_apart_by_their_modes_whichever_was_a() -> None:
    turned = report()
    turned["a"], turned["b"] = turned["b"], turned["a"]
    for kind in turned["kinds"]:
        kind["a"], kind["b"] = kind["b"], kind["a"]
    assert read(turned) == read(report())


def test_interrupted_comparison_says_so() -> None:
    assert read(report(interrupted=True)).notes == (
        "the comparison was interrupted: its figures are those until then",
    )


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        None,
        {},
        report(a=path("apigateway", URL)),
        report(started_at="yesterday"),
        report(started_at="2026-11-29T11:50:00"),
        report(started_at=5),
        report(kinds=None),
        report(kinds=[{"kind": "message", "a": {"sent": 1}, "b": {"sent": "x"}}]),
        report(b=path("apigateway", URL, cut=[1])),
        report(duration_s=None),
    ],
)
def test_file_that_is_no_comparison_of_the_two_paths_is_refused(document: Any) -> None:
    with pytest.raises(UsageError, match="is no report of ws compare"):
        read(document)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no report of ws compare"):
        compared_paths(text, url=URL, since=None, now=NOW)


def test_comparison_of_another_endpoint_does_not_open_the_gate() -> None:
    with pytest.raises(UsageError, match="is about ws://other"):
        read(report(b=path("apigateway", "ws://other")))


@pytest.mark.parametrize("age", [timedelta(hours=25), timedelta(minutes=-6)])
def test_comparison_of_another_day_or_of_the_future_is_refused(age: timedelta) -> None:
    with pytest.raises(UsageError, match="24 hours ago at most"):
        read(report(started_at=(NOW - age).isoformat()))


def test_comparison_before_the_last_step_is_refused() -> None:
    with pytest.raises(UsageError, match="before the last step"):
        read(report(), since=NOW - timedelta(minutes=5))
    assert read(report(), since=NOW - timedelta(minutes=15)).started_at == NOW - timedelta(minutes=10)
