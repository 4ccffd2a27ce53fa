"""What a load test is to do, and its bounds. Pure.

`check` refuses what this machine or the target does not allow before anything is opened. A load test is aimed at loopback
or at the stack of the settings; any other endpoint must be vouched for, because a load test of somebody else's is an attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from whatschat_ops.endpoint import is_loopback
from whatschat_ops.errors import UsageError
from whatschat_ops.quotas import API_REQUESTS, MAX_MESSAGE_BYTES, NEW_CONNECTIONS_PER_S

DEFAULT_CONNECT_RATE_PER_S: Final = NEW_CONNECTIONS_PER_S * 0.8
MOST_SOCKETS: Final = 20_000
"""One address has about 28,000 ports to connect from (Linux), and one process is busy long before."""

LONGEST_DURATION_S: Final = 3_600.0
"""Well below the 2 hours after which API Gateway ends a connection."""

SMALLEST_MESSAGE_BYTES: Final = 128
LARGEST_MESSAGE_BYTES: Final = MAX_MESSAGE_BYTES - 8 * 1024
"""128 KB less what is added to a message on its way."""

_OTHER_FILES: Final = 64
"""Open files that are not sockets of the test."""


class Traffic(StrEnum):
    """What the sockets send: pings, which are answered; messages to other users of the test; or both by turns."""

    PING = "ping"
    MESSAGE = "message"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to do. Each socket sends one message every `interval_s`; the sockets take turns evenly.

    At the end answers are awaited until none has come for `drain_s`.
    """

    url: str
    sockets: int
    users: int
    connect_rate_per_s: float
    interval_s: float
    duration_s: float
    message_size_bytes: int
    traffic: Traffic
    drain_s: float

    @property
    def messages(self) -> int:
        """How many messages will be sent, about."""
        return int(self.sockets * self.duration_s / self.interval_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the test must not exceed; None: no limit."""

    max_loss_percent: float | None = None
    max_p95_ms: float | None = None


def check(plan: LoadPlan, *, open_files: int | None) -> None:
    """Raise UsageError for a plan that cannot work. `open_files` is how many this process may have open; None: no limit."""
    if plan.users > plan.sockets:
        raise UsageError(
            f"{plan.users:,} users on {plan.sockets:,} sockets: each user needs one at least.",
            hint="Leave --users out: each socket is then a user of its own.",
        )
    needed = plan.sockets + _OTHER_FILES
    if open_files is not None and open_files < needed:
        raise UsageError(
            f"{plan.sockets:,} sockets need about {needed:,} open files; this process may have {open_files:,}.",
            hint=f"ulimit -n {needed}",
        )


def check_target(url: str, own_url: str | None, *, vouched_for: bool) -> None:
    """Raise UsageError unless `url` is loopback, the stack's own endpoint, or vouched for."""
    if vouched_for or is_loopback(url) or (own_url is not None and _origin(url) == _origin(own_url)):
        return
    raise UsageError(
        f"{urlsplit(url).hostname} is neither this machine nor the endpoint of this stack: a load test of somebody "
        "else's endpoint is an attack.",
        hint="If it is yours, say so with --i-own-this-endpoint.",
    )


def warnings_about(plan: LoadPlan) -> tuple[str, ...]:
    """What will be refused or throttled with AWS's default quotas, in sentences. Not for loopback."""
    if is_loopback(plan.url):
        return ()
    rate = plan.sockets / plan.interval_s
    found = (
        (
            plan.connect_rate_per_s > NEW_CONNECTIONS_PER_S,
            f"{plan.connect_rate_per_s:g} new connections a second: API Gateway refuses more than "
            f"{NEW_CONNECTIONS_PER_S} unless the quota L-9ED1E49A was raised.",
        ),
        (
            rate > API_REQUESTS.rate_per_s,
            f"{rate:,.0f} messages a second: an account has {API_REQUESTS.rate_per_s:,.0f} requests a second for all its APIs "
            "unless the quota L-8A5B8E43 was raised.",
        ),
    )
    return tuple(text for applies, text in found if applies)


def _origin(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.path.rstrip("/")
