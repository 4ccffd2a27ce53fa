"""`ws connections stats`: the open connections, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.choices import EngineName
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, bar, figures
from whatschat_ops.cli.ws.by_workers import EngineOption
from whatschat_ops.errors import Hint, PermissionDenied, UsageError

if TYPE_CHECKING:
    from whatschat_ops.connections.statistics import Census, ConnectionStats, Interval, Probes

BAR_WIDTH = 30
MANY_ROWS: Final = 1_000_000
"""One machine reads them in about a minute, and keeps every user in memory."""
COMMAND: Final = ("ws", "connections", "stats")


def stats(
    run: Run,
    probe: Annotated[
        int,
        typer.Option(
            "--probe", min=0, max=100_000, help="Ask API Gateway about this many random connections"
        ),
    ] = 0,
    top: Annotated[
        int, typer.Option("--top", min=0, max=1_000, help="Number of users with the most connections to show")
    ] = 5,
    engine: EngineOption = EngineName.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=1_000,
            help="Workers at once of --engine distributed [default: the settings']",
        ),
    ] = None,
) -> None:
    """Count connections by user and age.

    Also counts rows whose connection is closed: those older than 2 hours, API Gateway's limit, certainly are; --probe
    estimates how many of the others are. Rows that DynamoDB will never delete, because their ttl is no Number of seconds, are named. With
    --engine distributed, workers read the table: for more than a million rows.

    Example:
        whatschat-ops ws connections stats --probe 400
        whatschat-ops ws connections stats --engine distributed
    """
    if engine is EngineName.DISTRIBUTED:
        counted = _by_workers(run, probe, top, workers)
    elif workers is not None:
        raise UsageError("--workers needs --engine distributed.", hint=_distributed())
    else:
        counted = _here(run, probe, top)
    run.out.result(counted, _render)
    if counted.never_expire:
        run.out.note(
            Hint(
                ("ws", "prune", "--probe"),
                "The functions must write ttl as a Number of seconds since 1970. To delete those whose connections are closed",
            )
        )


def _here(run: Run, probe: int, top: int) -> ConnectionStats:
    from datetime import UTC, datetime

    from whatschat_ops.connections.statistics import Census

    store = run.connections()
    with suppress(PermissionDenied):  # who may only read rows counts them, too
        if (rows := store.about_how_many()) > MANY_ROWS:
            words = f"DynamoDB last counted {rows:,} rows, which this machine reads one after another. To read them with workers"
            run.out.note(_distributed(words))
    census = Census(datetime.now(UTC), sample_size=probe)
    with run.out.status("Counting"):
        census.add_all(store.scan(include_expired=True))
        probes = _probe(run, census) if probe else None
    return census.stats(top=top, probes=probes)


def _by_workers(run: Run, probe: int, top: int, workers: int | None) -> ConnectionStats:
    if probe:
        raise UsageError(
            "--probe needs --engine local: workers only count, and take no sample.",
            hint=Hint((*COMMAND, "--probe", str(probe))),
        )
    with run.out.status("Counting with workers"):
        return run.broadcasts().with_workers(workers).count_connections(top=top, say=run.out.detail)


def _distributed(text: str = "") -> Hint:
    return Hint((*COMMAND, "--engine", EngineName.DISTRIBUTED.value), text)


def _probe(run: Run, census: Census) -> Probes:
    from whatschat_ops.connections.parallel import in_threads
    from whatschat_ops.connections.probing import ask

    sockets = run.sockets(1_000)
    answers = list(in_threads(census.sample, lambda row: ask(sockets, row)))
    return census.probed(gone=answers.count(False), failed=answers.count(None))


def _render(stats: ConnectionStats) -> Blocks:
    parts: list[Shown | str] = [Facts(dict(_totals(stats)))]
    if stats.connections:
        parts += ["", _ages(stats)]
    if stats.top_users:
        parts += ["", _top(stats)]
    return Blocks(parts)


def _totals(stats: ConnectionStats) -> Iterator[tuple[str, str]]:
    from whatschat_ops.measure.histogram import shown

    each = f"{shown(stats.per_user_mean, '.1f')} on average, {stats.per_user_max:,} at most"
    yield "Connections", f"{stats.connections:,}"
    yield "Users", f"{stats.users:,} (connections each: {each})"
    yield "Older than 2 h", f"{stats.certain_orphans:,} (their connections are certainly closed)"
    if stats.probes is not None:
        yield "Probed", _probed(stats.probes)
    if stats.orphan_share is not None:
        yield "Rows of closed connections", _interval(stats.orphan_share)
    yield "Expired, not deleted yet", f"{stats.expired:,}"
    if stats.never_expire:
        examples = ", ".join(stats.never_expire_examples)
        more = ", ..." if stats.never_expire > len(stats.never_expire_examples) else ""
        yield (
            "Never expire",
            f"{stats.never_expire:,} (ttl is missing or no Number of seconds): {examples}{more}",
        )


def _probed(probes: Probes) -> str:
    failed = f", {probes.failed:,} could not be asked" if probes.failed else ""
    return f"{probes.sampled:,} of those up to 2 h old: {probes.gone:,} gone{failed}"


def _interval(interval: Interval) -> str:
    if interval.low == interval.high:
        return f"{interval.share:.1%}"
    return f"about {interval.share:.1%} ({interval.low:.1%} to {interval.high:.1%} with 95 % confidence)"


def _ages(stats: ConnectionStats) -> Table:
    rows = [
        (bucket.age, bucket.connections)
        for bucket in stats.ages
        if bucket.connections or bucket.age != "unknown"
    ]
    return _bars("Age", rows, stats.connections)


def _top(stats: ConnectionStats) -> Table:
    return _bars("User", [(user.user_id, user.connections) for user in stats.top_users], stats.connections)


def _bars(title: str, rows: list[tuple[str, int]], total: int) -> Table:
    longest = max((count for _, count in rows), default=0) or 1
    return Table(
        (Column(title), *figures("Connections", "Share"), Column("", optional=True)),
        [
            (name, f"{count:,}", f"{count / total:.1%}", bar(count / longest, BAR_WIDTH))
            for name, count in rows
        ],
    )
