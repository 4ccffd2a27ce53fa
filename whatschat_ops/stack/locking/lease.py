"""A lease as data: who holds the lock, the row that says so, the conditions on it, and whether its process lives."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

LEASE_ATTRIBUTES: Final = ("lease_id", "beat", "expires_at", "holder", "host", "process", "command", "since")


class LockHolder(Struct, frozen=True):
    """Who holds the lock: `holder` is the caller's ARN, `process` names one process of one boot of one machine."""

    holder: str
    host: str
    process: str
    command: str
    since: str
    expires_at: float
    """Seconds since 1970-01-01, UTC."""
    lease_id: str
    beat: int


class LockState(Struct, frozen=True):
    """The row: `serial` is 0 before the first run; `held` None when no run holds the lock."""

    serial: int = 0
    held: LockHolder | None = None


def as_seen(seen: LockState) -> tuple[str, dict[str, Any]]:
    """The condition that the row is as it was seen, and its values."""
    values: dict[str, Any] = {}
    serial = "attribute_not_exists(#serial)"
    if seen.serial:
        serial, values[":serial"] = "#serial = :serial", {"N": str(seen.serial)}
    lease = "attribute_not_exists(#lease_id)"
    if seen.held is not None:
        lease = "(attribute_not_exists(#lease_id) OR (#lease_id = :old AND #beat = :beat))"
        values |= {":old": {"S": seen.held.lease_id}, ":beat": {"N": str(seen.held.beat)}}
    return f"{serial} AND {lease}", values


def expressions(values: Mapping[str, Any], **texts: str) -> dict[str, Any]:
    """Expressions with their `#names` declared: many plain words are reserved in DynamoDB."""
    names = {name: name[1:] for text in texts.values() for name in re.findall(r"#\w+", text)}
    request = {**texts, "ExpressionAttributeNames": names}
    return {**request, "ExpressionAttributeValues": values} if values else request


def attributes(holder: LockHolder) -> dict[str, Any]:
    """A holder as DynamoDB attributes."""
    return {
        "lease_id": {"S": holder.lease_id},
        "beat": {"N": str(holder.beat)},
        "expires_at": {"N": f"{holder.expires_at:.3f}"},
        "holder": {"S": holder.holder},
        "host": {"S": holder.host},
        "process": {"S": holder.process},
        "command": {"S": holder.command},
        "since": {"S": holder.since},
    }


def state(row: Mapping[str, Any]) -> LockState:
    """The lock that a row (maybe empty) says."""
    serial = int(row.get("serial", {}).get("N", "0"))
    if "lease_id" not in row:
        return LockState(serial)

    def string(name: str) -> str:
        return str(row.get(name, {}).get("S", ""))

    expires_at, beat = float(row["expires_at"]["N"]), int(row["beat"]["N"])
    words = {name: string(name) for name in ("holder", "host", "process", "command", "since", "lease_id")}
    return LockState(serial, LockHolder(**words, expires_at=expires_at, beat=beat))


def this_process() -> str:
    """This process as no other can be named: boot, PID namespace and PID. Without the PID where Linux's /proc is missing."""
    place = _place()
    return f"{place}:{os.getpid()}" if place else ""


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return ""


def is_gone(process: str) -> bool:
    """Whether a process is of this boot and PID namespace, and no longer there."""
    place, _, pid = process.rpartition(":")
    return bool(place) and place == _place() and not Path(f"/proc/{pid}").exists()
