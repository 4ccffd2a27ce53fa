"""Text of others for a terminal: characters that would move its cursor, change its colours or reorder what it shows are spelled out."""

from __future__ import annotations

from typing import Final

_CONTROLS: Final = [
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    *range(0x2028, 0x202F),  # separators of lines, and embeddings of another direction
    *range(0x2066, 0x206A),
]
_SPELLED: Final = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}

_DROPPED: Final = dict.fromkeys((7, 8, 11, 12, 13))
"""Bell, backspace, vertical tab, form feed, carriage return: those that Rich drops."""


def safe_text(text: str) -> str:
    """The text with control characters as escapes (`\\x1b`); line ends and tabs stay."""
    return text if text.isprintable() else text.replace("\r\n", "\n").translate(_SPELLED)


def without_controls(text: str) -> str:
    """The text without characters that move the cursor or ring. Styles and line ends stay."""
    return text.translate(_DROPPED)
