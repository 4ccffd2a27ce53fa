"""What Lambda calls for one worker of a load test. Its environment: LOAD_BUCKET, API_GATEWAY_ENDPOINT, and Lambda's own.

Event: the run and the number of the worker. It opens sockets to the API of its environment and to no other, with tokens that the
command has made: it knows no secret.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from secrets import token_hex
from typing import Any, Final, Protocol

import boto3

from whatschat_ops.load.deliveries import GIVE_UP_S
from whatschat_ops.load.distributed.sharing import Keys, Share
from whatschat_ops.load.plan import check
from whatschat_ops.load.runner import LoadTest, Progress
from whatschat_ops.load.sockets import most_open_files, opener
from whatschat_ops.redaction import Secret
from whatschat_ops.worker.bucket import Bucket, Objects
from whatschat_ops.worker.control import CONTROL_S, Control

logger = logging.getLogger(__name__)

RESERVE_S: Final = GIVE_UP_S + 15.0
"""Before the end of its time a worker sends no more, so that the last answers are awaited and all is written."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends this invocation."""
        ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Do the share of one worker."""
    bucket = Bucket(boto3.client("s3"), os.environ["LOAD_BUCKET"])
    left_s = context.get_remaining_time_in_millis() / 1000
    measured = do_share(bucket, event["run"], event["worker"], os.environ["API_GATEWAY_ENDPOINT"], left_s)
    return {"worker": event["worker"], "measured": measured}


def do_share(objects: Objects, run: str, worker: int, endpoint: str, left_s: float) -> bool:
    """Do the share of a worker, once; False: it was begun before. `endpoint` is that of `@connections`.

    Lambda may invoke twice, and sockets that are counted twice are no measurement.
    """
    keys = Keys(run)
    if not objects.create(keys.of("begun", worker), token_hex(16).encode()):
        return False
    ends_s = time.monotonic() + left_s - RESERVE_S
    share = Share.from_bytes(objects.get(keys.of("shares", worker)))
    share = replace(share, plan=replace(share.plan, url="ws" + endpoint.removeprefix("http")))
    objects.put(keys.of("measured", worker), asyncio.run(_run(share, objects, keys, worker, ends_s)))
    return True


async def _run(share: Share, objects: Objects, keys: Keys, worker: int, ends_s: float) -> bytes:
    check(share.plan, open_files=most_open_files())
    stop, latest = asyncio.Event(), [b""]
    tokens = dict(zip(share.names, map(Secret, share.tokens), strict=True))
    connect = opener(share.plan, tokens.__getitem__, share.names.__getitem__, share.via)

    def progress(now: Progress) -> None:
        latest[0] = json.dumps(asdict(now)).encode()

    test = LoadTest(share.plan, connect, share.names.__getitem__, stop=stop, progress=progress)
    watching = asyncio.create_task(_watch(objects, keys, worker, latest, stop, ends_s))
    try:
        return (await test.measure()).to_bytes()
    finally:
        watching.cancel()


async def _watch(
    objects: Objects, keys: Keys, worker: int, latest: list[bytes], stop: asyncio.Event, ends_s: float
) -> None:
    """Look at the control object every few seconds, and write where the test is. What fails is tried again the next time."""
    while not stop.is_set():
        try:
            control = Control.from_bytes(await asyncio.to_thread(objects.get, keys.control))
            if latest[0]:
                await asyncio.to_thread(objects.put, keys.of("progress", worker), latest[0])
        except Exception as error:  # noqa: BLE001 - the test goes on
            logger.warning("The control object was not read: %r", error)
        else:
            if control.stop:
                stop.set()
        if time.monotonic() >= ends_s:
            stop.set()
        await asyncio.sleep(CONTROL_S)
