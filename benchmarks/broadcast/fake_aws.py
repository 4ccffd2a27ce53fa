"""Answers what a broadcast asks of AWS, fast: python fake_aws.py ROWS. Prints its port; ends with its standard input.

A connections table of ROWS rows that exist only while they are read (DynamoDB Scan, in pages of about 1 MB, in as many
segments as asked for), the caller's identity (STS) and an empty list of APIs. Loopback only. Plain HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

ROWS_OF_A_PAGE = 5_000  # 1 MB of rows of 200 bytes, DynamoDB's page
TTL = "4102444800"

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>\
<Arn>arn:aws:iam::123456789012:user/benchmark</Arn><UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account>\
</GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


def connection_id(index: int) -> str:
    """The id of row `index`: as long and of the same letters as API Gateway's."""
    return base64.urlsafe_b64encode(index.to_bytes(11, "big")).decode()


def index_of(name: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(name), "big")


def row(index: int) -> str:
    return (
        f'{{"connectionId":{{"S":"{connection_id(index)}"}},"userId":{{"S":"user-{index // 2}"}},'
        f'"connectedAt":{{"S":"2026-11-23T10:00:00.000Z"}},"ttl":{{"N":"{TTL}"}}}}'
    )


def scan(request: Mapping[str, Any], rows: int) -> bytes:
    """One page of a segment."""
    segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
    first, end = rows * segment // segments, rows * (segment + 1) // segments
    if start := request.get("ExclusiveStartKey"):
        first = index_of(start["connectionId"]["S"]) + 1
    last = min(first + min(ROWS_OF_A_PAGE, request.get("Limit", ROWS_OF_A_PAGE)), end)
    more = ""
    if last < end:
        more = f',"LastEvaluatedKey":{{"connectionId":{{"S":"{connection_id(last - 1)}"}}}}'
    items = ",".join(map(row, range(first, last)))
    return f'{{"Items":[{items}],"Count":{last - first},"ScannedCount":{last - first}{more}}}'.encode()


def describe_table(rows: int) -> bytes:
    table = {
        "TableName": "websocket-connections",
        "TableStatus": "ACTIVE",
        "ItemCount": rows,
        "TableSizeBytes": rows * 130,
        "KeySchema": [{"AttributeName": "connectionId", "KeyType": "HASH"}],
    }
    return json.dumps({"Table": table}).encode()


def answer(head: bytes, body: bytes, rows: int) -> tuple[int, str, bytes]:
    """(status, content type, body)."""
    operations: dict[bytes, Callable[[], bytes]] = {
        b"DynamoDB_20120810.Scan": lambda: scan(json.loads(body), rows),
        b"DynamoDB_20120810.DescribeTable": lambda: describe_table(rows),
    }
    for name, make in operations.items():
        if name in head:
            return 200, "application/x-amz-json-1.0", make()
    if b"Action=GetCallerIdentity" in body:
        return 200, "text/xml", IDENTITY
    if head.startswith(b"GET /v2/apis"):
        return 200, "application/json", b'{"items":[]}'
    print(f"not answered: {head[:200]!r}", file=sys.stderr, flush=True)
    return 400, "application/json", b'{"__type":"UnknownOperationException"}'


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rows: int) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
            status, kind, content = answer(head, body, rows)
            first = (
                f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
                "x-amzn-RequestId: 0\r\n\r\n"
            )
            writer.write(first.encode() + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(rows: int) -> None:
    server = await asyncio.start_server(lambda r, w: serve_one(r, w, rows), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
