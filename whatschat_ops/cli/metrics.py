"""`metrics show`: requests, errors, durations, meetings and open connections of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, figures
from whatschat_ops.cli.terminal.times import duration, local_time
from whatschat_ops.errors import Hint, Missing, PartlyDone
from whatschat_ops.plurals import rounded

if TYPE_CHECKING:
    from whatschat_ops.metrics.figures import Figure
    from whatschat_ops.metrics.open_connections import OpenConnections
    from whatschat_ops.metrics.report import Cost, MetricsReport, Section
    from whatschat_ops.pricing.rates import RateCard

TREND_WIDTH: Final = 30
ALWAYS_SHOWN: Final = 4
"""Columns of a function or table that stay however narrow the terminal is."""
MISSING: Final = "-"
POLICY: Final = Hint(("iam", "policies", "operator-metrics"), "See what that needs")


def show(
    run: Run,
    last: Annotated[
        str, typer.Option("--last", metavar="DURATION", help="How far back: 30m, 24h, 30d")
    ] = "1h",
    compare: Annotated[bool, typer.Option("--compare", help="Compare with the same time before")] = False,
    count: Annotated[
        bool, typer.Option("--count", help="Count the open connections now: reads the whole table")
    ] = False,
) -> None:
    """Show requests, errors, durations and open connections.

    What was not measured is -, not 0. Percentiles are those of the highest period. The last three minutes may still grow. Says
    what reading the metrics cost. Exit code 4 if IAM does not allow some of it: the rest is shown.

    Example:
        whatschat-ops metrics show --last 24h --compare
        whatschat-ops metrics show --count
    """
    from datetime import UTC, datetime

    from whatschat_ops.cli.durations import parse_duration
    from whatschat_ops.metrics.stack import StackMetrics
    from whatschat_ops.metrics.window import window

    now = datetime.now(UTC)
    looked_at = window(now, parse_duration(last, "--last"), compared=compare)
    with run.out.status("Reading metrics"):
        metrics = StackMetrics(run.aws, run.settings, run.outputs.api_id, looked_at, _card(run))
        report = metrics.report(now, count=count)
    run.out.result(report, _render)
    for note in _notes(report, is_counted=count):
        run.out.note(note)
    if report.refused:
        raise PartlyDone(f"IAM does not allow some of it: {', '.join(report.refused)}.", hint=POLICY)


def _card(run: Run) -> RateCard | None:
    from whatschat_ops.pricing.rates import aws_card

    try:
        return aws_card(region=run.aws.region)
    except Missing:
        return None


def _notes(report: MetricsReport, *, is_counted: bool) -> Iterator[str | Hint]:
    yield f"Values since {local_time(report.incomplete_from)} may still grow."
    yield from (f"{section.title}: {note}" for section in report.sections for note in section.notes)
    if any(figure.partial for section in report.sections for figure in section.figures):
        yield "CloudWatch did not answer all of it: values marked with + are too small."
    probes = report.doctor_probes
    if probes.connects is None:
        yield f"Probes of doctor are in the error rate of the API: {probes.reason}."
    elif probes.connects:
        yield f"Of doctor: {probes.connects} connects, {probes.rejected} of them rejected. They are not in the error rate."
    if report.open_connections.connections is None and not is_counted and not report.open_connections.refused:
        yield (
            "Open connections: no scheduled count in the last 3 hours. Set monitoring.enabled: true and run provision, or use --count."
        )
    yield _cost(report.cost)


def _cost(cost: Cost) -> str:
    from whatschat_ops.pricing.amounts import show_price

    price = "the price is not found" if cost.usd is None else f"{show_price(cost.usd)} at most"
    return f"Cost of this look: {cost.metrics_requested} metrics of GetMetricData, which has no free tier: {price}."


def _render(report: MetricsReport) -> Blocks:
    period = duration(report.period_s)
    when = f"{local_time(report.since)} to {local_time(report.until)}, one value in {period}"
    parts: list[Shown | str | Styled] = [
        Facts(
            {
                "Stack": f"{report.stack} in {report.region}",
                "Time": when,
                "Open connections": _opened(report.open_connections),
            }
        )
    ]
    for section in report.sections:
        parts += ["", Styled(_title(section), "bold"), *_tables(section, report.compared)]
    return Blocks(parts)


def _title(section: Section) -> str:
    refused = f" ({section.status}: {', '.join(section.refused)})" if section.refused else ""
    return section.title + refused


def _opened(opened: OpenConnections) -> str:
    if opened.refused:
        return f"no permission: {opened.refused}"
    if opened.connections is None or opened.at is None:
        return MISSING
    units = f", which took {opened.read_units:,g} read units" if opened.read_units is not None else ""
    return f"{opened.connections:,} (counted at {local_time(opened.at)}{units})"


def _tables(section: Section, compared: bool) -> Iterator[Table]:
    alone = [figure for figure in section.figures if figure.of is None]
    if alone:
        yield _list(alone, compared)
    by_names: dict[tuple[str, ...], list[list[Figure]]] = {}
    for of in dict.fromkeys(figure.of for figure in section.figures if figure.of is not None):
        figures_of = [figure for figure in section.figures if figure.of == of]
        by_names.setdefault(tuple(figure.name for figure in figures_of), []).append(figures_of)
    for rows in by_names.values():
        yield _matrix(rows, compared)


def _list(figures_: list[Figure], compared: bool) -> Table:
    """One figure a line, with its trend."""
    from whatschat_ops.report.sparkline import sparkline

    return Table(
        (
            Column("Metric"),
            *figures("Value", *(("Before", "Change") if compared else ())),
            Column("Trend", optional=True),
        ),
        [
            (
                each.name,
                _value(each),
                *((_shown(each, each.previous), _change(each)) if compared else ()),
                sparkline(each.points, TREND_WIDTH).rstrip(),
            )
            for each in figures_
        ],
    )


def _matrix(rows: list[list[Figure]], compared: bool) -> Table:
    """One function, table or route a line, one figure a column."""
    heads = [each.name.removeprefix("Duration ").removesuffix(" executions") for each in rows[0]]
    return Table(
        (
            Column(""),
            *(Column(head, right=True, optional=place >= ALWAYS_SHOWN) for place, head in enumerate(heads)),
        ),
        [
            (
                str(figures_of[0].of),
                *(
                    _value(each) + (f" ({_change(each)})" if compared and each.change is not None else "")
                    for each in figures_of
                ),
            )
            for figures_of in rows
        ],
    )


def _value(figure: Figure) -> str:
    return _shown(figure, figure.value) + ("+" if figure.partial else "")


def _shown(figure: Figure, value: float | None) -> str:
    if value is None:
        return MISSING
    shown = f"{value:.2%}" if figure.statistic == "Ratio" else rounded(value)
    return f"{shown} {figure.unit}".rstrip()


def _change(figure: Figure) -> str:
    return MISSING if figure.change is None else f"{figure.change:+.0%}"
