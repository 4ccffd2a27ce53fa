"""`ws load`: a load test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import EngineName, SocketMode, TokenVia, Traffic
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.progress import ProgressView
from whatschat_ops.cli.ws.load_outcome import judge, show
from whatschat_ops.cli.ws.options import (
    ModeOption,
    TokenViaOption,
    check_mode,
    socket_io_tokens,
    socket_io_url,
)
from whatschat_ops.errors import UsageError
from whatschat_ops.files import require_writable
from whatschat_ops.measure.histogram import shown
from whatschat_ops.plurals import counted
from whatschat_ops.quotas import MAX_MESSAGE_BYTES, NEW_CONNECTIONS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatschat_ops.load.plan import LoadPlan
    from whatschat_ops.load.report import LoadReport
    from whatschat_ops.load.runner import Progress
    from whatschat_ops.redaction import Secret


@audited(sockets="sockets", engine="engine", shows=("interrupted",))
def load(
    run: Run,
    sockets: Annotated[
        # What the most workers open; of one machine `check` allows less.
        int,
        typer.Option("--sockets", "-n", min=1, max=45_000, help="Number of connections"),
    ] = 100,
    users: Annotated[
        int | None,
        typer.Option("--users", min=1, help="Number of users who own them [default: one user each]"),
    ] = None,
    connect_rate: Annotated[
        float,
        typer.Option(
            "--connect-rate",
            min=0.1,
            help=f"Connections opened per second; AWS allows {NEW_CONNECTIONS_PER_S}",
        ),
    ] = NEW_CONNECTIONS_PER_S * 0.8,
    interval: Annotated[
        float,
        typer.Option(
            "--interval", metavar="SECONDS", min=0.01, help="Pause between two messages of a connection"
        ),
    ] = 1.0,
    duration: Annotated[
        float,
        typer.Option(
            "--duration",
            metavar="SECONDS",
            min=0.1,
            max=3600,
            help="Time of sending, once all connections are open",
        ),
    ] = 10.0,
    message_size: Annotated[
        int,
        # Less than API Gateway accepts: the functions add an envelope.
        typer.Option(
            "--message-size",
            metavar="BYTES",
            min=128,
            max=MAX_MESSAGE_BYTES - 8 * 1024,
            help="Size of each message",
        ),
    ] = 200,
    traffic: Annotated[
        Traffic,
        typer.Option("--traffic", help="Pings, messages to other users of the test, or both alternately"),
    ] = Traffic.MIXED,
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            metavar="SECONDS",
            min=0,
            max=60,
            help="At the end, wait until no answer has arrived for this long",
        ),
    ] = 5.0,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a report with charts to this file")
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            "--max-loss", metavar="PERCENT", min=0, max=100, help="Exit with 3 if more messages are lost"
        ),
    ] = None,
    max_p95_ms: Annotated[
        float | None,
        typer.Option(
            "--max-p95-ms",
            metavar="MS",
            min=0,
            help="Exit with 3 if the 95th percentile of the latency is higher",
        ),
    ] = None,
    mode: ModeOption = SocketMode.APIGATEWAY,
    token_via: TokenViaOption = TokenVia.HEADER,
    url: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            "--url",
            metavar="URL",
            help="Another endpoint than the stack's: on this machine, or your own",
        ),
    ] = None,
    own: Annotated[
        bool,
        typer.Option(
            "--i-own-this-endpoint", help="Confirm that the endpoint given with --endpoint is yours"
        ),
    ] = False,
    engine: Annotated[
        EngineName,
        typer.Option("--engine", help="Open the connections from this machine, or from Lambda functions"),
    ] = EngineName.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, max=50, help="Functions of --engine distributed [default: as few as can]"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what --engine distributed would take and cost")
    ] = False,
    stop_run: Annotated[
        str | None,
        typer.Option("--stop", metavar="RUN", help="End a running test of --engine distributed"),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Run a load test.

    Opens many connections, sends on a schedule, and measures handshakes, latency, loss, duplicates and disconnects. Each
    connection has a token of a user invented for the test. Ctrl-C waits for the last answers and prints the report.

    With --engine distributed, Lambda functions of the stack open the connections, to the stack's own endpoint only.

    Exit code 3 if --max-loss or --max-p95-ms is exceeded, 4 if some connections could not be opened, 1 if none could.

    With --mode socketio the messages are call:ice-candidate events between the users, which the server passes on without its
    database; with --mode simulated nothing leaves this process.

    Example:
        whatschat-ops ws load --sockets 1000 --duration 30 --html load.html --max-loss 0 --max-p95-ms 200
        whatschat-ops ws load --engine distributed --sockets 5000 --dry-run
    """
    from whatschat_ops.load import plan as planning
    from whatschat_ops.load.sockets import most_open_files

    if stop_run is not None:
        from whatschat_ops.cli.ws import load_distributed

        load_distributed.stop(run, stop_run)
        return
    plan = planning.LoadPlan(
        url=checked_url(run, mode, url, own=own),
        sockets=sockets,
        users=users or sockets,
        connect_rate_per_s=connect_rate,
        interval_s=interval,
        duration_s=duration,
        message_size_bytes=message_size,
        traffic=traffic,
        drain_s=drain,
        mode=mode,
    )
    check_mode(mode, token_via, url)
    if html is not None:
        require_writable(html, flag="--html")
    if engine is EngineName.DISTRIBUTED:
        from whatschat_ops.cli.ws import load_distributed

        if dry_run:
            load_distributed.estimate(run, plan, workers)
            return
        load_distributed.require_own_stack(run, mode, url)
    elif workers is not None or dry_run:
        raise UsageError(
            "--workers and --dry-run need --engine distributed: this machine alone opens what --sockets says."
        )
    else:
        planning.check(plan, open_files=most_open_files())
    if not _agreed(run, plan, yes):
        run.out.note("Nothing was sent.")
        return
    if engine is EngineName.DISTRIBUTED:
        report = load_distributed.run_on_workers(run, plan, workers, token_via)
    else:
        report = _run(run, plan, token_via)
    show(run, report, html)
    judge(report, planning.Limits(max_loss, max_p95_ms))


def checked_url(run: Run, mode: SocketMode, url: str | None, *, own: bool) -> str:
    """The address of a path in this mode. Raises UsageError unless it is this machine's, the stack's, or declared to be the user's `own`."""
    from whatschat_ops.load.plan import check_target
    from whatschat_ops.network import is_loopback
    from whatschat_ops.sockets.simulated import URL as SIMULATED_URL
    from whatschat_ops.stack.outputs import endpoint_is_own

    if mode is not SocketMode.APIGATEWAY:
        target = SIMULATED_URL if mode is SocketMode.SIMULATED else socket_io_url(run, url)
        check_target(target, None, owned=own or mode is SocketMode.SIMULATED)
        return target
    target = run.endpoint(url).websocket_url
    if not (own or is_loopback(target)):
        known = endpoint_is_own(run.settings, run.aws)  # websocket.endpoint may be of another API
        check_target(target, run.endpoint().websocket_url if known else None, owned=False)
    return target


def _agreed(run: Run, plan: LoadPlan, yes: bool) -> bool:
    from whatschat_ops.load.plan import warnings_about
    from whatschat_ops.network import is_loopback

    for warning in warnings_about(plan):
        run.out.warn(warning)
    question = f"Open {counted(plan.sockets, 'socket')} to {plan.url} and send about {counted(plan.messages, 'message')}?"
    return run.out.confirm(question, yes=yes or is_loopback(plan.url) or plan.mode is SocketMode.SIMULATED)


def _run(run: Run, plan: LoadPlan, via: TokenVia) -> LoadReport:
    import asyncio
    import uuid

    from whatschat_ops.load.runner import LoadTest
    from whatschat_ops.load.sockets import opener

    prefix = f"load-{uuid.uuid4().hex[:6]}"

    def name_of(user: int) -> str:
        return f"{prefix}-{user}"

    connect = opener(plan, tokens_of(run, plan.mode), name_of, via)
    view = ProgressView(run.out)

    async def test() -> LoadReport:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def finish() -> None:
            stop.set()
            view.say("Interrupted: waiting for the last answers.")

        with stop_on_interrupt(lambda: loop.call_soon_threadsafe(finish)):
            return await LoadTest(
                plan, connect, name_of, stop=stop, progress=lambda it: view.update(lambda: _words(it, plan))
            ).run()

    with view.shown(f"Opening {counted(plan.sockets, 'socket')}"):
        return asyncio.run(test())


def tokens_of(run: Run, mode: SocketMode) -> Callable[[str], Secret]:
    """A function that creates the token of a user, as the path of this mode accepts it; none in the mode simulated."""
    from whatschat_ops.redaction import Secret

    if mode is SocketMode.SIMULATED:
        return lambda _: Secret("")
    return socket_io_tokens(run) if mode is SocketMode.SOCKETIO else run.tokens()


def _words(progress: Progress, plan: LoadPlan) -> str:
    point = progress.point
    parts = [f"{point.at_s:,.0f} s {point.phase}: {point.open_sockets:,} of {plan.sockets:,} open"]
    if point.phase == "ramp":
        parts.append(f"{point.opened:,}/s")
    else:
        parts.append(f"{point.sent:,}/s sent, {point.arrived:,}/s arrived")
        parts.append(f"p50 {shown(point.p50_ms, ',.0f')} ms, p95 {shown(point.p95_ms, ',.0f')} ms")
    counts = ((progress.refused, "refused"), (progress.lost, "lost"), (progress.duplicates, "duplicates"))
    return ", ".join([*parts, *(f"{count:,} {word}" for count, word in counts if count)])
