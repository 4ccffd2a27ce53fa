"""The quota of concurrent executions of all functions of the account in a Region (lambda-quotas, L-B99A9384)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from whatschat_ops.local.interfaces import (
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
    RequestExecutor,
)


class AccountConcurrency:
    """An executor that throttles what exceeds the quota. `unreserved` gives what a Region has besides reservations.

    A function with reserved concurrency has its own; the executor behind counts it. `record(region, function,
    running)` is called at the start of each invocation, for its function and, with None, for all of the Region.
    """

    def __init__(
        self,
        executor: RequestExecutor,
        unreserved: Callable[[str], int],
        record: Callable[[str, str | None, int], None] = lambda _region, _function, _running: None,
    ) -> None:
        self._executor = executor
        self._unreserved = unreserved
        self._record = record
        self._running: Counter[str] = Counter()
        """By Region, without those of functions with reserved concurrency."""
        self._all: Counter[tuple[str, str | None]] = Counter()
        """By Region and function; None: of all functions."""

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
            return await self._counted(function, run)
        region = function.region
        if self._running[region] >= (limit := self._unreserved(region)):
            raise InvocationThrottled(f"the account has {limit} unreserved concurrent executions in {region}")
        self._running[region] += 1
        try:
            return await self._counted(function, run)
        finally:
            self._running[region] -= 1

    async def _counted(
        self, function: LambdaFunction, run: Callable[[], Awaitable[InvocationResult]]
    ) -> InvocationResult:
        region, counted = function.region, (function.name, None)
        for name in counted:
            self._all[region, name] += 1
            self._record(region, name, self._all[region, name])
        try:
            return await run()
        finally:
            for name in counted:
                self._all[region, name] -= 1

    async def close(self) -> None:
        """Stop every worker."""
        await self._executor.close()
