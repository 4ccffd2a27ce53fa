"""One change of a migration by one operator: the lock, the row and the parameter, in this order."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import Blocked
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.state import MigrationState
from whatschat_ops.migration.store import MigrationStore, Stored
from whatschat_ops.stack.locking.lease import LockState
from whatschat_ops.stack.locking.lock import StackLock
from whatschat_ops.stack.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Migrating:
    """The migration as it was read under `lock_seen`, which must not have moved when it is changed."""

    store: MigrationStore
    stored: Stored
    parameter: str | None
    lock: StackLock
    lock_seen: LockState

    @classmethod
    def look(cls, settings: Settings, aws: Aws, command: str, waiting: Waiting) -> Migrating:
        """Read it. Raises Blocked naming the holder while another run holds the lock."""
        lock = StackLock(settings, aws, command, waiting)
        seen = lock.look()
        store = MigrationStore(aws, Names(settings))
        return cls(store, store.read(), store.parameter(), lock, seen)

    @property
    def problem(self) -> str | None:
        """Why readers do not read what was decided; None when they do."""
        return disagreement(self.store, self.stored, self.parameter)

    def finish(self) -> None:
        """Write the parameter from the row. Raises Blocked when the lock is not free or has moved."""
        with self._locked():
            self.store.publish()

    def change(self, wanted: MigrationState, action: str, at: datetime | None = None) -> None:
        """Decide and publish. Raises Blocked when the lock is not free, or another operator was first."""
        try:
            with self._locked():
                self.store.change(self.stored, wanted, by=self.lock.aws.caller_arn, action=action, at=at)
        except Blocked:
            self.store.require_as_seen(
                self.stored
            )  # says who was first, where it was another operator of the migration
            raise

    def _locked(self) -> AbstractContextManager[None]:
        return self.lock.hold(self.lock_seen, lambda why: self.lock.waiting.say(f"{why}."))


def disagreement(store: MigrationStore, stored: Stored, parameter: str | None) -> str | None:
    """Why the parameter is not what the row says; None when it is, or when there is neither."""
    if stored.state.serial == 0:
        return (
            None
            if parameter is None
            else f"The parameter {store.parameter_name} exists, and no migration has started."
        )
    if stored.is_half_done:
        return f"The change to {stored.state.place.words} by {stored.by} ({stored.at}) was not finished."
    if parameter is None:
        return f"The parameter {store.parameter_name} does not exist."
    try:
        same = json.loads(parameter) == json.loads(store.wanted_parameter(stored.state))
    except (ValueError, RecursionError):
        same = False
    return None if same else f"The parameter {store.parameter_name} was changed by something else."


def services_on(settings: Settings) -> tuple[Service, ...]:
    """The services that the settings turn on."""
    wanted = {Service.CHIME: settings.chime.enabled, Service.WEBSOCKET: settings.websocket.enabled}
    return tuple(service for service in Service if wanted[service])
