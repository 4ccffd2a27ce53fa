"""A report of `ws compare --json` as figures of both paths. Pure.

Only kinds of messages that went over both paths count. Errors are messages that were lost, not sent, or answered with an error;
reconnects are sockets that the other side cut. 410s are not in a report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from whatschat_ops.choices import SocketMode
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.migration.gate import Measure, PathFigures

MEASURES: Final = frozenset({Measure.ERRORS, Measure.LATENCY, Measure.RECONNECTS})
MOST_OLD: Final = timedelta(hours=24)
AHEAD: Final = timedelta(minutes=5)
_HINT: Final = Hint(("ws", "compare", "--a", "socketio=ws://localhost:3001", "--b", "apigateway", "--json"))


@dataclass(frozen=True, slots=True)
class ComparedPaths:
    """Both paths of a comparison of `duration_s`."""

    started_at: datetime
    duration_s: float
    old: PathFigures
    new: PathFigures
    measures: frozenset[Measure]
    notes: tuple[str, ...]


def compared_paths(text: str, *, url: str, since: datetime | None, now: datetime) -> ComparedPaths:
    """The figures of a report about the stack at `url`, made after the last step (`since`). Raises UsageError."""
    try:
        found = json.loads(text)
        sides = {found[name]["mode"]: name for name in ("a", "b")}
        old, new = sides[SocketMode.SOCKETIO.value], sides[SocketMode.APIGATEWAY.value]
        started_at = datetime.fromisoformat(found["started_at"])
        kinds = [kind for kind in found["kinds"] if kind["a"] and kind["b"]]
        before, after = (_figures(found[side], [kind[side] for kind in kinds]) for side in (old, new))
        about, duration_s = str(found[new]["url"]), float(found["duration_s"])
        interrupted = bool(found["interrupted"])
        age = now - started_at
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "The file of --comparison is no report of ws compare with a Socket.IO path and an API Gateway path.",
            hint=_HINT,
        ) from None
    if about.rstrip("/") != url.rstrip("/"):
        raise UsageError(f"The file of --comparison is about {about}, the stack is at {url}.", hint=_HINT)
    if not -AHEAD <= age <= MOST_OLD:
        raise UsageError(
            f"The file of --comparison was made at {started_at:%Y-%m-%d %H:%M}: 24 hours ago at most.",
            hint=_HINT,
        )
    if since is not None and started_at < since:
        raise UsageError(
            "The file of --comparison was made before the last step of the migration.", hint=_HINT
        )
    notes = ("the comparison was interrupted: its figures are those until then",) if interrupted else ()
    return ComparedPaths(started_at, duration_s, before, after, MEASURES, notes)


def _figures(path: Mapping[str, Any], kinds: Iterable[Mapping[str, Any]]) -> PathFigures:
    kinds = list(kinds)
    failed = sum(kind["lost"] for kind in kinds) + sum(path["errors"].values()) + path["not_sent"]
    latencies = [(kind["latency"]["p95_ms"], kind["latency"]["count"]) for kind in kinds]
    known = [(value, count) for value, count in latencies if value is not None]
    arrived = sum(count for _, count in known)
    p95_ms = sum(value * count for value, count in known) / arrived if arrived else None
    return PathFigures(sum(kind["sent"] for kind in kinds), failed, p95_ms, sum(path["cut"].values()))
