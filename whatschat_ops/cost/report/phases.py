"""The guide's migration, phase by phase: the share of calls on Chime and of sockets on API Gateway, and what each costs.

    Phase 1  Chime for new calls             Phase 3  API Gateway for new connections
    Phase 2  Chime for all calls             Phase 4  API Gateway for all connections

(AWS Integration Guide, "Gradual Migration".) What is new of calls or connections is an assumption of the reader's.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import fields, replace

from whatschat_ops.cost.usage import BroadcastUsage, CloudWatchUsage, OperationsUsage, Usage
from whatschat_ops.pricing.amounts import Amount

S = TypeVar("S", bound=Struct)

_CALLS: Final = ("audio_attendee_minutes", "video_attendee_minutes", "meetings")
_SOCKETS: Final = ("messages", "inbound_messages", "connection_minutes", "connections", "users")
_OF_THE_API: Final = {
    "lambda_": ("requests", "cold_starts"),
    "dynamodb": ("write_request_units", "read_request_units", "storage_gb"),
    "logs": ("ingested_gb", "access_gb", "stored_gb", "scanned_gb"),
    "data_transfer": ("out_gb",),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """`calls` and `sockets` are shares from 0 to 1 of the month's usage."""

    name: str
    calls: Decimal
    sockets: Decimal

    def of(self, usage: Usage) -> Usage:
        """The part of a usage that is on AWS in this phase. Without sockets there is no stack to operate."""
        scaled = {
            name: _scaled(getattr(usage, name), names, self.sockets) for name, names in _OF_THE_API.items()
        }
        chime = _scaled(usage.chime, _CALLS, self.calls)
        socket = _scaled(usage.websocket, _SOCKETS, self.sockets)
        empty: dict[str, Any] = (
            {}
            if self.sockets
            else {
                "broadcasts": BroadcastUsage(),
                "operations": OperationsUsage(),
                "cloudwatch": CloudWatchUsage(),
            }
        )
        return replace(usage, websocket=socket, chime=chime, **scaled, **empty)


def phases(new_calls: Decimal, new_sockets: Decimal) -> tuple[Phase, ...]:
    """The four phases, with these shares of calls and connections that are new."""
    one, none = Decimal(1), Decimal(0)
    return (
        Phase("1: Chime for new calls", new_calls, none),
        Phase("2: Chime for all calls", one, none),
        Phase("3: API Gateway for new connections", one, new_sockets),
        Phase("4: API Gateway for all connections", one, one),
    )


def _scaled(section: S, names: tuple[str, ...], share: Decimal) -> S:
    known = {field.name for field in fields(section)}
    given = {name: getattr(section, name) for name in names if name in known}
    return replace(
        section, **{name: Amount(value * share) for name, value in given.items() if value is not None}
    )
