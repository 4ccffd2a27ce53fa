"""CloudWatch beside the logs: metrics, alarms, dashboards and what reads them; what the settings make, and what was given."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import Quantity, Traffic
from whatschat_ops.pricing.rates import RateKey

SERVICE: Final = "CloudWatch"


def components(traffic: Traffic) -> Iterator[Component]:
    """Each with its number: of the settings and given; unknown if neither."""
    stack, given = traffic.stack, traffic.usage.cloudwatch
    rows: tuple[tuple[str, RateKey, str, int, Decimal | None], ...] = (
        ("Custom metrics", "metrics", "metric", stack.metrics, given.metrics),
        ("Alarms", "alarms", "alarm metric", stack.alarms, given.alarms),
        ("High-resolution alarms", "alarms_high_resolution", "alarm metric", 0, given.high_resolution_alarms),
        ("Composite alarms", "alarms_composite", "alarm", 0, given.composite_alarms),
        ("Dashboards", "dashboards", "dashboard", stack.dashboards, given.dashboards),
        ("Read by GetMetricData", "metrics_requested", "metric", 0, given.metrics_requested),
    )
    for item, price, unit, made, more in rows:
        yield Component(SERVICE, item, price, unit, _number(made, more))
    yield Component(
        "SNS", "Notifications by e-mail", "notifications_email", "notification", Quantity(given.emails)
    )


def _number(made: int, more: Decimal | None) -> Quantity:
    if not made:
        return Quantity(more)
    return Quantity(made + (more or Decimal(0)), "of the settings" + (", and given" if more else ""))
