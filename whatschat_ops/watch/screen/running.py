"""Runs the view in a terminal until a key, or a signal, ends it: the terminal is as it was before in each case."""

from __future__ import annotations

import asyncio
import contextlib

from whatschat_ops.signals import heeded
from whatschat_ops.watch.collector import Feed
from whatschat_ops.watch.screen.app import WatchApp


def run(app: WatchApp, feed: Feed | None = None) -> None:
    """Until q, or Ctrl-C, SIGTERM or SIGHUP, which end it in the same way: it has no other end."""

    async def until_ended() -> None:
        loop = asyncio.get_running_loop()
        for number in heeded():
            with contextlib.suppress(NotImplementedError):  # Windows, where Textual itself sees Ctrl-C
                loop.add_signal_handler(number, app.action_leave)
        if feed is not None:
            feed.start()
        await app.run_async()

    try:
        asyncio.run(until_ended())
    finally:
        if feed is not None:
            feed.stop()
