"""Replacements for Lambda functions in the tests of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from whatschat_ops.local.interfaces import InvocationThrottled

Event = dict[str, Any]
Handler = Callable[[Event], Awaitable[Any]]


class HandlerRaised(Exception):
    """Raised by a fake handler to be reported as a failed function."""


def answering(result: Any = None, *, when: asyncio.Event | None = None) -> Handler:
    """A handler that returns that, at once or as soon as the event is set."""

    async def handler(event: Event) -> Any:
        if when is not None:
            await when.wait()
        return {"statusCode": 200} if result is None else result

    return handler


async def failing(event: Event) -> Any:
    """A handler that raises."""
    raise HandlerRaised("boom!")


async def returning_none(event: Event) -> Any:
    """A handler without a return statement."""
    return None


async def throttled(event: Event) -> Any:
    """A function with reserved concurrency 0."""
    raise InvocationThrottled
