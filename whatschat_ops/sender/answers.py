"""Reads HTTP/1.1 answers: as much as `@connections` needs, and strictly.

Takes the bytes that have arrived so far, gives the answer when they hold a whole one. Knows Content-Length, chunked
transfer, bodies that end with the connection, and 1xx answers before the real one. Whatever else it finds raises
ConnectionError: the connection cannot be used any more. Must not know sockets.

Source: RFC 9112.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

LARGEST_HEAD_BYTES: Final = 16 * 1024
LARGEST_BODY_BYTES: Final = 256 * 1024

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r\n")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*\r\n")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_DIGITS: Final = re.compile(rb"[0-9]{1,12}")


class Answer(NamedTuple):
    """One answer. `headers` has lower-case names; `keep_alive` says whether the connection can take another request."""

    status: int
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


def read_answer(received: bytes, *, ended: bool = False) -> Answer | None:
    """The answer in `received`, None when it is not there completely.

    `ended` says that the other side sends no more. Raises ConnectionError for what is not an answer.
    """
    start = 0
    while True:
        end = _end_of_head(received, start)
        if end < 0:
            _must_go_on(ended)
            return None
        version, status, headers = _read_head(received, start, end)
        if status >= 200:
            break
        if status == 101:
            raise ConnectionError("it changed the protocol without being asked")
        start = end
    framed = _read_body(received, end, status, headers, ended)
    if framed is None:
        _must_go_on(ended)
        return None
    body, whole, by_length = framed
    persistent = _persistent(version, headers) and by_length and whole == len(received) and not ended
    return Answer(status, headers, body, persistent)


def _must_go_on(ended: bool) -> None:
    if ended:
        raise ConnectionError("it closed the connection within its answer")


def _end_of_head(received: bytes, start: int) -> int:
    end = received.find(b"\r\n\r\n", start)
    if (end if end >= 0 else len(received)) - start > LARGEST_HEAD_BYTES:
        raise ConnectionError(f"its answer has more than {LARGEST_HEAD_BYTES:,} bytes of headers")
    if end < 0:
        if not b"HTTP/1.".startswith(received[start : start + 7]):
            raise ConnectionError("its answer is not HTTP/1.1")
        return -1
    return end + 4


def _read_head(received: bytes, start: int, end: int) -> tuple[int, int, dict[str, str]]:
    line = _STATUS.match(received, start, end)
    if line is None:
        raise ConnectionError("its answer is not HTTP/1.1")
    headers: dict[str, str] = {}
    position = line.end()
    while position < end - 2:
        header = _HEADER.match(received, position, end)
        if header is None:
            raise ConnectionError("its answer has a malformed header")
        name, value = header[1].decode().lower(), header[2].decode("latin-1")
        if name == "content-length" and headers.get(name, value) != value:
            raise ConnectionError("its answer has two lengths")
        headers[name] = (
            f"{headers[name]}, {value}" if name == "transfer-encoding" and name in headers else value
        )
        position = header.end()
    return int(line[1]), int(line[2]), headers


def _read_body(
    received: bytes, start: int, status: int, headers: dict[str, str], ended: bool
) -> tuple[bytes, int, bool] | None:
    """(body, where it ends, whether its end is marked), None when it has not arrived completely."""
    if status in (204, 304):
        return b"", start, True
    if (coding := headers.get("transfer-encoding")) is not None:
        if coding.lower() != "chunked" or "content-length" in headers:
            raise ConnectionError(f"its answer has the transfer encoding {coding[:40]!r}")
        chunks = _read_chunks(received, start)
        return None if chunks is None else (*chunks, True)
    if (length := headers.get("content-length")) is not None:
        size = _length(length)
        return (received[start : start + size], start + size, True) if len(received) >= start + size else None
    if len(received) - start > LARGEST_BODY_BYTES:
        raise _too_large()
    return (received[start:], len(received), False) if ended else None


def _length(value: str) -> int:
    if _DIGITS.fullmatch(value.encode("latin-1")) is None:
        raise ConnectionError(f"its answer has the length {value[:40]!r}")
    if int(value) > LARGEST_BODY_BYTES:
        raise _too_large()
    return int(value)


def _read_chunks(received: bytes, position: int) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    start = position
    while True:
        if position - start > 2 * LARGEST_BODY_BYTES:
            raise _too_large()
        end = received.find(b"\r\n", position)
        if end < 0:
            if len(received) - position > 1024:
                raise ConnectionError("its answer has a chunk without a size")
            return None
        size = _CHUNK_SIZE.fullmatch(received, position, end)
        if size is None:
            raise ConnectionError("its answer has a chunk without a size")
        length = int(size[1], 16)
        if length > LARGEST_BODY_BYTES:
            raise _too_large()
        if length == 0:
            return _after_trailers(received, end + 2, b"".join(parts))
        position = end + 2 + length + 2
        if len(received) < position:
            return None
        if received[position - 2 : position] != b"\r\n":
            raise ConnectionError("its answer has a chunk of another size than it says")
        parts.append(received[end + 2 : position - 2])


def _after_trailers(received: bytes, position: int, body: bytes) -> tuple[bytes, int] | None:
    start = position
    while True:
        end = received.find(b"\r\n", position)
        if (end if end >= 0 else len(received)) - start > LARGEST_HEAD_BYTES:
            raise ConnectionError(f"its answer has more than {LARGEST_HEAD_BYTES:,} bytes of headers")
        if end < 0:
            return None
        if end == position:
            return body, end + 2
        position = end + 2


def _persistent(version: int, headers: dict[str, str]) -> bool:
    options = headers.get("connection", "").lower()
    return "close" not in options and (version == 1 or "keep-alive" in options)


def _too_large() -> ConnectionError:
    return ConnectionError(f"its answer has more than {LARGEST_BODY_BYTES:,} bytes")


def is_page(answer: Answer) -> bool:
    """Whether it is a web page: not API Gateway's, which accepts a message without a body."""
    return answer.body.lstrip()[:1] == b"<"


def error_code(answer: Answer) -> str:
    """AWS's name for the error (`GoneException`), "" when the answer names none.

    API Gateway names it in the header x-amzn-ErrorType, which may end in `:http://...`, or in the body's `__type`.
    """
    named = answer.headers.get("x-amzn-errortype") or _from_json(answer.body, "__type", "code", "Code")
    return named.split(":")[0].rpartition("#")[2]


def error_message(answer: Answer) -> str:
    """What the answer says in words, "" when nothing."""
    return _from_json(answer.body, "message", "Message")


def _from_json(body: bytes, *names: str) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    return next((str(document[name]) for name in names if document.get(name)), "")
