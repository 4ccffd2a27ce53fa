"""Which users a change affects, and how soon each kind of client follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from whatschat_ops.migration.cohort import BUCKETS, Service, bucket
from whatschat_ops.migration.phases import Phase
from whatschat_ops.migration.state import Place
from whatschat_ops.quotas import MAX_CONNECTION_S


class Follows(Struct, frozen=True):
    """A kind of client. `within_s` None: not by itself, `when` says what it takes."""

    client: str
    within_s: float | None
    when: str


class Affected(Struct, frozen=True):
    """Of one service: the share of users whose mode changes, and what of it is open now; None: not counted."""

    service: Service
    percent: int
    users: int | None = None
    sockets: int | None = None
    meetings: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything is open there."""
        return bool(self.sockets or self.meetings)


def is_switched_off(service: Service, old: Place, new: Place) -> bool:
    """Whether the last users leave a service."""
    return old.of(service).new > 0 and new.of(service).new == 0


def changed_percent(service: Service, old: Place, new: Place) -> int:
    """The share of users whose mode changes, in percent: exact, as buckets are."""
    before, after = old.of(service), new.of(service)
    return sum(before.mode_of(each) != after.mode_of(each) for each in range(BUCKETS))


def of_users(users: Iterable[str], stack: str, service: Service, old: Place, new: Place) -> list[str]:
    """Those of the users whose mode changes, once for each time that they are named."""
    before, after = old.of(service), new.of(service)
    numbered = ((user, bucket(stack, service, user)) for user in users)
    return [user for user, number in numbered if before.mode_of(number) != after.mode_of(number)]


def follows(old: Place, new: Place, cache_s: int) -> tuple[Follows, ...]:
    """How soon each kind of client follows a change, of the services that it changes."""
    found: list[Follows] = []
    if old.chime != new.chime:
        found += [
            Follows("calls that begin, backend with the reader", cache_s, "the reader's cache ends"),
            Follows("calls that are running", None, "they stay as they are until they end"),
        ]
    if old.websocket != new.websocket:
        found += [
            Follows("sockets that are opened, backend with the reader", cache_s, "the reader's cache ends"),
            _open_sockets(old, new),
        ]
    if old.drained != new.drained and not found:
        found.append(Follows("the old server, with the reader", cache_s, "the reader's cache ends"))
    return (*found, *_by_variables(new)) if found else ()


_OLD: Final = "sockets that are open on the old path"
_NEW: Final = "sockets that are open on API Gateway"


def _open_sockets(old: Place, new: Place) -> Follows:
    if new.share(Phase.NEW_SOCKETS) < old.share(Phase.NEW_SOCKETS):
        return Follows(_NEW, MAX_CONNECTION_S, "they close by themselves; API Gateway's longest connection")
    return Follows(_OLD, None, "they stay until they close")


def _by_variables(new: Place) -> list[Follows]:
    """Clients that only variables reach: a backend without the reader, a web client that does not ask for its mode."""
    whole = all(new.share(phase) in (0, BUCKETS) for phase in Phase)
    if not whole:
        return [Follows("backends and web clients without the reader", None, "not at all: a share needs it")]
    return [
        Follows("backends without the reader", None, "a restart with the variables shown"),
        Follows(
            "web clients that do not ask for their mode",
            None,
            "a build with the variables shown, and a reload",
        ),
    ]
