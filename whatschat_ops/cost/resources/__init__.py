"""The resources of the stack, each with the components that AWS bills for it: `Traffic` -> components."""

from __future__ import annotations

from itertools import chain

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import Traffic
from whatschat_ops.cost.resources import broadcasts, functions, logs, meetings, monitoring, sockets, tables


def components(traffic: Traffic) -> tuple[Component, ...]:
    """Everything that AWS bills, by service."""
    return tuple(
        chain(
            sockets.messages(traffic),
            meetings.components(traffic),
            functions.components(traffic),
            tables.components(traffic),
            logs.components(traffic),
            monitoring.components(traffic),
            monitoring.count(traffic),
            broadcasts.components(traffic),
            sockets.transfer(traffic),
        )
    )
