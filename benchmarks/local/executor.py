"""The speed of the Lambda executor: cold starts, and invocations per second of warm functions.

    python benchmarks/local/executor.py [invocations]

Prints one line per figure. Without gateway, HTTP and IAM: `LambdaExecutor.invoke` alone, with a handler that returns
its event. Figures depend on the machine, which is named in the first line.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from whatschat_ops.local.executor import LambdaExecutor
from whatschat_ops.local.interfaces import LambdaFunction

PING = b'{"requestContext": {"routeKey": "$default"}, "body": "{\\"type\\": \\"ping\\"}"}'
PYTHON = "def handler(event, context): return event"
PYTHON_LOGGING = "def handler(event, context):\n    print(event)\n    return event"
PYTHON_BOTO3 = f"import boto3\ntable = boto3.resource('dynamodb').Table('t')\n{PYTHON}"
NODE = "exports.handler = async (event) => event"
COLD_STARTS = 7


class NoLogs:
    """Log lines are created and dropped."""

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        """See `interfaces.LogWriter`."""


def function(source: str, *, version: int, runtime: str = "python3.12") -> LambdaFunction:
    """A function of this source; a new version has no warm worker."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.js" if runtime.startswith("nodejs") else "app.py", source)
    data = buffer.getvalue()
    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}
    return LambdaFunction(
        arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
        name="bench",
        version=str(version),
        runtime=runtime,
        handler="app.handler",
        code_sha256=hashlib.sha256(data).hexdigest(),
        code_zip=data,
        environment={},
        timeout_s=30,
        memory_mb=128,
        credentials=credentials,
        log_group="/aws/lambda/bench",
        region="eu-central-1",
    )


async def cold(executor: LambdaExecutor, name: str, source: str, runtime: str = "python3.12") -> None:
    """Time the first invocations of new versions, one after the other."""
    taken_ms = []
    for version in range(COLD_STARTS):
        begun = time.perf_counter()
        result = await executor.invoke(function(source, version=version, runtime=runtime), PING)
        taken_ms.append((time.perf_counter() - begun) * 1000)
        if result.function_error:
            raise SystemExit(result.payload.decode())
    print(f"{name:<34} median {statistics.median(taken_ms):7.1f} ms   max {max(taken_ms):7.1f} ms")


async def warm(
    executor: LambdaExecutor, name: str, target: LambdaFunction, calls: int, concurrency: int
) -> None:
    """Time warm invocations with that many callers."""
    await executor.invoke(target, PING)
    numbers = iter(range(calls))
    taken_ms: list[float] = []

    async def caller() -> None:
        for _ in numbers:
            begun = time.perf_counter()
            await executor.invoke(target, PING)
            taken_ms.append((time.perf_counter() - begun) * 1000)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    rate = calls / (time.perf_counter() - begun)
    p99 = statistics.quantiles(taken_ms, n=100)[98]
    label = f"{name}, {concurrency} at a time"
    print(
        f"{label:<34} {rate:7.0f} calls/s   median {statistics.median(taken_ms):6.2f} ms   p99 {p99:6.2f} ms"
    )


async def measure(directory: Path, calls: int) -> None:
    """Measure everything."""
    executor = LambdaExecutor(NoLogs(), "http://127.0.0.1:1", directory)
    await cold(executor, "cold start, Python", PYTHON)
    await cold(executor, "cold start, Python with boto3", PYTHON_BOTO3)
    targets = {
        "Python": function(PYTHON, version=100),
        "Python that prints": function(PYTHON_LOGGING, version=101),
    }
    if shutil.which("node"):
        await cold(executor, "cold start, Node", NODE, "nodejs20.x")
        targets["Node"] = function(NODE, version=102, runtime="nodejs20.x")
    for name, target in targets.items():
        for concurrency in (1, 8, 100):
            await warm(executor, name, target, calls, concurrency)
    await executor.close()


def main() -> None:
    """Run it in a temporary directory."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory), calls))


if __name__ == "__main__":
    main()
