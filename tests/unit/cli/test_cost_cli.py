"""`cost` as a user runs it: the table, the JSON contract, the page that shows them."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from whatschat_ops.cli.main import main
from whatschat_ops.config import Settings
from whatschat_ops.pricing.count_reads import BYTES_PER_ROW
from whatschat_ops.stack.monthly_costs import monthly_usage

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
    rows = {
        line.split("  ")[1]: without_bars(line)[-4:] for line in captured.out.splitlines() if line[:2] == "  "
    }
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
    assert cells(out, "Messages")[-2] == "$5.00"


def test_rates_show_source_and_date_of_every_price(capsys: Capture) -> None:
    assert main(["cost", "rates", "show", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    found = [row for row in rows if row["aws"] is not None]
    assert all(row["source"].startswith("https://") and row["as_of"] for row in found)
    assert {row["rate"] for row in rows if row not in found} == {
        "chime_hd", "chime_capture", "chime_concatenation", "chime_live_connector", "chime_replication",
        "chime_streaming", "chime_transcription", "chime_voice_focus",
    }  # fmt: skip
    assert {row["rate"]: row["sku"] for row in rows if row["sku"]} == {
        "websocket_messages": "3Y5E3ETY2M5CMHYP",
        "websocket_connection_minutes": "UTA8VPBNDBWNCNMC",
    }
    assert main(["cost", "rates", "show"]) == 0
    assert "https://aws.amazon.com/api-gateway/pricing/ (2026-09-20)" in capsys.readouterr().out


def test_no_flag_at_all_shows_the_prices(capsys: Capture) -> None:
    assert main(["cost", "estimate"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "Depends on usage" in out
    assert "needs usage" in out and "$0.00 " not in out
    assert "No usage is given. Give at least --messages" in out


def cells(out: str, first: str) -> list[str]:
    """The words of the line that begins with these, without its bar."""
    return without_bars(next(line for line in out.splitlines() if line.strip().startswith(first)))


def test_a_scenario_is_users_hours_messages_and_fan_out(capsys: Capture) -> None:
    scenario = ["--users", "1000", "--hours-per-day", "12", "--messages-per-day", "600", "--fan-out", "5"]
    assert main(["cost", "estimate", *scenario]) == 0
    out = capsys.readouterr().out
    assert cells(out, "Messages")[-3:] == ["$4.50", "$18.00", "+$13.50"]
    assert cells(out, "What the guide prices")[-3:-1] == ["$12.06", "$23.40"]
    assert "messages / (1 + fan-out of 5)" not in out  # client messages are no line of their own


def test_meetings_are_given_as_sessions_attendees_and_minutes(capsys: Capture) -> None:
    assert (
        main(["cost", "estimate", "--meetings", "100", "--attendees", "30", "--meeting-minutes", "60"]) == 0
    )
    out = capsys.readouterr().out
    assert cells(out, "Audio")[-2] == "$306.00"
    assert cells(out, "per call minute")[-1] == "$0.051"


def test_message_sizes_with_percentages_are_metered_each(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "10M", "--message-kb", "1:90,40:10", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    messages = document["lines"][0]["charges"]["AWS"]["charge"]
    assert (messages["billed"], messages["cost"]) == ("11000000", "11")
    assert any("one of 40 KB is billed as 2" in note for note in document["notes"])


def test_message_sizes_that_do_not_add_up_are_refused(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "1", "--message-kb", "1:90,40:20"]) == 2
    error = capsys.readouterr().err
    assert "must add up to 100" in error and "flag --message-kb" in error and "flag --messages" not in error


def test_meetings_of_more_attendees_than_the_standard_price_is_for_are_refused(capsys: Capture) -> None:
    meetings = ["cost", "estimate", "--meetings", "10", "--meeting-minutes", "30", "--attendees"]
    assert main([*meetings, "250"]) == 0
    assert main([*meetings, "251"]) == 2
    error = capsys.readouterr().err
    assert "flag --attendees" in error and "at most 250" in error


def test_a_card_that_is_named_twice_is_shown_once(capsys: Capture) -> None:
    cards = ["--card", "us-east-1", "--card", "guide", "--card", "us-east-1"]
    assert main(["cost", "estimate", "--messages", "1M", *cards, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["totals"]) == ["AWS", "Guide"]


@pytest.fixture
def with_holes(tmp_path: Path) -> list[str]:
    """A month on a card that has the price of messages only: $5 and what it does not price."""
    (tmp_path / "ours.yaml").write_text(
        "title: Ours\nregion: us-east-1\nas_of: 2026-11-01\nrates:\n  websocket_messages:\n"
        '    {unit: message, per: 1M, source: ours, as_of: 2026-11-01, tiers: [{price: "0.5"}]}\n',
        encoding="utf-8",
    )
    return ["cost", "estimate", "--messages", "10M", "--card", "ours.yaml"]


def test_a_total_from_which_prices_are_missing_is_marked(with_holes: list[str], capsys: Capture) -> None:
    assert main(with_holes) == 0
    out = capsys.readouterr().out
    assert cells(out, "Total")[-1] == "≥$5.00"
    assert "Ours has no price for DynamoDB, reads; Data transfer, out to the internet:" in " ".join(
        out.split()
    )
    assert main([*with_holes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["Ours"]["complete"] is False
    assert main([*with_holes[:-2], "--card", "us-east-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["AWS"]["complete"] is True


@pytest.mark.parametrize(("limit", "code"), [("4", 3), ("5", 2), ("500", 2)])
def test_a_limit_is_not_kept_by_a_total_from_which_prices_are_missing(
    limit: str, code: int, with_holes: list[str], capsys: Capture
) -> None:
    assert main([*with_holes, "--fail-over", limit]) == code
    reason = "over the limit of $4.00" if code == 3 else f"costs more than ${limit}.00 is not known"
    assert reason in capsys.readouterr().err


def test_notes_are_in_markdown_and_beside_csv(with_holes: list[str], capsys: Capture) -> None:
    assert main([*with_holes, "--format", "markdown"]) == 0
    assert "\n\n- " in (markdown := capsys.readouterr().out) and "- Ours has no price for" in markdown
    assert main([*with_holes, "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert "Ours has no price for" in captured.err and "Ours has no price for" not in captured.out


def test_months_on_a_card_with_holes_have_no_complete_difference(
    with_holes: list[str], tmp_path: Path, capsys: Capture
) -> None:
    for name, count in (("now", "10M"), ("later", "30M")):
        (tmp_path / f"{name}.yaml").write_text(f"websocket: {{messages: {count}}}\n", encoding="utf-8")
    compared = ["cost", "compare", "now.yaml", "later.yaml", "--rates", "ours.yaml"]
    assert main(compared) == 0
    assert "Ours has no price for lines" in capsys.readouterr().out
    assert main([*compared, "--fail-over", "9"]) == 3
    assert main([*compared, "--fail-over", "11"]) == 2


def test_the_processor_is_an_option(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--lambda-requests", "1000", "--architecture", "x86_64", "--json"]) == 0
    rates = [line["rate"] for line in json.loads(capsys.readouterr().out)["lines"]]
    assert "lambda_duration_x86_64" in rates and "lambda_duration_arm64" not in rates


def test_cards_are_a_region_the_guide_or_a_file(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(
        'title: Ours\nrates:\n  websocket_messages:\n    tiers: [{price: "0.5"}]\n', encoding="utf-8"
    )
    cards = ["--card", "us-east-1", "--card", "ours.yaml", "--card", "guide"]
    assert main(["cost", "estimate", "--messages", "10M", *cards]) == 0
    out = capsys.readouterr().out
    assert cells(out, "A month")[-3:] == ["AWS", "Ours", "Guide"]
    assert cells(out, "Messages")[-3:] == ["$10.00", "$5.00", "$2.50"]


def test_a_card_that_is_none_is_refused(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "1", "--card", "absent.yaml"]) == 2
    assert "absent.yaml cannot be read" in capsys.readouterr().err
    assert main(["cost", "estimate", "--messages", "1", "--card", "sa-east-1"]) == 1
    assert "cost rates refresh sa-east-1" in capsys.readouterr().err


def test_a_limit_is_kept_or_ends_with_exit_code_3(capsys: Capture) -> None:
    assert main([*EXAMPLE, "--fail-over", "500"]) == 0
    assert main([*EXAMPLE, "--fail-over", "$15"]) == 3
    assert "A month costs $15.04 (AWS): over the limit of $15.00" in capsys.readouterr().err
    assert main([*EXAMPLE, "--fail-over", "15", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["totals"]["AWS"]["cost"].startswith("15.03")


@pytest.mark.parametrize("limit", ["-1", "much", ""])
def test_a_limit_that_is_no_amount_is_refused(limit: str, capsys: Capture) -> None:
    assert main([*EXAMPLE, "--fail-over", limit]) == 2
    assert "--fail-over" in capsys.readouterr().err


def test_a_cost_that_rounds_to_the_limit_shows_what_is_over_it(capsys: Capture) -> None:
    ten_million = ["cost", "estimate", "--messages", "10M", "--card", "us-east-1", "--fail-over"]
    assert main([*ten_million, "10.625000125"]) == 0
    assert main([*ten_million, "10.625"]) == 3
    assert "$10.625000125 (AWS): over the limit of $10.625." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--messages", "1M..20M", "--fail-over", "5"], "one month, not a range"),
        (["--fail-over", "5"], "needs a cost, and none is known"),
    ],
    ids=["range", "no usage"],
)
def test_a_limit_that_cannot_be_compared_is_refused(
    arguments: list[str], reason: str, capsys: Capture
) -> None:
    assert main(["cost", "estimate", *arguments]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-5", "50/dx2x10min", "1e400"])
def test_a_number_that_is_refused_is_named_once(text: str, capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", text]) == 2
    assert capsys.readouterr().err.count("(got ") == 1


@pytest.mark.parametrize("text", ["10k..", "..10k", ".."])
def test_a_range_without_an_end_is_refused_as_a_range(text: str, capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", text]) == 2
    assert f"such as 10k..1M (got '{text}')" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["rates", "show", "--region", "eu-west-1"],
        ["estimate", "--messages", "1", "--region", "eu-west-1"],
        ["estimate", "--messages", "1", "--price-region", "eu-west"],
    ],
    ids=" ".join,
)
def test_prices_of_a_region_without_any_are_not_those_of_another(
    arguments: list[str], capsys: Capture
) -> None:
    assert main(["cost", *arguments]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert "are not known" in captured.err


def test_a_missing_card_file_is_named_with_its_option(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "1", "--card", "ours.yaml"]) == 2
    assert "Name another file with --card." in capsys.readouterr().err


def test_formats_are_csv_markdown_and_json(capsys: Capture) -> None:
    assert main([*EXAMPLE, "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    on_aws = [Decimal(row["cost_usd"]) for row in rows if row["card"] == "AWS" and row["cost_usd"]]
    assert main([*EXAMPLE, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(on_aws) == Decimal(document["totals"]["AWS"]["cost"])
    assert main([*EXAMPLE, "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| Service | Item | Quantity | Guide | AWS | Difference |"
    table = lines[: lines.index("")]
    assert {line.count("|") for line in table} == {7}
    assert len(table) > 10
    assert any(line.startswith("|  | Total |") and "$15.04" in line for line in lines)


def test_a_range_gives_a_curve_with_the_edges_of_its_tiers(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "100M..2B", "--no-free-tier", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["quantity"] == "messages"
    (edge,) = [each for each in found["edges"] if each["rate"] == "websocket_messages"]
    assert (edge["value"], edge["limit"], edge["price"], edge["card"]) == (
        "1000000001",
        "1000000000",
        "0.8",
        "AWS",
    )
    points = {point["value"]: point["totals"] for point in found["points"]}
    assert {"100000000", "200000000", "500000000", "1000000000", "1000000001", "2000000000"} <= set(points)
    values = [Decimal(totals["AWS"]) for totals in points.values()]
    assert values == sorted(values)


def test_the_total_of_each_point_is_the_estimate_there(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--users", "1k..100k", "--hours-per-day", "8", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["card"] for row in rows} == {"Guide", "AWS"}
    row = next(row for row in rows if row["users"] == "20000" and row["card"] == "AWS")
    assert main(["cost", "estimate", "--users", "20000", "--hours-per-day", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["AWS"]["cost"] == row["cost_usd"]


def test_the_end_of_free_units_is_an_edge(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--lambda-requests", "100k..10M"]) == 0
    out = capsys.readouterr().out
    assert "lambda_requests $0.20 per 1M requests (AWS), after 1,000,000 free" in cells_text(out, "1,000,001")


def cells_text(out: str, first: str) -> str:
    """The line that begins with this."""
    return next(line for line in out.splitlines() if line.startswith(first))


def test_a_range_from_zero_begins_at_zero_and_shows_the_last_decades(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--messages", "0..10M", "--json"]) == 0
    values = [point["value"] for point in json.loads(capsys.readouterr().out)["points"]]
    assert values[:3] == ["0", "1000", "2000"]
    assert values[-1] == "10000000"


def test_a_range_from_which_nothing_follows_says_what_it_needs(capsys: Capture) -> None:
    assert main(["cost", "estimate", "--users", "1k..2k"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "$0" not in out
    assert "No quantity follows from the usage that is given. Give at least --messages" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--users", "1..2", "--messages", "1..2"], "--messages and --users are ranges"),
        (["--messages", "5..2"], "a lower and a higher value"),
        (["--messages", "..2"], "a lower and a higher value"),
        (["--messages", "1..x"], "expected a number"),
        (["--hours-per-day", "1..30", "--users", "1"], "must be at most 24"),
    ],
)
def test_a_range_that_is_none_is_refused(arguments: list[str], reason: str, capsys: Capture) -> None:
    assert main(["cost", "estimate", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_two_months_are_compared_line_by_line(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "now.yaml").write_text("websocket: {messages: 10M}\n", encoding="utf-8")
    (tmp_path / "later.yaml").write_text(
        "websocket: {messages: 30M}\ncloudwatch: {dashboards: 5}\n", encoding="utf-8"
    )
    assert main(["cost", "compare", "now.yaml", "later.yaml"]) == 0
    out = capsys.readouterr().out
    assert cells(out, "API Gateway WebSocket, Messages")[-5:] == [
        "10,000,000",
        "$10.00",
        "30,000,000",
        "$30.00",
        "+$20.00",
    ]
    assert cells(out, "CloudWatch, Dashboards")[-5:] == ["–", "–", "5", "$6.00", "+$6.00"]
    assert main(["cost", "compare", "now.yaml", "later.yaml", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(Decimal(line["difference"]) for line in document["lines"]) == Decimal(document["difference"])
    assert (document["a"], document["b"], document["card"]["region"]) == ("now", "later", "us-east-1")


def test_a_month_that_costs_too_much_more_ends_with_exit_code_3(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "now.yaml").write_text("websocket: {messages: 10M}\n", encoding="utf-8")
    (tmp_path / "later.yaml").write_text("websocket: {messages: 30M}\n", encoding="utf-8")
    assert main(["cost", "compare", "now.yaml", "later.yaml", "--fail-over", "100"]) == 0
    assert main(["cost", "compare", "now.yaml", "later.yaml", "--fail-over", "20"]) == 3
    assert main(["cost", "compare", "later.yaml", "now.yaml", "--fail-over", "0"]) == 0
    assert "later, more than now" in capsys.readouterr().err


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize(
    "arguments", [EXAMPLE, ["cost", "rates", "show"], ["cost", "estimate", "--messages", "100M..2B"]], ids=len
)
def test_no_amount_and_no_id_is_cut_on_a_narrow_terminal(
    arguments: list[str], width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(arguments)
    wide = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", str(width))
    main(arguments)
    narrow = capsys.readouterr().out
    kept = Counter(narrow.split())  # more of the headings, where lines are records
    assert not Counter(without_bars(wide)) - kept
    longest = len("Depends on usage, in no total  ") + max(map(len, without_bars(wide)))
    assert max(map(len, narrow.splitlines())) <= max(width, longest)


def test_bars_show_the_share_of_each_line_where_there_is_room(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*EXAMPLE, "--card", "us-east-1"]) == 0
    rows = {line.split("  ")[1]: line for line in capsys.readouterr().out.splitlines() if line[:2] == "  "}
    assert rows["Messages"].endswith(f"$10.00  {'█' * 13}▎")  # 13.3 of 20: $10.00 of $15.04
    assert rows["Connection minutes"].endswith(f"$3.60  {'█' * 4}▊")
    assert rows["Stored, GB-months"].endswith("$0.00")
    monkeypatch.setenv("COLUMNS", "60")
    assert main(EXAMPLE) == 0
    assert "█" not in capsys.readouterr().out


def without_bars(text: str) -> list[str]:
    """The words of it; the bars and their heading are in none."""
    return re.sub(r"  Share of \w+|[█▏▎▍▌▋▊▉]+", "", text).split()


def test_settings_that_cost_money_are_on_the_bill(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "environment: own\nmonitoring: {enabled: true, open_connections: {every_minutes: 10}}\n"
        "connections: {point_in_time_recovery: true}\nchime: {events: true}\n"
        "broadcast: {distributed: {enabled: true}}\n",
        encoding="utf-8",
    )
    assert main(["cost", "estimate", "--config", "own.yaml", "--messages", "1M", "--json"]) == 0
    lines = {(line["service"], line["item"]): line for line in json.loads(capsys.readouterr().out)["lines"]}
    assert int(lines["CloudWatch", "Alarms"]["quantity"]) > 10
    assert lines["CloudWatch", "Dashboards"]["quantity"] == "1"
    assert lines["CloudWatch", "Custom metrics"]["quantity"] == "2"
    assert lines["Count of open connections", "Invocations"]["quantity"] == "4320"
    assert {("Broadcasts", "State transitions"), ("DynamoDB", "Point-in-time recovery")} <= set(lines)


def test_monitoring_costs_what_the_plan_says_it_costs(capsys: Capture, tmp_path: Path) -> None:
    monitoring = {"enabled": True, "open_connections": {"every_minutes": 10}}
    (tmp_path / "own.yaml").write_text(
        json.dumps({"environment": "own", "monitoring": monitoring}), encoding="utf-8"
    )
    always = ["cost", "estimate", "--config", "own.yaml", "--connection-minutes", str(43_200 * 1_000_000)]
    assert main([*always, "--json"]) == 0
    shown = {(line["service"], line["item"]): line for line in json.loads(capsys.readouterr().out)["lines"]}
    planned = monthly_usage(Settings.of({"monitoring": monitoring}), 1_000_000 * BYTES_PER_ROW)
    assert {each.rate: each.quantity for each in planned} == {
        line["rate"]: Decimal(line["quantity"])
        for line in (
            shown["CloudWatch", "Alarms"],
            shown["CloudWatch", "Dashboards"],
            shown["CloudWatch", "Custom metrics"],
            shown["Count of open connections", "Reads of the table"],
        )
    }
