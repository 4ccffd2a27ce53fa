"""A load test of several workers, in threads of this process: real sockets, objects in memory."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.unit.load.load_reports import PLAN
from whatschat_ops.choices import TokenVia
from whatschat_ops.cli.ws.load_outcome import judge
from whatschat_ops.errors import NotFound, OpsError, PartlyDone
from whatschat_ops.load.distributed import handler
from whatschat_ops.load.distributed.engine import Fleet, FleetProgress
from whatschat_ops.load.distributed.sharing import Keys
from whatschat_ops.load.measured import Measured, merged
from whatschat_ops.load.plan import Limits, LoadPlan
from whatschat_ops.load.report import LoadReport, exceeded
from whatschat_ops.redaction import Secret

RUN = "load-20261129-101502-7f3a11"
QUICK = replace(PLAN, sockets=12, users=6, connect_rate_per_s=500, interval_s=0.2, duration_s=1, drain_s=0.5)
ENDLESS = replace(QUICK, duration_s=600)


@dataclass
class Store:
    """A bucket in memory."""

    objects: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError as error:
            raise NotFound(f"no {key}") from error

    def put(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def create(self, key: str, content: bytes) -> bool:
        with self.lock:
            return self.objects.setdefault(key, content) == content

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)


@dataclass
class Api:
    """Answers pings, passes messages on to sockets of their user, and counts. The user is in the token."""

    port: int = 0
    opened: int = 0
    received: int = 0
    sockets: dict[str, list[ServerConnection]] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        """The endpoint of `@connections` of such an API."""
        return f"http://127.0.0.1:{self.port}/production"

    async def talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        user = socket.request.headers["Authorization"].removeprefix("Bearer token-of-")
        self.opened += 1
        self.users.add(user)
        self.sockets.setdefault(user, []).append(socket)
        async for text in socket:
            document = json.loads(text)
            self.received += 1
            if document["type"] == "ping":
                await socket.send(json.dumps({"type": "pong", "id": document["id"]}))
                continue
            await socket.send(json.dumps({"type": "message:sent", "id": document["id"]}))
            for receiver in self.sockets[document["recipients"][0]]:
                await receiver.send(json.dumps({"type": "message:received", "id": document["id"]}))


@contextmanager
def serving() -> Iterator[Api]:
    """An API in a thread of its own."""
    api, loop, ready = Api(), asyncio.new_event_loop(), threading.Event()
    ended = asyncio.Event()

    async def run() -> None:
        async with serve(api.talk, "127.0.0.1", 0) as server:
            api.port = next(iter(server.sockets)).getsockname()[1]
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(60)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def fleet(store: Store, invoke: Callable[[int], object], plan: LoadPlan = QUICK, workers: int = 2) -> Fleet:
    """A fleet whose workers are called by number."""
    return Fleet(
        store,
        lambda event: [invoke(json.loads(event)["worker"])].clear(),
        plan,
        workers,
        TokenVia.HEADER,
        lambda name: Secret(f"token-of-{name}"),
        RUN,
        look_s=0.05,
    )


def share_of(store: Store, api: Api, worker: int) -> bool:
    return handler.do_share(store, RUN, worker, api.endpoint, 900.0)


def figures(report: LoadReport, name: str) -> int:
    return sum(getattr(worker, name) for worker in report.workers)


def test_report_of_two_workers_is_what_the_api_counted() -> None:
    store = Store()
    with serving() as api:
        report = fleet(store, lambda worker: share_of(store, api, worker)).run(threading.Event())
    sent = report.ping.sent + report.message.sent
    assert (
        (report.sockets.attempted, report.sockets.opened)
        == (12, 12)
        == (api.opened, figures(report, "opened"))
    )
    assert sent == api.received == figures(report, "sent") > 0
    assert (report.ping.lost, report.message.lost, report.missing) == (0, 0, ())
    assert report.ping.arrived == report.ping.expected == report.ping.latency.count
    assert report.message.arrived == report.message.expected == 2 * report.message.sent
    assert report.handshake.count == 12
    assert sum(point.sent for point in report.timeline) == sent
    assert api.users == {f"{RUN}-{worker}-{user}" for worker in (1, 2) for user in range(3)}


def test_worker_that_died_is_missing_in_the_report_and_its_loss_unknown() -> None:
    store = Store()

    def invoke(worker: int) -> bool:
        if worker == 2:
            raise OpsError("Runtime.ExitError: signal: killed")
        return share_of(store, api, worker)

    with serving() as api:
        report = fleet(store, invoke).run(threading.Event())
    assert [worker.missing for worker in report.workers] == ["", "Runtime.ExitError: signal: killed"]
    assert report.sockets.opened == api.opened == 6
    assert "The loss is not known: 1 of 2 workers have no figures (2)" in exceeded(report, Limits(0))[0]
    with pytest.raises(PartlyDone, match="killed"):
        judge(report, Limits())


def test_all_workers_failed_is_an_error_with_the_cause_of_the_first() -> None:
    def invoke(worker: int) -> bool:
        raise OpsError(f"worker {worker} failed")

    with pytest.raises(OpsError, match="worker 1 failed"):
        fleet(Store(), invoke).run(threading.Event())


def test_stop_ends_workers_through_the_control_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "CONTROL_S", 0.05)
    store, stop = Store(), threading.Event()

    def progress(now: FleetProgress) -> None:
        if api.received > 20:
            stop.set()

    with serving() as api:
        report = fleet(store, lambda worker: share_of(store, api, worker), ENDLESS).run(stop, progress)
    assert report.interrupted
    assert report.missing == ()
    assert report.ping.sent + report.message.sent == api.received > 20


def test_share_that_was_begun_is_not_begun_again() -> None:
    store = Store({Keys(RUN).of("begun", 1): b"another invocation"})
    assert handler.do_share(store, RUN, 1, "http://127.0.0.1:1", 900.0) is False
    assert list(store.objects) == [Keys(RUN).of("begun", 1)]


def test_what_a_worker_measured_survives_its_object_and_adds_up() -> None:
    store = Store()
    with serving() as api:
        fleet(store, lambda worker: share_of(store, api, worker)).run(threading.Event())
    one, two = (Measured.from_bytes(store.get(Keys(RUN).of("measured", worker))) for worker in (1, 2))
    assert Measured.from_bytes(one.to_bytes()).to_bytes() == one.to_bytes()
    whole = merged([one, two])
    assert whole.handshake.count == one.handshake.count + two.handshake.count == 12
    slowest = max(part.handshake.latency().max_ms or 0.0 for part in (one, two))
    assert whole.handshake.latency().max_ms == slowest
    assert whole.pings.sent == one.pings.sent + two.pings.sent
