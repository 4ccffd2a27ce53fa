"""The TCP connections of a run: opened as they are needed, never more than allowed, opened again with backoff.

`idle` holds those that can take a request; the others are being opened or carry one. The selector knows all of them.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Final

from whatschat_ops.errors import Unavailable
from whatschat_ops.sender.connection import HttpConnection, Tls
from whatschat_ops.sender.route import Address, Addresses, Route
from whatschat_ops.sender.successes import Successes

CONNECT_TIMEOUT_S: Final = 5.0
ROUNDS_AT_THE_START: Final = 3
"""How often every address is tried before an endpoint that was never reached counts as not reachable."""
SHORTEST_BACKOFF_S: Final = 0.05
LONGEST_BACKOFF_S: Final = 2.0


class Pool:
    """Opens and closes; raises Unavailable when the endpoint cannot be reached, at the start or for too long."""

    def __init__(
        self,
        route: Route,
        tls: Tls | None,
        addresses: Addresses,
        selector: BaseSelector,
        *,
        limit: int,
        give_up_after_s: float,
        jitter: Callable[[], float],
    ) -> None:
        self.idle: list[HttpConnection] = []
        self.all: set[HttpConnection] = set()
        self._route, self._tls, self._addresses, self._selector = route, tls, addresses, selector
        self._limit, self._give_up_after_s, self._jitter = limit, give_up_after_s, jitter
        self._successes = Successes()
        self._failures = 0
        self._failing_since_s = 0.0
        self._ever_open = False
        self._opening = 0
        self.open_again_at_s = 0.0

    @property
    def opening(self) -> int:
        """How many are being opened."""
        return self._opening

    def may_open(self, now_s: float) -> bool:
        """Whether another one can be opened now. While it fails, one at a time is tried."""
        most = 1 if self._failures else self._limit
        return len(self.all) < self._limit and self._opening < most and now_s >= self.open_again_at_s

    def open(self, now_s: float) -> None:
        """Begin to open one. Raises Unavailable."""
        address = self._addresses.next()
        try:
            connection = HttpConnection(self._route, self._tls, address, self._successes, now_s)
        except OSError as error:
            self._failed(error, address, now_s, now_s)
            return
        self.all.add(connection)
        self._opening += 1
        self._selector.register(connection.sock, connection.waits_for, connection)

    def wait(self, timeout_s: float) -> list[tuple[SelectorKey, int]]:
        """What can go on, after at most so long. On Windows a selector that knows no socket cannot wait."""
        if self.all:
            return self._selector.select(timeout_s)
        time.sleep(timeout_s)
        return []

    def advance(self, connection: HttpConnection, now_s: float) -> None:
        """One of those being opened can go on; when it is open it becomes idle. Raises Unavailable."""
        before, waited_for = connection.sock, connection.waits_for
        try:
            is_open = connection.advance()
        except (OSError, ValueError) as error:  # ValueError: a server name that TLS does not accept
            self._opening -= 1
            self._forget(connection, before)
            self._failed(error, connection.address, connection.opened_s, now_s)
            return
        if connection.sock is not before:  # wrapped in TLS: another object, the same descriptor
            self._selector.unregister(connection.sock)
            self._selector.register(connection.sock, connection.waits_for, connection)
        elif connection.waits_for != waited_for:
            self._selector.modify(connection.sock, connection.waits_for, connection)
        if is_open:
            self._opening -= 1
            self._failures, self._ever_open = 0, True
            connection.idle_since_s = now_s
            self.idle.append(connection)

    def also_wait_to_write(self, connection: HttpConnection, wanted: bool) -> None:
        """Whether the selector says when more of the request can be sent."""
        events = EVENT_READ | EVENT_WRITE if wanted else EVENT_READ
        if connection.waits_for != events:
            connection.waits_for = events
            self._selector.modify(connection.sock, events, connection)

    def close(self, connection: HttpConnection) -> None:
        """Close one that is open."""
        if connection.job is None and connection in self.idle:
            self.idle.remove(connection)
        self._forget(connection, connection.sock)

    def close_overdue(self, now_s: float) -> None:
        """Give up what takes too long to open. Raises Unavailable."""
        if not self._opening:
            return
        for connection in [found for found in self.all if found.opening]:
            if now_s - connection.opened_s > CONNECT_TIMEOUT_S:
                self._opening -= 1
                self._forget(connection, connection.sock)
                error = TimeoutError(f"no connection within {CONNECT_TIMEOUT_S:.0f} s")
                self._failed(error, connection.address, connection.opened_s, now_s)

    def overdue(self, sent_before_s: float) -> list[HttpConnection]:
        """Those whose request was sent before this time and is not answered."""
        return [found for found in self.all if found.job is not None and found.sent_s < sent_before_s]

    def close_all(self) -> None:
        """Close everything, the selector too."""
        for connection in self.all:
            connection.close()
        self.all.clear()
        self.idle.clear()
        self._selector.close()

    def _forget(self, connection: HttpConnection, registered: socket.socket) -> None:
        self.all.discard(connection)
        if connection.sock.fileno() >= 0:
            self._selector.unregister(connection.sock)
        else:
            self._selector.unregister(registered)
        connection.close()

    def _failed(self, error: Exception, address: Address, opened_s: float, now_s: float) -> None:
        self._addresses.failed(address)
        if not self._failures or len(self.all) > self._opening:  # those that are open go on working
            self._failing_since_s = opened_s
        self._failures += 1
        failing_for_s = now_s - self._failing_since_s
        hopeless = isinstance(error, ssl.SSLCertVerificationError | ValueError)
        if not self._ever_open:
            rounds = self._failures / len(self._addresses)
            hopeless |= rounds >= ROUNDS_AT_THE_START or (rounds >= 1 and failing_for_s >= CONNECT_TIMEOUT_S)
        if hopeless or failing_for_s > self._give_up_after_s:
            raise self._unavailable(error)
        if self._failures % len(self._addresses) == 0:
            bound_s = min(LONGEST_BACKOFF_S, SHORTEST_BACKOFF_S * 2 ** min(self._failures, 16))
            self.open_again_at_s = now_s + self._jitter() * bound_s

    def _unavailable(self, error: Exception) -> Unavailable:
        host, port = self._route.next_hop
        hint = None
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "When its certificate comes from a CA of your own, set AWS_CA_BUNDLE to that CA's certificate."
        via = "The proxy" if self._route.proxy else "The endpoint"
        return Unavailable(
            f"{via} {host}:{port} cannot be reached: {explain(error)}.",
            hint=hint,
            operation="PostToConnection",
        )


def explain(error: Exception) -> str:
    """A failure of a connection in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
