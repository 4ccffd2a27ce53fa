"""An @connections endpoint that injects faults, as a process of its own: loopback only, ends with its standard input.

    python -m tests.broadcast_faults.endpoint < pipe      first line of the pipe: an Order as JSON; prints its port

Every POST is counted by connection id, where it takes effect and where it does not; `GET /progress` and `GET /report` say
how it stands. Shapes of the answers: botocore's apigatewaymanagementapi model, and API Gateway's own throttling answer.
"""

# ruff: noqa: T201 - this is a command of its own
from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.broadcast_faults.fates import SLOW_ANSWER_S, Fate, Fates
from tests.broadcast_faults.signatures import SignatureCheck

SIGNATURES_CHECKED = 20
"""The first requests and then one of so many are checked for their signature: botocore's signer is slow."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_POST = re.compile(rb"POST (/[\w-]+/@connections/([^/ ]+)) HTTP/1\.1\r\n")


@dataclass(frozen=True)
class Order:
    """What the process is told when it starts. `table` is where rows of gone connections are written again."""

    seed: int
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    endpoint_url: str
    table: str


@dataclass
class Report:
    """What arrived. `effects` counts how often each client got the message, `attempts` every POST."""

    attempts: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    message_ids: Counter[str] = field(default_factory=Counter)
    rewritten: set[str] = field(default_factory=set)
    signatures_checked: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**vars(self), "rewritten": sorted(self.rewritten)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """The report that `to_json` wrote."""
        counters = ("attempts", "effects", "answers", "message_ids")
        values = {name: Counter(document[name]) for name in counters}
        return cls(
            **values,
            rewritten=set(document["rewritten"]),
            signatures_checked=document["signatures_checked"],
            problems=list(document["problems"]),
        )


def answer_of(status: int, error_type: str = "", body: bytes = b"") -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", "Connection: keep-alive", "x-amzn-RequestId: 0"]
    if error_type:
        lines.append(f"x-amzn-ErrorType: {error_type}")
    if body:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


TAKEN = answer_of(200)
ANSWERS = {
    Fate.GONE: answer_of(410, "GoneException"),
    Fate.ACCOUNT_THROTTLED: answer_of(429, "TooManyRequestsException", b'{"message":"Too Many Requests"}'),
    Fate.BUFFER_FULL: answer_of(429, "LimitExceededException"),
    Fate.SERVER_ERROR: answer_of(500, "InternalServerErrorException", b'{"message":"Internal server error"}'),
}
"""Of those that are dropped there is none."""


class FaultyConnections:
    """Decides what becomes of a request and counts it."""

    def __init__(self, fates: Fates, check: SignatureCheck) -> None:
        self._fates = fates
        self._check = check
        self._posts = 0
        self._last_body: tuple[bytes, str] = (b"", "")
        self.report = Report()

    def post(self, head: bytes, body: bytes) -> tuple[str, bytes | None, float]:
        """(connection id, answer or None to drop the TCP connection, seconds until then)."""
        found = _POST.match(head)
        if found is None:
            self.report.problems.append(f"not a POST to @connections: {head[:120]!r}")
            return "", answer_of(403, "ForbiddenException"), 0.0
        connection_id = unquote(found[2].decode())
        self._posts += 1
        if self._posts % SIGNATURES_CHECKED == 0 or self._posts < SIGNATURES_CHECKED:
            self._check_signature(found[1].decode(), head, body)
        verdict, report = self._fates.of(connection_id), self.report
        report.attempts[connection_id] += 1
        refused = report.attempts[connection_id] <= verdict.refusals
        fate = verdict.fate if refused or verdict.fate is Fate.GONE else Fate.TAKEN
        report.answers[fate] += 1
        if fate in (Fate.TAKEN, Fate.DROPPED_AFTER):
            report.effects[connection_id] += 1
            report.message_ids[self._message_id(body)] += 1
        answer = TAKEN if fate is Fate.TAKEN else ANSWERS.get(fate)
        return connection_id, answer, SLOW_ANSWER_S if verdict.slow else 0.0

    def must_rewrite(self, connection_id: str) -> bool:
        """Whether the row of this connection has to be written again before it is called gone."""
        if connection_id in self.report.rewritten or not self._fates.of(connection_id).rewritten:
            return False
        self.report.rewritten.add(connection_id)
        return True

    def _check_signature(self, target: str, head: bytes, body: bytes) -> None:
        pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        problem = self._check.problem(target, headers, body, datetime.now(UTC))
        self.report.signatures_checked += 1
        if problem:
            self.report.problems.append(problem)

    def _message_id(self, body: bytes) -> str:
        if body != self._last_body[0]:
            self._last_body = (body, str(json.loads(body)["id"]))
        return self._last_body[1]


Rewrite = Callable[[str], None]
"""Writes the row of a connection again; blocks."""


class Connection(asyncio.Protocol):
    """One TCP connection: requests are answered in their order, pipelined ones too."""

    def __init__(self, connections: FaultyConnections, rewrite: Rewrite) -> None:
        self._connections = connections
        self._rewrite = rewrite
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport
        self._rewriting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def _work(self) -> None:
        while not self._busy and not self._transport.is_closing():
            end_of_head = self._buffer.find(b"\r\n\r\n")
            if end_of_head < 0:
                return
            head, start = self._buffer[:end_of_head], end_of_head + 4
            length = _LENGTH.search(head)
            end = start + (int(length[1]) if length else 0)
            if len(self._buffer) < end:
                return
            body, self._buffer = self._buffer[start:end], self._buffer[end:]
            self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /"):
            self._transport.write(self._status(head))
            return
        connection_id, answer, delay_s = self._connections.post(head, body)
        if answer == ANSWERS[Fate.GONE] and self._connections.must_rewrite(connection_id):
            self._busy = True
            loop = asyncio.get_running_loop()
            self._rewriting = loop.run_in_executor(None, self._rewrite, connection_id)
            self._rewriting.add_done_callback(lambda done: self._rewritten(done, answer))
        elif delay_s:
            self._busy = True
            asyncio.get_running_loop().call_later(delay_s, self._finish, answer)
        else:
            self._answer(answer)

    def _status(self, head: bytes) -> bytes:
        report = self._connections.report
        if head.startswith(b"GET /report "):
            return answer_of(200, body=json.dumps(report.to_json()).encode())
        return answer_of(200, body=json.dumps({"taken": len(report.effects)}).encode())

    def _rewritten(self, done: asyncio.Future[None], answer: bytes | None) -> None:
        if error := done.exception():
            self._connections.report.problems.append(f"a row could not be written again: {error}")
        self._finish(answer)

    def _finish(self, answer: bytes | None) -> None:
        self._busy = False
        self._answer(answer)
        self._work()

    def _answer(self, answer: bytes | None) -> None:
        if answer is None:
            self._transport.abort()
        else:
            self._transport.write(answer)


def rewriting(order: Order) -> Rewrite:
    """What writes a row again: the same id, connected at another time."""
    import boto3

    client = boto3.client(
        "dynamodb",
        endpoint_url=order.endpoint_url,
        region_name=order.region,
        aws_access_key_id=order.access_key_id,
        aws_secret_access_key=order.secret_access_key,
    )

    def rewrite(connection_id: str) -> None:
        client.update_item(
            TableName=order.table,
            Key={"connectionId": {"S": connection_id}},
            UpdateExpression="SET connectedAt = :now",
            ConditionExpression="attribute_exists(connectionId)",
            ExpressionAttributeValues={":now": {"S": REWRITTEN_AT}},
        )

    return rewrite


REWRITTEN_AT = "2026-11-23T12:00:00.000Z"


async def serve(order: Order) -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    check = SignatureCheck(order.access_key_id, order.secret_access_key, order.region)
    connections, rewrite = FaultyConnections(Fates(order.seed), check), rewriting(order)
    server = await loop.create_server(lambda: Connection(connections, rewrite), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Order(**json.loads(sys.stdin.readline()))))
