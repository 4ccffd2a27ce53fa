"""What the sender's transport was chosen from: ways to send the same signed requests, without table and journal.

    python benchmarks/broadcast/transports.py [--posts 30000] [--rounds 3]

All post over 64 connections to one local nginx (or what stands in for it), with the same signer, one after the other, from
one processor core. Transports that are not installed are left out. The figure to compare is the processor time for each
post: it hardly depends on what else the machine does. Loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import json
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from run import pins
from servers import best_server

from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import Credentials, SendPolicy, Target
from whatschat_ops.sender.route import Route, route_to
from whatschat_ops.sender.sender import Sender
from whatschat_ops.sender.signing import RequestShape, Signer

AT_ONCE = 64
REGION = "eu-west-1"
BODY = b"x" * 200
KEYS = Credentials("AKIDEXAMPLE", Secret("secret"))


def connection_ids(posts: int) -> Iterator[str]:
    return (f"L0SM9c{number:08d}w=" for number in range(posts))


def ours(url: str, posts: int, ca_file: str | None) -> int:
    """The whole Sender: rate limit, retries, results and all."""
    targets = (Target(number, name) for number, name in enumerate(connection_ids(posts), 1))
    sender = Sender(url, REGION, BODY, SendPolicy(1e7, 10**7, AT_ONCE), lambda: KEYS, ca_bundle=ca_file)
    return sender.run(lambda n: list(itertools.islice(targets, n)) or None, lambda _: None).delivered


def signer_of(route: Route) -> Signer:
    signer = Signer(RequestShape(route.host_header, route.path, REGION, BODY), KEYS)
    signer.at(time.time())
    return signer


class Posting(asyncio.Protocol):
    """The least that asyncio's own transports allow: no retries, no rate limit, an answer is whatever ends in a blank line."""

    def __init__(self, signer: Signer, ids: Iterator[str], ended: asyncio.Future[int]) -> None:
        self._signer, self._ids, self._ended = signer, ids, ended
        self._delivered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        self._delivered += data.startswith(b"HTTP/1.1 200")
        self._post()

    def _post(self) -> None:
        name = next(self._ids, None)
        if name is not None:
            self._transport.write(self._signer.request(name))
        elif not self._ended.done():
            self._ended.set_result(self._delivered)
            self._transport.close()


def asyncio_protocol(url: str, posts: int, ca_file: str | None) -> int:
    """asyncio, without streams."""

    async def run() -> int:
        route, ids = route_to(url), connection_ids(posts)
        signer, loop = signer_of(route), asyncio.get_running_loop()
        context = ssl.create_default_context(cafile=ca_file) if route.tls else None
        ended: list[asyncio.Future[int]] = [loop.create_future() for _ in range(AT_ONCE)]
        for future in ended:
            protocol = Posting(signer, ids, future)
            await loop.create_connection(lambda made=protocol: made, route.host, route.port, ssl=context)
        return sum(await asyncio.gather(*ended))

    return asyncio.run(run())


def aiohttp_own_signing(url: str, posts: int, ca_file: str | None) -> int:
    """aiohttp, given the headers that our signer makes."""
    import aiohttp
    from yarl import URL

    async def run() -> int:
        route, ids = route_to(url), connection_ids(posts)
        signer = signer_of(route)
        context = ssl.create_default_context(cafile=ca_file) if route.tls else True
        origin = f"{urlsplit(url).scheme}://{route.host_header}"

        async def work(session: aiohttp.ClientSession) -> int:
            delivered = 0
            for name in ids:
                line, *headers = signer.request(name).partition(b"\r\n\r\n")[0].decode().split("\r\n")
                target = URL(origin + line.split(" ")[1], encoded=True)
                fields = dict(header.split(": ", 1) for header in headers)
                async with session.post(target, data=BODY, headers=fields) as answer:
                    delivered += answer.status == 200
            return delivered

        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=context)
        ) as session:
            return sum(await asyncio.gather(*(work(session) for _ in range(AT_ONCE))))

    return asyncio.run(run())


TRANSPORTS: dict[str, Callable[[str, int, str | None], int]] = {
    "sockets and selectors (the sender)": ours,
    "asyncio protocol": asyncio_protocol,
    "aiohttp": aiohttp_own_signing,
}


def client(name: str, url: str, posts: int, ca_file: str | None) -> None:
    """One run, in a process of its own; prints posts per second and µs of processor time for each."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    delivered = TRANSPORTS[name](url, posts, ca_file)
    after, elapsed_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    if delivered != posts:
        sys.exit(f"{name} delivered {delivered} of {posts}.")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([posts / elapsed_s, cpu_s / posts * 1e6]))


def main() -> None:
    options = parse()
    if options.client:
        client(options.client, options.url, options.posts, options.ca_file)
        return
    server_pin, client_pin = pins()
    names = [name for name in TRANSPORTS if name != "aiohttp" or importlib.util.find_spec("aiohttp")]
    with tempfile.TemporaryDirectory() as directory, best_server(Path(directory), server_pin) as server:
        for kind, url in {"plain": server.url, "TLS": server.tls_url}.items():
            for name in names if url else ():
                command = [*client_pin, sys.executable, __file__, "--client", name, "--url", str(url)]
                command += ["--posts", str(options.posts)]
                command += ["--ca-file", server.ca_file] if server.ca_file and kind == "TLS" else []
                runs = [
                    json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                    for _ in range(options.rounds)
                ]
                rate_per_s, cpu_us = (statistics.median(column) for column in zip(*runs, strict=True))
                print(f"{kind:6} {name:36} {rate_per_s:9,.0f}/s {cpu_us:7.1f} µs of processor time each")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    for hidden in ("--client", "--url", "--ca-file"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
