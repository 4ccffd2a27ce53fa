"""The row of a migration, in the table of the stack's lock, and the SSM parameter that readers read.

A change is decided by one conditional write of the row against the serial that was read (PutParameter has no condition); the
parameter is written from the row after it, and `written` says the serial that it has. A process that was killed between the
two leaves `written` behind `serial`: whoever comes next publishes the row, whose decision was made.

    stack (key: <stack>#migration)   serial   written   state (JSON)   by   at   action
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names
from whatschat_ops.errors import Blocked, Conflict, NotFound, Unusable
from whatschat_ops.migration.state import MigrationState

TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
AGAIN: Final = "Run the same command again: it reads the state first."


class Stored(Struct, frozen=True):
    """The row as it was read. `written` is the serial of the parameter as far as the row knows; 0: never written."""

    state: MigrationState
    written: int = 0
    by: str = ""
    at: str = ""
    action: str = ""

    @property
    def changed_at(self) -> datetime | None:
        """When it was changed last; None before the first change, or if the row does not say it as a time."""
        with suppress(ValueError):
            return datetime.strptime(self.at, TIME).replace(tzinfo=UTC)
        return None

    @property
    def is_half_done(self) -> bool:
        """Whether a change was decided and its parameter not written."""
        return self.written != self.state.serial


class MigrationStore:
    """Reads and changes the migration of one stack. Changes are made under the stack's lock."""

    def __init__(self, aws: Aws, names: Names) -> None:
        self._aws = aws
        self._names = names

    @property
    def parameter_name(self) -> str:
        """Of the parameter that readers read."""
        return self._names.migration_parameter

    def read(self) -> Stored:
        """The row; that of phase 0 before the first change. Raises Unusable for a row that this program did not write."""
        try:
            answer = self._dynamodb.get_item(
                TableName=self._names.lock_table, Key=self._key, ConsistentRead=True
            )
        except NotFound:
            return Stored(MigrationState())
        return _stored(answer.get("Item", {}))

    def parameter(self) -> str | None:
        """What readers read; None when there is no parameter."""
        try:
            return str(self._ssm.get_parameter(Name=self.parameter_name)["Parameter"]["Value"])
        except NotFound:
            return None

    def wanted_parameter(self, state: MigrationState) -> str:
        """What the parameter is to be in a state."""
        return json.dumps(state.document(self._names.stack))

    def change(
        self, seen: Stored, wanted: MigrationState, *, by: str, action: str, at: datetime | None = None
    ) -> None:
        """Write the row, which must be as it was seen, then the parameter. Raises Blocked when another operator was first.

        `at` is the time by AWS's clock; None: now, by this machine's.
        """
        row = {
            **self._key,
            "serial": {"N": str(wanted.serial)},
            "written": {"N": str(seen.written)},
            "state": {"S": msgspec.json.encode(wanted).decode()},
            "by": {"S": by},
            "at": {"S": (at or datetime.now(UTC)).strftime(TIME)},
            "action": {"S": action},
        }
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(serial)"}
        if seen.state.serial:
            condition = {
                "ConditionExpression": "serial = :seen",
                "ExpressionAttributeValues": {":seen": {"N": str(seen.state.serial)}},
            }
        try:
            self._dynamodb.put_item(TableName=self._names.lock_table, Item=row, **condition)
        except Conflict:
            found = self.read()
            if (found.state, found.by) != (
                wanted,
                by,
            ):  # else the answer to our own write was lost, and it was repeated
                self.require_as_seen(seen)
        self.publish()

    def publish(self) -> Stored:
        """Write the parameter from the row, until it is that of the row as it is then. What a killed command left is finished."""
        while True:
            stored = self.read()
            self._put_parameter(self.wanted_parameter(stored.state))
            try:
                self._dynamodb.update_item(
                    TableName=self._names.lock_table,
                    Key=self._key,
                    UpdateExpression="SET written = :serial",
                    ConditionExpression="serial = :serial",
                    ExpressionAttributeValues={":serial": {"N": str(stored.state.serial)}},
                )
            except Conflict:
                continue  # this process lost the lock, and another one has changed the row since
            return stored

    def require_as_seen(self, seen: Stored) -> None:
        """Raises Blocked, naming who changed it, when the row is not as it was seen any more."""
        found = self.read()
        if found.state.serial != seen.state.serial:
            raise Blocked(
                f"{found.by} changed the migration at {found.at} ({found.action}): it is now in {found.state.place.words}.",
                hint=AGAIN,
            )

    def _put_parameter(self, value: str) -> None:
        """Tags can be given to a new parameter only."""
        tags = [{"Key": key, "Value": tag} for key, tag in self._names.tags.items()]
        try:
            self._ssm.put_parameter(
                Name=self.parameter_name, Type="String", Value=value, Tags=tags, Description=_DESCRIPTION
            )
        except Conflict:
            self._ssm.put_parameter(Name=self.parameter_name, Type="String", Value=value, Overwrite=True)

    @property
    def _key(self) -> dict[str, Any]:
        return {"stack": {"S": f"{self._names.stack}#migration"}}

    @property
    def _dynamodb(self) -> Any:
        return self._aws.client("dynamodb")

    @property
    def _ssm(self) -> Any:
        return self._aws.client("ssm")


_DESCRIPTION: Final = "Phases and shares of the migration from the old paths; written by whatschat-ops"


def _stored(item: dict[str, Any]) -> Stored:
    if not item:
        return Stored(MigrationState())
    try:
        state = msgspec.json.decode(item["state"]["S"], type=MigrationState)
        written = int(item["written"]["N"])
    except (KeyError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Unusable(
            f"The row of the migration cannot be read: it is not what this program wrote ({error}).",
            hint="Restore it from the last entry of the audit log, or delete it to begin with phase 0.",
        ) from error
    words = {name: item.get(name, {}).get("S", "") for name in ("by", "at", "action")}
    return Stored(state, written, **words)
