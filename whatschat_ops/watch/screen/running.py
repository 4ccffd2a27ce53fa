"""Runs the view in a terminal until a key, or a signal, ends it: the terminal is as it was before in each case."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from whatschat_ops.watch.collector import Feed
from whatschat_ops.watch.screen.app import INTERRUPTED, WatchApp

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def run(app: WatchApp, feed: Feed | None = None) -> int:
    """The exit code: 0, or 130 for Ctrl-C, SIGTERM and SIGHUP, which every command takes alike."""

    async def until_ended() -> int:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, app.action_quit_with, INTERRUPTED)
        if feed is not None:
            feed.start()
        return await app.run_async() or 0

    try:
        return asyncio.run(until_ended())
    finally:
        if feed is not None:
            feed.stop()
