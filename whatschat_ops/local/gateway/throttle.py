"""Token buckets: one per route of a stage, and those of the account (callbacks included)."""

from __future__ import annotations

from whatschat_ops.local.interfaces import Stage, Throttle
from whatschat_ops.quotas import API_REQUESTS, NEW_CONNECTIONS_PER_S

ACCOUNT_CONNECTIONS = Throttle(rate_limit=NEW_CONNECTIONS_PER_S, burst_limit=NEW_CONNECTIONS_PER_S)
"""AWS does not publish the burst (quota L-E1465507): an assumption."""
ACCOUNT_REQUESTS = Throttle(rate_limit=API_REQUESTS.rate_per_s, burst_limit=API_REQUESTS.burst)


class TokenBucket:
    """Holds `burst_limit` tokens, refilled at `rate_limit` a second. Starts full."""

    __slots__ = ("_refilled_at", "_tokens", "limit")

    def __init__(self, limit: Throttle, now: float) -> None:
        self.limit = limit
        self._tokens = float(limit.burst_limit)
        self._refilled_at = now

    def take(self, now: float) -> bool:
        """Take a token; False if there is none. A clock that is set back refills nothing."""
        elapsed = max(0.0, now - self._refilled_at)
        self._refilled_at = now
        self._tokens = min(float(self.limit.burst_limit), self._tokens + elapsed * self.limit.rate_limit)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Throttles:
    """The buckets of every route in use, and those of the account.

    A stage's default applies to each route separately (like REST's "default method throttling"; AWS does not document
    it for WebSocket APIs); a route's own setting replaces it.
    """

    def __init__(self, now: float) -> None:
        self._connections = TokenBucket(ACCOUNT_CONNECTIONS, now)
        self._requests = TokenBucket(ACCOUNT_REQUESTS, now)
        self._routes: dict[tuple[str, str, str], TokenBucket] = {}

    def admit_connection(self, now: float) -> bool:
        """Whether the account may open another connection now."""
        return self._connections.take(now)

    def admit_request(self, now: float) -> bool:
        """Whether the account may make another request or callback now."""
        return self._requests.take(now)

    def admit(self, api_id: str, stage: Stage, route_key: str, now: float) -> bool:
        """Whether the stage admits another message for the route now."""
        limit = stage.route_throttles.get(route_key, stage.throttle)
        key = (api_id, stage.name, route_key)
        if limit is None:
            self._routes.pop(key, None)
            return True
        bucket = self._routes.get(key)
        if bucket is None or bucket.limit != limit:
            bucket = self._routes[key] = TokenBucket(limit, now)
        return bucket.take(now)
