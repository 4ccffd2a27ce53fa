"""Traffic on an embedded AWS, and what those who made it know of it: the load test, sockets of our own, the broadcast's journal,
and the simulator of meetings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ExitCode
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint

DOCUMENT: Final = {
    "prefix": "truth-",
    "chime": {"events": True},
    "lambda": {"log_level": "DEBUG"},
}
"""At DEBUG the functions write a line for each ping, whose sizes are then known."""
NAMES: Final = Names(Settings.of(DOCUMENT))
STAGE: Final = Settings.of(DOCUMENT).websocket.stage
UNIT_BYTES: Final = 32 * 1024
SIZES: Final = (100, 20_000, UNIT_BYTES, UNIT_BYTES + 1)
"""Bytes of what our own sockets send: one unit of 32 KB, and one byte more."""
CLIENTS: Final = 3
MESSAGE_BYTES: Final = 200


@dataclass
class Cli:
    """`whatschat-ops` with these settings."""

    config: Path

    def __call__(self, *arguments: str) -> Done:
        return run("--config", str(self.config), *arguments)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.code == ExitCode.DONE, done.said
        return json.loads(done.stdout)


@dataclass(frozen=True)
class Attendance:
    """As the simulator of meetings says; times as it writes them."""

    meeting: str
    user: str
    joined: str
    left: str
    lasted_s: Decimal


@dataclass
class Truth:
    """What was done. `sockets_s`: how long each socket of our own was open, at least and at most, by connection id."""

    since: datetime
    inbound: int = 0
    outbound: int = 0
    inbound_bytes: int = 0
    outbound_bytes: int = 0
    """To our own sockets: the load test does not count bytes."""
    units: int = 0
    connections: int = 0
    sockets_s: dict[str, tuple[float, float]] = field(default_factory=dict)
    attendances: list[Attendance] = field(default_factory=list)
    meetings: int = 0

    @property
    def messages(self) -> int:
        """Both directions."""
        return self.inbound + self.outbound

    @property
    def attendee_minutes(self) -> Decimal:
        """As AWS bills them: each attendance is rounded up to 0.1 minute."""
        tenths = (each.lasted_s / 6 for each in self.attendances)
        return sum((each.to_integral_value(ROUND_CEILING) for each in tenths), Decimal(0)) / 10

    def send(self, size_bytes: int) -> None:
        """A message of a client."""
        self.inbound += 1
        self.inbound_bytes += size_bytes
        self.units += -(-size_bytes // UNIT_BYTES)

    def receive(self, size_bytes: int) -> None:
        """A message to a client."""
        self.outbound += 1
        self.outbound_bytes += size_bytes
        self.units += -(-size_bytes // UNIT_BYTES)


@contextmanager
def stack(aws: EmbeddedAws, folder: Path) -> Iterator[Cli]:
    """A provisioned stack of its own on the embedded AWS."""
    config = folder / "local.yaml"
    config.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    cli = Cli(config)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        assert cli("provision", "--yes").code == ExitCode.DONE
        try:
            yield cli
        finally:
            cli("destroy", "--yes", "--delete-data")


def do(aws: EmbeddedAws, cli: Cli, *, sockets: int = 6, seconds: int = 2, stay_s: float = 0) -> Truth:
    """All of it, one after the other; ends when the logs have the last line."""
    truth = Truth(datetime.now(UTC).replace(second=0, microsecond=0))
    load(cli, truth, sockets, seconds)
    with clients(aws, cli, truth) as open_:
        talk(open_, truth)
        broadcast(cli, open_, truth)
    meet(aws, cli, truth, stay_s)
    api = {"ApiId": cli.json("ws", "endpoint")["api_id"], "Stage": STAGE}
    for metric, known in (("MessageCount", truth.messages), ("ConnectCount", truth.connections)):
        eventually(lambda metric=metric, known=known: _sum(aws, "AWS/ApiGateway", metric, api) == known)  # type: ignore[misc]
    ended = {"FunctionName": NAMES.function("disconnect")}
    eventually(lambda: _sum(aws, "AWS/Lambda", "Invocations", ended) >= truth.connections)
    return truth


def load(cli: Cli, truth: Truth, sockets: int, seconds: int) -> None:
    """`ws load`: pings and messages, each of which is answered."""
    report = cli.json(
        "ws", "load", "-n", str(sockets), "--duration", str(seconds), "--interval", "1",
        "--message-size", str(MESSAGE_BYTES), "--drain", "60",
    )  # fmt: skip
    for kind in ("ping", "message"):
        assert report[kind]["lost"] == report[kind]["duplicates"] == 0, report[kind]
        truth.inbound += report[kind]["sent"]
        truth.inbound_bytes += report[kind]["sent"] * MESSAGE_BYTES
        truth.outbound += report[kind]["arrived"]
    truth.outbound += report["receipts"]
    truth.units = truth.inbound + truth.outbound
    truth.connections += report["sockets"]["opened"]


@contextmanager
def clients(aws: EmbeddedAws, cli: Cli, truth: Truth) -> Iterator[list[ClientConnection]]:
    """Sockets whose beginning and end are known."""
    url = cli("ws", "endpoint").stdout.strip()
    parameter = aws.client("ssm").get_parameter(Name=NAMES.jwt_secret_parameter, WithDecryption=True)
    secret, times = Secret(parameter["Parameter"]["Value"]), []
    with ExitStack() as stack:
        opened = []
        for number in range(CLIENTS):
            token = mint(
                f"own{number}", secret, ttl=timedelta(hours=1), now=datetime.now(UTC), token_id=str(number)
            ).token
            headers = {"Authorization": f"Bearer {token.reveal()}"}
            before = time.time()
            opened.append(stack.enter_context(connect(url, additional_headers=headers, compression=None, proxy=None, open_timeout=60)))  # fmt: skip
            times.append((before, time.time()))
        rows = cli.json("ws", "connections", "list")
        ids = {row["user_id"]: row["connection_id"] for row in rows}
        yield opened
        closing = time.time()
    closed = time.time()
    truth.connections += CLIENTS
    for number, (before, after) in enumerate(times):
        truth.sockets_s[ids[f"own{number}"]] = (closing - after, closed - before)


def talk(sockets: list[ClientConnection], truth: Truth) -> None:
    """Pings of all sizes, each of which is answered. A frame has at most 32 KB, a message several."""
    for socket in sockets:
        for size_bytes in SIZES:
            text = json.dumps({"type": "ping", "id": "1", "more": ""})
            text = text[:-2] + "x" * (size_bytes - len(text)) + text[-2:]
            socket.send([text[:UNIT_BYTES], text[UNIT_BYTES:]] if len(text) > UNIT_BYTES else text)
            truth.send(len(text))
            truth.receive(len(str(socket.recv(timeout=60)).encode()))


def broadcast(cli: Cli, sockets: list[ClientConnection], truth: Truth) -> None:
    """One message to all: what the journal says was delivered is what arrived."""
    report = cli.json("ws", "broadcast", "--type", "notice", "x" * UNIT_BYTES, "--yes")
    arrived = [len(str(socket.recv(timeout=60)).encode()) for socket in sockets]
    assert report["delivered"] == len(arrived)
    for size_bytes in arrived:
        truth.receive(size_bytes)


def meet(aws: EmbeddedAws, cli: Cli, truth: Truth, stay_s: float) -> None:
    """Meetings whose attendances the simulator times."""
    for meeting, users in {"truth-1": ("alice", "bob"), "truth-2": ("carol",)}.items():
        others = [word for user in users for word in ("-a", user)]
        assert cli("chime", "meeting", "create", "-u", users[0], *others, "--external-id", meeting).code == 0
        truth.meetings += 1
        joined = {user: aws.attend(meeting, user).at for user in users}
        time.sleep(stay_s)
        for user in users:
            left = aws.attend(meeting, user, "leave")
            lasted_s = Decimal(str(left.connected_s))
            truth.attendances.append(Attendance(meeting, user, str(joined[user]), str(left.at), lasted_s))
        assert cli("chime", "meeting", "delete", meeting, "--yes").code == 0


def _sum(aws: EmbeddedAws, namespace: str, metric: str, dimensions: dict[str, str]) -> float:
    """Metrics are behind what they count."""
    now = datetime.now(UTC)
    answer = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=metric, Period=3_600, Statistics=["Sum"],
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=2),
    )  # fmt: skip
    return float(sum(point["Sum"] for point in answer["Datapoints"]))
