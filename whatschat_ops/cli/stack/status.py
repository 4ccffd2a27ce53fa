"""`status`: the state of every resource, once or as it changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import PROVISION, Hint

if TYPE_CHECKING:
    from whatschat_ops.stack.stack import Stack
    from whatschat_ops.stack.status import StackStatus


def status(
    run: Run,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", "-w", help="Keep watching until Ctrl-C; in a pipe, print a line for each change"
        ),
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.2, help="Seconds between two checks")
    ] = 5.0,
) -> None:
    """Show the state of every resource.

    Each one is in sync, drifted (shown field by field) or missing, and is shown with its id in AWS.

    Example:
        whatschat-ops status
        whatschat-ops status --watch --interval 10
    """
    from whatschat_ops.cli.stack.plan_view import render_status

    stack = run.stack(reading=True)
    if watch:
        _watch(run.out, stack, interval)
        return
    with run.out.status("Reading the resources"):
        found = _state(stack)
    run.out.result(found, render_status)
    if not found.provisioned:
        run.out.note(Hint(PROVISION.argv, f"The stack {stack.name} is not provisioned. Start with"))


def _state(stack: Stack) -> StackStatus:
    from whatschat_ops.stack.status import status_of

    return status_of(stack.plan(), stack.name)


def _watch(out: Output, stack: Stack, interval_s: float) -> None:
    """Show the state until Ctrl-C."""
    from whatschat_ops.cli.terminal.interrupts import until_interrupted

    with until_interrupted():
        if out.stdout.isatty() and not out.as_json:
            _redraw(out, stack, interval_s)
        else:
            _print_changes(out, stack, interval_s)


def _states(out: Output, stack: Stack, interval_s: float) -> Iterator[StackStatus]:
    from whatschat_ops.cli.terminal.repeating import repeated

    return repeated(out, lambda: _state(stack), interval_s)


def _redraw(out: Output, stack: Stack, interval_s: float) -> None:
    from datetime import datetime

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from whatschat_ops.cli.stack.plan_view import render_status

    console = out.console()
    with Live(Text("Reading the resources"), console=console, auto_refresh=False) as live:
        for found in _states(out, stack, interval_s):
            seen = Text(f"{datetime.now():%H:%M:%S}, every {interval_s:g} s. Press Ctrl-C to stop.", "dim")
            live.update(Group(render_status(found, lines=console.height), seen), refresh=True)


def _print_changes(out: Output, stack: Stack, interval_s: float) -> None:
    from datetime import UTC, datetime

    from whatschat_ops.cli.stack.plan_view import render_status_change
    from whatschat_ops.stack.status import StackStatus, changes_between

    before = StackStatus(stack.name, False, False, ())
    for found in _states(out, stack, interval_s):
        for change in changes_between(before, found, datetime.now(UTC)):
            out.stream(change, render_status_change)
        before = found
