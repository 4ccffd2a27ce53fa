"""The short cut for answers that say what an earlier one said: it never differs from the reader."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.sender.answers import read_answer
from whatschat_ops.sender.successes import MOST_LESSONS, Successes

GATEWAY = (
    b"HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 22:36:0%d GMT\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
    b"Connection: keep-alive\r\nx-amzn-RequestId: 0a1b-%d\r\nx-amz-apigw-id: ABc%d=\r\n\r\n"
)

header_lines = st.sampled_from(
    [
        b"Content-Length: 0",
        b"Content-Length: 00",
        b"content-length: 0",
        b"content-length: 5",
        b"Connection: keep-alive",
        b"Connection: close",
        b"connection: close",
        b"Connection:upgrade,\tclose",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Date: Mon, 23 Nov 2026 10:00:00 GMT",
        b"Date: Mon, 23 Nov 2026 10:00:01 GMT",
        b"Date: Content-Length: 5",
        b"x-amzn-RequestId: 1-2-3",
        b"x-amzn-RequestId: 4-5-6",
    ]
)
answers = st.builds(
    lambda status, lines, body: b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""]) + body,
    st.sampled_from([b"200 OK", b"200 OK", b"200 OK", b"204 No Content", b"410 Gone", b"200 Fine"]),
    st.lists(header_lines, max_size=5),
    st.sampled_from([b"", b"", b"0\r\n\r\n", b"hello"]),
)


def read(successes: Successes, received: bytes) -> bool:
    """Read one as a connection does. Says whether it was recognised."""
    if successes.knows(received):
        return True
    with suppress(ConnectionError):
        answer = read_answer(received)
        if answer is not None:
            successes.learn(received, answer)
    return False


@given(st.lists(answers, min_size=1, max_size=12))
def test_what_is_recognised_is_a_success_for_the_reader_too(sequence: list[bytes]) -> None:
    successes = Successes()
    for received in sequence * 2:
        if read(successes, received):
            answer = read_answer(received)
            assert answer is not None
            assert (answer.status, answer.body, answer.keep_alive) == (200, b"", True)


def test_answers_of_api_gateway_are_recognised_from_the_third_on() -> None:
    successes = Successes()
    assert [read(successes, GATEWAY % (n, n, n)) for n in range(6)] == [False, False, True, True, True, True]


@pytest.mark.parametrize(
    "other",
    [
        b"",
        GATEWAY[:-2] % (1, 1, 1),
        (GATEWAY % (1, 1, 1)).replace(b"200", b"410"),
        (GATEWAY % (1, 1, 1)).replace(b"keep-alive", b"close"),
        (GATEWAY % (1, 1, 1)).replace(b"Length: 0", b"Length: 1") + b"x",
        (GATEWAY % (1, 1, 1)).replace(b"x-amz-apigw-id", b"Transfer-Encoding"),
        (GATEWAY % (1, 1, 1)) + b"HTTP/1.1 200 OK\r\n",
    ],
    ids=["nothing", "not whole", "gone", "closes", "body", "chunked", "more"],
)
def test_what_says_something_else_is_read(other: bytes) -> None:
    successes = Successes()
    for n in range(4):
        read(successes, GATEWAY % (n, n, n))
    assert not successes.knows(other)


def test_servers_that_take_turns_are_read_in_the_end_without_being_learnt() -> None:
    successes, kinds = Successes(), (GATEWAY, GATEWAY.replace(b"application/json", b"text/plain\r\nVia: x"))
    recognised = [read(successes, kinds[n % 2] % (n % 10, n, n)) for n in range(3 * MOST_LESSONS)]
    assert not any(recognised[:MOST_LESSONS])
    assert read_answer(kinds[0] % (1, 1, 1)) is not None


def test_answer_with_a_body_is_never_learnt() -> None:
    """Else a part of one that has arrived could pass for a header whose value differs."""
    successes, head = Successes(), b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
    for body in (b"note: 1", b"note: 2", b"note: 3"):
        assert not read(successes, head + body)
    assert not successes.knows(head + b"note: ")
