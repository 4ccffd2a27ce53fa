"""The quota of concurrent executions: kept in a file, and applied to functions."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from whatschat_ops.local import service_quotas
from whatschat_ops.local.account_concurrency import AccountConcurrency
from whatschat_ops.local.account_quotas import (
    CONCURRENT_EXECUTIONS,
    CONCURRENT_MEETINGS,
    QUOTAS,
    AccountQuotas,
)
from whatschat_ops.local.interfaces import (
    Denial,
    HttpRequest,
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
)

FUNCTION = LambdaFunction(
    arn="arn:aws:lambda:us-east-1:000000000000:function:f",
    name="f",
    version="$LATEST",
    runtime="python3.13",
    handler="main.handle",
    code_sha256="",
    code_zip=b"",
    environment={},
    timeout_s=3,
    memory_mb=128,
    credentials={},
    log_group="/aws/lambda/f",
    region="us-east-1",
)


class Waiting:
    """An executor whose functions run until they are released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def invoke(
        self,
        function: LambdaFunction,
        payload: bytes,
        *,
        start_within_s: float = math.inf,
        request_id: str | None = None,
        client_context: str | None = None,
    ) -> InvocationResult:
        await self.release.wait()
        return InvocationResult(b"{}", None, "r", 1.0, None, "")

    async def close(self) -> None:
        return None


def test_functions_beyond_the_quota_of_their_region_are_throttled() -> None:
    async def scenario() -> None:
        workers = Waiting()
        executor = AccountConcurrency(workers, {"us-east-1": 2, "eu-west-1": 1}.__getitem__)
        running = [asyncio.create_task(executor.invoke(FUNCTION, b"")) for _ in range(2)]
        elsewhere = asyncio.create_task(executor.invoke(replace(FUNCTION, region="eu-west-1"), b""))
        reserved = asyncio.create_task(executor.invoke(replace(FUNCTION, reserved_concurrency=1), b""))
        await asyncio.sleep(0)
        with pytest.raises(InvocationThrottled, match="2 unreserved concurrent executions in us-east-1"):
            await executor.invoke(FUNCTION, b"")
        workers.release.set()
        await asyncio.gather(*running, elsewhere, reserved)
        await executor.invoke(FUNCTION, b"")

    asyncio.run(scenario())


def test_changed_quota_is_kept_and_a_damaged_file_means_the_default(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    AccountQuotas(path).change("eu-west-1", CONCURRENT_EXECUTIONS, 10)
    AccountQuotas(path).change("eu-west-1", CONCURRENT_MEETINGS, 2)
    kept = AccountQuotas(path)
    assert (kept.concurrent_executions("eu-west-1"), kept.concurrent_executions("us-east-1")) == (10, 1_000)
    assert (kept.concurrent_meetings("eu-west-1"), kept.concurrent_meetings("us-east-1")) == (2, 250)
    path.write_text("[", encoding="utf-8")
    assert AccountQuotas(path).concurrent_executions("eu-west-1") == 1_000


def test_file_of_an_earlier_version_has_the_concurrent_executions(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text('{"eu-west-1": 10}', encoding="utf-8")
    assert AccountQuotas(path).concurrent_executions("eu-west-1") == 10


def test_every_code_is_listed_once() -> None:
    assert len({quota.code for quota in QUOTAS}) == len(QUOTAS)


class _Admin:
    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        return None


@pytest.mark.parametrize("desired", ["Infinity", "NaN", "10.5", "9"])
def test_quota_that_is_no_number_of_executions_is_refused(tmp_path: Path, desired: str) -> None:
    quotas = service_quotas.service(AccountQuotas(tmp_path / "quotas.json"), _Admin())
    body = f'{{"ServiceCode": "lambda", "QuotaCode": "L-B99A9384", "DesiredValue": {desired}}}'
    headers = ((b"x-amz-target", b"ServiceQuotasV20190624.RequestServiceQuotaIncrease"),)
    answer = asyncio.run(quotas.handle(HttpRequest("POST", "/", "", headers, body.encode(), "127.0.0.1")))
    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "IllegalArgumentException")
