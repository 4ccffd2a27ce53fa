"""`logs trace` of one connection among a million lines: what is fetched of them, on the embedded AWS.

    python benchmarks/operate/trace.py [LINES]

Writes the lines of a day with PutLogEvents into the four groups of a stack (connections of 40 lines each: access lines, the
functions' lines, and Lambda's START, END and REPORT), then traces one of the connections, in the middle of the day, and a
user. Prints the requests, the log events and the bytes that were fetched, beside those of reading the groups whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.ports import free_port
from whatschat_ops.handlers.log import Log

MESSAGES = 6
LINES_OF_A_CONNECTION = (MESSAGES + 2) * 5
DAY_MS = 24 * 60 * 60 * 1000
BATCH = 2_000
ACCESS = "/aws/apigateway/websocket"


Event = tuple[str, int, str]
"""A log group, a time in ms, a message."""


def connection(number: int, begun_ms: int) -> Iterator[Event]:
    """The lines of one connection of the user `user-NUMBER`, which is open for an hour."""
    name = f"{number:014d}A="
    routes = [("connect", "CONNECT", "$connect")]
    routes += [("default", "MESSAGE", "$default")] * MESSAGES + [("disconnect", "DISCONNECT", "$disconnect")]
    for place, (function, event_type, route) in enumerate(routes):
        at_ms, request = begun_ms + place * 500_000, str(uuid.UUID(int=number * 16 + place))
        group = f"/aws/lambda/websocket-{function}"
        access = {
            "requestId": f"{number:013d}{place:x}E=",
            "requestTime": str(at_ms),
            "eventType": event_type,
            "routeKey": route,
            "connectionId": name,
            "status": "200",
            "integrationStatus": "200",
            "integrationLatency": "12",
            "integrationError": "-",
            "error": "-",
            "sourceIp": "203.0.113.9",
            "connectedAt": str(begun_ms),
            "messageId": f"{number:013d}{place:x}M=",
            "integrationRequestId": request,
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        }
        yield ACCESS, at_ms, json.dumps(access, separators=(",", ":"))
        yield group, at_ms + 1, f"START RequestId: {request} Version: 1"
        yield group, at_ms + 10, json.dumps(handler_line(function, name, request, route, f"user-{number}"))
        yield group, at_ms + 11, f"END RequestId: {request}"
        yield (
            group,
            at_ms + 11,
            f"REPORT RequestId: {request}\tDuration: 9.80 ms\tBilled Duration: 10 ms\tMemory Size: 256 MB\tMax Memory Used: 26 MB\t",
        )


def handler_line(function: str, name: str, request: str, route: str, user: str) -> dict[str, Any]:
    """As the built-in functions write it."""
    log = Log(function, request, name, route=route)
    log.user(user)
    log.ends({"connect": "accepted", "disconnect": "deleted"}.get(function, "delivered"))
    if function == "disconnect":
        log.closed(1000, "")
    return {"level": "INFO", **log._line(), "latencyMs": 9.1, "coldStart": False, "remainingMs": 9990}


def write(client: Any, lines: int) -> None:
    """The lines of a day that ends now, group by group in batches."""
    connections = lines // LINES_OF_A_CONNECTION
    first_ms = int(time.time() * 1000) - DAY_MS
    waiting: dict[str, list[dict[str, Any]]] = {}
    for number in range(connections):
        begun_ms = first_ms + number * (DAY_MS - 3_700_000) // connections
        for group, at_ms, message in connection(number, begun_ms):
            batch = waiting.setdefault(group, [])
            batch.append({"timestamp": at_ms, "message": message})
            if len(batch) == BATCH:
                put(client, group, batch)
                waiting[group] = []
    for group, batch in waiting.items():
        if batch:
            put(client, group, batch)


def put(client: Any, group: str, batch: list[dict[str, Any]]) -> None:
    """One batch, in a stream of its own."""
    stream = f"benchmark-{uuid.uuid4()}"
    client.create_log_stream(logGroupName=group, logStreamName=stream)
    batch.sort(key=lambda event: event["timestamp"])
    client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)


def main(lines: int) -> None:
    import boto3

    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "WHATSCHAT_OPS_STATE_DIR": directory,
            "WHATSCHAT_LOCAL_PORT": str(free_port()),
        }
        settings = Path(directory, "configs", "local.yaml")
        settings.parent.mkdir()
        settings.write_text("local:\n  log_events_per_group: 10_000_000\n", encoding="utf-8")

        def run(*arguments: str) -> str:
            program = (sys.executable, "-m", "whatschat_ops", *arguments)
            done = subprocess.run(
                program, env=environment, cwd=directory, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
            return done.stdout

        try:
            run("provision", "--yes")
            keys = json.loads(run("local", "env", "--json", "--show-secrets"))
            client = boto3.client(
                "logs",
                endpoint_url=keys["AWS_ENDPOINT_URL"],
                region_name="us-east-1",
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            )
            began_s = time.perf_counter()
            write(client, lines)
            say(f"{lines:,} lines written in {time.perf_counter() - began_s:.0f} s")
            middle = lines // LINES_OF_A_CONNECTION // 2
            for who in (f"{middle:014d}A=", f"user-{middle}"):
                began_s = time.perf_counter()
                found = json.loads(run("logs", "trace", "--json", "--since", "25h", who))
                searched = found["searched"]
                say(
                    f"{datetime.now(UTC):%H:%M:%S} logs trace {who}: {len(found['traces'][0]['steps'])} steps, "
                    f"{searched['requests']} requests, {searched['events']} of {lines:,} log events, "
                    f"{searched['bytes']:,} bytes, {time.perf_counter() - began_s:.1f} s"
                )
        finally:
            run("local", "stop")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
