"""The WebSocket API: messages by their size, connection minutes, and the traffic of messages to clients."""

from __future__ import annotations

from collections.abc import Iterator

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import KB_PER_GB, Traffic, derived
from whatschat_ops.pricing.amounts import show_amount

SERVICE = "API Gateway WebSocket"


def messages(traffic: Traffic) -> Iterator[Component]:
    """What the API itself is billed for."""
    yield Component(SERVICE, "Messages", "websocket_messages", "message", traffic.messages, traffic.shares)
    yield Component(
        SERVICE, "Connection minutes", "websocket_connection_minutes", "connection minute", traffic.minutes
    )


def transfer(traffic: Traffic) -> Iterator[Component]:
    """Out to the internet; what comes in is free."""
    out_gb = derived(
        traffic.usage.data_transfer.out_gb,
        f"messages to clients × {show_amount(traffic.mean_kb)} KB",
        lambda every, sent: (every - sent) * traffic.mean_kb / KB_PER_GB,
        traffic.messages,
        traffic.inbound,
    )
    yield Component("Data transfer", "Out to the internet", "data_transfer_out", "GB", out_gb)
