"""`local`: the embedded AWS on this machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import YesOption, command
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.local.service import LocalService, LocalStatus, ResetResult, StopResult


class Shell(StrEnum):
    """The shells that `local env` can write for."""

    bash = "bash"
    fish = "fish"
    powershell = "powershell"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the service's log."""

    line: str


PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=1,
        max=65535,
        help="Port on 127.0.0.1 (default: local.port; if that is not set, 4566 or the next free port).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(
        no_args_is_help=True, help="Run an AWS on this machine (the environment [bold]local[/bold])."
    )
    command(group)(start)
    command(group)(stop)
    command(group)(status)
    command(group)(reset)
    command(group)(logs)
    command(group)(env)
    app.add_typer(group, name="local")


def start(run: Run, port: PortOption = None) -> None:
    """Start the embedded AWS in the background; nothing happens if it runs already.

    Every command of the environment `local` does this by itself.
    """
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(
        port=port or run.settings.local.port, say=run.out.note, exact_port=port is not None
    )
    run.out.result(service, _render_service)


def stop(run: Run) -> None:
    """Stop the embedded AWS. What it holds is kept for the next start."""
    from whatschat_ops.local.service import stop as stop_service

    run.out.result(stop_service(), _render_stop)


def status(run: Run) -> None:
    """Show whether the embedded AWS runs, where, since when and how big it is."""
    from whatschat_ops.local.service import status as read_status

    run.out.result(read_status(), _render_status)


def reset(run: Run, yes: YesOption = False) -> None:
    """Delete everything the embedded AWS holds, its access key too."""
    from whatschat_ops.local.layout import Layout
    from whatschat_ops.local.service import reset as reset_service

    question = f"Delete everything in {Layout.of_user().root}: tables, functions, APIs, meetings, logs, the access key?"
    if not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was deleted.")
        return
    run.out.result(reset_service(say=run.out.note), _render_reset)


def logs(
    run: Run,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines as they come.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines.")] = 50,
) -> None:
    """Show what the process of the embedded AWS says (not the logs of your functions: those are in CloudWatch).

    With --json every line is an object of its own.
    """
    from whatschat_ops.local.service import log_lines

    for line in log_lines(lines=lines, follow=follow):
        if run.out.as_json:
            run.out.stream(LogLine(line), str)
        else:
            run.out.text(line)


def env(
    run: Run,
    shell: Annotated[Shell, typer.Option("--shell", help="Write it for this shell.")] = Shell.bash,
) -> None:
    """Print the variables that lead any AWS client to the embedded AWS, its own access key among them.

    Example: eval "$(whatschat-ops local env)" && aws dynamodb list-tables
    """
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(port=run.settings.local.port, say=run.out.note)
    variables = {
        "AWS_ENDPOINT_URL": service.endpoint_url,
        "AWS_ACCESS_KEY_ID": service.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.secret_access_key.reveal(),
        "AWS_REGION": run.settings.aws.region,
        "AWS_DEFAULT_REGION": run.settings.aws.region,
    }
    if run.out.as_json:
        run.out.result(variables, str)
        return
    run.out.text("\n".join(shell_lines(shell, variables)))


def shell_lines(shell: Shell, variables: dict[str, str]) -> list[str]:
    """The lines that set `variables`, and unset what would stand against them."""
    stale = ("AWS_SESSION_TOKEN", "AWS_PROFILE")
    if shell is Shell.fish:
        return [
            *(f"set -gx {name} {shlex.quote(value)};" for name, value in variables.items()),
            *(f"set -e {name};" for name in stale),
        ]
    if shell is Shell.powershell:
        return [
            *(f"$Env:{name} = '{value}'" for name, value in variables.items()),
            *(f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in stale),
        ]
    return [
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        f"unset {' '.join(stale)}",
    ]


def _render_service(service: LocalService) -> str:
    verb = "started" if service.started else "runs already"
    return f"The embedded AWS {verb}: {service.endpoint_url} (process {service.pid})."


def _render_stop(result: StopResult) -> str:
    if not result.stopped:
        return "The embedded AWS does not run."
    return f"The embedded AWS has stopped (process {result.pid}). What it holds is kept."


def _render_reset(result: ResetResult) -> str:
    again = " It runs again, empty and with a new access key." if result.restarted else ""
    return f"Everything in {result.state_directory} is deleted.{again}"


def _render_status(status: LocalStatus) -> Any:
    from rich.table import Table

    if not status.running:
        return f"The embedded AWS does not run. Its state is in {status.state_directory}."
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    rows = {
        "Endpoint": status.endpoint_url,
        "Process": status.pid,
        "Up for": _duration(status.uptime_s or 0),
        "Memory": f"{status.memory_mb} MB with {status.workers} Lambda worker(s)",
        "State": status.state_directory,
        **{_COUNTS.get(name, name): count for name, count in status.counts.items()},
    }
    for label, value in rows.items():
        table.add_row(label, str(value))
    return table


_COUNTS = {
    "websocket_apis": "WebSocket APIs",
    "functions": "Functions",
    "tables": "Tables",
    "connections": "Open sockets",
}


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    )
