"""`lambda`: the three functions alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.stack.applying import show_and_apply
from whatschat_ops.cli.stack.function_tables import (
    render_functions,
    render_invocation,
    render_moved,
    render_zips,
)
from whatschat_ops.errors import ExitCode, Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.stack.lambdas.functions import (
        DeployedFunction,
    )
    from whatschat_ops.stack.lambdas.lifecycle import Move, Moved
    from whatschat_ops.stack.stack import Stack

NameArgument = Annotated[
    str | None, typer.Argument(metavar="FUNCTION", help="connect, disconnect or default [default: all]")
]


def package(
    run: Run,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory for the zip files")
    ] = Path("dist"),
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build again, although nothing changed since the last build")
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            metavar="GLOB",
            help="Put in a file that may hold secrets, such as .env or .npmrc (also: lambda.source.include)",
        ),
    ] = None,
) -> None:
    """Build the deployment packages.

    Writes the zip files that would be deployed. The same code gives the same bytes on every machine. Files that may hold
    secrets (.env, .npmrc, private keys) are left out and named.

    Example:
        whatschat-ops lambda package --output build
        whatschat-ops lambda package --rebuild --include certs/client.key
    """
    from whatschat_ops.stack.lambdas.functions import write_zips
    from whatschat_ops.stack.stack import function_packages

    packages = function_packages(run.settings, run.out.note, rebuild=rebuild, include=include or ())
    written = write_zips(run.settings, packages, output)
    run.out.result(written, render_zips)


@audited(function="name", canary_percent="canary", shows=("function", "version", "canary"))
def deploy(
    run: Run,
    name: NameArgument = None,
    canary: Annotated[
        int | None,
        typer.Option(
            "--canary", metavar="PERCENT", help="Route only this share of the traffic to the new version"
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Deploy the functions.

    Publishes the code and settings of all functions, or of one, as new versions behind the alias `live`. Functions without
    changes are skipped. The rest of the stack must be provisioned. With --canary the current version keeps the rest of the
    traffic until `lambda promote` or `lambda rollback`.

    Example:
        whatschat-ops lambda deploy
        whatschat-ops lambda deploy connect --canary 10
    """
    from whatschat_ops.stack.lambdas.functions import list_functions

    shorts = _shorts(run, name)
    if canary is not None:
        run.lifecycle().require_canary_possible(shorts, canary)
    stack = run.stack()
    kinds = ("function", "alias") if canary is None else ("function",)
    made = stack.plan_only({f"{kind}.{short}" for kind in kinds for short in shorts})
    question = "Deploy this?" if canary is None else f"Deploy this, and give it {canary}% of the calls?"
    applied = show_and_apply(run, stack, made, question, yes=yes)
    if applied is None:
        return
    versions = {short: str(applied.outputs[f"function.{short}"]["version"]) for short in shorts}
    started = (
        []
        if canary is None
        else _start_canaries(run, stack, versions, canary, asked=bool(applied.done) or yes)
    )
    if not applied.done and not started:
        run.out.note("No changes: this code and these settings are deployed.")
    deployed = list_functions(run.settings, run.aws, shorts)
    if started:
        _note_canaries(run, deployed)
    run.out.result(deployed, render_functions)


@audited(function="name", shows=("function", "action", "old", "new"))
def promote(run: Run, name: NameArgument = None, yes: YesOption = False) -> None:
    """Route all traffic to the canary.

    Without FUNCTION, promotes the canary of every function that has one.

    Example: whatschat-ops lambda promote connect
    """
    stack = run.stack()
    _show_and_move(run, stack, run.lifecycle().promotions(_shorts(run, name)), yes=yes)


@audited(function="name", version="to", shows=("function", "action", "old", "new"))
def rollback(
    run: Run,
    name: NameArgument = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Version of FUNCTION to route to")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Route traffic back to the previous version.

    Ends a running canary; without one, moves the alias `live` back to the version before. The deployed code stays, so the
    next provision plans to move the alias forward again.

    Example: whatschat-ops lambda rollback connect --to 3
    """
    if to is not None and name is None:
        raise UsageError(
            "--to needs the name of a function: each counts its versions by itself.",
            hint=Hint(("lambda", "rollback", "connect", "--to", to)),
        )
    stack = run.stack()
    shorts = _shorts(run, name)
    moves = run.lifecycle().rollbacks(shorts, to)
    moving = {move.alias.function for move in moves}
    for function in (run.names.function(short) for short in shorts):
        if function not in moving:
            run.out.note(f"{function} stays as it is.")
    _show_and_move(run, stack, moves, yes=yes)


def list_(run: Run, sort: SortOption = None, limit: LimitOption = None) -> None:
    """List the deployed functions.

    Shows their versions, which of them are live, and the hash, size and age of the code.

    Example: whatschat-ops lambda list
    """
    from whatschat_ops.stack.lambdas.functions import DeployedFunction, list_functions

    found = list_functions(run.settings, run.aws)
    run.out.result(listed(run.out, DeployedFunction, found, sort, limit), render_functions)


@audited(function="name", shows=("function", "version", "status_code", "function_error"))
def invoke(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="FUNCTION", help="connect, disconnect or default")],
    payload: Annotated[
        str | None,
        typer.Option(
            "--payload",
            "-p",
            metavar="JSON|@FILE",
            help="The event: JSON, @FILE, or - for standard input [default: a sample event of the function's route]",
        ),
    ] = None,
    tail: Annotated[bool, typer.Option("--tail", help="Show the end of the function's log")] = False,
    print_sample: Annotated[
        bool, typer.Option("--print-sample", help="Print the sample event and invoke nothing")
    ] = False,
) -> None:
    """Invoke a function.

    Sends an event and shows the answer. The sample event is a handshake without a token, a ping, or a disconnect, of a
    connection that does not exist. Exit code 1 if the function fails.

    Example:
        whatschat-ops lambda invoke default
        whatschat-ops lambda invoke default --payload @event.json --tail
    """
    from whatschat_ops.stack.lambdas.functions import invoke_function, short_name
    from whatschat_ops.stack.lambdas.sample_event import sample_event

    sample = sample_event(short_name(run.settings, name), datetime.now(UTC))
    if print_sample:
        run.out.result(sample, lambda event: json.dumps(event, indent=2))
        return
    event = json.dumps(sample).encode() if payload is None else _read_payload(payload)
    result = invoke_function(run.settings, run.aws, name, event, tail=tail)
    run.out.result(result, render_invocation)
    if result.function_error is not None:
        raise typer.Exit(ExitCode.FAILED)


def _shorts(run: Run, name: str | None) -> list[str]:
    from whatschat_ops.config.names import ROUTE_FUNCTIONS
    from whatschat_ops.stack.lambdas.functions import short_name

    return [short_name(run.settings, name)] if name else list(ROUTE_FUNCTIONS.values())


def _start_canaries(
    run: Run, stack: Stack, versions: Mapping[str, str], percent: int, *, asked: bool
) -> list[Moved]:
    """Start the canaries; ask first, unless the user has confirmed the deployment already."""
    stack.guard(run.command_path)  # applying the deployment released its lock
    lifecycle = run.lifecycle()
    moves = lifecycle.canaries(versions, percent)
    if not moves or not (asked or run.out.confirm(_question(moves), yes=False)):
        return []
    with stack.locked():
        return lifecycle.make_moves(moves)


def _show_and_move(run: Run, stack: Stack, moves: list[Move], *, yes: bool) -> None:
    if not run.out.confirm(_question(moves), yes=yes):
        run.out.note("Nothing was changed.")
        return
    with stack.locked():
        moved = run.lifecycle().make_moves(moves)
    run.out.result(moved, render_moved)


def _question(moves: list[Move]) -> str:
    return f"{render_moved([move.result for move in moves])}\nApply this?"


def _note_canaries(run: Run, functions: list[DeployedFunction]) -> None:
    from whatschat_ops.stack.lambdas.live_alias import promote_or_rollback

    for function in functions:
        if function.canary is not None:
            running = f"A canary of {function.function} is running: {function.canary}. Next"
            run.out.note(replace(promote_or_rollback(function.function), text=running))


def _read_payload(payload: str) -> bytes:
    from whatschat_ops.files import ARGUMENT, PIPE, read_text
    from whatschat_ops.quotas import MAX_RESPONSE_BYTES  # a request may be as large

    if payload != "-" and not payload.startswith("@"):
        return payload.encode()
    path = PIPE if payload == "-" else Path(payload[1:])
    return read_text(path, flag=ARGUMENT, most_bytes=MAX_RESPONSE_BYTES).encode()
