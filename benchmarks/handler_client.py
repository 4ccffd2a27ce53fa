"""One PostToConnection through botocore, and through the handlers' own client.

    python benchmarks/handler_client.py

Each client runs in its own process against a server on 127.0.0.1 that responds at once. `ready` is the time from
before the first import until the client can send, `post` and `processor` are per message, `memory` is the peak.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable

POSTS = 2_000
DATA = b'{"type":"pong","timestamp":1795418000000}'
CONNECTION_ID = "R0oXAdfD0kwCH6w="
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x" * 40,
    "AWS_SESSION_TOKEN": "x" * 300,
}


def botocore_client(endpoint_url: str) -> Callable[[], object]:
    """The fastest way with botocore."""
    import botocore.session
    from botocore.config import Config

    client = botocore.session.get_session().create_client(
        "apigatewaymanagementapi",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        config=Config(parameter_validation=False, retries={"mode": "standard"}),
    )
    return lambda: client.post_to_connection(ConnectionId=CONNECTION_ID, Data=DATA)


def handlers_client(endpoint_url: str) -> Callable[[], object]:
    """The client of `default`."""
    from whatschat_ops.handlers.aws_api import AwsApi
    from whatschat_ops.handlers.log import Log
    from whatschat_ops.handlers.management_api import ManagementApi

    management = ManagementApi(AwsApi(os.environ), endpoint_url)
    log = Log("default", "request", CONNECTION_ID)
    return lambda: management.post(CONNECTION_ID, DATA, log)


CLIENTS = {"botocore": botocore_client, "handlers": handlers_client}


def measure(name: str, endpoint_url: str) -> None:
    """Print the figures of one client as JSON."""
    started_s = time.perf_counter()
    post = CLIENTS[name](endpoint_url)
    ready_s = time.perf_counter() - started_s
    for _ in range(50):
        post()
    begun_s, processor_s = time.perf_counter(), time.process_time()
    for _ in range(POSTS):
        post()
    figures = {
        "ready_ms": ready_s * 1000,
        "post_ms": (time.perf_counter() - begun_s) / POSTS * 1000,
        "processor_ms": (time.process_time() - processor_s) / POSTS * 1000,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


class Server(asyncio.Protocol):
    """Responds to every request with an empty 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Respond once the body is complete."""
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        if separator and len(body) >= int(length):
            self.buffer = b""
            assert isinstance(self.transport, asyncio.WriteTransport)
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def serve() -> int:
    """Start the server in a thread. Returns its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Server, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    port: int = server.sockets[0].getsockname()[1]
    return port


def main() -> None:
    """Measure both, three times each, and print the best of each figure."""
    url = f"http://127.0.0.1:{serve()}/production"
    print(f"{'':10}{'ready ms':>10}{'post ms':>10}{'processor ms':>14}{'memory MB':>11}")
    for name in CLIENTS:
        command = [sys.executable, __file__, name, url]
        runs = [
            json.loads(
                subprocess.run(
                    command, env={**os.environ, **ENVIRONMENT}, check=True, stdout=subprocess.PIPE
                ).stdout
            )
            for _ in range(3)
        ]
        best = {key: min(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name:10}{best['ready_ms']:10.0f}{best['post_ms']:10.2f}{best['processor_ms']:14.2f}{best['memory_mb']:11.0f}"
        )


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
