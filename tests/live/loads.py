"""What the whole suite sends at most: the parts that run, and the limits that the guard holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tests.live.cost import Load, total
from tests.live.registry import MODULES

QUESTIONS: Final = Load(
    requests=500,
    messages=10,
    connection_minutes=5,
    invocations=8,
    gb_seconds=2,
    log_kb=20,
    reads=10,
    alarm_hours=2,
)
STACK: Final = Load(
    requests=600,
    messages=40,
    connection_minutes=10,
    invocations=40,
    writes=300,
    reads=300,
    log_kb=200,
    attendee_minutes=2,
)
"""What the program does with a stack of its own: provision, messages, a meeting, destroy."""
LIVE_PARTS: Final[Mapping[str, Load]] = {"questions": QUESTIONS, "stack": STACK}


def parts(only: Iterable[str] = ()) -> dict[str, Load]:
    """Part -> what it sends; all, or those named."""
    every = {**LIVE_PARTS, **{path: module.load for path, module in MODULES.items()}}
    chosen = list(only) or list(every)
    return {name: every[name] for name in chosen}


def limits() -> dict[str, int]:
    """Operation -> how many requests were declared in all."""
    whole = total(parts().values())
    return {
        "Invoke": whole.invocations,
        "PostToConnection": whole.messages,
        "PutItem": whole.writes,
        "UpdateItem": whole.writes,
        "PutLogEvents": 200,
        "PutMetricData": 0,
        "PutMetricAlarm": whole.alarm_hours,
        "CreateMeeting": 5,
        "CreateAttendee": 5,
        "PutDashboard": 0,
    }
