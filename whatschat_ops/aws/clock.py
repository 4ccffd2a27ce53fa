"""Whether AWS refuses a signature because this machine's clock is wrong, and by how much. Pure: text, headers and the time in.

AWS accepts a signature within five minutes of its own time (IAM user guide, "Troubleshooting SigV4 signing").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

_CODES: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_WORDS: Final = re.compile(r"signature (expired|not yet current)|time too skewed|clock skew", re.IGNORECASE)
_TIME: Final = re.compile(r"\b\d{8}T\d{6}Z\b")


class ClockError(NamedTuple):
    """`why` is the rest of a sentence; `hint` what to do."""

    why: str
    hint: str = "Set the clock (for example: sudo timedatectl set-ntp true), then run the same command again."


def clock_error(
    code: str, text: str, headers: Mapping[str, str], now: datetime | None = None
) -> ClockError | None:
    """The error, if the answer is about the time in the signature; None if it is about something else."""
    if code not in _CODES and not _WORDS.search(text):
        return None
    ahead = _by_header(headers, now or datetime.now(UTC)) or _by_text(text)
    if ahead is None or abs(ahead) < timedelta(seconds=1):
        return ClockError("this machine's clock is wrong")
    return ClockError(
        f"this machine's clock is {_words(abs(ahead))} {'ahead' if ahead > timedelta(0) else 'behind'}"
    )


def _by_header(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    answered_at = answer_time(headers)
    return now - answered_at if answered_at else None


def answer_time(headers: Mapping[str, str]) -> datetime | None:
    """When AWS sent an answer, to the second, by its Date header; None without one, or without its zone."""
    date = next((value for name, value in headers.items() if name.lower() == "date"), None)
    try:
        found = parsedate_to_datetime(date or "")
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else None


def _by_text(text: str) -> timedelta | None:
    """`Signature expired: SIGNED is now earlier than LIMIT (SERVER - 5 min.)`, or `not yet current` with a plus."""
    times = [datetime.strptime(found, "%Y%m%dT%H%M%SZ") for found in _TIME.findall(text)]
    return times[0] - times[-1] if len(times) >= 2 else None


def _words(ahead: timedelta) -> str:
    seconds = round(ahead.total_seconds())
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}" if seconds % unit else f"{seconds // unit} {name}"
    return f"{seconds} s"
