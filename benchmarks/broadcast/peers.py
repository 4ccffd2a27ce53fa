"""One way to post to @connections, for a few seconds: python peers.py NAME URL SECONDS [CA-FILE]. Prints JSON.

Runs in the environment where the peers are installed. 64 connections, except the plain loop. Only answers of 200 count.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from signing import Signer

AT_ONCE = 64
REGION, KEY, SECRET = "us-east-1", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = json.dumps({"type": "notice", "id": "0" * 36, "text": "x" * 130}).encode()


@dataclass
class Work:
    """What to post, for how long."""

    url: str
    seconds: float
    ca_file: str | None
    _ids: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _until: float = 0.0
    _cpu_s: float = 0.0

    def start(self) -> None:
        """Everything is imported and connected: now the clock and the processor time count."""
        self._cpu_s = processor_s()
        self._until = time.perf_counter() + self.seconds

    def used(self) -> dict[str, float]:
        """Seconds since the start, of the clock and of the processor."""
        elapsed = time.perf_counter() - (self._until - self.seconds)
        return {"seconds": elapsed, "cpu_s": processor_s() - self._cpu_s}

    def connection_ids(self) -> Iterator[str]:
        """Ids until the time is over; may be read from several threads, each with an iterator of its own."""
        while time.perf_counter() < self._until:
            yield base64.urlsafe_b64encode(next(self._ids).to_bytes(11, "big")).decode()

    def signer(self) -> Signer:
        return Signer(self.url, REGION, KEY, SECRET, BODY)


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def client_arguments(work: Work) -> dict[str, Any]:
    return {
        "service_name": "apigatewaymanagementapi",
        "endpoint_url": work.url,
        "region_name": REGION,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "verify": work.ca_file,
    }


def boto3_client(work: Work) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(**client_arguments(work), config=Config(max_pool_connections=AT_ONCE))


def boto3_loop(work: Work) -> int:
    client, count = boto3_client(work), 0
    work.start()
    for connection_id in work.connection_ids():
        client.post_to_connection(ConnectionId=connection_id, Data=BODY)
        count += 1
    return count


def boto3_threads(work: Work) -> int:
    client, lock = boto3_client(work), threading.Lock()
    total = 0

    def post(_: int) -> None:
        nonlocal total
        count = 0
        for connection_id in work.connection_ids():
            client.post_to_connection(ConnectionId=connection_id, Data=BODY)
            count += 1
        with lock:
            total += count

    work.start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(post, range(AT_ONCE)))
    return total


def aiobotocore(work: Work) -> int:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    async def post(client: Any) -> int:
        count = 0
        for connection_id in work.connection_ids():
            await client.post_to_connection(ConnectionId=connection_id, Data=BODY)
            count += 1
        return count

    async def run() -> int:
        config = AioConfig(max_pool_connections=AT_ONCE)
        async with get_session().create_client(**client_arguments(work), config=config) as client:
            work.start()
            return sum(await asyncio.gather(*(post(client) for _ in range(AT_ONCE))))

    return asyncio.run(run())


def aiohttp(work: Work) -> int:
    import ssl

    import aiohttp as library
    from yarl import URL

    context = ssl.create_default_context(cafile=work.ca_file) if work.ca_file else None
    signer, base = work.signer(), work.url.removesuffix(urlsplit(work.url).path)

    async def post(session: Any) -> int:
        count = 0
        for connection_id in work.connection_ids():
            path, headers = signer.sign(connection_id)
            async with session.post(URL(base + path, encoded=True), data=BODY, headers=headers) as answer:
                await answer.read()
                count += answer.status == 200
        return count

    async def run() -> int:
        connector = library.TCPConnector(limit=AT_ONCE, ssl=context or True)
        async with library.ClientSession(connector=connector) as session:
            work.start()
            return sum(await asyncio.gather(*(post(session) for _ in range(AT_ONCE))))

    return asyncio.run(run())


def pyreqwest(work: Work) -> int:
    from pathlib import Path

    from pyreqwest.client import ClientBuilder

    signer, base = work.signer(), work.url.removesuffix(urlsplit(work.url).path)

    async def post(client: Any) -> int:
        count = 0
        for connection_id in work.connection_ids():
            path, headers = signer.sign(connection_id)
            answer = await client.post(base + path).headers(headers).body_bytes(BODY).build().send()
            count += answer.status == 200
        return count

    async def run() -> int:
        builder = ClientBuilder().max_connections(AT_ONCE)
        if work.ca_file:
            builder = builder.add_root_certificate_pem(Path(work.ca_file).read_bytes())
        async with builder.build() as client:
            work.start()
            return sum(await asyncio.gather(*(post(client) for _ in range(AT_ONCE))))

    return asyncio.run(run())


def pycurl_multi(work: Work) -> int:
    """Signed by us."""
    return _pycurl(work, signed_by_curl=False)


def pycurl_signing(work: Work) -> int:
    """Signed by libcurl (its option AWS_SIGV4)."""
    return _pycurl(work, signed_by_curl=True)


def _pycurl(work: Work, *, signed_by_curl: bool) -> int:
    import pycurl

    signer, base = work.signer(), work.url.removesuffix(urlsplit(work.url).path)
    constant = ["Content-Type: application/octet-stream", "Expect:"]

    def new_handle() -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.POSTFIELDS, BODY)
        handle.setopt(pycurl.WRITEFUNCTION, len)
        if work.ca_file:
            handle.setopt(pycurl.CAINFO, work.ca_file)
        if signed_by_curl:
            handle.setopt(pycurl.AWS_SIGV4, f"aws:amz:{REGION}:execute-api")
            handle.setopt(pycurl.USERPWD, f"{KEY}:{SECRET}")
            handle.setopt(pycurl.HTTPHEADER, constant)
        return handle

    def aim(handle: Any, connection_id: str) -> None:
        if signed_by_curl:
            handle.setopt(pycurl.URL, f"{work.url}/@connections/{quote(connection_id, safe='')}")
        else:
            path, headers = signer.sign(connection_id)
            handle.setopt(pycurl.URL, base + path)
            signed = [f"{name}: {value}" for name, value in headers.items()]
            handle.setopt(pycurl.HTTPHEADER, constant + signed)

    handles = [new_handle() for _ in range(AT_ONCE)]
    work.start()
    return _drive(handles, work.connection_ids(), aim)


def _drive(handles: list[Any], ids: Iterator[str], aim: Callable[[Any, str], None]) -> int:
    """Keep every handle busy until there are no more ids."""
    import pycurl

    multi, count, idle, running = pycurl.CurlMulti(), 0, handles, 0
    while True:
        for handle, connection_id in zip(idle, ids, strict=False):
            aim(handle, connection_id)
            multi.add_handle(handle)
            running += 1
        if not running:
            return count
        multi.perform()
        _, idle, failed = multi.info_read()
        if failed:
            sys.exit(f"libcurl: {failed[0][1:]}")
        running -= len(idle)
        for handle in idle:
            multi.remove_handle(handle)
            count += handle.getinfo(pycurl.RESPONSE_CODE) == 200
        if not idle:
            multi.select(0.1)


def awscrt(work: Work) -> int:
    from awscrt import http, io

    parts, signer = urlsplit(work.url), work.signer()
    tls = None
    if parts.scheme == "https":
        options = io.TlsContextOptions()
        options.override_default_trust_store_from_path(None, work.ca_file)
        tls = io.ClientTlsContext(options).new_connection_options()
        tls.set_server_name(str(parts.hostname))
    bootstrap = io.ClientBootstrap(
        io.EventLoopGroup(1), io.DefaultHostResolver(io.EventLoopGroup(1), max_hosts=8)
    )
    connections = [
        http.HttpClientConnection.new(
            host_name=parts.hostname,
            port=parts.port,
            bootstrap=bootstrap,
            tls_connection_options=tls,
        ).result(10)
        for _ in range(AT_ONCE)
    ]
    length, counts = str(len(BODY)), [0] * AT_ONCE
    finished = threading.Semaphore(0)

    def post(index: int, ids: Iterator[str]) -> None:
        connection_id = next(ids, None)
        if connection_id is None:
            finished.release()
            return
        path, headers = signer.sign(connection_id)
        values = [("Host", parts.netloc), ("Content-Length", length), *headers.items()]
        request = http.HttpRequest("POST", path, http.HttpHeaders(values), io.InputStream(_stream()))
        stream = connections[index].request(request, lambda status_code, **_: on_status(index, status_code))
        stream.completion_future.add_done_callback(lambda _: post(index, ids))
        stream.activate()

    def on_status(index: int, status: int) -> None:
        counts[index] += status == 200

    work.start()
    for index in range(AT_ONCE):
        post(index, work.connection_ids())
    for _ in range(AT_ONCE):
        finished.acquire()
    return sum(counts)


def _stream() -> Any:
    import io

    return io.BytesIO(BODY)


PEERS: dict[str, Callable[[Work], int]] = {
    "boto3, a loop": boto3_loop,
    "boto3, 64 threads": boto3_threads,
    "aiobotocore": aiobotocore,
    "aiohttp, own signing": aiohttp,
    "awscrt, own signing": awscrt,
    "pyreqwest, own signing": pyreqwest,
    "pycurl multi, own signing": pycurl_multi,
    "pycurl multi, libcurl's signing": pycurl_signing,
}
REQUIREMENTS = {
    "boto3, a loop": "boto3",
    "boto3, 64 threads": "boto3",
    "aiobotocore": "aiobotocore",
    "aiohttp, own signing": "aiohttp",
    "awscrt, own signing": "awscrt",
    "pyreqwest, own signing": "pyreqwest",
    "pycurl multi, own signing": "pycurl",
    "pycurl multi, libcurl's signing": "pycurl",
}


def main() -> None:
    name, url, seconds, *ca_file = sys.argv[1:]
    work = Work(url, float(seconds), ca_file[0] if ca_file else None)
    count = PEERS[name](work)
    print(json.dumps({"posts": count, **work.used()}), flush=True)
    os._exit(0)  # a client's own threads can crash the interpreter while it ends, after all is measured


if __name__ == "__main__":
    main()
