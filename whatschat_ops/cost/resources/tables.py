"""DynamoDB on demand: the connections table with its index, the ledger of meetings, the lock, the audit table, backups, streams."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import (
    KB_PER_GB,
    MONTH_MINUTES,
    Quantity,
    Traffic,
    derived,
)
from whatschat_ops.pricing.rates import RateKey

SERVICE: Final = "DynamoDB"
REQUEST_UNIT: Final = "request unit"

WRITES_PER_CONNECTION: Final = Decimal(4)
"""Put and delete of a row under 1 KB, each once in the table and once in the user index."""

READS_PER_INBOUND: Final = Decimal("1.5")
"""A consistent read of the sender's row, and an eventually consistent query of the recipient's connections."""

ROW_KB: Final = Decimal("0.5")
"""A connection's row, its index entry and DynamoDB's 100 bytes of overhead for each."""

WRITES_PER_MEETING: Final = Decimal(6)
"""The pending row, a transaction that replaces it (two rows, at two units each), and the row's end."""

WRITES_PER_ENTRY: Final = Decimal(2)
"""An action is written down before it is done, and its outcome after it."""

WRITES_PER_COMMAND: Final = Decimal(4)
"""Taking the lock, two renewals, releasing it."""


def components(traffic: Traffic) -> Iterator[Component]:
    """Requests by table, storage, and what is beside the tables."""
    yield from _connections(traffic)
    yield from _other_tables(traffic)
    given = traffic.usage.dynamodb
    beside: tuple[tuple[str, RateKey, str, Decimal | None], ...] = (
        ("On-demand backups", "dynamodb_backup", "GB-month", given.backup_gb),
        ("Restored tables", "dynamodb_restore", "GB", given.restored_gb),
        ("Reads of streams", "dynamodb_streams", "read request", given.stream_reads),
    )
    for item, price, unit, amount in beside:
        yield Component(SERVICE, item, price, unit, Quantity(amount))


def _connections(traffic: Traffic) -> Iterator[Component]:
    given = traffic.usage.dynamodb
    writes = derived(
        given.write_request_units,
        "4 per connection: a put and a delete, in table and index",
        lambda opened: opened * WRITES_PER_CONNECTION,
        traffic.connections,
    )
    reads = derived(
        given.read_request_units,
        "1.5 per client message: the sender's row, and a query for the recipient",
        lambda sent: sent * READS_PER_INBOUND,
        traffic.inbound,
    )
    storage = derived(
        given.storage_gb,
        "rows of the average number of open connections",
        lambda total: total / MONTH_MINUTES * ROW_KB / KB_PER_GB,
        traffic.minutes,
    )
    yield Component(SERVICE, "Writes", "dynamodb_writes", REQUEST_UNIT, writes)
    yield Component(SERVICE, "Reads", "dynamodb_reads", REQUEST_UNIT, reads)
    yield Component(SERVICE, "Storage", "dynamodb_storage", "GB-month", storage)
    if traffic.stack.point_in_time_recovery:
        basis = (
            "the table's size: connections.point_in_time_recovery is set"
            if storage.amount is not None
            else ""
        )
        copies = Quantity(storage.amount, basis)
        yield Component(SERVICE, "Point-in-time recovery", "dynamodb_pitr", "GB-month", copies)


def _other_tables(traffic: Traffic) -> Iterator[Component]:
    usage = traffic.usage
    ledger = derived(
        None,
        "6 per meeting: a pending row, a transaction, its end",
        lambda meetings: meetings * WRITES_PER_MEETING,
        Quantity(usage.chime.meetings),
    )
    lock = derived(
        None,
        "4 per command: taking the lock, two renewals, releasing it",
        lambda commands: commands * WRITES_PER_COMMAND,
        Quantity(usage.operations.commands),
    )
    audit = derived(
        None,
        "2 per entry: before the action and after it",
        lambda entries: entries * WRITES_PER_ENTRY,
        Quantity(usage.operations.audit_entries),
    )
    yield Component(SERVICE, "Writes of the ledger", "dynamodb_writes", REQUEST_UNIT, ledger)
    yield Component(SERVICE, "Writes of the lock", "dynamodb_writes", REQUEST_UNIT, lock)
    yield Component(SERVICE, "Writes of the audit table", "dynamodb_writes", REQUEST_UNIT, audit)
