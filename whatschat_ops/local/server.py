"""The server process of the embedded AWS: assembles its parts and serves them on one port of 127.0.0.1.

    python -m whatschat_ops.local.server --port 4566 --root <state directory>/local

`service.start` runs it in the background. It stops on SIGTERM, or when its state directory is deleted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whatschat_ops import __version__
from whatschat_ops.errors import LocalError
from whatschat_ops.local.clock import SIGNING_NAME as CLOCK
from whatschat_ops.local.clock import ClockApi, ServiceClock
from whatschat_ops.local.layout import (
    ACCOUNT_ID,
    EXIT_PORT_TAKEN,
    HOST,
    Layout,
    Options,
    clear_directory,
    ministack_environment,
    process_environment,
)
from whatschat_ops.local.process_file import ProcessFile

if TYPE_CHECKING:
    from whatschat_ops.local.account_concurrency import AccountConcurrency
    from whatschat_ops.local.account_quotas import AccountQuotas
    from whatschat_ops.local.chime import ChimeMeetings
    from whatschat_ops.local.cloudtrail.recorder import Recorder
    from whatschat_ops.local.control.control_plane import Ministack
    from whatschat_ops.local.gateway import Gateway
    from whatschat_ops.local.interfaces import HttpRequest, HttpResponse
    from whatschat_ops.local.router import Service

MAX_LOG_BYTES = 5 * 1024 * 1024
HOUSEKEEPING_S = 2.0
MAX_OPEN_FILES = 65_536

_log = logging.getLogger("whatschat_ops.local")


def main(arguments: list[str]) -> int:
    """Run until a signal arrives. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m whatschat_ops.local.server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--node-modules")
    parser.add_argument("--enforce-memory", action="store_true")
    parser.add_argument("--log-events-per-group", type=int, default=Options().log_events_per_group)
    parser.add_argument("--step-functions-lag-s", type=float, default=Options().step_functions_lag_s)
    options = parser.parse_args(arguments)
    layout = Layout(options.root)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("whatschat_ops").setLevel(logging.INFO)
    logging.captureWarnings(True)
    prepare(layout, options.port)
    try:
        started_with = Options(
            options.node_modules,
            options.enforce_memory,
            options.log_events_per_group,
            options.step_functions_lag_s,
        )
        asyncio.run(serve(layout, options.port, started_with))
    except (OSError, LocalError) as error:
        _log.error("%s", error)
        return EXIT_PORT_TAKEN if getattr(error, "errno", None) == errno.EADDRINUSE else 1
    return 0


def prepare(layout: Layout, port: int) -> None:
    """Clean up after a killed process, and set the environment that ministack reads when it is imported."""
    os.umask(0o077)  # the state contains secrets: IAM keys, SSM parameters
    clear_directory(layout.work)
    layout.temporary.mkdir()
    kept = process_environment(os.environ)
    os.environ.clear()
    os.environ.update({**kept, **ministack_environment(layout, port)})
    tempfile.tempdir = None  # tempfile caches the first TMPDIR that it reads
    _raise_open_files_limit()


def _raise_open_files_limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(layout: Layout, port: int, options: Options) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    with listening(port) as listener:
        await _serve_on(listener, layout, port, options)


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises OSError when the port is taken.

    It listens before anything is loaded, so that of two processes that start at once one fails immediately.
    """
    # asyncio switches Nagle's algorithm off only for sockets that name TCP as their protocol; with it on, an answer
    # written in two parts waits 40 ms for the client's delayed acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        if sys.platform != "win32":  # there it would let two processes share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
        yield listener


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the running service."""

    control_plane: Ministack
    executor: AccountConcurrency
    gateway: Gateway
    meetings: ChimeMeetings
    clock: ServiceClock
    quotas: AccountQuotas

    def counts(self) -> dict[str, Any]:
        """Counts for `local status`."""
        return {**self.control_plane.counts(), "connections": len(self.gateway.connections)}

    def housekeep(self) -> None:
        """What is to be done every few seconds."""
        self.meetings.sweep()
        self.control_plane.housekeep()

    async def close(self) -> None:
        """Stop everything and save the state. The gateway is closed earlier, while functions can still be invoked."""
        await self.executor.close()
        self.meetings.close()
        await self.control_plane.close()


async def _start_parts(
    layout: Layout, port: int, options: Options, report_unsaved: Callable[[Mapping[str, str]], None]
) -> _Parts:
    from whatschat_ops.local.account_concurrency import AccountConcurrency
    from whatschat_ops.local.account_quotas import AccountQuotas
    from whatschat_ops.local.chime import ChimeMeetings
    from whatschat_ops.local.control.control_plane import Ministack
    from whatschat_ops.local.executor import WORKERS_PER_FUNCTION, LambdaExecutor
    from whatschat_ops.local.gateway import Gateway
    from whatschat_ops.local.identity import ensure_operator
    from whatschat_ops.local.metered_executor import MeteredExecutor, record_concurrency

    clock, quotas = ServiceClock(), AccountQuotas(layout.quotas_file)
    control_plane = Ministack(
        port,
        clock,
        quotas,
        layout.api_hosts_file,
        report_unsaved,
        log_events_per_group=options.log_events_per_group,
        step_functions_lag_s=options.step_functions_lag_s,
    )
    await control_plane.start()
    await ensure_operator(control_plane.call_iam, layout.credentials_file)
    workers = LambdaExecutor(
        control_plane,
        f"http://{HOST}:{port}",
        layout.work / "functions",
        api_hosts_file=layout.api_hosts_file,
        node_modules=Path(options.node_modules) if options.node_modules else None,
        enforce_memory=options.enforce_memory,
    )
    executor = AccountConcurrency(
        workers, control_plane.unreserved_concurrency, partial(record_concurrency, control_plane.record_in)
    )
    control_plane.run_functions_on(executor)
    gateway = Gateway(
        control_plane,
        MeteredExecutor(executor, control_plane),
        clock=clock,
        invocations_at_once=WORKERS_PER_FUNCTION,
    )
    meetings = ChimeMeetings(
        control_plane,
        layout.chime_file,
        clock=clock,
        account_id=ACCOUNT_ID,
        publish=control_plane.publish,
        record_metric=control_plane.record_in,
        max_meetings=quotas.concurrent_meetings,
    )
    return _Parts(control_plane, executor, gateway, meetings, clock, quotas)


def _services(parts: _Parts, recorder: Recorder) -> dict[str, Service]:
    """The services that are ours, by the name for which their requests are signed."""
    from whatschat_ops.local import service_quotas
    from whatschat_ops.local.chime.attendance import PATH as ATTENDANCE_PATH
    from whatschat_ops.local.cloudtrail import lookup

    def advanced() -> None:
        parts.gateway.sweep()
        parts.gateway.flush_metrics()  # an hour later they would have been seen
        parts.meetings.sweep()

    clock_api = ClockApi(parts.clock, parts.control_plane, advanced)

    async def ours(request: HttpRequest) -> HttpResponse:
        own = parts.meetings.attendance if request.raw_path == ATTENDANCE_PATH else clock_api
        return await own.handle(request)

    return {
        "chime": parts.meetings.handle,
        CLOCK: ours,
        service_quotas.SIGNING_NAME: service_quotas.service(parts.quotas, parts.control_plane).handle,
        lookup.SIGNING_NAME: lookup.service(recorder, parts.control_plane, time.monotonic).handle,
    }


async def _serve_on(listener: socket.socket, layout: Layout, port: int, options: Options) -> None:
    from whatschat_ops.local.cloudtrail.recorder import Recorder
    from whatschat_ops.local.control.persistence import unsaved_text
    from whatschat_ops.local.gateway import HttpProtocol, websocket_protocol
    from whatschat_ops.local.router import Router

    started = time.monotonic()
    process_file = ProcessFile(layout.process_file, port, __version__, options.arguments)
    parts = await _start_parts(
        layout, port, options, lambda failures: process_file.report(unsaved_text(failures))
    )

    def health() -> dict[str, Any]:
        uptime_s = time.monotonic() - started
        me = {"pid": os.getpid(), "port": port, "version": __version__, "uptime_s": uptime_s}
        return {**me, "clock_ahead_s": parts.clock.offset_s, "counts": parts.counts()}

    recorder = Recorder(parts.clock, parts.control_plane.caller_of)
    front = Router(
        parts.control_plane,
        parts.gateway,
        _services(parts, recorder),
        health,
        recorder,
        lambda key: parts.control_plane.caller_of(key) is not None,
        parts.control_plane.service_of,
    )
    server = make_server(front, http=HttpProtocol, ws=websocket_protocol(parts.gateway))
    stopping = stop_on_signals()
    tasks = [
        asyncio.create_task(parts.control_plane.autosave.run()),
        asyncio.create_task(_housekeeping(layout, process_file, stopping, parts.housekeep)),
    ]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        process_file.create()
        _log.info("The embedded AWS %s listens on http://%s:%d.", __version__, HOST, port)
        await first_of(serving, stopping)
        await parts.gateway.close()  # while requests are still served: $disconnect handlers make some
        server.should_exit = True
        await serving
    finally:
        for task in tasks:
            task.cancel()
        await parts.close()
        process_file.remove()
        shutil.rmtree(layout.work, ignore_errors=True)
        _log.info("The embedded AWS has stopped.")


def stop_on_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stopping.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))
    return stopping


def make_server(app: Any, **options: Any) -> Any:
    """A uvicorn server that leaves signals alone, with further options of uvicorn's."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # whoever serves has to close other parts first, and handles the signals

    return Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=2048,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=3,
            **options,
        )
    )


async def first_of(serving: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Wait until the server fails or a signal arrives."""
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        await serving


async def _housekeeping(
    layout: Layout, process_file: ProcessFile, stopping: asyncio.Event, housekeep: Callable[[], None]
) -> None:
    """Limit the size of logs and metrics, evaluate alarms, and stop when the state directory is deleted or used by
    another process.
    """
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        try:
            housekeep()
        except Exception:  # noqa: BLE001  logged; the process file must be looked at all the same
            _log.exception("Logs and metrics were not limited, or alarms not evaluated.")
        if layout.log_file.exists() and layout.log_file.stat().st_size > MAX_LOG_BYTES:
            rotate_log(layout)
        if not process_file.is_ours():
            _log.error("%s is not ours any more: stopping.", layout.process_file)
            stopping.set()
            return


def rotate_log(layout: Layout) -> None:
    """Copy the log to `service.log.1` and truncate it. It is open in append mode, so writing continues at its start."""
    with contextlib.suppress(OSError):  # the disk is full
        shutil.copyfile(layout.log_file, layout.log_file.with_name("service.log.1"))
    os.truncate(layout.log_file, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
