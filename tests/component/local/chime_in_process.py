"""The embedded Chime service behind real boto3 clients, without a socket: requests of botocore are passed to it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from whatschat_ops.local.chime import ChimeMeetings
from whatschat_ops.local.chime.attendance import PATH
from whatschat_ops.local.interfaces import (
    Denial,
    HttpRequest,
    LambdaFunction,
    ServiceEvent,
    WebSocketApi,
)

ENDPOINT = "http://chime.test"
REGION = "us-east-1"
START = 1_790_000_000.0
UNKNOWN = "00000000-0000-0000-0000-000000000000"
ALL = {"Audio": "SendReceive", "Video": "SendReceive", "Content": "SendReceive"}


@dataclass
class Clock:
    """Seconds since the epoch; the test moves it."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeControlPlane:
    """Allows what is not in `denials` (IAM action -> denial) and records what it was asked."""

    denials: dict[str, Denial] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        self.asked.append((service, action, resource_arn))
        return self.denials.get(action)

    async def websocket_api(self, api_id: str) -> WebSocketApi | None:
        raise NotImplementedError

    async def function(self, function_arn: str) -> LambdaFunction | None:
        raise NotImplementedError

    async def may_invoke(self, function_arn: str, source_arn: str, role_arn: str | None = None) -> bool:
        raise NotImplementedError

    def policy_decision(self, document: object, action: str, resource_arn: str, source_ip: str) -> str | None:
        raise NotImplementedError

    def caller_identity(self, request: HttpRequest) -> Mapping[str, str]:
        raise NotImplementedError

    def record_metric(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        time_s: float | None = None,
    ) -> None:
        raise NotImplementedError

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        raise NotImplementedError


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class ChimeInProcess:
    """A service with its clock and its control plane; `restart` loads it again from its file."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    control_plane: FakeControlPlane = field(default_factory=FakeControlPlane)
    requests: list[HttpRequest] = field(default_factory=list)
    published: list[ServiceEvent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The effect of a kill and a start."""
        self.service = ChimeMeetings(
            self.control_plane, self.path, clock=self.clock, publish=self.published.extend
        )

    def attend(self, meeting: str, user: str, action: str = "attend") -> tuple[int, dict[str, Any]]:
        """Connect (`attend`) or disconnect (`leave`, `drop`) an attendee: status and JSON body of the answer."""
        body = json.dumps({"meeting": meeting, "user": user, "action": action}).encode()
        request = HttpRequest("POST", PATH, "", (), body, "127.0.0.1")
        with self._lock:
            answer = asyncio.run(self.service.attendance.handle(request))
        return answer.status, json.loads(answer.body)

    def events(self) -> list[str]:
        """Types and users of the events since the last call."""
        taken = [event.detail for event in self.published]
        self.published.clear()
        return [
            " ".join(filter(None, (str(detail["eventType"]), str(detail.get("externalUserId", "")))))
            for detail in taken
        ]

    def client(self, region: str = REGION) -> Any:
        """A boto3 client, without retries, whose calls end in this service."""
        client = boto3.client(
            "chime-sdk-meetings",
            region_name=region,
            endpoint_url=ENDPOINT,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        self.attach(client)
        return client

    def attach(self, client: Any) -> None:
        """Pass every request of `client` to this service."""
        client.meta.events.register_first("before-send", self._answer)

    def send(self, request: HttpRequest) -> Any:
        """Handle one request."""
        with self._lock:  # the server has one event loop
            self.requests.append(request)
            return asyncio.run(self.service.handle(request))

    def raw(
        self, method: str, target: str, document: Any = None, *, region: str = REGION
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, JSON body and headers of a request that no SDK would send; bytes are sent unchanged."""
        path, _, query = target.partition("?")
        body = (
            document
            if isinstance(document, bytes)
            else b""
            if document is None
            else json.dumps(document).encode()
        )
        scope = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/{region}/chime/aws4_request, SignedHeaders=host"
        headers = ((b"host", b"chime.test"), (b"authorization", scope.encode()))
        answer = self.send(HttpRequest(method, path, query, headers, body, "127.0.0.1"))
        return answer.status, json.loads(answer.body or b"{}"), answer.headers

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        body = request.body or b""
        answer = self.send(
            HttpRequest(
                request.method,
                url.path,
                url.query,
                tuple((name.lower().encode(), _bytes(value)) for name, value in request.headers.items()),
                body if isinstance(body, bytes) else body.encode(),
                "127.0.0.1",
            )
        )
        return AWSResponse(request.url, answer.status, answer.headers, _Body(answer.body))


def create(client: Any, token: str | None = None, **parameters: Any) -> dict[str, Any]:
    """CreateMeeting's meeting."""
    values = {"ExternalMeetingId": "call-alice-1", "MediaRegion": "eu-central-1", **parameters}
    answer = client.create_meeting(ClientRequestToken=token or uuid.uuid4().hex, **values)
    return dict(answer["Meeting"])


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """The error code and the HTTP status of a refused call."""
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
