"""`local`: the embedded AWS on this machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Facts
from whatschat_ops.cli.terminal.times import local_time

if TYPE_CHECKING:
    from whatschat_ops.local.own_api import ClockResult
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
        metavar="PORT",
        help="Port on 127.0.0.1 [default: the setting local.port, else 4566 or the next free port]",
    ),
]


def start(run: Run, port: PortOption = None) -> None:
    """Start the embedded AWS.

    Runs it in the background, if it is not running already. Every command in the environment `local` does this by itself.

    Example: whatschat-ops local start --port 4570
    """
    from whatschat_ops.cli.target import local_options
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(
        port=port or run.settings.local.port,
        say=run.out.note,
        exact_port=port is not None,
        options=local_options(run.settings),
    )
    run.out.result(service, _render_service)


def stop(run: Run) -> None:
    """Stop the embedded AWS.

    Its data is kept for the next start.

    Example: whatschat-ops local stop
    """
    from whatschat_ops.local.service import stop as stop_service

    run.out.result(stop_service(), _render_stop)


def status(run: Run) -> None:
    """Show the state of the embedded AWS.

    Shows whether it is running, since when, its endpoint, and the memory and disk space that it uses.

    Example: whatschat-ops local status --json
    """
    from whatschat_ops.local.service import status as read_status

    run.out.result(read_status(), _render_status)


def reset(run: Run, yes: YesOption = False) -> None:
    """Delete all data of the embedded AWS.

    Deletes tables, functions, APIs, meetings, logs and the access key.

    Example: whatschat-ops local reset --yes
    """
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
        bool, typer.Option("--follow", "-f", help="Keep printing new lines until Ctrl-C")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of lines")] = 50,
) -> None:
    """Show the log of the embedded AWS.

    The log of its process; the logs of your functions are in CloudWatch Logs. With --json, each line is an object.

    Example: whatschat-ops local logs --follow
    """
    from contextlib import nullcontext

    from whatschat_ops.cli.terminal.interrupts import until_interrupted
    from whatschat_ops.local.service import log_lines

    with until_interrupted() if follow else nullcontext():
        for line in log_lines(lines=lines, follow=follow):
            if run.out.as_json:
                run.out.stream(LogLine(line), str)
            else:
                run.out.text(line)


def env(
    run: Run,
    shell: Annotated[Shell, typer.Option("--shell", help="Shell that reads the output")] = Shell.bash,
) -> None:
    """Print environment variables for AWS clients.

    They point any AWS client to the embedded AWS: endpoint, Region and access key, and no prefixes of its host name.

    Example: eval "$(whatschat-ops local env)" && aws dynamodb list-tables
    """
    from whatschat_ops.cli.target import local_options
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(
        port=run.settings.local.port, say=run.out.note, options=local_options(run.settings)
    )
    variables = {
        "AWS_ENDPOINT_URL": service.endpoint_url,
        "AWS_ACCESS_KEY_ID": service.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.secret_access_key.reveal(),
        "AWS_REGION": run.settings.aws.region,
        "AWS_DEFAULT_REGION": run.settings.aws.region,
        # Every service has one host name here; Live Tail and StartSyncExecution would ask for another.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    run.out.show_secrets = True  # the access key is what this command is for
    if run.out.as_json:
        run.out.result(variables, str)
        return
    run.out.text("\n".join(shell_lines(shell, variables)))


def advance_clock(
    run: Run,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="How far: 30s, 10m, 2h, 1d")],
) -> None:
    """Move the clock forward.

    Moves the clocks of the gateway, Chime, logs and metrics: idle connections and those of two hours are closed, and
    meetings end. Functions, tokens, signatures and the TTL of tables keep the machine's time. A restart of the embedded
    AWS sets the clock back.

    Example: whatschat-ops local clock advance 10m
    """
    from whatschat_ops.cli.durations import parse_duration
    from whatschat_ops.cli.target import local_options
    from whatschat_ops.local.own_api import advance
    from whatschat_ops.local.service import ensure_running

    length = parse_duration(duration, "DURATION")
    service = ensure_running(
        port=run.settings.local.port, say=run.out.note, options=local_options(run.settings)
    )
    run.out.result(advance(service, length), _render_clock)


def shell_lines(shell: Shell, variables: dict[str, str]) -> list[str]:
    """The lines that set `variables`, and unset those that would override them."""
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


def _render_clock(result: ClockResult) -> str:
    ahead = f"The clock of the embedded AWS is {_duration(round(result.offset_s))} ahead: {local_time(datetime.fromisoformat(result.now))}."
    return f"{ahead}\nFunctions, tokens, signatures and the TTL of tables keep the machine's time."


def _render_stop(result: StopResult) -> str:
    if not result.stopped:
        return "The embedded AWS is not running."
    return f"The embedded AWS has stopped (process {result.pid}). Its data is kept."


def _render_reset(result: ResetResult) -> str:
    again = " It runs again, empty and with a new access key." if result.restarted else ""
    return f"Everything in {result.state_directory} is deleted.{again}"


def _render_status(status: LocalStatus) -> Any:
    if not status.running:
        lost = f" When it stopped, it could not save {status.unsaved}." if status.unsaved else ""
        return f"The embedded AWS is not running. Its state is in {status.state_directory}.{lost}"
    rows = {
        "Endpoint": status.endpoint_url,
        "Process": status.pid,
        "Up for": _duration(status.uptime_s or 0),
        "Memory": f"{status.memory_mb} MB with {status.workers} Lambda worker(s)",
        "State": status.state_directory,
        **({"Clock": f"{_duration(round(status.clock_ahead_s))} ahead"} if status.clock_ahead_s else {}),
        **({"Cannot save": status.unsaved} if status.unsaved else {}),
        **{_COUNTS.get(name, name): count for name, count in status.counts.items()},
    }
    return Facts({label: str(value) for label, value in rows.items()})


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
