"""The sender against a real HTTP server: every kind of answer, fault and pause."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.component.sender.sender_endpoint import (
    DROP,
    KEYS,
    MESSAGE,
    OK,
    POLICY,
    Feed,
    MovedClock,
    Reply,
    Request,
    Script,
    endpoint,
    reply,
    send,
)
from whatschat_ops.errors import CredentialsError, NotFound, PermissionDenied, Unavailable, UsageError
from whatschat_ops.redaction import Secret
from whatschat_ops.sender.model import NO_ANSWER, Credentials, Outcome, Result, SendPolicy, Target
from whatschat_ops.sender.sender import Sender


def hurried(**changes: object) -> SendPolicy:
    """The usual policy with other values."""
    return replace(POLICY, **changes)  # type: ignore[arg-type]


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def first_then(first: Reply, then: Reply = OK, *, of: str = "c2") -> Script:
    """`first` for the first attempt on one connection id."""
    return lambda request: first if request.connection_id == of and request.attempt == 1 else then


def test_every_connection_gets_the_message_once_and_one_result() -> None:
    feed = Feed(["L0SM9c=", "a/b", "ü", *(f"c{n}" for n in range(500))], in_batches=7)
    with endpoint() as server:
        snapshot = send(server.url, feed)
        assert server.open_most <= POLICY.tcp_connections
    assert feed.outcomes() == dict.fromkeys(range(1, 504), Outcome.DELIVERED)
    assert set(server.attempts) == {"L0SM9c=", "a/b", "ü", *(f"c{n}" for n in range(500))}
    assert set(server.attempts.values()) == {1}
    assert {request.body for request in server.requests} == {MESSAGE}
    assert (snapshot.delivered, snapshot.attempts, snapshot.in_flight) == (503, 503, 0)
    assert all(result.latency_s > 0 for result in feed.results)


def test_first_request_goes_alone_and_then_connections_are_shared() -> None:
    with endpoint(lambda request: reply(200, pause_s=0.05)) as server:
        send(server.url, Feed(20))
    assert server.sockets == server.open_most == POLICY.tcp_connections


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (reply(200), Outcome.DELIVERED, ""),
        (reply(204), Outcome.DELIVERED, ""),
        (reply(410, error="GoneException"), Outcome.GONE, ""),
        (reply(400, b'{"message":"Invalid connectionId: c2"}', error="BadRequestException"), Outcome.FAILED, "HTTP 400 BadRequestException: Invalid connectionId: c2"),
        (reply(403, b'{"message":"no"}', error="ForbiddenException"), Outcome.FAILED, "HTTP 403 ForbiddenException: no"),
        (reply(413, error="PayloadTooLargeException"), Outcome.FAILED, "HTTP 413 PayloadTooLargeException"),
        (Reply((b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",)), Outcome.FAILED, "HTTP 302"),
    ],
)  # fmt: skip
def test_final_answer_is_not_asked_for_again(answer: Reply, outcome: Outcome, reason: str) -> None:
    feed = Feed(3)
    with endpoint(lambda request: answer if request.connection_id == "c2" else OK) as server:
        send(server.url, feed)
    found = next(result for result in feed.results if result.number == 2)
    assert (found.outcome, found.reason, found.attempts) == (outcome, reason, 1)
    assert server.attempts == Counter(c1=1, c2=1, c3=1)
    assert feed.outcomes()[1] == feed.outcomes()[3] == Outcome.DELIVERED


@pytest.mark.parametrize(
    ("answer", "counter"),
    [
        (
            reply(429, b'{"message":"Too Many Requests"}', error="TooManyRequestsException"),
            "account_throttled",
        ),
        (reply(429, error="LimitExceededException"), "client_buffer_full"),
        (reply(500, error="InternalServerErrorException"), "server_errors"),
        (reply(503, close=True), "server_errors"),
        (DROP, "transport_errors"),
        (Reply((b"HTTP/1.1 200 OK\r\nContent-Le",), close=True), "transport_errors"),
        (Reply((b"220 smtp.example.com ESMTP\r\n",)), "transport_errors"),
        (Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",)), "transport_errors"),
    ],
)
def test_temporary_failure_is_counted_and_tried_again(answer: Reply, counter: str) -> None:
    feed = Feed(30)
    with endpoint(first_then(answer)) as server:
        snapshot = send(server.url, feed)
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert next(result.attempts for result in feed.results if result.number == 2) == 2
    assert server.attempts["c2"] == 2
    assert sum(server.attempts.values()) == snapshot.attempts == 31
    assert getattr(snapshot, counter) == 1


def test_request_without_an_answer_is_given_up_in_time_and_tried_again() -> None:
    feed, clock, ended = Feed(3), MovedClock(), threading.Event()

    def script(request: Request) -> Reply:
        if request.connection_id == "c2" and request.attempt == 1:
            until(lambda: len(feed.results) == 2)
            clock.ahead_s = POLICY.request_timeout_s + 1
            ended.wait(60)
        return OK

    with endpoint(script) as server:
        snapshot = send(server.url, feed, clock=clock)
        ended.set()
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert snapshot.transport_errors == 1
    assert server.attempts["c2"] == 2


def test_last_attempt_names_its_reason() -> None:
    feed = Feed(2)
    with endpoint(lambda request: DROP if request.connection_id == "c2" else OK) as server:
        snapshot = send(server.url, feed, policy=hurried(max_attempts=3))
    failed = next(result for result in feed.results if result.number == 2)
    assert (failed.outcome, failed.attempts) == (Outcome.FAILED, 3)
    assert failed.reason == "No answer: it closed the connection without an answer (the last of 3 attempts)"
    assert server.attempts["c2"] == snapshot.transport_errors == 3


def test_target_is_given_up_at_its_deadline_since_its_first_attempt() -> None:
    """By the clock of the test every request takes 100 s."""
    feed = Feed(1)
    policy = hurried(deadline_s=250.0, request_timeout_s=10_000.0, max_attempts=10)
    with endpoint(lambda _: reply(500)) as server:

        def clock() -> float:
            return time.monotonic() + 100.0 * len(server.requests)

        sender = Sender(
            server.url, "eu-west-1", MESSAGE, policy, lambda: KEYS, clock=clock, jitter=lambda: 0.0
        )
        sender.run(feed.next_targets, feed.on_results)
    assert feed.only().outcome is Outcome.FAILED
    assert feed.only().reason == "HTTP 500 (given up after 250 s)"
    assert server.attempts["c1"] == feed.only().attempts == 3


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 O", b"K\r\nContent-Length: 5\r\n", b"\r\nhel", b"lo"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r", b"\nhello\r\n0\r\n", b"\r\n"],
    ],
)
def test_answer_in_pieces_leaves_the_connection_usable(pieces: list[bytes]) -> None:
    feed = Feed(6)
    with endpoint(lambda _: Reply(pieces, 0.01)) as server:
        send(server.url, feed, policy=hurried(tcp_connections=1))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert server.sockets == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, close=True),
        Reply((b"HTTP/1.1 200 OK\r\n\r\nuntil the end",), close=True),
        Reply((b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",), close=True),
    ],
)
def test_answer_that_ends_the_connection_is_followed_by_a_new_one(answer: Reply) -> None:
    feed = Feed(6)
    with endpoint(lambda _: answer) as server:
        snapshot = send(server.url, feed, policy=hurried(tcp_connections=1))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert (server.sockets, snapshot.transport_errors, snapshot.attempts) == (6, 0, 6)


def test_more_than_one_answer_is_not_taken_for_the_next() -> None:
    twice = Reply((reply(200).pieces[0] + reply(410, error="GoneException").pieces[0],))
    feed = Feed(6)
    with endpoint(first_then(twice, of="c3")) as server:
        send(server.url, feed, policy=hurried(tcp_connections=1))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert server.sockets == 2


def test_large_message_arrives_whole() -> None:
    message = bytes(range(256)) * 512  # 128 KB: more than the socket takes at once
    feed = Feed(8)
    with endpoint() as server:
        send(server.url, feed, message=message)
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert {request.body for request in server.requests} == {message}


def test_kept_connection_that_was_closed_while_idle_costs_no_attempt() -> None:
    """The server ends the second request on a socket without reading it, as one does whose idle time is over."""

    class Slow(Feed):
        def next_targets(self, limit: int) -> Sequence[Target] | None:
            if self.given == 1 and time.monotonic() < self.second_at_s:
                return []
            return super().next_targets(1)

        second_at_s = time.monotonic() + 1.2

    feed = Slow(2)
    with endpoint(lambda request: DROP if request.on_socket == 2 else OK) as server:
        snapshot = send(server.url, feed)
    assert [result.attempts for result in feed.results] == [1, 1]
    assert (snapshot.transport_errors, server.attempts["c2"]) == (0, 2)
    assert snapshot.in_doubt == 1  # it is not known here that it was not read


def test_refusal_at_the_start_stops_after_one_request_with_the_reason() -> None:
    refusal = reply(403, b'{"Message":"User: arn:aws:iam::1:user/u is not authorized to perform: execute-api:ManageConnections"}', error="AccessDeniedException")  # fmt: skip
    feed = Feed(1000)
    with endpoint(lambda _: refusal) as server, pytest.raises(PermissionDenied) as caught:
        send(server.url, feed)
    assert len(server.requests) == 1
    assert "user/u is not authorized to perform: execute-api:ManageConnections" in caught.value.message
    assert caught.value.aws_code == "AccessDeniedException"
    assert (feed.results, feed.given) == ([], 1)  # no other counts as begun


@pytest.mark.parametrize("status", [301, 404, 405])
def test_url_of_something_else_stops_after_one_request(status: int) -> None:
    with endpoint(lambda _: reply(status)) as server, pytest.raises(NotFound, match=f"HTTP {status}"):
        send(server.url, Feed(1000))
    assert len(server.requests) == 1


def test_refusals_without_end_stop_the_run() -> None:
    feed = Feed(1000)
    script = first_then(OK, reply(403), of="c1")
    with endpoint(script) as server, pytest.raises(PermissionDenied):
        send(server.url, feed)
    assert 64 <= len(server.requests) <= 64 + 2 * POLICY.tcp_connections
    assert feed.outcomes()[1] is Outcome.DELIVERED


def test_wrong_clock_is_named() -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(minutes=20), usegmt=True)
    refusal = reply(
        403, b'{"message":"Signature not yet current"}', error="InvalidSignatureException", date=date
    )
    with (
        endpoint(lambda _: refusal) as server,
        pytest.raises(PermissionDenied, match=r"clock is 1[12][0-9]{2} s ahead"),
    ):
        send(server.url, Feed(1))


def expiring_keys(*expires_at: datetime | None) -> tuple[list[Credentials], object]:
    """Keys K1, K2, ... with these ends; the last again and again."""
    given: list[Credentials] = []

    def source() -> Credentials:
        number = min(len(given), len(expires_at) - 1)
        given.append(Credentials(f"K{number + 1}", Secret("s"), Secret("token"), expires_at[number]))
        return given[-1]

    return given, source


def key_of(request: Request) -> str:
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def test_expired_keys_are_renewed_and_their_targets_sent_again_at_no_cost() -> None:
    expired = reply(403, b'{"message":"The security token included in the request is expired"}', error="ExpiredTokenException")  # fmt: skip
    old_requests = 0

    def script(request: Request) -> Reply:
        nonlocal old_requests
        old_requests += key_of(request) == "K1"
        return expired if key_of(request) == "K1" and old_requests > 50 else OK

    given, source = expiring_keys(None, None)
    feed = Feed(200)
    with endpoint(script) as server:
        send(server.url, feed, keys=source)  # type: ignore[arg-type]
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert {result.attempts for result in feed.results} == {1}
    assert len(given) == 2
    assert old_requests <= 50 + POLICY.tcp_connections


def test_expired_keys_without_newer_ones_end_the_run() -> None:
    expired = reply(403, error="ExpiredTokenException")
    script = first_then(OK, expired, of="c1")
    with endpoint(script) as server, pytest.raises(CredentialsError, match="have expired"):
        send(server.url, Feed(100))
    assert len(server.requests) <= 2 + POLICY.tcp_connections


def test_keys_are_renewed_before_they_expire() -> None:
    now_s = 1_800_000_000.0
    given, source = expiring_keys(datetime.fromtimestamp(now_s + 3600, UTC), None)
    feed = Feed(20)
    with endpoint() as server:
        policy = hurried(rate_per_s=15, burst=1, tcp_connections=1)
        wall_clock = lambda: now_s + (3540.5 if len(server.requests) >= 5 else 0)  # noqa: E731
        send(server.url, feed, policy=policy, keys=source, wall_clock=wall_clock)  # type: ignore[arg-type]
    used = [key_of(request) for request in server.requests]
    assert used == sorted(used)
    assert set(used) == {"K1", "K2"}
    assert len(given) == 2


def test_endpoint_that_refuses_connections_at_the_start_is_told_soon() -> None:
    with endpoint() as server:
        url = server.url
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ cannot be reached: Connection refused"):
        send(url, Feed(1))


def test_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(Unavailable, match=r"no-such-host\.invalid"):
        send("http://no-such-host.invalid/prod", Feed(1))


def test_endpoint_that_goes_away_ends_the_run_with_what_was_done() -> None:
    feed = Feed(10_000)
    done = threading.Event()

    def on_results(results: Sequence[Result]) -> None:
        feed.on_results(results)
        done.set()

    sender_error: list[BaseException] = []
    with endpoint() as server:
        sender = Sender(
            server.url, "eu-west-1", MESSAGE, hurried(deadline_s=0.5, rate_per_s=100, burst=1), lambda: KEYS
        )

        def work() -> None:
            try:
                sender.run(feed.next_targets, on_results)
            except Unavailable as error:
                sender_error.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(60)
    thread.join(60)
    assert not thread.is_alive()
    assert "cannot be reached" in str(sender_error[0])
    assert 0 < len(feed.outcomes()) < 10_000


def test_stop_ends_what_was_begun_and_begins_nothing_more() -> None:
    feed = Feed(100_000)
    with endpoint() as server:
        send(
            server.url,
            feed,
            policy=hurried(rate_per_s=2_000, burst=10),
            should_stop=lambda: len(feed.results) > 50,
        )
    assert len(feed.outcomes()) == feed.given == len(server.requests) < 2_000


def test_stop_leaves_those_that_wait_for_a_retry_without_a_result() -> None:
    feed = Feed(3)
    with endpoint(lambda request: reply(500) if request.connection_id == "c2" else OK) as server:
        policy = hurried(max_attempts=10**6)
        send(
            server.url,
            feed,
            policy=policy,
            should_stop=lambda: len(feed.results) == 2 and server.attempts["c2"] > 1,
        )
    assert feed.outcomes() == {1: Outcome.DELIVERED, 3: Outcome.DELIVERED}


@pytest.mark.parametrize("failure", [reply(500), DROP])
def test_stop_counts_every_attempt_without_an_answer_of_what_is_to_be_sent_again(failure: Reply) -> None:
    with endpoint(lambda request: failure if request.connection_id == "c2" else OK) as server:
        policy = hurried(max_attempts=10**6)
        snapshot = send(server.url, Feed(3), policy=policy, should_stop=lambda: server.attempts["c2"] > 1)
    assert server.attempts["c2"] > 1
    assert snapshot.in_doubt == (server.attempts["c2"] if failure is DROP else 0)


def test_attempt_without_an_answer_is_told_before_its_target_is_sent_to_again() -> None:
    told: list[int] = []
    told_before: list[int] = []

    def answer(request: Request) -> Reply:
        if request.connection_id != "c2":
            return OK
        told_before.append(sum(told))
        return DROP if len(told_before) < 3 else OK

    feed = Feed(3)
    with endpoint(answer) as server:
        sender = Sender(server.url, "eu-west-1", MESSAGE, hurried(), lambda: KEYS)
        snapshot = sender.run(feed.next_targets, feed.on_results, on_in_doubt=told.append)
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert told_before == [0, 1, 2]
    assert snapshot.in_doubt == sum(told) == 2


def test_last_attempt_without_an_answer_is_not_unsure_but_named_in_the_reason() -> None:
    feed = Feed(1)
    with endpoint(lambda _: DROP) as server:
        snapshot = send(server.url, feed, policy=hurried(max_attempts=3))
    assert feed.only().reason.startswith(NO_ANSWER)
    assert (snapshot.in_doubt, server.attempts["c1"]) == (2, 3)


@pytest.mark.parametrize("place", ["next_targets", "on_results", "should_stop"])
def test_interrupt_hands_over_what_has_ended_and_closes_everything(place: str) -> None:
    feed = Feed(10_000, in_batches=20)
    seen: list[Result] = []

    def next_targets(limit: int) -> Sequence[Target] | None:
        if place == "next_targets" and feed.given >= 1000:
            raise KeyboardInterrupt
        return feed.next_targets(limit)

    def on_results(results: Sequence[Result]) -> None:
        if place == "on_results" and seen:
            raise KeyboardInterrupt
        seen.extend(results)

    def should_stop() -> bool:
        if place == "should_stop" and seen:
            raise KeyboardInterrupt
        return False

    with endpoint() as server:
        sender = Sender(server.url, "eu-west-1", MESSAGE, POLICY, lambda: KEYS)
        with pytest.raises(KeyboardInterrupt):
            sender.run(next_targets, on_results, should_stop)
        assert len({result.number for result in seen}) == len(seen) > 0
        if place == "next_targets":
            assert len(seen) >= 1000 - POLICY.tcp_connections - 512
        until(lambda: server.open_now == 0)


def test_rate_is_kept() -> None:
    feed = Feed(60)
    began = time.monotonic()
    with endpoint() as server:
        send(server.url, feed, policy=hurried(rate_per_s=100, burst=10))
        assert time.monotonic() - began >= 0.5
    assert len(server.requests) == 60


@pytest.mark.parametrize(
    "refusal", [reply(429, b'{"message":"Too Many Requests"}'), reply(429, error="LimitExceededException")]
)
def test_limit_that_was_not_told_is_found_and_every_connection_is_delivered_to(refusal: Reply) -> None:
    limit_per_s, allowance, filled_s, lock = 30.0, 5.0, time.monotonic(), threading.Lock()

    def script(_: Request) -> Reply:
        nonlocal allowance, filled_s
        with lock:
            now_s = time.monotonic()
            allowance = min(5.0, allowance + (now_s - filled_s) * limit_per_s)
            filled_s = now_s
            if allowance < 1:
                return refusal
            allowance -= 1
            return OK

    feed = Feed(40)
    with endpoint(script) as server:
        snapshot = send(server.url, feed, policy=hurried(rate_per_s=300, burst=10, max_attempts=12))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert snapshot.account_throttled > 0
    assert snapshot.rate_limit_per_s < 150
    assert snapshot.attempts < 160


def test_waiting_does_not_spin() -> None:
    """Every turn of the loop reads the clock a few times: they are counted."""
    readings = 0

    def clock() -> float:
        nonlocal readings
        readings += 1
        return time.monotonic()

    until_s = time.monotonic() + 1.0

    class Late(Feed):
        def next_targets(self, limit: int) -> Sequence[Target] | None:
            if self.given == 3 and time.monotonic() < until_s:
                return []
            return super().next_targets(min(limit, 3 - self.given) if self.given < 3 else limit)

    feed = Late(6)
    with endpoint(
        lambda request: reply(500 if request.attempt < 3 else 200, close=True, pause_s=0.1)
    ) as server:
        send(server.url, feed, policy=hurried(rate_per_s=5, burst=1), clock=clock)
    assert len(feed.outcomes()) == 6
    assert readings < 2000


def test_results_are_handed_over_in_time_while_others_are_slow() -> None:
    feed = Feed(30)

    def script(request: Request) -> Reply:
        if request.connection_id == "c2":
            until(lambda: len(feed.results) == 29)
        return OK

    with endpoint(script) as server:
        send(server.url, feed)
    assert len(feed.outcomes()) == 30


def test_slow_journal_is_not_taken_for_a_slow_endpoint() -> None:
    """While results are written nothing is read: answers that came meanwhile are not late."""
    feed, clock = Feed(300), MovedClock()

    def on_results(results: Sequence[Result]) -> None:
        until(lambda: server.answered == sender.snapshot().attempts)
        clock.ahead_s += POLICY.request_timeout_s + 1
        feed.on_results(results)

    with endpoint() as server:
        policy = hurried(rate_per_s=1000, burst=100)
        sender = Sender(server.url, "eu-west-1", MESSAGE, policy, lambda: KEYS, clock=clock)
        snapshot = sender.run(feed.next_targets, on_results)
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert (snapshot.transport_errors, snapshot.attempts) == (0, 300)


@pytest.mark.parametrize(
    "url", ["wss://h/p", "https://", "https://h/p?x=1", "https://u:secret@h/p", "h/p", "https://h:x/p"]
)
def test_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Sender(url, "eu-west-1", MESSAGE, POLICY, lambda: KEYS)
    assert "secret" not in caught.value.message


def test_reason_is_the_same_for_all_ids() -> None:
    feed = Feed([f"L0SM9cOF{number}" for number in range(100, 140)])
    with endpoint(
        lambda request: reply(400, f'{{"message":"Invalid id {request.connection_id}"}}'.encode())
    ) as server:
        send(server.url, feed)
    assert {result.reason for result in feed.results} == {"HTTP 400: Invalid id ID"}


def test_rate_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="would never send"):
        Sender("https://h/p", "eu-west-1", MESSAGE, hurried(rate_per_s=0), lambda: KEYS)


def test_mixture_of_faults_ends_every_target_once() -> None:
    """By the number in the id: gone, throttled, broken before or after, garbage, slow; what can be delivered is."""
    answers = {
        3: reply(429, b'{"message":"Too Many Requests"}'),
        4: reply(429, error="LimitExceededException"),
        5: reply(500),
        6: DROP,
        7: Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",), close=True),
        8: Reply((b"\x00garbage\r\n\r\n",)),
        9: reply(200, close=True, pause_s=0.01),
    }

    def script(request: Request) -> Reply:
        number = int(request.connection_id[1:])
        if number % 40 == 1:
            return reply(410, error="GoneException")
        return answers.get(number % 40, OK) if request.attempt <= 2 else OK

    feed = Feed(2_000, in_batches=64)
    with endpoint(script) as server:
        snapshot = send(server.url, feed, policy=hurried(tcp_connections=16))
    expected = {n: Outcome.GONE if n % 40 == 1 else Outcome.DELIVERED for n in range(1, 2_001)}
    assert feed.outcomes() == expected
    assert {result.number: result.attempts for result in feed.results} == {
        n: server.attempts[f"c{n}"] for n in range(1, 2_001)
    }
    assert (snapshot.delivered, snapshot.gone, snapshot.failed) == (1950, 50, 0)
    assert snapshot.attempts == len(server.requests)
    assert snapshot.transport_errors == 3 * 50 * 2
