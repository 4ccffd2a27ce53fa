"""The background process from the outside: identify it, start it, stop it.

A process is identified by its pid and its command line, which names the state directory, so that a file left by a
kill -9 never refers to another process that later got the same pid; neither changes when the clock is set. Everything
here works on one `Layout`; it needs psutil, which the extra `local` installs.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from whatschat_ops.background import start_in_background
from whatschat_ops.errors import Hint, LocalError
from whatschat_ops.local.layout import EXIT_PORT_TAKEN, HOST, Layout, process_environment
from whatschat_ops.local.ports import POLL_S, PortTaken
from whatschat_ops.local.process_file import ServiceProcess, read

SERVER_MODULE = "whatschat_ops.local.server"
ROOT_OPTION = "--root"
KEPT_LOG_BYTES = 1024 * 1024


def find(layout: Layout) -> ServiceProcess | None:
    """The running process of this layout, or None."""
    found = read(layout.process_file)
    return found if found is not None and _serves(found.pid, layout) else None


def _serves(pid: int, layout: Layout) -> bool:
    """Whether the command line of a process says that it is the service of this layout."""
    arguments = _command_line(pid)
    if SERVER_MODULE not in arguments or ROOT_OPTION not in arguments[:-1]:
        return False
    root = Path(arguments[arguments.index(ROOT_OPTION) + 1])
    try:
        return root == layout.root.absolute() or root.samefile(layout.root)
    except OSError:
        return False


def _command_line(pid: int) -> list[str]:
    """The arguments of a process; empty if it has ended. Without /proc, psutil is imported, which takes 10 ms."""
    try:
        return [os.fsdecode(part) for part in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return []
    import psutil

    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:  # it has ended, or is another user's
        return []


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Let only one caller at a time start, stop or reset the service. The lock is released when its holder exits."""
    layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with layout.lock_file.open("a") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # after ten seconds; fcntl waits as long as it takes
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def spawn(layout: Layout, port: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the process; it logs to the layout's file."""
    _shorten_log(layout)
    with layout.log_file.open("ab") as log:
        return start_in_background(
            [
                *(sys.executable, "-m", SERVER_MODULE),
                *("--port", str(port), ROOT_OPTION, str(layout.root.absolute())),
                *arguments,
            ],
            output=log,
            cwd=layout.root,
            env=process_environment(os.environ),
        )


def _shorten_log(layout: Layout) -> None:
    if layout.log_file.exists() and layout.log_file.stat().st_size > KEPT_LOG_BYTES:
        layout.log_file.replace(layout.log_file.with_name("service.log.1"))


def wait_until_healthy(child: subprocess.Popen[bytes], layout: Layout, port: int, timeout_s: float) -> None:
    """Wait until the process responds. Raises PortTaken when another process took the port first, and LocalError with
    the end of the log when the process exits or does not respond.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if child.poll() == EXIT_PORT_TAKEN:
            raise PortTaken(port)
        if child.returncode is not None:
            raise LocalError(
                f"The embedded AWS exited at its start (exit code {child.returncode}): {last_log_lines(layout)}",
                hint=Hint(
                    ("local", "logs"), "If the log does not help, local reset deletes everything. First see"
                ),
            )
        health = ask_health(port)
        if health is not None and health.get("pid") == child.pid:
            return
        time.sleep(POLL_S)
    child.kill()
    child.wait()
    raise LocalError(
        f"The embedded AWS did not respond within {timeout_s:.0f} s: {last_log_lines(layout)}",
        hint=Hint(("local", "logs")),
    )


def ask_health(port: int, timeout_s: float = 2.0) -> Mapping[str, Any] | None:
    """The health document of our process on that port, or None."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/_whatschat/health", timeout=timeout_s) as answer:
            document = json.load(answer)
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def last_log_lines(layout: Layout, lines: int = 5) -> str:
    """The last lines of the log, to show when the process failed."""
    found = [line for line in tail(layout, lines) if line.strip()]
    return "\n    ".join(["", *found]) if found else "its log is empty."


def tail(layout: Layout, lines: int) -> list[str]:
    """The last lines of the log."""
    if not layout.log_file.exists():
        return []
    return layout.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def end(process: ServiceProcess, layout: Layout, timeout_s: float) -> bool:
    """Stop the process and its workers; kill what does not stop in time."""
    import psutil

    try:
        service = psutil.Process(process.pid)
        workers = service.children(recursive=True)
        service.terminate()
    except psutil.NoSuchProcess:
        return True
    _, alive = psutil.wait_procs([service], timeout=timeout_s)
    leftover = [*alive, *(worker for worker in workers if worker.is_running())]
    for straggler in leftover:
        with contextlib.suppress(psutil.NoSuchProcess):
            straggler.kill()
    psutil.wait_procs(leftover, timeout=5)
    if alive:
        layout.process_file.unlink(missing_ok=True)
    return not alive
