"""One operator at a time: a lease in DynamoDB that a crash cannot leak.

There is no table of ours before the first run, so the lock has one of its own, made when something is about to change
and deleted by `destroy` as its last act. It holds one row, changed by conditional writes only:

    stack (key)  serial        counts the runs that changed the stack
                 lease_id      random; absent when no run holds the lock
                 beat          counts up every few seconds while the holder lives
                 expires_at    epoch seconds; for people. No decision trusts two clocks to agree: a lease that looks
                               expired is taken only after its beat has stood still while we watched
                 holder, host, process, command, since

`look` before the plan is read and `hold` with what it saw make a plan safe: if the stack was changed in between,
the serial has moved and `hold` refuses.
"""

from __future__ import annotations

import getpass
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import AwsError, Blocked, Conflict, Hint, NotFound
from whatschat_ops.stack.locking.lease import (
    LEASE_ATTRIBUTES,
    LockHolder,
    LockState,
    as_seen,
    attributes,
    expressions,
    is_gone,
    state,
    this_process,
)
from whatschat_ops.stack.waiting import Waiting

BEAT_S = 4.0
LEASE_S = 20.0
WATCH_S = 2.5 * BEAT_S
"""How long an expired lease must stand still before it is taken over."""
TABLE_TIMEOUT_S = 120.0


@dataclass(slots=True)
class StackLock:
    """The lock of one stack. `command` is what the others are told that this run does."""

    settings: Settings
    aws: Aws
    command: str
    waiting: Waiting = field(default_factory=Waiting)
    now: Callable[[], float] = time.time
    beat_s: float = BEAT_S
    lease_s: float = LEASE_S
    watch_s: float = WATCH_S

    @property
    def table(self) -> str:
        """Name of the lock's table."""
        return Names(self.settings).lock_table

    def read(self) -> LockState:
        """The lock as it is. No table, no lock."""
        try:
            answer = self._dynamodb.get_item(TableName=self.table, Key=self._key, ConsistentRead=True)
        except NotFound:
            return LockState()
        return state(answer.get("Item", {}))

    def look(self) -> LockState:
        """The lock, if it is free or its holder is dead. Raises Blocked naming the holder otherwise."""
        found = self.read()
        if found.held is not None:
            self._require_dead(found.held)
        return found

    @contextmanager
    def hold(
        self, seen: LockState, on_lost: Callable[[str], None] = lambda _why: None, *, remove: bool = False
    ) -> Iterator[None]:
        """Hold the lock, which must be as `seen`, and keep it alive. With `remove` its table goes when all went well.

        `on_lost` is called from a thread if the lease is taken away or cannot be renewed. Raises Blocked when
        another run holds the lock or has changed the stack since `seen`.
        """
        lease = self._acquire(seen)
        try:
            with self._beating(lease, on_lost):
                yield
        except BaseException:
            self._give_back(lease)
            raise
        if remove:
            self.remove()
        else:
            self._give_back(lease)

    def unlock(self) -> LockHolder | None:
        """Take the lock from whoever holds it: that run stops before its next step. Says who it was."""
        held = self.read().held
        if held is not None:
            self._release(held.lease_id)
        return held

    def remove(self) -> None:
        """Delete the table. Only after everything else is gone."""
        try:
            self._dynamodb.delete_table(TableName=self.table)
        except NotFound:
            return
        except Conflict:  # the first try of this very call may have begun it
            if self._status() != "DELETING":
                raise

    @property
    def _dynamodb(self) -> Any:
        return self.aws.client("dynamodb")

    @property
    def _key(self) -> dict[str, Any]:
        return {"stack": {"S": Names(self.settings).stack}}

    def _require_dead(self, held: LockHolder) -> None:
        """Raise unless the holder is surely dead: its process is gone from this machine, or its beat stands still."""
        if is_gone(held.process):
            self.waiting.say(f"{_who(held)} was killed; its lock is taken over.")
            return
        left_s = held.expires_at - self.now()
        if left_s > 0:
            raise _locked(held, left_s)
        self.waiting.say(f"The lock of {_who(held)} has expired; watching it for {self.watch_s:.0f} s.")
        self.waiting.sleep(self.watch_s)
        again = self.read().held
        if again is not None and (again.lease_id, again.beat) != (held.lease_id, held.beat):
            raise _locked(again, again.expires_at - self.now())

    def _acquire(self, seen: LockState) -> str:
        lease_id = secrets.token_hex(8)
        row = {**self._key, **attributes(self._me(lease_id)), "serial": {"N": str(seen.serial + 1)}}
        unchanged, values = as_seen(seen)
        try:
            self._put(TableName=self.table, Item=row, **expressions(values, ConditionExpression=unchanged))
        except Conflict:
            held = self.read().held
            if held is not None and held.lease_id == lease_id:
                return lease_id  # the answer to our own write was lost and the write repeated
            if held is not None:
                raise _locked(held, held.expires_at - self.now()) from None
            raise Blocked(
                f"{Names(self.settings).stack} was changed by another run after this plan was made.",
                hint="Run the same command again: it makes a new plan.",
            ) from None
        return lease_id

    def _put(self, **request: Any) -> None:
        try:
            self._dynamodb.put_item(**request)
        except NotFound:
            self._create_table()
            self._dynamodb.put_item(**request)

    def _create_table(self) -> None:
        tags = [{"Key": key, "Value": value} for key, value in Names(self.settings).tags.items()]
        self.waiting.repeat(  # a deletion by `destroy` may still be going on
            lambda: self._create_unless_there(tags),
            while_=lambda error: isinstance(error, Conflict),
            why=f"Waiting for the table {self.table}.",
            timeout_s=TABLE_TIMEOUT_S,
        )
        self.waiting.until(
            f"the table {self.table} is not active", self._is_active, timeout_s=TABLE_TIMEOUT_S
        )

    def _create_unless_there(self, tags: list[dict[str, str]]) -> None:
        try:
            self._dynamodb.create_table(
                TableName=self.table,
                KeySchema=[{"AttributeName": "stack", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "stack", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                Tags=tags,
            )
        except Conflict:
            if not self._is_active():  # being made or deleted: which of them shows later
                raise

    def _is_active(self) -> bool | None:
        return True if self._status() == "ACTIVE" else None

    def _status(self) -> str | None:
        try:
            return str(self._dynamodb.describe_table(TableName=self.table)["Table"]["TableStatus"])
        except NotFound:  # also right after CreateTable: AWS may not know it yet
            return None

    def _me(self, lease_id: str) -> LockHolder:
        since = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        host = f"{_user()}@{socket.gethostname()}"
        expires_at = self.now() + self.lease_s
        return LockHolder(
            self.aws.caller_arn, host, this_process(), self.command, since, expires_at, lease_id, 0
        )

    @contextmanager
    def _beating(self, lease_id: str, on_lost: Callable[[str], None]) -> Iterator[None]:
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(lease_id, ended, on_lost), name="lock", daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()

    def _beat(self, lease_id: str, ended: threading.Event, on_lost: Callable[[str], None]) -> None:
        """Renew the lease until `ended`. A renewal that fails is repeated while the lease lasts."""
        beat, renewed_at = 0, time.monotonic()
        while not ended.wait(self.beat_s):
            beat += 1
            try:
                self._renew(lease_id, beat)
                renewed_at = time.monotonic()
            except (Conflict, NotFound):
                on_lost("Another run took the lock over")
                return
            except AwsError as error:
                if time.monotonic() - renewed_at > self.lease_s - self.beat_s:
                    on_lost(f"The lock cannot be renewed ({error.message})")
                    return

    def _renew(self, lease_id: str, beat: int) -> None:
        self._dynamodb.update_item(
            TableName=self.table,
            Key=self._key,
            **expressions(
                {
                    ":beat": {"N": str(beat)},
                    ":expires": {"N": f"{self.now() + self.lease_s:.3f}"},
                    ":lease": {"S": lease_id},
                },
                UpdateExpression="SET #beat = :beat, #expires_at = :expires",
                ConditionExpression="#lease_id = :lease",
            ),
        )

    def _give_back(self, lease_id: str) -> None:
        """Release the lock at the end of a run, whose outcome this must not change."""
        try:
            self._release(lease_id)
        except AwsError as error:
            self.waiting.say(
                f"The lock was not released, it expires in {self.lease_s:.0f} s: {error.message}"
            )

    def _release(self, lease_id: str) -> None:
        try:
            self._dynamodb.update_item(
                TableName=self.table,
                Key=self._key,
                **expressions(
                    {":lease": {"S": lease_id}},
                    UpdateExpression=f"REMOVE {', '.join(f'#{name}' for name in LEASE_ATTRIBUTES)}",
                    ConditionExpression="#lease_id = :lease",
                ),
            )
        except (Conflict, NotFound):  # not ours any more, or released by the first try of this very call
            return


def _user() -> str:
    """The name of the user of this process. In a container the number of the user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # which of them depends on the version of Python and the system
        return "unknown"


def _who(held: LockHolder) -> str:
    return f"{held.holder} ({held.host}, {held.command}, since {held.since})"


def _locked(held: LockHolder, left_s: float) -> Blocked:
    return Blocked(
        f"The stack is being changed by {_who(held)}.",
        hint=Hint(
            ("unlock",),
            f"Wait until that run has ended. If it was killed, its lock expires in {max(left_s, 0):.0f} s, or release it now",
        ),
    )
