"""A process that holds sockets until it is killed: python -m tests.soak.holder, with {"url", "tokens"} as its first line."""

# ruff: noqa: T201 - it says when they are open
from __future__ import annotations

import asyncio
import json
import sys

from whatschat_ops.choices import SocketMode
from whatschat_ops.load.sockets import connector
from whatschat_ops.redaction import Secret


async def _hold(url: str, tokens: list[str]) -> None:
    connect = connector(SocketMode.APIGATEWAY, url, Secret)
    sockets = [await connect(token) for token in tokens]
    print(len(sockets), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    order = json.loads(sys.stdin.readline())
    asyncio.run(_hold(order["url"], order["tokens"]))
