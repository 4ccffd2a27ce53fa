"""`cost reconcile`, `cost forecast` and `cost verify` on the command line, with the sample bill of the documentation."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.bills import SAMPLE, sample, write
from whatschat_ops.cli.main import main
from whatschat_ops.errors import ExitCode

USAGE = SAMPLE.with_name("usage.yaml")
RECONCILE = ["cost", "reconcile", "--bill", str(SAMPLE)]
Capture = pytest.CaptureFixture[str]


def test_sample_is_as_its_source_makes_it(tmp_path: Path) -> None:
    assert write(sample(), tmp_path / "focus.csv").read_text() == SAMPLE.read_text()


def test_reconciliation_shows_bill_and_estimate_with_reasons(capsys: Capture) -> None:
    assert main([*RECONCILE, "--usage", str(USAGE)]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "13,619,393" in shown
    assert "Request-ARM: free tier: nothing was charged." in shown
    assert "usage of other services" in shown


def test_reconciliation_as_json_is_exact(capsys: Capture) -> None:
    assert main([*RECONCILE, "--month", "2026-09", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["month"], found["format"], len(found["days"])) == ("2026-09", "FOCUS 1.2", 30)
    messages = found["lines"][0]
    assert messages["rate_codes"] == ["websocket_messages.1"]
    assert messages["bill"]["cost"]["low"] == str(Decimal(messages["bill"]["quantity"]["low"]) / 10**6)
    assert {each["what"] for each in found["beside"]} == {"of other months"}


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_reconciliation_has_a_row_for_each_price_in_every_format(form: str, capsys: Capture) -> None:
    assert main([*RECONCILE, "--format", form]) == ExitCode.DONE
    text = capsys.readouterr().out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["rate"] for row in rows][:2] == ["websocket_messages", "websocket_connection_minutes"]
        assert rows[0]["bill_low"] == "13619393"
    else:
        assert "| websocket_messages | AmazonApiGateway | USE1-ApiGatewayMessage |" in text


def test_forecast_says_how_its_interval_held(capsys: Capture) -> None:
    assert main(["cost", "forecast", "--bill", str(SAMPLE), "--days", "3"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "Sun 2026-11-01" in shown
    assert "80 % interval, covered" in shown


def test_forecast_of_too_little_history_says_what_is_missing(tmp_path: Path, capsys: Capture) -> None:
    write(sample()[:20], tmp_path / "focus.csv")
    assert main(["cost", "forecast", "--bill", str(tmp_path / "focus.csv")]) == ExitCode.USAGE
    assert "more are needed" in capsys.readouterr().err


def test_forecast_measures_the_history_day_by_day(tmp_path: Path, capsys: Capture) -> None:
    today = datetime.now(UTC).date()
    lines = ["meeting_id,attendee,joined_at,duration_minutes"]
    for back in range(1, 57):
        day = today - timedelta(days=back)
        lines.append(f"m{back},alice,{day}T09:00:00Z,{60 + 10 * day.weekday()}")
    calls = tmp_path / "calls.csv"
    calls.write_text("\n".join(lines), encoding="utf-8")
    assert main(["cost", "forecast", "--from", f"calls={calls}", "--days", "7", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["history_days"] == 56
    costs = {date.fromisoformat(each["day"]).weekday(): Decimal(each["cost"]) for each in found["days"]}
    assert costs == {day: (60 + 10 * day) * Decimal("0.0017") for day in range(7)}


@pytest.mark.parametrize("words", [(), ("--bill", str(SAMPLE), "--from", "cloudwatch")])
def test_forecast_has_one_history(words: tuple[str, ...], capsys: Capture) -> None:
    assert main(["cost", "forecast", *words]) == ExitCode.USAGE
    assert "either --bill or --from" in capsys.readouterr().err


@pytest.mark.parametrize("month", ["2026", "2026-13", "november"])
def test_month_that_is_none_is_refused(month: str, capsys: Capture) -> None:
    assert main([*RECONCILE, "--month", month]) == ExitCode.USAGE
    assert "is not a month such as 2026-11" in capsys.readouterr().err


def test_embedded_aws_says_that_it_has_no_calculator(capsys: Capture) -> None:
    assert main(["cost", "verify", "--usage", str(USAGE)]) == ExitCode.FAILED
    assert "The embedded AWS has no pricing calculator" in capsys.readouterr().err
