"""Recognises an answer that says what an earlier one said, in a third of the time that reading it takes.

Nearly all answers of a run are a 200 without a body that keeps the connection, and differ in their date and ids only. Once one
has been read, others are compared with it line by line; lines whose value was seen to differ need only begin with the same
name. What decides how an answer ends and what becomes of the connection never differs: the status, Content-Length,
Transfer-Encoding and Connection.
"""

from __future__ import annotations

from typing import Final

from whatschat_ops.sender.answers import Answer

_DECIDING: Final = (b"content-length", b"transfer-encoding", b"connection")
MOST_LESSONS: Final = 100
"""Servers that take turns with differing answers would teach each other away; then every answer is read."""


class Successes:
    """What successes look like in one run. Not for several threads."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._differing: tuple[tuple[int, bytes], ...] = ()
        self._lessons_left = MOST_LESSONS

    def knows(self, received: bytes) -> bool:
        """Whether `received` is such an answer, whole. False says only that it has to be read."""
        lines = received.split(b"\r\n")
        if len(lines) != len(self._lines):
            return False
        for place, name in self._differing:
            if not lines[place].startswith(name):
                return False
            lines[place] = name
        return lines == self._lines

    def learn(self, received: bytes, answer: Answer) -> None:
        """`received` was read, whole, as `answer`; if it is a success of the usual kind, the next one is recognised."""
        if answer.status != 200 or answer.body or not answer.keep_alive or not self._lessons_left:
            return
        self._lessons_left -= 1
        lines = received.split(b"\r\n")
        self._differing = differing = tuple(self._find_differing(lines))
        self._lines = lines
        for place, name in differing:
            lines[place] = name

    def _find_differing(self, lines: list[bytes]) -> list[tuple[int, bytes]]:
        """Where `lines` have the same header as those that are known, and another value."""
        if len(lines) != len(self._lines) or lines[0] != self._lines[0]:
            return []
        found = []
        for place, (line, known) in enumerate(zip(lines, self._lines, strict=True)):
            name, colon, _ = line.partition(b":")
            if line != known and colon and name.lower() not in _DECIDING and known.startswith(name + colon):
                found.append((place, name + colon))
        return found
