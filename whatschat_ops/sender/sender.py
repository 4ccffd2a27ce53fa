"""Posts one message to many connections of a WebSocket API, as fast as the account allows.

    sender = Sender(
        "https://abcdefghij.execute-api.eu-west-1.amazonaws.com/production",
        "eu-west-1",
        b'{"type":"notice","text":"Hello"}',
        SendPolicy(rate_per_s=10_000, burst=5_000),
        lambda: Credentials("AKIDEXAMPLE", Secret("the secret key")),
    )
    snapshot = sender.run(next_targets, on_results)

Standard library only. docs/sender.md has the whole example, says how it works, how fast it is,
and why it uses no HTTP library.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict
from selectors import DefaultSelector

from whatschat_ops.errors import UsageError
from whatschat_ops.network import tls_context
from whatschat_ops.sender.adaptive_rate import AdaptiveRate
from whatschat_ops.sender.connection import Tls
from whatschat_ops.sender.failures import Failures
from whatschat_ops.sender.keys import Keys
from whatschat_ops.sender.loop import Loop
from whatschat_ops.sender.loop_state import Clocks, Parts
from whatschat_ops.sender.model import (
    POST,
    Counts,
    CredentialsSource,
    NextTargets,
    OnInDoubt,
    OnResults,
    Operation,
    SendPolicy,
    Snapshot,
)
from whatschat_ops.sender.pool import Pool
from whatschat_ops.sender.route import Addresses, Route, route_to
from whatschat_ops.sender.signing import RequestShape, Signer
from whatschat_ops.sender.work import Work

MOST_TCP_CONNECTIONS = 500
"""select() on Windows takes 512 sockets."""


class Sender:
    """One message, one endpoint. Runs once."""

    def __init__(
        self,
        callback_url: str,
        region: str,
        message: bytes,
        policy: SendPolicy,
        credentials: CredentialsSource,
        *,
        operation: Operation = POST,
        ca_bundle: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`callback_url` is https://HOST/STAGE (`endpoint.normalise`); `ca_bundle` a file of PEM certificates. What is said of posting here
        holds for another `operation`, too: a success is a delivery.

        Raises UsageError for another kind of URL or rate, ConfigError for an unusable proxy or CA bundle. Nothing is sent yet.
        """
        if policy.rate_per_s <= 0:
            raise UsageError(f"A rate of {policy.rate_per_s:g} per second would never send anything.")
        self._route = route_to(callback_url)
        self._operation = operation
        self._shape = _shape(self._route, region, message, operation.method)
        self._tls = Tls(tls_context(ca_bundle)) if self._route.tls else None
        self._policy, self._credentials, self._jitter = policy, credentials, jitter
        self._clocks = Clocks(clock, wall_clock)
        self._counts = Counts()
        self._rate = AdaptiveRate(policy.rate_per_s, policy.burst, clock())
        self._loop: Loop | None = None

    def run(
        self,
        next_targets: NextTargets,
        on_results: OnResults,
        should_stop: Callable[[], bool] = lambda: False,
        on_in_doubt: OnInDoubt = lambda _: None,
    ) -> Snapshot:
        """Send until there are no more targets; when `should_stop`, end what was begun and retry nothing.

        All callbacks are called on this thread and hold up everything while they work. Every target gets one result,
        except those that still waited for a retry when it stopped, or were in flight when it raised.

        `on_in_doubt` is told of every attempt without an answer before its target is sent to again.

        Raises PermissionDenied when AWS refuses from the first answer on (or always, later), NotFound when the URL is
        not that of a WebSocket API, CredentialsError for keys that have expired and are not renewed, Unavailable when the
        endpoint cannot be reached.
        """
        parts = self._parts(Work(next_targets), on_results, on_in_doubt, should_stop)
        self._loop = Loop(parts)
        try:
            self._loop.run()
        finally:
            parts.pool.close_all()
        return self.snapshot()

    def limit(self, rate_per_s: float) -> None:
        """Send at most so many per second from now on; from any thread."""
        self._rate.limit(rate_per_s)

    def snapshot(self) -> Snapshot:
        """Where it is; from any thread."""
        return Snapshot(
            **asdict(self._counts),
            in_flight=self._loop.in_flight if self._loop else 0,
            waiting_for_retry=self._loop.waiting_for_retry if self._loop else 0,
            rate_limit_per_s=self._rate.rate_per_s,
        )

    def _parts(
        self, work: Work, on_results: OnResults, on_in_doubt: OnInDoubt, should_stop: Callable[[], bool]
    ) -> Parts:
        clocks, policy = self._clocks, self._policy
        keys = Keys(self._credentials, clocks.wall())
        pool = Pool(
            self._route,
            self._tls,
            Addresses(*self._route.next_hop, clocks.monotonic),
            DefaultSelector(),
            limit=min(MOST_TCP_CONNECTIONS, max(1, policy.tcp_connections)),
            give_up_after_s=policy.deadline_s,
            jitter=self._jitter,
        )
        return Parts(
            policy=policy,
            clocks=clocks,
            pool=pool,
            signer=Signer(self._shape, keys.current),
            keys=keys,
            rate=self._rate,
            work=work,
            failures=Failures(
                policy,
                self._counts,
                self._rate,
                keys,
                wall=clocks.wall,
                jitter=self._jitter,
                operation=self._operation,
            ),
            counts=self._counts,
            on_results=on_results,
            on_in_doubt=on_in_doubt,
            should_stop=should_stop,
        )


def _shape(route: Route, region: str, message: bytes, method: str) -> RequestShape:
    """With a proxy and without TLS, the proxy is told the whole URL in every request."""
    forwarded = route.proxy is not None and not route.tls
    return RequestShape(
        host=route.host_header,
        path=route.path,
        region=region,
        body=message,
        before_path=f"http://{route.host_header}" if forwarded else "",
        extra_headers=route.proxy.authorization.reveal() if route.proxy and forwarded else "",
        method=method,
    )
