"""What runs elsewhere than on Linux, as far as Linux can show it: without the modules, functions and signals of POSIX."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.test_other_systems import ATTRIBUTES, GUARDED, MODULES
from whatschat_ops.background import start_in_background
from whatschat_ops.handlers.log import _alarm
from whatschat_ops.load.sockets import most_open_files
from whatschat_ops.local.executor.failures import out_of_memory
from whatschat_ops.local.layout import Layout
from whatschat_ops.local.process import locked
from whatschat_ops.local.server import stop_on_signals

IMPORT_AGAIN = """
import importlib, os, signal, socket, sys, time

for name in NAMES:
    importlib.import_module(name)  # what they import of others may need POSIX here
for name in NAMES:
    del sys.modules[name]
sys.modules.update(dict.fromkeys(MODULES))
for module, attributes in ATTRIBUTES.items():
    for attribute in attributes:
        if hasattr(sys.modules[module], attribute):
            delattr(sys.modules[module], attribute)
for name in NAMES:
    importlib.import_module(name)
"""


def test_modules_with_guards_are_imported_without_what_windows_has_not() -> None:
    names = {f"whatschat_ops.{path.removesuffix('.py').replace('/', '.')}" for path, _ in GUARDED}
    names -= {"whatschat_ops.local.executor.python_bootstrap"}  # a program
    script = f"NAMES, MODULES, ATTRIBUTES = {sorted(names)}, {MODULES!r}, {ATTRIBUTES!r}\n{IMPORT_AGAIN}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_function_runs_without_an_alarm_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGALRM")
    ran = []
    with _alarm(1, lambda: ran.append("alarm")):
        ran.append("body")
    assert ran == ["body"]


def test_function_out_of_memory_is_reported_as_lambda_does_without_the_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(signal, "SIGKILL")
    monkeypatch.setattr(signal, "strsignal", lambda number: None)
    assert out_of_memory().message == "Runtime exited with error: signal: killed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_embedded_aws_stops_on_a_signal_where_loops_take_no_handlers(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def refused(*_: Any) -> None:
        raise NotImplementedError

    async def stopped() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", refused)
        stopping = stop_on_signals()
        signal.raise_signal(number)
        await asyncio.wait_for(stopping.wait(), 60)

    try:
        asyncio.run(stopped())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_no_limit_of_open_files_is_known_without_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert most_open_files() is None


def test_lock_of_windows_is_tried_until_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def locking(_descriptor: int, _mode: int, size_bytes: int) -> None:
        tries.append(size_bytes)
        if len(tries) < 3:
            raise OSError(36, "Resource deadlock avoided")

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_LOCK=1))
    monkeypatch.setattr(sys, "platform", "win32")
    with locked(Layout(tmp_path)):
        assert tries == [1, 1, 1]


def test_background_process_has_no_console_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda _argv, **options: started.append(options))
    start_in_background(["x"])
    assert started[0]["creationflags"] == 0x08000200
    assert started[0]["stdin"] == subprocess.DEVNULL


def test_background_process_has_a_session_of_its_own() -> None:
    with start_in_background(
        [sys.executable, "-c", "import os; print(os.getsid(0))"], output=subprocess.PIPE
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert int(said) == process.pid != os.getsid(0)
