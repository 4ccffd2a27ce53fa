"""Broadcasts by `ws broadcast`: messages, transfer and reading the table; workers, Step Functions and S3 when they are distributed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, cast

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import DEFAULT_MESSAGE_KB, KB_PER_GB, SMALLEST, Quantity, Traffic
from whatschat_ops.pricing.amounts import show_amount
from whatschat_ops.pricing.rates import RateKey

if TYPE_CHECKING:
    from whatschat_ops.broadcast.distributed.arithmetic import Metered

SERVICE: Final = "Broadcasts"
OF_ANY_ENGINE: Final = ("websocket_messages", "data_transfer_out", "dynamodb_reads")
DISTRIBUTED: Final[tuple[tuple[RateKey, str, str], ...]] = (
    ("step_functions_transitions", "State transitions", "transition"),
    ("s3_writes", "S3 writes and listings", "request"),
    ("s3_reads", "S3 reads", "request"),
)


def components(traffic: Traffic) -> Iterator[Component]:
    """Nothing while no broadcast is given and none can be distributed."""
    given, stack = traffic.usage.broadcasts, traffic.stack
    if given.count is not None and given.connections is not None:
        yield from _given(traffic, given.count, given.connections)
    elif stack.distributed is not None:
        for price, item, unit in DISTRIBUTED:
            yield Component(SERVICE, item, price, unit, Quantity(None))
    if stack.distributed is not None:
        yield Component(SERVICE, "S3 storage", "s3_storage", "GB-month", Quantity(given.stored_gb))


def _given(traffic: Traffic, count: Decimal, connections: Decimal) -> Iterator[Component]:
    size_kb = traffic.usage.broadcasts.message_size_kb or DEFAULT_MESSAGE_KB
    sent_gb = (connections * size_kb / KB_PER_GB).quantize(SMALLEST)
    basis = f"{show_amount(count)} × a broadcast to {show_amount(connections)} connections"
    for each in _metered(traffic, int(connections), size_kb):
        if traffic.stack.distributed is None and each.rate not in OF_ANY_ENGINE:
            continue
        shares = {size_kb: Decimal(1)} if each.rate == "websocket_messages" else {}
        one = sent_gb if each.rate == "data_transfer_out" else Decimal(each.quantity)
        yield Component(SERVICE, each.item, each.rate, each.unit, Quantity(one * count, basis), shares)


def _metered(traffic: Traffic, connections: int, size_kb: Decimal) -> tuple[Metered, ...]:
    from whatschat_ops.broadcast.distributed.arithmetic import Shape, metered

    section = traffic.stack.distributed
    architecture = cast(Literal["arm64", "x86_64"], traffic.stack.architecture)
    shape = Shape(architecture=architecture, size_bytes=int(size_kb * 1024))
    if section is not None:
        shape = Shape(
            workers=section.workers,
            shard_connections=section.shard_connections,
            memory_mb=section.memory_mb,
            architecture=architecture,
            size_bytes=shape.size_bytes,
        )
    return metered(connections, shape)
