"""The quota of concurrent executions of all functions of the account in a Region (lambda-quotas, L-B99A9384)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial

from whatschat_ops.local.interfaces import (
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
    RequestExecutor,
)


class AccountConcurrency:
    """An executor that throttles what exceeds the quota. `unreserved` gives what a Region has besides reservations.

    A function with reserved concurrency has its own; the executor behind counts it.
    """

    def __init__(self, executor: RequestExecutor, unreserved: Callable[[str], int]) -> None:
        self._executor = executor
        self._unreserved = unreserved
        self._running: Counter[str] = Counter()

    async def invoke(
        self,
        function: LambdaFunction,
        payload: bytes,
        *,
        start_within_s: float = math.inf,
        request_id: str | None = None,
        client_context: str | None = None,
    ) -> InvocationResult:
        """Run the function once: see `interfaces.RequestExecutor`."""
        run = partial(
            self._executor.invoke,
            function,
            payload,
            start_within_s=start_within_s,
            request_id=request_id,
            client_context=client_context,
        )
        if function.reserved_concurrency is not None:
            return await run()
        region = function.region
        if self._running[region] >= (limit := self._unreserved(region)):
            raise InvocationThrottled(f"the account has {limit} unreserved concurrent executions in {region}")
        self._running[region] += 1
        try:
            return await run()
        finally:
            self._running[region] -= 1

    async def close(self) -> None:
        """Stop every worker."""
        await self._executor.close()
