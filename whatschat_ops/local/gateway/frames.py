"""The frames of one WebSocket connection, under AWS's limits: the parser of `websockets`, with what it leaves to its
callers.

A frame that AWS does not accept ends the parsing at once, so that a close frame of the client in the same segment
cannot come before ours: binary data with 1003, text that is not UTF-8 with 1007, frames over 32 KB or messages over
128 KB with 1009, invalid frames with 1002, and more empty frames than a message can need with 1008.
"""

from __future__ import annotations

import logging

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from whatschat_ops.quotas import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES

MAX_EMPTY_FRAMES = 128
"""Of one message. They carry nothing, so the limits on bytes never stop them (our value; AWS documents none)."""

_logger = logging.getLogger("whatschat_ops.local.gateway.frames")


class FrameParser(ServerProtocol):
    """Its events are control frames, and whole messages: text frames of valid UTF-8 without fragmentation."""

    def __init__(self) -> None:
        super().__init__(state=State.OPEN, max_size=(MAX_MESSAGE_BYTES, MAX_FRAME_BYTES), logger=_logger)
        self._fragments: list[bytes] = []
        self._empty_frames = 0
        self.has_failed = False

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Close the connection because of what the client sent, and read nothing more."""
        self.has_failed = True
        super().fail(code, reason)

    def recv_frame(self, frame: Frame) -> None:
        """One frame; called by the parser of `websockets`."""
        if frame.opcode is Opcode.BINARY and self.state is State.OPEN:
            self.fail(1003, "Binary data is not supported")
            return
        super().recv_frame(frame)
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self.events.pop()
            self._add(frame)

    def _add(self, frame: Frame) -> None:
        if frame.data:
            self._fragments.append(bytes(frame.data))
        else:
            self._empty_frames += 1
        if self._empty_frames > MAX_EMPTY_FRAMES:
            self.fail(1008, "Too many empty frames")
        elif frame.fin:
            self._finish()

    def _finish(self) -> None:
        data = b"".join(self._fragments)
        self._fragments.clear()
        self._empty_frames = 0
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(1007, "Text is not UTF-8")
        else:
            self.events.append(Frame(Opcode.TEXT, data))
