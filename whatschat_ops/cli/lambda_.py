"""`lambda`: the three functions alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import Run, YesOption, command
from whatschat_ops.cli.stack import open_stack, show_and_apply
from whatschat_ops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from whatschat_ops.stack.functions import DeployedFunction, InvocationResult, WrittenZip

NameArgument = Annotated[str | None, typer.Argument(help="connect, disconnect or default. [default: all]")]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="The Lambda functions behind the routes.")
    command(group)(package)
    command(group)(deploy)
    command(group, "list")(list_)
    command(group)(invoke)
    app.add_typer(group, name="lambda")


def package(
    run: Run,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the zips.")] = Path("dist"),
) -> None:
    """Write the zips that would be deployed. The same code gives the same bytes, on every machine.

    Example: whatschat-ops lambda package --output build
    """
    from whatschat_ops.stack.functions import write_zips
    from whatschat_ops.stack.stack import function_packages

    written = write_zips(run.settings, function_packages(run.settings), output)
    run.out.result(written, _render_zips)


def deploy(run: Run, name: NameArgument = None, yes: YesOption = False) -> None:
    """Deploy the code and settings of the functions, or of one, as a new version behind the alias `live`.

    Unchanged functions are left alone. The rest of the stack must be provisioned.

    Example: whatschat-ops lambda deploy connect
    """
    from whatschat_ops.config.names import ROUTE_FUNCTIONS
    from whatschat_ops.stack.functions import list_functions, short_name

    shorts = [short_name(run.settings, name)] if name else list(ROUTE_FUNCTIONS.values())
    stack = open_stack(run)
    addresses = {f"{kind}.{short}" for kind in ("function", "alias") for short in shorts}
    made = stack.plan_only(addresses)
    applied = show_and_apply(run, stack, made, "Deploy this?", yes=yes)
    if applied is None:
        return
    if not applied.done:
        run.out.note("No changes: this code and these settings are deployed.")
    names = {run.names.function(short) for short in shorts}
    deployed = [function for function in list_functions(run.settings, run.aws) if function.function in names]
    run.out.result(deployed, _render_functions)


def list_(run: Run) -> None:
    """List the deployed functions: version behind `live`, hash and size of the code, age."""
    from whatschat_ops.stack.functions import list_functions

    run.out.result(list_functions(run.settings, run.aws), _render_functions)


def invoke(
    run: Run,
    name: Annotated[str, typer.Argument(help="connect, disconnect or default.")],
    payload: Annotated[
        str, typer.Option("--payload", "-p", help="The event as JSON, @FILE, or - for standard input.")
    ] = "{}",
    tail: Annotated[bool, typer.Option("--tail", help="Show the end of the function's log.")] = False,
) -> None:
    """Invoke a function with an event and show its answer. Exits with 1 when the function fails.

    Example: whatschat-ops lambda invoke default --payload @event.json --tail
    """
    from whatschat_ops.stack.functions import invoke_function

    event = _read_payload(payload)
    result = invoke_function(run.settings, run.aws, name, event, tail=tail)
    run.out.result(result, _render_invocation)
    if result.function_error is not None:
        raise typer.Exit(ExitCode.FAILED)


def _read_payload(payload: str) -> bytes:
    if payload == "-":
        return sys.stdin.buffer.read()
    if not payload.startswith("@"):
        return payload.encode()
    try:
        return Path(payload[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"The payload cannot be read: {error}.") from error


def _render_zips(written: list[WrittenZip]) -> Any:
    from rich.table import Table

    table = Table(
        "Function", "File", "Size", "Unzipped", "SHA-256", box=None, header_style="bold", pad_edge=False
    )
    for item in written:
        table.add_row(
            item.function,
            str(item.path),
            f"{item.size_bytes:,} B",
            f"{item.unzipped_size_bytes:,} B",
            item.code_sha256,
        )
    return table


def _render_functions(functions: list[DeployedFunction]) -> Any:
    from rich.table import Table

    headings = ("Function", "Runtime", "Memory", "Live version", "Code SHA-256", "Size", "Age")
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for function in functions:
        table.add_row(
            function.function,
            f"{function.runtime} {function.architecture}",
            f"{function.memory_mb} MB",
            function.version or "none",
            function.code_sha256[:16],
            f"{function.code_size_bytes:,} B",
            _age(function),
        )
    return table


def _age(function: DeployedFunction) -> str:
    from datetime import UTC, datetime

    seconds = max(0, int((datetime.now(UTC) - function.last_modified).total_seconds()))
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s} {unit}"
    return f"{seconds} s"


def _render_invocation(result: InvocationResult) -> Any:
    from rich.text import Text

    text = Text()
    if result.function_error is not None:
        text.append(f"{result.function} failed ({result.function_error}):\n", "red")
    text.append(json.dumps(result.payload, indent=2, ensure_ascii=False))
    if result.log_tail is not None:
        text.append(f"\n\n{result.log_tail.rstrip()}", "dim")
    return text
