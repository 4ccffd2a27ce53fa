"""`chime usage`: attendee-minutes and their cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import UsageBy
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Column, Table, figures

if TYPE_CHECKING:
    from whatschat_ops.chime.metering import UsageReport


def usage(
    run: Run,
    by: Annotated[UsageBy, typer.Option("--by", help="Add up by user, purpose or day")] = UsageBy.DAY,
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back")] = "30d",
) -> None:
    """Show attendee-minutes and their cost.

    Measured from the events of all meetings in the control Region (setting chime.events). An attendance is rounded up to 0.1
    minute, and counts on the day (UTC) on which it began. One whose end was not reported lasts until its meeting ended, and is
    an estimate. Costs are list prices without free tiers, AWS's of the control Region.

    Example: whatschat-ops chime usage --by user --since 7d
    """
    from whatschat_ops.cli.durations import parse_duration

    began = datetime.now(UTC) - parse_duration(since, "--since")
    with run.out.status("Reading the events of meetings ..."):
        report = run.metering().report(by, began)
    run.out.result(report, _render)
    for note in notes(report, run.settings.lambda_.log_retention_days):
        run.out.note(note)


def notes(report: UsageReport, retention_days: int) -> Iterator[str]:
    """What the report leaves out."""
    if report.since < report.until - timedelta(days=retention_days):
        yield (
            f"Events are kept for {retention_days} days (lambda.log_retention_days): earlier attendances are not included."
        )
    if report.unmatched:
        yield f"Ends without a beginning, not measured: {report.unmatched}."
    if report.malformed:
        yield f"Events that could not be read: {report.malformed}."


def _render(report: UsageReport) -> Table | str:
    from whatschat_ops.pricing.amounts import show_money

    if not report.rows:
        return "No attendances."
    return Table(
        (
            Column(report.by.capitalize()),
            *figures("Meetings", "Attendances", "Estimated", "Minutes", "Guide", "AWS"),
        ),
        [
            (
                row.key,
                *(
                    f"{count:,}"
                    for count in (row.meetings, row.attendances, row.estimated, row.attendee_minutes)
                ),
                *(
                    show_money(row.cost_usd[name]) if name in row.cost_usd else "not found"
                    for name in ("guide", "aws")
                ),
            )
            for row in (*report.rows, report.total)
        ],
    )
