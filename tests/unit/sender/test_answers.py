"""HTTP answers, cut anywhere, well formed or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.sender.answers import (
    LARGEST_BODY_BYTES,
    LARGEST_HEAD_BYTES,
    Answer,
    error_code,
    error_message,
    read_answer,
)

GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\nx-amzn-ErrorType: GoneException\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def feed(whole: bytes, cuts: list[int]) -> tuple[Answer | None, int]:
    """Read as a connection does: again with every piece. Gives the answer and after how many bytes it was there."""
    for end in sorted({cut % (len(whole) + 1) for cut in cuts} | {len(whole)}):
        answer = read_answer(whole[:end])
        if answer is not None:
            return answer, end
    return None, 0


@given(st.sampled_from([GONE, CHUNKED, CONTINUED]), st.lists(st.integers(0, 500)))
def test_answer_in_pieces_is_the_answer_as_a_whole_and_not_before_its_end(
    whole: bytes, cuts: list[int]
) -> None:
    answer, read = feed(whole, cuts)
    assert answer == read_answer(whole)
    assert read == len(whole)


@given(
    status=st.sampled_from([200, 400, 403, 410, 413, 429, 500, 503]),
    body=st.binary(max_size=200),
    sizes=st.lists(st.integers(1, 50), min_size=1),
)
def test_body_is_the_same_with_a_length_in_chunks_and_until_the_end(
    status: int, body: bytes, sizes: list[int]
) -> None:
    head = f"HTTP/1.1 {status} Reason: any\r\n".encode()
    chunks, rest, turn = b"", body, 0
    while rest:
        piece, rest = rest[: sizes[turn % len(sizes)]], rest[sizes[turn % len(sizes)] :]
        chunks += b"%x\r\n%s\r\n" % (len(piece), piece)
        turn += 1
    by_length = read_answer(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    in_chunks = read_answer(head + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    until_end = read_answer(head + b"\r\n" + body, ended=True)
    assert by_length is not None and in_chunks is not None and until_end is not None
    assert by_length.body == in_chunks.body == until_end.body == body
    assert (by_length.keep_alive, in_chunks.keep_alive, until_end.keep_alive) == (True, True, False)


@pytest.mark.parametrize(
    ("answer", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection:foo, close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_connection_is_kept_only_when_the_answer_allows_it(answer: bytes, keep_alive: bool) -> None:
    read = read_answer(answer)
    assert read is not None and read.keep_alive is keep_alive


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LARGEST_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LARGEST_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 5000,
    ],
)
def test_what_is_no_answer_breaks_the_connection(garbage: bytes) -> None:
    with pytest.raises(ConnectionError):
        read_answer(garbage)


@pytest.mark.parametrize("whole", [GONE, CHUNKED, CONTINUED])
def test_answer_that_ends_early_breaks_the_connection(whole: bytes) -> None:
    for end in range(len(whole)):
        with pytest.raises(ConnectionError):
            read_answer(whole[:end], ended=True)


@given(
    st.binary(max_size=200) | st.builds(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail, st.binary(max_size=200))
)
def test_any_bytes_are_an_answer_or_none_or_an_error(received: bytes) -> None:
    try:
        assert read_answer(received, ended=True) is not None
    except ConnectionError:
        return


@pytest.mark.parametrize(
    ("headers", "body", "code", "message"),
    [
        ({"x-amzn-errortype": "GoneException"}, b"", "GoneException", ""),
        ({"x-amzn-errortype": "GoneException:http://internal.amazon.com/x/"}, b"{}", "GoneException", ""),
        ({}, b'{"__type":"com.amazon#LimitExceededException"}', "LimitExceededException", ""),
        ({}, b'{"message":"Too Many Requests"}', "", "Too Many Requests"),
        ({}, b'{"Message":"User is not authorized"}', "", "User is not authorized"),
        ({}, b"<html>", "", ""),
        ({}, b"[1]", "", ""),
        ({}, b"\xff", "", ""),
    ],
)
def test_error_is_named_by_header_or_body(
    headers: dict[str, str], body: bytes, code: str, message: str
) -> None:
    answer = Answer(400, headers, body, True)
    assert (error_code(answer), error_message(answer)) == (code, message)
