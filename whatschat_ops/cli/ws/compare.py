"""`ws compare`: the old path of messages and the new one, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.cli.ws.load import checked_url, tokens_of
from whatschat_ops.errors import Hint, Interrupted, UsageError
from whatschat_ops.measure.histogram import shown

if TYPE_CHECKING:
    from whatschat_ops.load.comparison import Comparison, Path, PathReport, Scenario
    from whatschat_ops.load.deliveries import Deliveries

_EXAMPLE = Hint(("ws", "compare", "--a", "socketio=ws://localhost:3001", "--b", "apigateway"))


def compare(
    run: Run,
    a: Annotated[str, typer.Option("--a", metavar="MODE[=URL]", help="The first path")] = "socketio",
    b: Annotated[str, typer.Option("--b", metavar="MODE[=URL]", help="The second path")] = "apigateway",
    users: Annotated[
        int, typer.Option("--users", min=2, max=100, help="Users, each with a socket per path")
    ] = 4,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, max=200, help="Messages per second on each path")
    ] = 20.0,
    duration: Annotated[
        float, typer.Option("--duration", metavar="SECONDS", min=0.1, max=300, help="Time of sending")
    ] = 10.0,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Send only this kind of message", show_default=False),
    ] = None,
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            metavar="SECONDS",
            min=0,
            max=60,
            help="At the end, wait until nothing has arrived for this long",
        ),
    ] = 5.0,
    own: Annotated[
        bool, typer.Option("--i-own-this-endpoint", help="Confirm that the endpoints given here are yours")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Compare two paths of messages.

    Sends the same messages between invented users over both paths at once, and prints latencies and loss per kind of message. A kind
    that one path has no counterpart for is sent over the other and listed as such. The figures are the whole result: the
    exit code does not judge them.

    Example: whatschat-ops ws compare --a socketio=ws://localhost:3001 --b apigateway --rate 50 --duration 30
    """
    import asyncio
    import uuid

    from whatschat_ops.cli.terminal.interrupts import run_coroutine
    from whatschat_ops.load.comparison import Scenario
    from whatschat_ops.load.comparison import compare as measure
    from whatschat_ops.load.kinds import chosen

    prefix = f"compare-{uuid.uuid4().hex[:6]}"
    names = tuple(f"{prefix}-{number}" for number in range(users))
    scenario = Scenario(names, chosen(kind or []), rate, duration, drain)
    first, second = _path(run, a, own=own), _path(run, b, own=own)
    if not _agreed(run, (first, second), scenario, yes):
        run.out.note("Nothing was sent.")
        return

    async def test() -> Comparison:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        with stop_on_interrupt(lambda: loop.call_soon_threadsafe(stop.set)):
            return await measure(first, second, scenario, stop)

    found = run_coroutine(test())
    run.out.result(found, _render)
    if found.interrupted:
        raise Interrupted("Interrupted: the figures cover the time until then.")


def _path(run: Run, spec: str, *, own: bool) -> Path:
    from whatschat_ops.load.comparison import Path
    from whatschat_ops.load.sockets import connector

    mode, url = parse_path(spec)
    address = checked_url(run, mode, url, own=own)
    return Path(mode, address, connector(mode, address, tokens_of(run, mode)))


def parse_path(spec: str) -> tuple[SocketMode, str | None]:
    """`socketio=ws://localhost:3001` as a mode and its URL; None: the mode's own. Raises UsageError."""
    name, given, url = spec.partition("=")
    modes = ", ".join(mode.value for mode in SocketMode)
    if name not in SocketMode.__members__.values():
        raise UsageError(f"{name} is not a mode: use {modes}, with =URL for another endpoint.", hint=_EXAMPLE)
    if given and (not url or name == SocketMode.SIMULATED):
        raise UsageError(f"{spec} names no endpoint that the mode {name} could use.", hint=_EXAMPLE)
    return SocketMode(name), url or None


def _agreed(run: Run, paths: tuple[Path, ...], scenario: Scenario, yes: bool) -> bool:
    from whatschat_ops.network import is_loopback

    foreign = [
        path.url for path in paths if path.mode is not SocketMode.SIMULATED and not is_loopback(path.url)
    ]
    count = scenario.messages()
    question = f"Send about {count:,} messages to {' and '.join(foreign)}?"
    return run.out.confirm(question, yes=yes or not foreign)


def _render(found: Comparison) -> Blocks:
    rows = [
        (kind.kind, f"{name} {path.mode.value}", *_figures(side))
        for kind in found.kinds
        if kind.a or kind.b
        for name, path, side in (("a", found.a, kind.a), ("b", found.b, kind.b))
    ]
    columns = figures("Sent", "Lost", "Loss", "p50 ms", "p95 ms", "p99 ms", "Max ms")
    reasons = [f"{kind.kind}: {kind.why}" for kind in found.kinds if kind.why]
    notes = ["", "No counterpart:", *(f"  {reason}" for reason in reasons)] if reasons else []
    head = [_facts("a", found.a), _facts("b", found.b), ""]
    return Blocks([*head, Table((Column("Kind"), Column("Path"), *columns), rows), *notes])


def _figures(side: Deliveries | None) -> list[str]:
    if side is None:
        return ["–"] * 7
    times = (side.latency.p50_ms, side.latency.p95_ms, side.latency.p99_ms, side.latency.max_ms)
    return [
        f"{side.sent:,}",
        f"{side.lost:,}",
        f"{shown(side.loss_percent, '.3g')} %",
        *(shown(figure, ",.1f") for figure in times),
    ]


def _facts(name: str, path: PathReport) -> str:
    from whatschat_ops.load.report import in_words

    where = (
        "simulated in this process, nothing left the machine"
        if path.mode is SocketMode.SIMULATED
        else path.url
    )
    parts = [
        f"{name}: {path.mode.value}, {where}",
        f"handshake p50 {shown(path.handshake.p50_ms, ',.1f')} ms",
    ]
    parts += [f"closed by the other side: {in_words(path.cut)}"] if path.cut else []
    parts += [f"answered with an error: {in_words(path.errors)}"] if path.errors else []
    parts += [f"{path.not_sent:,} not sent on closed sockets"] if path.not_sent else []
    return "; ".join(parts)
