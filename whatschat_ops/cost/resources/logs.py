"""CloudWatch Logs: what the functions, the stage and Chime's events write, what is kept, scanned and watched."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import DAYS_PER_MONTH, KB_PER_GB, Quantity, Traffic, derived
from whatschat_ops.pricing.amounts import show_amount

SERVICE: Final = "CloudWatch Logs"

LOG_KB_PER_REQUEST: Final = Decimal("0.75")
"""START, END and REPORT and the handler's own line, with CloudWatch's 26 bytes for each."""

ACCESS_LOG_KB_PER_REQUEST: Final = Decimal("0.25")
"""The stage's line for each route that it invokes."""

EVENT_KB: Final = Decimal(1)
"""An event of Chime as EventBridge writes it into a log group."""

EVENTS_PER_MEETING: Final = Decimal(2)
EVENTS_PER_ATTENDEE: Final = Decimal(4)
"""Added, joined, left, deleted."""


def components(traffic: Traffic) -> Iterator[Component]:
    """AWS bills what is kept after it compressed it, and nothing else of logs."""
    given = traffic.usage.logs
    functions = _functions(traffic)
    access = _access(traffic) if traffic.stack.access_logs or given.access_gb is not None else None
    events = _events(traffic) if traffic.stack.chime_events else None
    yield Component(SERVICE, "Functions", "logs_ingested_lambda", "GB", functions)
    if access is not None:
        yield Component(SERVICE, "Access log", "logs_ingested", "GB", access)
    if events is not None:
        yield Component(SERVICE, "Events of meetings", "logs_ingested", "GB", events)
    stored = _stored(traffic, functions, access, events)
    yield Component(SERVICE, "Stored", "logs_stored", "GB-month", stored)
    yield Component(SERVICE, "Scanned by Insights", "logs_scanned", "GB", Quantity(given.scanned_gb))
    yield Component(SERVICE, "Live Tail", "logs_live_tail", "minute", Quantity(given.live_tail_minutes))


def _functions(traffic: Traffic) -> Quantity:
    return derived(
        traffic.usage.logs.ingested_gb,
        f"requests × {show_amount(LOG_KB_PER_REQUEST)} KB of log lines",
        lambda count: count * LOG_KB_PER_REQUEST / KB_PER_GB,
        traffic.requests,
    )


def _access(traffic: Traffic) -> Quantity:
    given = traffic.usage.logs
    if given.ingested_gb is not None and given.access_gb is None:
        return Quantity(None)  # measured logs are not mixed with derived ones
    return derived(
        given.access_gb,
        f"requests × {show_amount(ACCESS_LOG_KB_PER_REQUEST)} KB of access log",
        lambda count: count * ACCESS_LOG_KB_PER_REQUEST / KB_PER_GB,
        traffic.requests,
    )


def _events(traffic: Traffic) -> Quantity:
    chime = traffic.usage.chime
    return derived(
        None,
        "2 events per meeting and 4 per attendee, of 1 KB: chime.events is set",
        lambda meetings, attendees: (
            meetings * (EVENTS_PER_MEETING + attendees * EVENTS_PER_ATTENDEE) * EVENT_KB / KB_PER_GB
        ),
        Quantity(chime.meetings),
        Quantity(chime.attendees),
    )


def _stored(traffic: Traffic, functions: Quantity, *others: Quantity | None) -> Quantity:
    given, days = traffic.usage.logs, Decimal(traffic.stack.log_retention_days)
    percent = given.compressed_percent if given.compressed_percent is not None else Decimal(100)
    compressed = "not compressed" if percent == 100 else f"compressed to {show_amount(percent)} %"
    known = [other.amount for other in others if other is not None and other.amount is not None]
    return derived(
        given.stored_gb,
        f"retained for {show_amount(days)} {'day' if days == 1 else 'days'}, {compressed}",
        lambda written: (written + sum(known)) * days / DAYS_PER_MONTH * percent / 100,
        functions,
    )
