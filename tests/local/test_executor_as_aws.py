"""The executor where AWS's own behaviour was recorded: memory, JSON logs, client contexts, callbacks, the SDK for Node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.component.local.executor_functions import make_function
from tests.local.test_executor import Bench, needs_node, play
from whatschat_ops.local.interfaces import LogSettings

__all__ = ["play"]  # a fixture
pytestmark = pytest.mark.local

EATS_200_MB = """
    def handler(event, context):
        if event == "eat":
            bytearray(b"x") * (200 * 1024 * 1024)
        return "fine"
    """


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html (ReportMetrics.maxMemoryUsedMB)"
)
def test_memory_that_was_freed_stays_in_max_memory_used(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(EATS_200_MB, memory_mb=1024)
        await bench.executor.invoke(function, b'"eat"')
        after = await bench.executor.invoke(function, b'"rest"')
        assert int(after.log_tail.partition("Max Memory Used: ")[2].partition(" MB")[0]) > 200

    play(scenario)


@pytest.mark.aws(
    "recorded: `Max Memory Used: 1024 MB\tStatus: error\tError Type: Runtime.OutOfMemory` of a function with 1024 MB"
)
def test_function_over_its_memory_is_killed_where_that_is_enforced(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(EATS_200_MB, memory_mb=128)
        result = await bench.executor.invoke(function, b'"eat"')
        assert json.loads(result.payload) == {
            "errorType": "Runtime.OutOfMemory",
            "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: signal: killed",
        }
        assert result.function_error == "Unhandled"
        assert "Max Memory Used: 128 MB\t" in result.log_tail
        assert "Status: error\tError Type: Runtime.OutOfMemory\t" in result.log_tail
        assert await bench.ask(function, "rest") == "fine"

    play(scenario, enforce_memory=True)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: environments are replaced from time "
    "to time, even of functions that are invoked continuously; after how long, AWS does not say"
)
def test_process_is_replaced_after_its_last_invocation(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function("import os\ndef handler(event, context): return os.getpid()")
        first, second, third, fourth, fifth = [await bench.ask(function) for _ in range(5)]
        assert (first, third) == (second, fourth)
        assert len({first, third, fifth}) == 3

    play(scenario, max_invocations_per_worker=2)


def test_function_over_its_memory_runs_where_nothing_is_enforced(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(EATS_200_MB, memory_mb=128), "eat") == "fine"

    play(scenario)


@pytest.mark.aws("recorded: Runtime.OutOfMemory in the init phase fails the invocation")
def test_module_over_its_memory_fails_the_init_phase(play: Any) -> None:
    source = "x = bytearray(b'x') * (200 * 1024 * 1024)\ndef handler(event, context): return 1"

    async def scenario(bench: Bench) -> None:
        document, result = await bench.fail(make_function(source, memory_mb=128))
        assert document["errorType"] == "Runtime.OutOfMemory"
        assert "Status: error\tError Type: Runtime.OutOfMemory" in result.log_tail

    play(scenario, enforce_memory=True)


# The JSON log format

PYTHON_LOGS = """
    import logging
    def handler(event, context):
        logging.debug("too low")
        logging.info("told")
        print("printed")
        print('{"level": "debug", "message": "too low"}')
    """
NODE_LOGS = """
    exports.handler = async () => {
      console.debug('too low');
      console.info('told', new Error('broken'));
      console.warn({ one: 1 });
    };
    """


def records(log_tail: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_tail.splitlines() if line.startswith("{")]


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html")
def test_json_log_has_platform_events_and_records_of_the_level(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(PYTHON_LOGS, logging=LogSettings(json=True))
        result = await bench.executor.invoke(function, b"{}")
        init, start, told, report = records(result.log_tail)
        assert init["type"] == "platform.initStart"
        assert init["record"]["functionName"] == "probe"
        assert (start["type"], start["record"]) == (
            "platform.start",
            {"requestId": result.request_id, "version": "$LATEST"},
        )
        assert (told["level"], told["message"], told["requestId"]) == ("INFO", "told", result.request_id)
        assert report["type"] == "platform.report"
        assert report["record"]["status"] == "success"
        assert report["record"]["metrics"]["memorySizeMB"] == 256
        assert "printed\n" in result.log_tail
        assert "too low" not in result.log_tail

    play(scenario)


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html")
def test_json_log_at_warn_has_only_failures(play: Any) -> None:
    levels = LogSettings(json=True, application_level="WARN", system_level="WARN")

    async def scenario(bench: Bench) -> None:
        fine = await bench.executor.invoke(make_function(PYTHON_LOGS, logging=levels), b"{}")
        assert fine.log_tail == ""
        source = "import os\ndef handler(event, context): os._exit(3)"
        failed = await bench.executor.invoke(make_function(source, logging=levels), b"{}")
        done, report = records(failed.log_tail)
        assert (done["type"], report["type"]) == ("platform.runtimeDone", "platform.report")
        assert report["record"]["status"] == "error"
        assert report["record"]["errorType"] == "Runtime.ExitError"

    play(scenario)


@pytest.mark.aws("recorded: the events of the system log level DEBUG in a log tail of a nodejs18.x function")
def test_json_log_at_debug_has_the_ends_of_init_and_invocation(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        levels = LogSettings(json=True, system_level="DEBUG")
        result = await bench.executor.invoke(make_function(logging=levels), b"{}")
        assert [record["type"].removeprefix("platform.") for record in records(result.log_tail)] == [
            "initStart",
            "initRuntimeDone",
            "initReport",
            "start",
            "runtimeDone",
            "report",
        ]

    play(scenario)


@needs_node
@pytest.mark.aws("https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (LogPatch.js)")
def test_json_log_of_node_has_the_fields_of_awss_client(play: Any) -> None:
    async def scenario(bench: Bench) -> None:
        function = make_function(NODE_LOGS, runtime="nodejs20.x", logging=LogSettings(json=True))
        result = await bench.executor.invoke(function, b"{}")
        _init, _start, told, warned, _report = records(result.log_tail)
        assert told["message"].startswith("told Error: broken")
        assert (told["errorType"], told["errorMessage"], told["level"]) == ("Error", "broken", "INFO")
        assert told["requestId"] == result.request_id
        assert (warned["level"], warned["message"]) == ("WARN", {"one": 1})

    play(scenario)


# Client context and callbacks

CLIENT_CONTEXT = '{"custom": {"who": "we"}, "env": {"locale": "de"}, "client": {"app_title": "t"}}'


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/python-context.html")
def test_client_context_reaches_a_python_handler(play: Any) -> None:
    source = """
        def handler(event, context):
            given = context.client_context
            return [given.custom, given.env, given.client.app_title]
        """

    async def scenario(bench: Bench) -> None:
        result = await bench.executor.invoke(make_function(source), b"{}", client_context=CLIENT_CONTEXT)
        assert json.loads(result.payload) == [{"who": "we"}, {"locale": "de"}, "t"]

    play(scenario)


@needs_node
@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html")
def test_client_context_reaches_a_node_handler_and_no_later_one(play: Any) -> None:
    source = "exports.handler = async (event, context) => context.clientContext ?? 'none'"

    async def scenario(bench: Bench) -> None:
        function = make_function(source, runtime="nodejs20.x")
        result = await bench.executor.invoke(function, b"{}", client_context=CLIENT_CONTEXT)
        assert json.loads(result.payload) == json.loads(CLIENT_CONTEXT)
        assert await bench.ask(function) == "none"

    play(scenario)


@needs_node
@pytest.mark.aws("recorded: https://github.com/open-telemetry/opentelemetry-js-contrib/issues/3251")
def test_callback_handler_fails_the_init_phase_of_node_24(play: Any) -> None:
    source = "exports.handler = (event, context, callback) => callback(null, 'called back')"

    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(source, runtime="nodejs22.x")) == "called back"
        document, result = await bench.fail(make_function(source, runtime="nodejs24.x"))
        assert document["errorType"] == "Runtime.CallbackHandlerDeprecated"
        assert document["errorMessage"].startswith("ERROR: AWS Lambda has removed support for callback-based")
        assert "Error Type: Runtime.CallbackHandlerDeprecated" in result.log_tail

    play(scenario)


@needs_node
@pytest.mark.aws("https://aws.amazon.com/blogs/compute/node-js-24-runtime-now-available-in-aws-lambda/")
def test_context_of_node_24_has_no_callbacks(play: Any) -> None:
    source = """
        exports.handler = async (event, context) =>
          ['done', 'fail', 'succeed', 'callbackWaitsForEmptyEventLoop'].filter((name) => name in context)
        """

    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(source, runtime="nodejs24.x")) == []
        assert len(await bench.ask(make_function(source, runtime="nodejs22.x"))) == 4

    play(scenario)


# The AWS SDK for Node


@pytest.fixture
def node_modules(tmp_path: Path) -> Path:
    """A directory with a package of the SDK, one that it needs, and one that AWS's runtime does not have."""
    found = tmp_path / "installed" / "node_modules"
    sources = {
        "@aws-sdk/client-x": "exports.from = 'lent ' + require('needed').word",
        "needed": "exports.word = 'sdk'",
        "other": "exports.word = 'other'",
    }
    for name, source in sources.items():
        (found / name).mkdir(parents=True)
        (found / name / "index.js").write_text(source)
    return found


REQUIRES = "const { from } = require('@aws-sdk/client-x'); exports.handler = async () => from"
IMPORTS = "import sdk from '@aws-sdk/client-x'; export const handler = async () => sdk.from"


@needs_node
@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html (Runtime-included SDK versions)"
)
@pytest.mark.parametrize("files", [{"app.js": REQUIRES}, {"app.mjs": IMPORTS}], ids=["require", "import"])
def test_function_finds_the_lent_sdk(play: Any, node_modules: Path, files: dict[str, str]) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(files=files, runtime="nodejs20.x")) == "lent sdk"

    play(scenario, node_modules=node_modules)


@needs_node
@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-package.html (Searching for dependencies)"
)
def test_copy_in_the_zip_comes_before_the_lent_sdk(play: Any, node_modules: Path) -> None:
    files = {"app.js": REQUIRES, "node_modules/@aws-sdk/client-x/index.js": "exports.from = 'zip'"}

    async def scenario(bench: Bench) -> None:
        assert await bench.ask(make_function(files=files, runtime="nodejs20.x")) == "zip"

    play(scenario, node_modules=node_modules)


@needs_node
@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html (Runtime-included SDK versions)"
)
@pytest.mark.parametrize(
    ("runtime", "package"), [("nodejs16.x", "@aws-sdk/client-x"), ("nodejs20.x", "other")]
)
def test_what_the_runtime_does_not_have_is_not_lent(
    play: Any, node_modules: Path, runtime: str, package: str
) -> None:
    async def scenario(bench: Bench) -> None:
        source = f"require('{package}'); exports.handler = async () => 1"
        document, _ = await bench.fail(make_function(source, runtime=runtime))
        assert document["errorType"] == "Runtime.ImportModuleError"

    play(scenario, node_modules=node_modules)


@needs_node
@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html (Runtime-included SDK versions)"
)
def test_sdk_from_npm_can_be_lent(play: Any, node_clients: Path) -> None:
    source = """
        import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
        export const handler = async () => await new DynamoDBClient({}).config.region();
        """

    async def scenario(bench: Bench) -> None:
        function = make_function(files={"app.mjs": source}, runtime="nodejs22.x")
        assert await bench.ask(function) == "eu-central-1"

    play(scenario, node_modules=node_clients / "node_modules")
