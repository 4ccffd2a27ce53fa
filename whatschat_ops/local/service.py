"""The embedded AWS as a background service of the user: start, stop, status, reset.

Takes a port and the user's state directory; gives the endpoint and the access key. Imports neither ministack nor
uvicorn: they are loaded in the process that this module starts (`server`).
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field

from whatschat_ops.errors import Hint, LocalError
from whatschat_ops.installation import extra_command
from whatschat_ops.local import ports, process
from whatschat_ops.local.identity import read_access_key
from whatschat_ops.local.layout import HOST, Layout, Options
from whatschat_ops.local.process_file import ServiceProcess
from whatschat_ops.local.process_file import read as read_process_file
from whatschat_ops.redaction import Secret

START_TIMEOUT_S = 60.0
LOADED_BYTES_PER_S = 2_000_000
"""Of a saved state, at the least: a table of 1 million rows has 200 MB."""
STOP_TIMEOUT_S = 15.0
HEALTH_TIMEOUT_S = 2.0
SAVE_TIMEOUT_S = 3.0
"""How long `stop` waits for a save that failed before, in case the user has just made room."""
FOLLOW_INTERVAL_S = 0.2
_NEEDED = ("ministack", "uvicorn", "httptools", "awslambdaric", "psutil")

Say = Callable[[str], None]
"""Shows the user what happens, one sentence at a time."""

Start = Callable[[int], ServiceProcess]
"""Starts the service on a port."""

OTHER_OPTIONS = (
    "The embedded AWS runs with other values of local.node_modules, local.enforce_memory, "
    "local.log_events_per_group or local.step_functions_lag_s: those of the settings apply from its next start."
)


class LocalService(Struct, frozen=True):
    """A running embedded AWS and the access key for it."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: Secret
    pid: int
    port: int
    started: bool
    """Whether this call started it."""


class LocalStatus(Struct, frozen=True):
    """The result of `local status`. The fields from `pid` to `memory_mb` are None when the service is not running."""

    running: bool
    state_directory: str
    pid: int | None = None
    port: int | None = None
    endpoint_url: str | None = None
    uptime_s: int | None = None
    memory_mb: int | None = None
    """Memory of the service and its Lambda workers."""
    workers: int = 0
    """Lambda worker processes."""
    clock_ahead_s: float = 0.0
    """How far `local clock advance` has moved the clock."""
    counts: Mapping[str, int] = field(default_factory=dict)
    unsaved: str | None = None
    """What it cannot save, and why; or could not save when it last stopped."""


class StopResult(Struct, frozen=True):
    """The result of `local stop`."""

    stopped: bool
    pid: int | None = None


class ResetResult(Struct, frozen=True):
    """The result of `local reset`."""

    state_directory: str
    restarted: bool


def ensure_running(
    *, port: int | None, say: Say, exact_port: bool = False, options: Options | None = None
) -> LocalService:
    """The embedded AWS, started first if it is not running: on `port`, or on a free one if that is None. Raises
    LocalError.

    A state directory has one service, so a running one is used on whatever port it has, unless `exact_port`, and with
    whatever options; `say` tells the user when they are not `options`.
    """
    _check_installed()
    layout = Layout.of_user()
    wanted = port if exact_port else None
    if found := process.find(layout):
        if options is not None and found.arguments != tuple(options.arguments):
            say(OTHER_OPTIONS)
        if found.unsaved:
            say(f"The embedded AWS cannot save {found.unsaved}. Its next stop would lose that.")
        return _service(layout, found, wanted, started=False)
    with process.locked(layout):
        if found := process.find(layout):  # another command was faster
            return _service(layout, found, wanted, started=False)
        if unsaved := _left_unsaved(layout):
            say(f"When the embedded AWS stopped, it could not save {unsaved}: that is as of its last save.")
        start = partial(_start, layout, (options or Options()).arguments, say)
        found = _start_on_free_port(layout, start, say) if port is None else _start_on(port, start)
        return _service(layout, found, port, started=True)


def _start_on_free_port(layout: Layout, start: Start, say: Say) -> ServiceProcess:
    taken: ports.PortTaken | None = None
    for port in ports.candidates(layout):
        try:
            ports.require_free(port)
            if taken:
                say(f"{taken.message} The embedded AWS uses port {port} instead, from now on.")
            ports.remember(layout, port)  # before the start, so that a kill during it does not lose the port
            return start(port)
        except ports.PortTaken as error:
            taken = taken or error
    raise taken or LocalError("There is no port to try.")


def _start_on(port: int, start: Start) -> ServiceProcess:
    ports.require_free(port)
    return start(port)


def _start(layout: Layout, arguments: Sequence[str], say: Say, port: int) -> ServiceProcess:
    say(f"Starting the embedded AWS on http://{HOST}:{port} ...")
    child = process.spawn(layout, port, arguments)
    try:
        saved_bytes = sum(file.stat().st_size for file in layout.services.glob("*.json"))
        timeout_s = START_TIMEOUT_S + saved_bytes / LOADED_BYTES_PER_S
        process.wait_until_healthy(child, layout, port, timeout_s)
    except KeyboardInterrupt:
        child.terminate()
        raise
    finally:
        # It is meant to outlive this process: without a return code, Popen warns about a running child.
        child.returncode = child.returncode or 0
    found = process.find(layout)
    if found is None:
        raise LocalError(
            f"The embedded AWS exited after its start: {process.last_log_lines(layout)}",
            hint=Hint(("local", "logs")),
        )
    return found


def _service(layout: Layout, found: ServiceProcess, port: int | None, *, started: bool) -> LocalService:
    if port is not None and found.port != port:
        raise LocalError(
            f"The embedded AWS in {layout.root} already runs on port {found.port}, not on {port}.",
            hint=Hint(
                ("local", "stop"),
                f"Use --port {found.port}, set another WHATSCHAT_OPS_STATE_DIR for a second one, or stop it",
            ),
        )
    key = read_access_key(layout.credentials_file)
    if key is None:
        raise LocalError(
            f"The access key of the embedded AWS is missing: {layout.credentials_file} does not exist, or is damaged.",
            hint=Hint(("local", "stop"), "Restart it; first"),
        )
    return LocalService(
        endpoint_url=f"http://{HOST}:{found.port}",
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        pid=found.pid,
        port=found.port,
        started=started,
    )


def stop() -> StopResult:
    """Stop the service and its workers. It is not an error if nothing runs.

    Raises LocalError when it cannot save everything: it then runs on, if that is known before it is stopped.
    """
    _check_installed()
    layout = Layout.of_user()
    if process.find(layout) is None:
        return StopResult(stopped=False)
    with process.locked(layout):
        _require_saved(layout)
        result = _stop(layout)
    if unsaved := _left_unsaved(layout):
        raise LocalError(
            f"The embedded AWS has stopped, but could not save {unsaved}: that is as of its last save.",
            hint=Hint(("local", "logs")),
        )
    return result


def _require_saved(layout: Layout) -> None:
    deadline = time.monotonic() + SAVE_TIMEOUT_S
    while (found := process.find(layout)) is not None and found.unsaved:
        if time.monotonic() > deadline:
            raise LocalError(
                f"The embedded AWS was not stopped, because it cannot save {found.unsaved}.",
                hint=Hint(
                    ("local", "stop"),
                    f"Make its directory {layout.root} writable or free disk space; "
                    f"kill {found.pid} stops it without saving. Then",
                ),
            )
        time.sleep(ports.POLL_S)


def _left_unsaved(layout: Layout) -> str | None:
    """What a process that has ended could not save."""
    left = read_process_file(layout.process_file)
    return left.unsaved if left is not None and process.find(layout) is None else None


def _stop(layout: Layout) -> StopResult:
    found = process.find(layout)
    if found is None:
        return StopResult(stopped=False)
    process.end(found, layout, STOP_TIMEOUT_S)
    if process.find(layout) is not None:
        raise LocalError(f"The embedded AWS (process {found.pid}) did not stop.", hint=f"kill -9 {found.pid}")
    return StopResult(stopped=True, pid=found.pid)


def reset(*, say: Say) -> ResetResult:
    """Delete everything in the embedded AWS, including its access key; start it again if it was running."""
    _check_installed()
    layout = Layout.of_user()
    with process.locked(layout):
        found = process.find(layout)
        _stop(layout)
        for path in sorted(layout.root.iterdir()):
            if path in (layout.lock_file, layout.port_file):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if found:
            _start_on(found.port, partial(_start, layout, found.arguments, say))
    return ResetResult(str(layout.root), restarted=found is not None)


def status() -> LocalStatus:
    """Whether the service is running, and its figures."""
    _check_installed()
    layout = Layout.of_user()
    found, health = _look(layout)
    if found is None:
        return LocalStatus(running=False, state_directory=str(layout.root), unsaved=_left_unsaved(layout))
    memory_bytes, workers = _usage(found.pid)
    return LocalStatus(
        running=True,
        state_directory=str(layout.root),
        pid=found.pid,
        port=found.port,
        endpoint_url=f"http://{HOST}:{found.port}",
        uptime_s=int(health["uptime_s"]),
        memory_mb=round(memory_bytes / 1024 / 1024),
        workers=workers,
        clock_ahead_s=health.get("clock_ahead_s", 0.0),
        counts=health["counts"],
        unsaved=found.unsaved,
    )


def _look(layout: Layout) -> tuple[ServiceProcess | None, Mapping[str, Any]]:
    """The process and its health document. Raises LocalError when it does not respond."""
    deadline = time.monotonic() + HEALTH_TIMEOUT_S
    while (found := process.find(layout)) is not None:
        if health := process.ask_health(found.port):
            return found, health
        if time.monotonic() > deadline:
            raise LocalError(
                f"The embedded AWS (process {found.pid}) is running but does not respond on port {found.port}.",
                hint=Hint(("local", "stop"), "Restart it; first"),
            )
        time.sleep(ports.POLL_S)  # a process that was just killed is listed for a moment
    return None, {}


def _usage(pid: int) -> tuple[int, int]:
    import psutil

    memory_bytes, workers = 0, -1
    try:
        service = psutil.Process(pid)
        for each in (service, *service.children(recursive=True)):
            memory_bytes += each.memory_info().rss
            workers += 1
    except psutil.NoSuchProcess:  # one that exited in the meantime
        pass
    return memory_bytes, max(workers, 0)


def log_lines(*, lines: int, follow: bool) -> Iterator[str]:
    """The last `lines` lines of the service's log; with `follow`, then every new one, without end."""
    layout = Layout.of_user()
    yield from process.tail(layout, lines)
    if follow:
        yield from _follow(layout)


def _follow(layout: Layout) -> Iterator[str]:
    position = layout.log_file.stat().st_size if layout.log_file.exists() else 0
    rest = b""
    while True:
        size = layout.log_file.stat().st_size if layout.log_file.exists() else 0
        if size < position:  # rotated
            position, rest = 0, b""
        if size > position:
            with layout.log_file.open("rb") as log:
                log.seek(position)
                *complete, rest = (rest + log.read()).split(b"\n")
                position = log.tell()
            yield from (line.decode("utf-8", "replace") for line in complete)
        time.sleep(FOLLOW_INTERVAL_S)


def _check_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(
            f"The embedded AWS is not installed: {', '.join(missing)} missing from {sys.prefix}.",
            hint=extra_command("local"),
        )
