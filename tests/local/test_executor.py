"""The executor with real worker processes: the environment of a function, its errors, logs and workers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.component.local.executor_functions import CREDENTIALS, RecordedLogs, make_function
from tests.local.program import eventually
from whatschat_ops.errors import LocalError
from whatschat_ops.local.executor import LambdaExecutor, sandbox
from whatschat_ops.local.executor.worker import late_s
from whatschat_ops.local.interfaces import InvocationResult, InvocationThrottled, LambdaFunction

pytestmark = pytest.mark.local
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


class Bench:
    """An executor and its logs.

    It starts no second worker beside one that is about to be free, unless the test says when: a worker asks for its
    next invocation a moment after the answer, which is longer than the executor waits when the machine is busy.
    """

    def __init__(self, directory: Path, *, spawn_after_s: float = 3600.0, **options: Any) -> None:
        self.logs = RecordedLogs()
        self.directory = directory
        self.executor = LambdaExecutor(
            self.logs, "http://127.0.0.1:4566", directory, spawn_after_s=spawn_after_s, **options
        )

    async def ask(self, function: LambdaFunction, event: Any = None) -> Any:
        """The function's result; an error of the function fails the test."""
        result = await self.executor.invoke(function, json.dumps(event).encode())
        assert result.function_error is None, result.payload
        return json.loads(result.payload)

    async def fail(self, function: LambdaFunction) -> tuple[dict[str, Any], InvocationResult]:
        """The function's error document."""
        result = await self.executor.invoke(function, b"{}")
        assert result.function_error == "Unhandled"
        return json.loads(result.payload), result


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Bench]:
    """Run a scenario with an executor, and check that nothing is left when it is closed."""

    def run(scenario: Callable[[Bench], Coroutine[Any, Any, None]], **options: Any) -> Bench:
        async def whole() -> Bench:
            bench = Bench(tmp_path / "work", **options)
            children = psutil.Process().children
            before = set(children())  # other tests have an embedded AWS running
            try:
                await scenario(bench)
            finally:
                await bench.executor.close()
            assert set(children()) <= before
            assert list((tmp_path / "work").rglob("*")) == []
            return bench

        return asyncio.run(whole())

    return run


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that takes a moment."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


# What a function sees


@pytest.mark.aws("Lambda developer guide, python-handler.html")
def test_event_is_passed_in_and_the_result_returned(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(), {"text": "grüße", "list": [1, None]}) == {
            "text": "grüße",
            "list": [1, None],
        }

    play(scenario)


@pytest.mark.aws("Lambda developer guide, python-context.html")
def test_context_names_the_function_as_invoked(play: Any) -> None:
    source = """
        def handler(event, context):
            return [context.invoked_function_arn, context.function_name, context.function_version,
                    context.memory_limit_in_mb, context.get_remaining_time_in_millis(), context.aws_request_id]
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(source, version="4", qualifier=":live", timeout_s=600)
        result = await bench.executor.invoke(function, b"{}")
        arn, name, version, memory, left_ms, request_id = json.loads(result.payload)
        assert (arn, name, version, memory) == (function.arn, "probe", "4", "256")
        assert 300_000 < left_ms <= 600_000
        assert request_id == result.request_id

    play(scenario)


@pytest.mark.aws("Lambda developer guide, configuration-envvars.html")
def test_environment_is_that_of_the_function_and_its_role_only(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SHELL_SECRET", "leak")
    source = "import os\ndef handler(event, context): return [dict(os.environ), os.getcwd(), os.path.expanduser('~')]"

    async def scenario(bench: Bench) -> None:
        environment, directory, home = await bench.ask(make_function(source, environment={"TABLE": "t"}))
        assert "MY_SHELL_SECRET" not in environment
        assert environment["TABLE"] == "t"
        assert CREDENTIALS.items() <= environment.items()
        assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
        assert directory == environment["LAMBDA_TASK_ROOT"]
        assert Path(home).is_relative_to(bench.directory), "the developer's ~/.aws must not be found"

    play(scenario)


@pytest.mark.aws("Lambda developer guide, python-package.html")
@pytest.mark.parametrize(
    "module", ["jwt", "pydantic", "rich", "whatschat_ops", "pytest", "ministack", "httptools"]
)
def test_module_missing_from_the_zip_cannot_be_imported(play: Any, module: str) -> None:
    async def scenario(bench: Bench) -> None:
        document, _ = await bench.fail(make_function(f"import {module}"))
        assert document["errorType"] == "Runtime.ImportModuleError"
        assert document["errorMessage"] == f"Unable to import module 'app': No module named '{module}'"

    play(scenario)


@pytest.mark.aws("Lambda developer guide, python-package.html")
def test_modules_of_awss_runtime_can_be_imported(play: Any) -> None:
    source = """
        import boto3, botocore.session, dateutil.parser, six, urllib3, jmespath, s3transfer
        def handler(event, context):
            client = boto3.client("dynamodb")
            credentials = boto3.Session().get_credentials()
            return [client.meta.endpoint_url, client.meta.region_name, credentials.access_key, credentials.token]
        """

    async def scenario(bench: Bench) -> None:
        answer = await bench.ask(make_function(source))
        assert answer == ["http://127.0.0.1:4566", "eu-central-1", "ASIAEXAMPLE", "token"]

    play(scenario)


@pytest.mark.aws("Lambda developer guide, python-package.html")
def test_vendored_module_is_preferred_to_the_one_of_the_runtime(play: Any) -> None:
    files = {
        "app.py": "import boto3, jwt\ndef handler(event, context): return [boto3.MINE, jwt.MINE]",
        "boto3.py": "MINE = 1",
        "jwt/__init__.py": "MINE = 2",
    }

    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(files=files)) == [1, 2]

    play(scenario)


@pytest.mark.aws("Lambda developer guide, python-handler.html")
def test_handler_in_a_package_is_found(play: Any) -> None:
    files = {"src/__init__.py": "", "src/routes.py": "def connect(event, context): return 'here'"}

    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(files=files, handler="src.routes.connect")) == "here"
        assert await bench.ask(make_function(files=files, handler="src/routes.connect")) == "here"

    play(scenario)


def test_pure_client_replaces_a_missing_native_one(play: Any) -> None:
    modules = {name: path for name, path in sandbox.host_python_modules().items() if name != "runtime_client"}
    source = """
        import runtime_client
        def handler(event, context):
            if event == "raise": raise ValueError("no")
            return [runtime_client.__file__.rpartition("/")[2], event]
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(source)
        assert await bench.ask(function, "grüße") == ["pure_runtime_client.py", "grüße"]
        result = await bench.executor.invoke(function, b'"raise"')
        assert json.loads(result.payload)["errorType"] == "ValueError"
        assert await bench.ask(function, 2) == ["pure_runtime_client.py", 2]
        assert bench.executor.worker_count() == 1

    play(scenario, python_modules=modules)


# Errors


@pytest.mark.aws("Lambda developer guide, runtimes-api.html")
def test_exception_is_reported_as_awslambdaric_sends_it(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function("def handler(event, context):\n    raise KeyError('userId')")
        document, result = await bench.fail(function)
        assert document["errorType"] == "KeyError"
        assert document["errorMessage"] == "'userId'"
        assert document["requestId"] == result.request_id
        assert len(document["stackTrace"]) == 1
        assert "line 2, in handler\n    raise KeyError('userId')" in document["stackTrace"][0]
        assert "[ERROR] KeyError: 'userId'\nTraceback (most recent call last):\n" in result.log_tail
        assert bench.executor.worker_count() == 1, "an exception does not end the worker"

    play(scenario)


@pytest.mark.aws("Lambda developer guide, lambda-runtime-environment.html")
@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "other.handler", "Runtime.ImportModuleError", "No module named 'other'"),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("raise OSError('no table')", "app.handler", "OSError", "no table"),
        ("import os; os._exit(3)", "app.handler", "Runtime.ExitError", "exit status 3"),
        ("import sys; sys.exit(0)", "app.handler", "Runtime.ExitError", "without providing a reason"),
    ],
)
def test_init_error_is_the_result_of_each_invocation(
    play: Any, source: str, handler: str, error_type: str, message: str
) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(source, handler=handler)
        for document, result in await asyncio.gather(bench.fail(function), bench.fail(function)):
            assert document["errorType"] == error_type
            assert message in document["errorMessage"]
            assert result.log_tail.startswith(f"START RequestId: {result.request_id}")
            assert f"Error Type: {error_type}" in result.log_tail
        document, _ = await bench.fail(function)
        assert document["errorType"] == error_type

    play(scenario)


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_init_error_is_in_the_log(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        _, result = await bench.fail(make_function("import jwt"))
        assert "[ERROR] Runtime.ImportModuleError: Unable to import module 'app'" in result.log_tail
        assert any(message.startswith("INIT_REPORT Init Duration: ") for message in bench.logs.messages)

    play(scenario)


@pytest.mark.difference(
    "Lambda",
    aws="a time-out is so long by the clock",
    here="the time in which this program itself could not run, because the machine was busy or asleep, is no part of it",
)
def test_time_in_which_the_program_could_not_run_is_no_part_of_the_functions_time(play: Any) -> None:
    source = """
        import urllib.request
        def handler(event, context):
            return urllib.request.urlopen(event).read().decode()
        """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        time.sleep(6)  # nothing of this process runs meanwhile
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nlate")
        writer.close()

    async def scenario(bench: Bench) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            assert await bench.ask(make_function(source, timeout_s=5), url) == "late"

    play(scenario)


@pytest.mark.parametrize(
    ("due", "began", "late"), [(10.0, 9.0, 2.0), (10.0, 11.5, 0.5), (12.0, 9.0, 0.0), (13.0, 9.0, 0.0)]
)
def test_timer_that_fires_late_says_how_long_the_program_did_not_run(
    due: float, began: float, late: float
) -> None:
    assert late_s(due, began, now=12.0) == late


def test_timeout_kills_the_worker_and_its_children(play: Any) -> None:
    source = """
        import subprocess, time
        child = subprocess.Popen(["sleep", "600"])
        def handler(event, context):
            print(child.pid, flush=True)
            time.sleep(600)
        """

    async def scenario(bench: Bench) -> None:
        document, result = await bench.fail(make_function(source, timeout_s=1))
        assert document == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds",
        }
        assert result.duration_ms >= 1000
        assert f"{result.request_id} Task timed out after 1.00 seconds\n" in result.log_tail
        assert "\tStatus: timeout\t" in result.log_tail
        child = int(result.log_tail.splitlines()[2])
        await until(lambda: bench.executor.worker_count() == 0 and not alive(child))

    play(scenario)


@pytest.mark.aws("Lambda developer guide, lambda-runtime-environment.html")
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
    ],
)
def test_exit_within_an_invocation_is_an_error_and_the_next_one_works(
    play: Any, statement: str, message: str
) -> None:
    source = f"""
        import os, sys
        def handler(event, context):
            if event != "fine": {statement}
            return event
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(source)
        document, result = await bench.fail(function)
        assert document["errorType"] == "Runtime.ExitError"
        assert document["errorMessage"] == f"RequestId: {result.request_id} Error: {message}"
        assert await bench.ask(function, "fine") == "fine"

    play(scenario)


@pytest.mark.aws("Lambda developer guide, gettingstarted-limits.html")
def test_too_large_result_is_an_error(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        document, _ = await bench.fail(make_function("def handler(event, context): return 'x' * 7_000_000"))
        assert document["errorType"] == "Function.ResponseSizeTooLarge"

    play(scenario)


@pytest.mark.aws("Lambda developer guide, gettingstarted-limits.html")
def test_large_result_below_the_limit_arrives_whole(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert (
            await bench.ask(make_function("def handler(event, context): return 'x' * 6_000_000"))
            == "x" * 6_000_000
        )

    play(scenario)


@pytest.mark.parametrize(
    ("function", "error_type"),
    [
        (make_function(code_zip=b"broken"), "InvalidZipFileException"),
        (make_function(runtime="java21"), "Runtime.InvalidEntrypoint"),
    ],
)
def test_function_that_cannot_be_started_is_a_failed_invocation(
    play: Any, function: LambdaFunction, error_type: str
) -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(2):
            document, _ = await bench.fail(function)
            assert document["errorType"] == error_type

    play(scenario)


# Logs


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_log_of_an_invocation_has_awss_lines_around_the_handlers(play: Any) -> None:
    source = """
        import logging, os, sys
        print("while loading")
        def handler(event, context):
            print("printed")
            print("to stderr", file=sys.stderr)
            logging.warning("logged")
            os.write(1, b"without newline")
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(source)
        cold = await bench.executor.invoke(function, b"{}")
        warm = await bench.executor.invoke(function, b"{}")
        init_start, while_loading, *lines = cold.log_tail.splitlines()
        assert init_start.startswith("INIT_START Runtime Version: python:")
        assert while_loading == "while loading"
        assert lines[0] == f"START RequestId: {cold.request_id} Version: $LATEST"
        assert lines[1:3] == ["printed", "to stderr"]
        assert re.fullmatch(rf"\[WARNING\]\t[\dT:.-]+Z\t{cold.request_id}\tlogged", lines[3])
        assert lines[4] == f"without newlineEND RequestId: {cold.request_id}"
        assert re.fullmatch(
            rf"REPORT RequestId: {cold.request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t"
            r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t",
            lines[5],
        )
        assert cold.init_duration_ms is not None
        assert warm.init_duration_ms is None
        assert warm.log_tail.startswith("START")
        assert "Init Duration" not in warm.log_tail

    bench = play(scenario)
    assert {(group, stream[10:20]) for group, stream, _, _ in bench.logs.events} == {
        ("/aws/lambda/probe", "/[$LATEST]")
    }
    assert len({stream for _, stream, _, _ in bench.logs.events}) == 1
    assert bench.logs.messages[0].startswith("INIT_START Runtime Version: python:3.")
    assert bench.logs.messages[1] == "while loading\n"


def test_output_of_a_long_invocation_is_seen_while_it_runs(play: Any, tmp_path: Path) -> None:
    may_end = tmp_path / "may_end"
    source = f"""
        import os, time
        def handler(event, context):
            print("begun")
            while not os.path.exists({str(may_end)!r}):
                time.sleep(0.01)
        """

    async def scenario(bench: Bench) -> None:
        task = asyncio.create_task(bench.ask(make_function(source, timeout_s=600)))
        await until(lambda: "begun\n" in bench.logs.messages)
        may_end.touch()
        await task
        assert bench.logs.messages.count("begun\n") == 1

    play(scenario)


@pytest.mark.aws("Lambda API reference, Invoke")
def test_log_tail_is_the_last_4_kb(play: Any) -> None:
    source = "def handler(event, context):\n    for n in range(2000): print('line', n)"

    async def scenario(bench: Bench) -> None:
        result = await bench.executor.invoke(make_function(source), b"{}")
        assert len(result.log_tail) == 4096
        assert "line 1999\nEND" in result.log_tail
        assert [message for message in bench.logs.messages if message.startswith("line")] == [
            f"line {n}\n" for n in range(2000)
        ]

    play(scenario)


# Workers

PID = "import os, time\ndef handler(event, context):\n    time.sleep(event)\n    return os.getpid()"


@pytest.mark.aws("Lambda developer guide, lambda-runtime-environment.html")
def test_worker_is_reused(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert len({await bench.ask(make_function(PID), 0) for _ in range(20)}) == 1

    play(scenario)


def test_waiting_invocations_run_concurrently_up_to_the_limit(play: Any, tmp_path: Path) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    source = f"""
        import os, time
        def handler(event, context):
            open(os.path.join({str(meeting)!r}, str(os.getpid())), "w").close()
            while len(os.listdir({str(meeting)!r})) < 3:
                time.sleep(0.01)
            return os.getpid()
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(source, timeout_s=600)
        pids = await asyncio.gather(*(bench.ask(function) for _ in range(9)))
        assert len(set(pids)) == 3
        assert bench.executor.worker_count() == 3

    play(scenario, max_workers_per_function=3, spawn_after_s=0.01)


@pytest.mark.aws("Lambda developer guide, configuration-concurrency.html")
def test_reserved_concurrency_is_kept_across_versions(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(PID, reserved_concurrency=1)
        first = asyncio.create_task(bench.ask(function, 0.3))
        await asyncio.sleep(0)
        other = dataclasses.replace(function, version="2", arn=f"{function.arn}:2")
        for refused in (function, other):
            with pytest.raises(InvocationThrottled):
                await bench.executor.invoke(refused, b"0")
        await first
        await bench.ask(other, 0)

    play(scenario)


@pytest.mark.aws("Lambda developer guide, configuration-concurrency.html")
def test_reserved_concurrency_of_zero_starts_nothing(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        with pytest.raises(InvocationThrottled):
            await bench.executor.invoke(make_function(reserved_concurrency=0), b"{}")
        assert bench.executor.worker_count() == 0

    play(scenario)


def test_full_queue_is_throttled(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        results = await asyncio.gather(
            *(bench.ask(make_function(PID), 0.1) for _ in range(6)), return_exceptions=True
        )
        assert sum(isinstance(result, InvocationThrottled) for result in results) == 2
        assert sum(isinstance(result, int) for result in results) == 4

    play(scenario, max_workers_per_function=1, max_waiting_per_function=4)


def test_invocation_continues_when_its_caller_disconnects(play: Any, tmp_path: Path) -> None:
    started, may_end, ended = tmp_path / "started", tmp_path / "may_end", tmp_path / "ended"
    source = f"""
import os, time

def handler(event, context):
    open({str(started)!r}, "w").close()
    while not os.path.exists({str(may_end)!r}):
        time.sleep(0.01)
    open({str(ended)!r}, "w").close()
"""

    async def scenario(bench: Bench) -> None:
        caller = asyncio.create_task(bench.executor.invoke(make_function(source), b"{}"))
        await until(started.exists)
        caller.cancel()
        await asyncio.wait({caller})
        may_end.touch()
        await until(ended.exists)
        assert await bench.ask(make_function(source)) is None, "the worker is free again"
        assert bench.executor.worker_count() == 1

    play(scenario)


def test_new_code_replaces_the_worker_and_lets_the_old_one_finish(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        running = asyncio.create_task(bench.ask(make_function(PID), 0.5))
        await until(lambda: bench.executor.worker_count() == 1)
        assert await bench.ask(make_function("def handler(event, context): return 'new'")) == "new"
        old_pid = await running
        await until(lambda: not alive(old_pid))
        await until(lambda: bench.executor.worker_count() == 1)

    play(scenario)


def test_changed_environment_is_seen_by_the_next_invocation(play: Any) -> None:
    source = "import os\ndef handler(event, context): return os.environ['A']"

    async def scenario(bench: Bench) -> None:
        for value in ("1", "2"):
            assert await bench.ask(make_function(source, environment={"A": value})) == value

    play(scenario)


def test_idle_workers_and_their_code_are_removed(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        pid = await bench.ask(make_function(PID), 0)
        await until(lambda: bench.executor.worker_count() == 0)
        await until(lambda: not alive(pid))
        await until(lambda: list((bench.directory / "code").iterdir()) == [])
        assert await bench.ask(make_function(PID), 0) != pid

    play(scenario, idle_timeout_s=0.2)


def test_close_ends_running_invocations_and_refuses_new_ones(play: Any, tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"""
        import time
        def handler(event, context):
            open({str(started)!r}, "w").close()
            time.sleep(600)
        """

    async def scenario(bench: Bench) -> None:
        running = asyncio.create_task(bench.fail(make_function(source, timeout_s=600)))
        await until(started.exists)
        await bench.executor.close()
        document, _ = await running
        assert document["errorMessage"].endswith("Runtime exited with error: signal: killed")
        with pytest.raises(LocalError, match="closed"):
            await bench.executor.invoke(make_function(), b"{}")

    play(scenario)


def test_leftovers_of_a_killed_executor_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / "work" / "code" / "old"
    stale.mkdir(parents=True)
    precious = tmp_path / "work" / "notes.txt"
    precious.write_text("not ours")

    async def scenario() -> None:
        await Bench(tmp_path / "work").executor.close()

    asyncio.run(scenario())
    assert not stale.exists()
    assert precious.exists()


PARENT = """
import asyncio, pathlib, sys
from tests.component.local.executor_functions import RecordedLogs, make_function
from whatschat_ops.local.executor import LambdaExecutor

async def main():
    executor = LambdaExecutor(RecordedLogs(), "http://127.0.0.1:1", pathlib.Path(sys.argv[1]))
    function = make_function(sys.argv[2], runtime=sys.argv[3], timeout_s=600)
    print((await executor.invoke(function, b'"pid"')).payload.decode(), flush=True)
    await executor.invoke(function, b'"hang"')

asyncio.run(main())
"""
PYTHON_HANG = """
import os, subprocess
def handler(event, context):
    if event == "pid":
        return [os.getpid(), subprocess.Popen(["sleep", "600"]).pid]
    while True: pass
"""
NODE_HANG = """
const { spawn } = require('node:child_process');
exports.handler = async (event) => {
  if (event === 'pid') return [process.pid, spawn('sleep', ['600']).pid];
  for (;;);
};
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX's")
@pytest.mark.parametrize(
    ("source", "runtime"),
    [(PYTHON_HANG, "python3.12"), pytest.param(NODE_HANG, "nodejs20.x", marks=needs_node)],
)
def test_kill_of_the_parent_ends_the_worker_and_its_children(
    tmp_path: Path, source: str, runtime: str
) -> None:
    arguments = [sys.executable, "-c", PARENT, str(tmp_path / "work"), source, runtime]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert all(alive(pid) for pid in pids)
        parent.kill()
    eventually(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Node


@pytest.mark.aws("Lambda developer guide, nodejs-handler.html")
@needs_node
@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"app.js": "exports.handler = async (event) => ({ event })"}, "app.handler"),
        ({"app.cjs": "exports.handler = async (event) => ({ event })"}, "app.handler"),
        ({"app.mjs": "export const handler = async (event) => ({ event })"}, "app.handler"),
        (
            {
                "package.json": '{"type": "module"}',
                "app.js": "export const handler = async (event) => ({ event })",
            },
            "app.handler",
        ),
        ({"dist/connect.js": "exports.api = { go: async (event) => ({ event }) }"}, "dist/connect.api.go"),
        ({"app.js": "exports.handler = (event, context, done) => done(null, { event })"}, "app.handler"),
        ({"app.js": "exports.handler = (event, context) => context.succeed({ event })"}, "app.handler"),
        (
            {
                "app.js": "exports.handler = (event, context, done) => { setTimeout(() => done(null, { event }), 20) }"
            },
            "app.handler",
        ),
    ],
)
def test_node_handlers_of_every_kind_answer(play: Any, files: dict[str, str], handler: str) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(files=files, handler=handler, runtime="nodejs20.x")
        for number in range(3):
            assert await bench.ask(function, {"n": number}) == {"event": {"n": number}}

    play(scenario)


@pytest.mark.aws("Lambda developer guide, runtimes-api.html")
@needs_node
@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        ("exports.handler = async () => { throw new TypeError('bad') }", "TypeError", "bad"),
        ("exports.handler = () => { throw new RangeError('bad') }", "RangeError", "bad"),
        ("exports.handler = (e, c, done) => done(new Error('bad'))", "Error", "bad"),
        ("exports.handler = async () => { throw 'text' }", "string", "text"),
        ("exports.handler = async () => { process.exit(4) }", "Runtime.ExitError", "exit status 4"),
        ("exports.other = 1", "Runtime.HandlerNotFound", "app.handler is undefined or not exported"),
        ("exports.handler = 1", "Runtime.HandlerNotFound", "app.handler is not a function"),
        ("exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("require('left-pad')", "Runtime.ImportModuleError", "Cannot find module 'left-pad'"),
        (
            "require('@aws-sdk/client-s3')",
            "Runtime.ImportModuleError",
            "here it must be in the zip, or in the directory of the setting local.node_modules",
        ),
        (
            "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(() => {}) }",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
        ),
        (
            "exports.handler = () => { setTimeout(() => { throw new Error('late') }, 1) }",
            "Error",
            "late",
        ),
    ],
)
def test_node_errors_have_nodes_error_document(play: Any, source: str, error_type: str, message: str) -> None:
    async def scenario(bench: Bench) -> None:
        document, _ = await bench.fail(make_function(source, runtime="nodejs20.x"))
        assert document["errorType"] == error_type
        assert message in document["errorMessage"]
        assert "stackTrace" not in document

    play(scenario)


@pytest.mark.aws("Lambda developer guide, nodejs-logging.html")
@needs_node
def test_node_console_is_logged_with_time_request_and_level(play: Any) -> None:
    source = "exports.handler = async () => { console.warn('two\\nlines', { a: 1 }) }"

    async def scenario(bench: Bench) -> None:
        result = await bench.executor.invoke(make_function(source, runtime="nodejs20.x"), b"{}")
        assert json.loads(result.payload) is None
        assert f"\t{result.request_id}\tWARN\ttwo\nlines {{ a: 1 }}\n" in result.log_tail

    bench = play(scenario)
    assert any(message.endswith("\tWARN\ttwo\nlines { a: 1 }\n") for message in bench.logs.messages)


@needs_node
def test_node_environment_has_nothing_of_the_shell(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SHELL_SECRET", "leak")
    source = "exports.handler = async () => [process.env, require('os').homedir()]"

    async def scenario(bench: Bench) -> None:
        environment, home = await bench.ask(make_function(source, runtime="nodejs20.x"))
        assert "MY_SHELL_SECRET" not in environment
        assert environment["AWS_SESSION_TOKEN"] == "token"
        assert Path(home).is_relative_to(bench.directory)

    play(scenario)
