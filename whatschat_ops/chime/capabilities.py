"""What an attendee can send and receive, and Chime's rules for it, checked before AWS is called.

UpdateAttendeeCapabilities (API reference): all three are required; content can be received only with video that can be received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from whatschat_ops.errors import UsageError

VALUES: Final = ("SendReceive", "Send", "Receive", "None")
_BY_LOWER: Final = {value.lower(): value for value in VALUES}
_RECEIVING: Final = ("SendReceive", "Receive")
_NAMES: Final = ("audio", "video", "content")
EXAMPLE: Final = "audio=SendReceive,video=Receive,content=None"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One of `VALUES` for each kind of media. Raises UsageError for values that Chime would refuse."""

    audio: str = "SendReceive"
    video: str = "SendReceive"
    content: str = "SendReceive"

    def __post_init__(self) -> None:
        for name in _NAMES:
            if getattr(self, name) not in VALUES:
                raise _invalid(f"{name} is one of {', '.join(VALUES)}, not {getattr(self, name)!r}")
        if self.content in _RECEIVING and self.video not in _RECEIVING:
            raise _invalid(
                f"content={self.content} needs video that is received (SendReceive or Receive), and video is {self.video}"
            )

    @classmethod
    def from_api(cls, document: Mapping[str, Any]) -> Self:
        """From Chime's `AttendeeCapabilities`."""
        return cls(*(document[name.capitalize()] for name in _NAMES))

    def document(self) -> dict[str, str]:
        """Chime's `AttendeeCapabilities`."""
        return {name.capitalize(): value for name, value in asdict(self).items()}

    def changed(self, given: Mapping[str, str]) -> Self:
        """These, with the values of `given` by kind of media; case is ignored. Raises UsageError."""
        unknown = next((name for name in given if name.lower() not in _NAMES), None)
        if unknown is not None:
            raise _invalid(f"there is no kind of media {unknown!r}; there are {', '.join(_NAMES)}")
        return replace(
            self, **{name.lower(): _BY_LOWER.get(value.lower(), value) for name, value in given.items()}
        )


def read_pairs(text: str) -> dict[str, str]:
    """`audio=Receive,video=None` as a mapping. Raises UsageError."""
    pairs = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise _invalid(f"{part.strip()!r} is not of the form KIND=VALUE")
        pairs[name.lower()] = value
    return pairs


def _invalid(rule: str) -> UsageError:
    return UsageError(f"These capabilities cannot be used: {rule}.", hint=EXAMPLE)
