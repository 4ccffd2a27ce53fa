"""`cost` as a user runs it: the table, the JSON contract, the page that shows them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from whatschat_ops.cli.main import main

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]
EXAMPLE = ["cost", "estimate", "--messages", "10000000", "--users", "1000", "--hours-per-day", "8"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without configs/."""
    monkeypatch.chdir(tmp_path)


def test_table_shows_both_cards_line_by_line(capsys: Capture) -> None:
    assert main(EXAMPLE) == 0
    captured = capsys.readouterr()
    rows = {line.split("  ")[1]: line.split()[-4:] for line in captured.out.splitlines() if line[:2] == "  "}
    assert rows["Messages"] == ["10,000,000", "$2.50", "$10.00", "+$7.50"]
    assert rows["Connection minutes"] == ["~14,400,000", "$5.04", "$3.60", "-$1.44"]
    assert "the guide is 4 times too low" in captured.out.replace("\n", " ")
    assert captured.err == ""


def test_table_fits_80_columns(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([*EXAMPLE, "--audio-minutes", "1000000"])
    captured = capsys.readouterr()
    assert all(len(line) <= 80 for line in captured.out.splitlines())
    assert "…" not in captured.out


def test_json_has_money_as_exact_strings(capsys: Capture) -> None:
    assert main([*EXAMPLE, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {
        "period", "currency", "free_tiers", "cards", "lines", "totals", "notes", "not_included",
    }  # fmt: skip
    lines = {line["rate"]: line for line in document["lines"]}
    assert lines["websocket_messages"]["quantity"] == "10000000"
    assert lines["websocket_messages"]["charges"]["Guide"]["charge"]["cost"] == "2.5"
    assert lines["chime_video"]["quantity"] is None
    assert lines["chime_video"]["charges"]["Guide"] == {
        "state": "depends on usage",
        "price": {"amount": "0.007", "per": "1", "unit": "attendee-minute"},
        "charge": None,
    }
    charges = [line["charges"]["AWS"]["charge"] for line in document["lines"]]
    known = [charge["cost"] for charge in charges if charge]
    assert sum(map(Decimal, known)) == Decimal(document["totals"]["AWS"]["cost"])


def test_usage_file_and_flags_together(capsys: Capture) -> None:
    usage = str(ROOT / "configs" / "usage" / "example.yaml")
    assert main(["cost", "estimate", "--usage", usage, "--audio-minutes", "0", "--json"]) == 0
    lines = {line["rate"]: line for line in json.loads(capsys.readouterr().out)["lines"]}
    assert lines["chime_audio"]["quantity"] == "0"
    assert lines["chime_video"]["quantity"] == "20000"


def test_the_environment_says_what_the_functions_are(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "environment: own\naws: {region: eu-west-1}\nlambda: {memory_mb: 1024, architecture: x86_64}\n",
        encoding="utf-8",
    )
    own = ["cost", "estimate", "--config", "own.yaml", "--price-region", "us-east-1"]
    assert main([*own, "--lambda-requests", "1000", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    duration = next(line for line in document["lines"] if line["item"] == "Duration")
    assert (duration["rate"], duration["quantity"]) == ("lambda_duration_x86_64", "50")
    assert any("eu-west-1" in note for note in document["notes"])


def test_own_rates_change_the_aws_column(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text(
        'title: Ours\nrates:\n  websocket_messages:\n    tiers: [{price: "0.5"}]\n', encoding="utf-8"
    )
    assert main([*EXAMPLE, "--rates", "rates.yaml"]) == 0
    out = capsys.readouterr().out
    assert "Ours" in out.splitlines()[0]
    assert next(line for line in out.splitlines() if "Messages" in line).split()[-2] == "$5.00"


def test_rates_show_source_and_date_of_every_price(capsys: Capture) -> None:
    assert main(["cost", "rates", "show", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["source"].startswith("https://") and row["as_of"] for row in rows)
    assert main(["cost", "rates", "show"]) == 0
    assert "https://aws.amazon.com/api-gateway/pricing/ (2026-09-20)" in capsys.readouterr().out


def test_no_flag_at_all_shows_the_prices(capsys: Capture) -> None:
    assert main(["cost", "estimate"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "Depends on usage" in out
    assert "needs usage" in out and "$0.00 " not in out
    assert "No usage is given. Give at least --messages" in out
