"""The load test that one writes by hand with `websockets`: the same schedule, pings only, no bookkeeping beyond a list.

    python benchmarks/load/by_hand.py URL TOKEN SOCKETS CONNECT_RATE INTERVAL DURATION

Prints one JSON object: sockets opened, seconds, round trips and their times in ms.
"""

import asyncio
import json
import sys
import time

import websockets


async def client(
    url: str,
    token: str,
    start: asyncio.Event,
    interval: float,
    until: list[float],
    times: list[float],
    offset: float,
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(
        url, additional_headers=headers, compression=None, ping_interval=None, proxy=None, open_timeout=60
    ) as socket:
        opened.append(time.perf_counter())
        await start.wait()
        due = time.perf_counter() + offset
        while due < until[0]:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            sent = time.perf_counter()
            await socket.send(MESSAGE)
            await socket.recv()
            times.append((time.perf_counter() - sent) * 1000)
            due += interval
        await asyncio.sleep(max(0, until[0] - time.perf_counter()))  # a goodbye is work for the server, too


opened: list[float] = []
MESSAGE = json.dumps({"type": "ping", "filling": "x" * 170})


async def main() -> None:
    url, token, *numbers = sys.argv[1:]
    sockets, rate, interval, duration = int(numbers[0]), *map(float, numbers[1:])
    start, until, times = asyncio.Event(), [0.0], []
    began = time.perf_counter()
    tasks = []
    for number in range(sockets):
        await asyncio.sleep(max(0, began + number / rate - time.perf_counter()))
        tasks.append(
            asyncio.create_task(
                client(url, token, start, interval, until, times, number * interval / sockets)
            )
        )
    while len(opened) < sockets and not any(task.done() for task in tasks):
        await asyncio.sleep(0.02)
    ramp = time.perf_counter() - began
    until[0] = time.perf_counter() + duration
    start.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    print(
        json.dumps(
            {
                "opened": len(opened),
                "ramp_s": ramp,
                "failed": sum(r is not None for r in results),
                "times": times,
            }
        )
    )


asyncio.run(main())
