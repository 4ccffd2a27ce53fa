"""The log line of an event: one JSON object on standard output, which Lambda sends to the function's log group.

An event has exactly one line, written when its handler ends, however it ends; docs/operate.md lists the keys. It must
never hold a token, a secret or a message's content: what an exception says is left out for that reason, and only its
type is written. A function that runs out of time writes its line `RESERVE_S` before Lambda stops it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from .user_ids import logged_user_id

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

MAX_RECIPIENTS: Final = 100
"""Ours: connection ids in one line; the number of the others is `recipientsOmitted`."""

MAX_PROBLEMS: Final = 5
"""Ours: different failures that one line names."""

RESERVE_S: Final = 0.2
"""Ours: the line is written this long before the function's time-out, if the event is not done by then."""

_TOKEN: Final = re.compile(r"eyJ[\w.-]*")

_is_cold = True


class Log:
    """The line of one event. Safe to fill in from several threads."""

    def __init__(
        self,
        event: str,
        request_id: str,
        connection_id: str,
        *,
        route: str = "",
        level: str | None = None,
        user_ids: Callable[[str], str] = str,
    ) -> None:
        level = level or os.environ.get("LOG_LEVEL", "INFO")
        self._threshold = LEVELS.index(level) if level in LEVELS else LEVELS.index("INFO")
        self._event, self._outcome, self._level, self._reason = event, "", "INFO", ""
        self._ids = {"requestId": request_id, "connectionId": connection_id, "route": route}
        self._user_ids = user_ids
        self._fields: dict[str, object] = {}
        self._bytes_in = 0
        self._posts: list[tuple[str, int, str]] = []
        self._problems: dict[str, None] = {}
        self._started_s = time.perf_counter()
        self._is_written = False

    def user(self, user_id: str) -> None:
        """The user of the connection."""
        self._fields["userId"] = self._user_ids(user_id)

    def received(self, size_bytes: int) -> None:
        """The size of the client's message."""
        self._bytes_in = size_bytes

    def posted(self, connection_id: str, size_bytes: int, outcome: str) -> None:
        """One message to a connection; `outcome` is `delivered`, `gone` or another, which counts as failed."""
        self._posts.append((connection_id, size_bytes, outcome))

    def problem(self, reason: str) -> None:
        """A failure of our own: the line's level becomes ERROR, and its reason names it."""
        self._problems[reason] = None

    def ends(self, outcome: str, *, event: str = "", reason: str = "", level: str = "INFO") -> None:
        """The outcome, unless a later call says otherwise. `event` is the type of a message, `reason` that of a refusal."""
        self._event, self._outcome, self._level = event or self._event, outcome, level
        self._reason = reason or self._reason

    def closed(self, code: object, reason: str) -> None:
        """How the connection was closed. The client may have chosen the reason: what looks like a token is taken out."""
        self._fields["code"] = code
        self._reason = _TOKEN.sub("***", reason)

    def write(self, remaining_ms: int, *, cold_start: bool) -> None:
        """Write the line, once, unless the function's level leaves it out."""
        if self._is_written:
            return
        self._is_written = True
        level = "ERROR" if self._problems else self._level
        if LEVELS.index(level) >= self._threshold:
            times = {
                "latencyMs": round((time.perf_counter() - self._started_s) * 1000, 1),
                "coldStart": cold_start,
                "remainingMs": remaining_ms,
            }
            sys.stdout.write(json.dumps({"level": level, **self._line(), **times}) + "\n")
            sys.stdout.flush()

    def _line(self) -> dict[str, object]:
        outcome = self._outcome or "done"
        if self._problems and outcome in ("done", "refused"):
            outcome = "failed"
        reasons = [*filter(None, [self._reason]), *list(self._problems)[:MAX_PROBLEMS]]
        return {
            "event": self._event,
            "outcome": outcome,
            **self._ids,
            **self._fields,
            **({"reason": "; ".join(reasons)} if reasons else {}),
            "bytesIn": self._bytes_in,
            **_of_posts(self._posts),
        }


def _of_posts(posts: list[tuple[str, int, str]]) -> dict[str, object]:
    """The counts of the posts; the connections, and what happened to those that were not reached."""
    sent = sum(outcome == "delivered" for _, _, outcome in posts)
    gone = sum(outcome == "gone" for _, _, outcome in posts)
    fields: dict[str, object] = {
        "bytesOut": sum(size for _, size, outcome in posts if outcome == "delivered"),
        "deliveries": {"sent": sent, "gone": gone, "failed": len(posts) - sent - gone},
    }
    if posts:
        recipients = {connection_id: outcome for connection_id, _, outcome in posts}
        shown = list(recipients)[:MAX_RECIPIENTS]
        fields["recipients"] = shown
        if unreached := {each: recipients[each] for each in shown if recipients[each] != "delivered"}:
            fields["unreached"] = unreached
        if len(recipients) > len(shown):
            fields["recipientsOmitted"] = len(recipients) - len(shown)
    return fields


@contextmanager
def line_of(name: str, event: Any, context: Any) -> Iterator[Log]:
    """The line of an invocation with Lambda's event and context, written at the end of the block."""
    global _is_cold
    cold_start, _is_cold = _is_cold, False
    request = event.get("requestContext") if isinstance(event, Mapping) else None
    request = request if isinstance(request, Mapping) else {}
    log = Log(
        name,
        context.aws_request_id,
        str(request.get("connectionId", "")),
        route=str(request.get("routeKey", "")),
        user_ids=lambda user_id: logged_user_id(user_id, context.invoked_function_arn, os.environ),
    )

    def write() -> None:
        log.write(context.get_remaining_time_in_millis(), cold_start=cold_start)

    def write_unfinished() -> None:
        log.problem("the function's time is nearly over")
        log.ends("unfinished")
        write()

    try:
        with _alarm(context.get_remaining_time_in_millis() / 1000 - RESERVE_S, write_unfinished):
            yield log
    except BaseException as error:
        log.problem(type(error).__name__)
        log.ends("failed")
        raise
    finally:
        write()


@contextmanager
def _alarm(after_s: float, ring: Callable[[], None]) -> Iterator[None]:
    """Call `ring` if the block takes longer. A signal, since a thread for each event would take longer than a ping.

    Lambda calls handlers in the main thread; in another thread there is no alarm.
    """
    try:
        before = signal.signal(signal.SIGALRM, lambda _number, _frame: ring())
    except (ValueError, AttributeError):  # another thread; Windows, where local functions run without it
        yield
        return
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, max(after_s, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
        signal.signal(signal.SIGALRM, before)
