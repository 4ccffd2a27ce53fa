"""Broadcasts of a soak, and what each connection of their journals got."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.crowd import Member

OUTCOMES = ("delivered", "gone", "failed")


@dataclass(frozen=True)
class Account:
    """One broadcast. `missing`: delivered, open, and not received; `copies`: received beyond one for each that is delivered."""

    summary: Mapping[str, Any]
    killed: bool
    missing: int
    copies: int
    not_listed: int
    """Received by who is not in the journal."""

    @property
    def is_accounted_for(self) -> bool:
        """Every connection has one outcome, every delivery a receipt, every receipt a delivery or a doubt."""
        found = self.summary
        ended = found["delivered"] + found["gone"] + found["failed"]
        return bool(
            ended == found["connections"]
            and found["failed"] == found["pending"] == self.missing == self.not_listed == 0
            and self.copies <= found["in_doubt"]
        )


def outcomes(journals: Path, run_id: str) -> dict[str, str]:
    """The outcome for each user (each has one socket). The file is read after its command has ended."""
    with closing(sqlite3.connect(journals / f"{run_id}.sqlite")) as journal:
        rows = journal.execute("SELECT user_id, outcome FROM target JOIN result USING (number)").fetchall()
    return {user: OUTCOMES[outcome] for user, outcome in rows}


def missing(members: list[Member], found: Mapping[str, str], message_id: str) -> int:
    """Open sockets that a message was delivered to and that have not received it (yet)."""
    return sum(
        member.is_open and found.get(member.user) == "delivered" and not member.received[message_id]
        for member in members
    )


def account(
    members: list[Member], found: Mapping[str, str], summary: Mapping[str, Any], *, killed: bool
) -> Account:
    """What the clients got, against the journal."""
    message_id, copies, not_listed = summary["message_id"], 0, 0
    for member in members:
        received = member.received[message_id]
        copies += max(0, received - (found.get(member.user) == "delivered"))
        not_listed += bool(received) and member.user not in found
    return Account(summary, killed, missing(members, found, message_id), copies, not_listed)
