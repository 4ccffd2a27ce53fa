"""Not faster than AWS's control plane allows, so that a big apply is not throttled in the first place.

Chime SDK meetings allows each operation a rate of its own (`quotas.CHIME_API`), which looking up or deleting a few hundred meetings
would exceed. API Gateway limits control-plane calls (`quotas.CONTROL_PLANE`), and CreateDeployment by itself, for an account and
Region. Writes take a token each and wait when there is none; the
few reads fit into what is left of the burst. A throttled CreateDeployment (another client made one) is repeated at its own
rate, which botocore's backoff would not wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from whatschat_ops.quotas import CHIME_API, CONTROL_PLANE, CREATE_DEPLOYMENT_INTERVAL_S

DEPLOYMENT_ATTEMPTS = 6


class TokenBucket:
    """`burst` tokens, refilled at `rate_per_s`. Thread-safe; who comes first is served first."""

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a token, after waiting for it if need be. Returns how long it waited, in seconds."""
        with self._lock:
            now = self._clock()
            refilled = self._tokens + (now - self._filled_at) * self._rate_per_s
            self._tokens, self._filled_at = min(self._burst, refilled) - 1.0, now
            wait_s = max(0.0, -self._tokens / self._rate_per_s)
        if wait_s:
            self._sleep(wait_s)
        return wait_s


class Pacing:
    """The buckets that all clients of one `Aws` share."""

    def __init__(
        self,
        api_gateway: TokenBucket | None = None,
        chime: Callable[[], TokenBucket] = lambda: TokenBucket(*CHIME_API),
    ) -> None:
        self._new_chime = chime
        self._api_gateway = api_gateway or TokenBucket(*CONTROL_PLANE)
        self._chime: dict[tuple[str, str], TokenBucket] = {}
        self._lock = threading.Lock()

    def attach(self, client: Any) -> None:
        """Make a client keep to its service's rates."""
        if client.meta.service_model.service_name == "chime-sdk-meetings":
            region = client.meta.region_name
            client.meta.events.register(
                "before-send", lambda event_name, **_: self._before_chime(region, event_name)
            )
        if client.meta.service_model.service_name in ("apigateway", "apigatewayv2"):
            client.meta.events.register("before-send", self._before_send)
            client.meta.events.register_first("needs-retry.apigatewayv2.CreateDeployment", _repeat_deployment)

    def _before_chime(self, region: str, event_name: str) -> None:
        operation = event_name.rpartition(".")[2]
        with self._lock:
            bucket = self._chime.setdefault((region, operation), self._new_chime())
        bucket.take()

    def _before_send(self, request: Any, **_: Any) -> None:
        if request.method != "GET":
            self._api_gateway.take()


def _repeat_deployment(response: Any, attempts: int, **_: Any) -> float | None:
    """Seconds after which botocore sends a throttled CreateDeployment again; None: as it decides itself."""
    if response is None or attempts >= DEPLOYMENT_ATTEMPTS:
        return None
    return CREATE_DEPLOYMENT_INTERVAL_S if response[0].status_code == 429 else None
