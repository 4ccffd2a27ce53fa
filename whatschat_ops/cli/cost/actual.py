"""`cost actual`: what was used in a time, measured, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from whatschat_ops.choices import UsageEngine
from whatschat_ops.cli.cost.options import (
    CardOption,
    FirstYearOption,
    NoFreeTierOption,
    PriceRegionOption,
    RatesOption,
)
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, PartlyDone, PermissionDenied, UsageError

if TYPE_CHECKING:
    from whatschat_ops.metrics.window import Window
    from whatschat_ops.usage.measured import Measured, Source

POLICY: Final = Hint(("iam", "policies", "operator-usage"), "See what that needs")
KINDS: Final = ("cloudwatch", "ledger", "calls", "logs")
NEEDS_PATH: Final = ("calls",)
TAKES_PATH: Final = ("calls", "logs")
Reader: TypeAlias = "Callable[[Run, Sequence[str], Window, datetime], Measured]"
FromOption = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="cloudwatch, ledger, calls=PATH, logs, logs=PATH or logs=GROUP; repeat for more [default: cloudwatch]",
    ),
]


def actual(
    run: Run,
    from_: FromOption = [],  # noqa: B006 (Typer reads it)
    last: Annotated[
        str | None,
        typer.Option("--last", metavar="DURATION", help="How far back: 24h, 7d, 30d [default: 7d]"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Beginning, instead of --last: 2026-11-01 or 30d"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End: 2026-12-01 or 1d [default: now]")
    ] = None,
    engine: Annotated[
        UsageEngine,
        typer.Option("--engine", help="What reads logs=PATH: this machine, or Athena an import in S3"),
    ] = UsageEngine.DUCKDB,
    athena_output: Annotated[
        str | None,
        typer.Option(
            "--athena-output", metavar="S3", help="Where Athena puts results [default: its workgroup's place]"
        ),
    ] = None,
    card: CardOption = [],  # noqa: B006 (Typer reads it)
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
) -> None:
    """Measure what was used and price it.

    Every source is asked for the same time, and where two of them differ, the difference is shown. A quantity that a source
    cannot tell exactly is a range, and one that it does not know is -, not 0. Nothing is derived from other quantities.

    Sources: cloudwatch (metrics of the stack), ledger (meetings and the events of chime.events), calls=PATH (attendances as CSV,
    JSON lines or Parquet; the columns are in docs/cost.md), logs (the stack's log groups), logs=PATH (exported log files) or
    logs=GROUP (one log group). PATH is a file, a folder, a glob or s3://BUCKET/PREFIX; what is no path names a group.

    Example:
        whatschat-ops cost actual --last 30d --from cloudwatch --from ledger
        whatschat-ops cost actual --since 2026-11-01 --until 2026-12-01 --from calls=november.csv
    """
    from datetime import UTC

    from whatschat_ops.cli.cost.actual_table import notes_of, render_actual
    from whatschat_ops.cli.cost.cards import cards
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.cost.group import free_tiers_of
    from whatschat_ops.usage.actual import actual as priced

    asked = sources_of(from_)
    now = datetime.now(UTC)
    window = window_of(now, last, since, until, of_metrics="cloudwatch" in asked)
    facts = stack_facts(run.settings)
    chosen, free_tiers = (
        cards(card, rates, price_region or facts.region),
        free_tiers_of(no_free_tier, first_year),
    )
    readers = _READERS
    if engine is UsageEngine.ATHENA:
        readers = {**_READERS, "logs": partial(_from_athena, athena_output)}
    measured = measured_by(run, asked, window, now, readers)
    result = priced(measured, facts, chosen, free_tiers)
    run.out.result(result, render_actual)
    for note in notes_of(result):
        run.out.note(note)
    if refused := [operation for each in measured for operation in each.refused]:
        raise PartlyDone(f"IAM does not allow some of it: {', '.join(refused)}.", hint=POLICY)


def measured_by(
    run: Run,
    asked: Mapping[Source, Sequence[str]],
    window: Window,
    now: datetime,
    readers: Mapping[str, Reader] | None = None,
) -> list[Measured]:
    """What each source says of the window; what IAM does not allow is in its `refused`. Raises PermissionDenied if that is all."""
    from whatschat_ops.usage.measured import Measured

    found, errors = [], []
    for source, paths in asked.items():
        try:
            with run.out.status(f"Reading {source}"):
                found.append((readers or _READERS)[source](run, paths, window, now))
        except PermissionDenied as error:
            errors.append(error)
            refused = (error.operation or "a call",)
            found.append(Measured(source, run.names.stack, window.since, window.until, {}, refused=refused))
    if len(errors) == len(asked):
        errors[0].hint = POLICY
        raise errors[0]
    return found


def sources_of(texts: Sequence[str]) -> dict[Source, list[str]]:
    """Source -> its paths, in the order in which they were given. Raises UsageError."""
    found: dict[Source, list[str]] = {}
    for text in texts or ("cloudwatch",):
        name, given, path = text.partition("=")
        if name not in KINDS:
            raise UsageError(
                f"--from is one of {', '.join(KINDS)}, not {name!r}.",
                hint="For example: --from calls=calls.csv",
            )
        if (name in NEEDS_PATH and not path) or (given and (name not in TAKES_PATH or not path)):
            wanted = f"{name}=PATH" if name in TAKES_PATH else name
            raise UsageError(f"--from {text} is not complete: it is --from {wanted}.")
        found.setdefault(name, []).extend([path] if path else [])  # type: ignore[arg-type]
    return found


def window_of(
    now: datetime, last: str | None, since: str | None, until: str | None, *, of_metrics: bool
) -> Window:
    """The time that options mean. Raises UsageError."""
    from whatschat_ops.cli.durations import parse_duration, parse_moment
    from whatschat_ops.usage.window import usage_window

    if last is not None and since is not None:
        raise UsageError("--last and --since contradict each other.", hint="Leave one out.")
    end = now if until is None else parse_moment(until, "--until", now)
    start = (
        end - parse_duration(last or "7d", "--last") if since is None else parse_moment(since, "--since", now)
    )
    return usage_window(now, start, end, of_metrics=of_metrics)


def _from_cloudwatch(run: Run, _: Sequence[str], window: Window, __: datetime) -> Measured:
    from whatschat_ops.usage.cloudwatch import CloudWatchUsage

    return CloudWatchUsage(run.aws, run.settings, run.outputs.api_id, window).measure()


def _from_ledger(run: Run, _: Sequence[str], window: Window, now: datetime) -> Measured:
    from whatschat_ops.usage.ledger import measure

    return measure(run.aws, run.settings, window, now)


def _from_calls(run: Run, paths: Sequence[str], window: Window, now: datetime) -> Measured:
    from whatschat_ops.usage.calls import measure

    in_s3 = any(path.startswith("s3://") for path in paths)
    return measure(paths, window, now, run.aws if in_s3 else None)


def _from_logs(run: Run, paths: Sequence[str], window: Window, _: datetime) -> Measured:
    """Of files and named log groups, or of the stack's; and of the journals of broadcasts that were sent from this machine."""
    from whatschat_ops.logs.groups import log_groups
    from whatschat_ops.usage.logs.journals import Broadcasts
    from whatschat_ops.usage.logs.reading import LogSources, apart, measure_logs

    sent, architecture = (
        Broadcasts(run.broadcasts_directory, run.names.stack),
        run.settings.lambda_.architecture,
    )
    if paths:
        files, named = apart(paths, log_groups(run.settings))
        needs_aws = named or any(path.startswith("s3://") for path in files)
        sources, aws = (
            LogSources(files, named, sent, architecture=architecture),
            run.aws if needs_aws else None,
        )
    else:
        stage = run.settings.websocket.stage
        sources = LogSources(
            (), log_groups(run.settings), sent, run.outputs.api_id, stage, architecture=architecture
        )
        aws = run.aws
    return measure_logs(sources, aws, since=window.since, until=window.until)


def _from_athena(output: str | None, run: Run, paths: Sequence[str], window: Window, _: datetime) -> Measured:
    """Of an import in S3; what that costs is said before."""
    from whatschat_ops.plurals import counted
    from whatschat_ops.usage.logs.athena import MOST_QUESTIONS, AthenaLogs
    from whatschat_ops.usage.logs.journals import Broadcasts, with_broadcasts

    if len(paths) != 1:
        raise UsageError(
            "--engine athena reads one import in S3.", hint="For example: --from logs=s3://BUCKET/usage/"
        )
    asked = AthenaLogs(run.aws, paths[0], output, architecture=run.settings.lambda_.architecture)
    scan = asked.scan()
    run.out.note(
        f"Athena scans at most {scan.most_bytes:,} bytes: {counted(scan.files, 'file')} of {scan.size_bytes:,} bytes, "
        f"up to {MOST_QUESTIONS} times. Its list price is not known."
    )
    found = asked.measure(since=window.since, until=window.until)
    run.out.note(f"Athena scanned {asked.scanned_bytes:,} bytes.")
    return with_broadcasts(found, Broadcasts(run.broadcasts_directory, run.names.stack))


_READERS: Final[dict[str, Reader]] = {
    "cloudwatch": _from_cloudwatch,
    "ledger": _from_ledger,
    "calls": _from_calls,
    "logs": _from_logs,
}
