"""The plan of a load test, and its limits. Pure.

`check` rejects a plan that this machine or the target does not allow, before a socket is opened. The target is loopback
or the stack of the settings; for any other endpoint the user must confirm ownership, as a load test of a foreign one is an attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from whatschat_ops.choices import SocketMode, Traffic
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.network import is_loopback
from whatschat_ops.quotas import API_REQUESTS, NEW_CONNECTIONS_PER_S

MOST_SOCKETS: Final = 20_000
"""One address has about 28,000 ports to connect from (Linux), and one process is busy long before."""
_OTHER_FILES: Final = 64
"""Open files that are not sockets of the test."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The plan. Each socket sends one message every `interval_s`, evenly spread over the sockets.

    At the end the test waits until no answer has arrived for `drain_s`.
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
    mode: SocketMode = SocketMode.APIGATEWAY

    @property
    def messages(self) -> int:
        """About how many messages will be sent."""
        return int(self.sockets * self.duration_s / self.interval_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a passing test; None: no limit."""

    max_loss_percent: float | None = None
    max_p95_ms: float | None = None


def check(plan: LoadPlan, *, open_files: int | None) -> None:
    """Raise UsageError for a plan that cannot work. `open_files` is how many this process may have open; None: no limit."""
    if plan.users > plan.sockets:
        raise UsageError(
            f"{plan.users:,} users on {plan.sockets:,} sockets: each user needs at least one.",
            hint="Omit --users: each socket is then a separate user.",
        )
    if plan.sockets > MOST_SOCKETS:
        raise UsageError(
            f"{plan.sockets:,} sockets are more than one machine opens ({MOST_SOCKETS:,}).",
            hint=Hint(("ws", "load", "--engine", "distributed", "--sockets", str(plan.sockets))),
        )
    needed = plan.sockets + _OTHER_FILES
    if open_files is not None and open_files < needed:
        raise UsageError(
            f"{plan.sockets:,} sockets need about {needed:,} open files; this process may have {open_files:,}.",
            hint=f"ulimit -n {needed}",
        )


def check_target(url: str, own_url: str | None, *, owned: bool) -> None:
    """Raise UsageError unless `url` is loopback, the stack's own endpoint, or `owned` by the user."""
    if owned or is_loopback(url) or (own_url is not None and _origin(url) == _origin(own_url)):
        return
    raise UsageError(
        f"{urlsplit(url).hostname} is neither this machine nor the endpoint of this stack; a load test of an endpoint "
        "that is not yours is an attack.",
        hint="If it is yours, add --i-own-this-endpoint.",
    )


def warnings_about(plan: LoadPlan) -> tuple[str, ...]:
    """What AWS's default quotas will reject or throttle, in sentences; none for loopback."""
    if plan.mode is not SocketMode.APIGATEWAY or is_loopback(plan.url):
        return ()
    rate = plan.sockets / plan.interval_s
    found = (
        (
            plan.connect_rate_per_s > NEW_CONNECTIONS_PER_S,
            f"{plan.connect_rate_per_s:g} new connections per second: API Gateway rejects more than "
            f"{NEW_CONNECTIONS_PER_S} unless the quota L-9ED1E49A is raised.",
        ),
        (
            rate > API_REQUESTS.rate_per_s,
            f"{rate:,.0f} messages per second: an account has {API_REQUESTS.rate_per_s:,.0f} requests per second for all its APIs "
            "unless the quota L-8A5B8E43 is raised.",
        ),
    )
    return tuple(text for applies, text in found if applies)


def _origin(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.path.rstrip("/")
