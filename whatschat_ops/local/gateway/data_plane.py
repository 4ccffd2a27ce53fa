"""What connecting, messaging and disconnecting share: finding APIs, invoking functions, counting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whatschat_ops.local.gateway import access_log, failure_log
from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.gateway.exchange import Exchange
from whatschat_ops.local.gateway.integration import IntegrationCall, Integrations
from whatschat_ops.local.gateway.metrics import CountName, Metrics
from whatschat_ops.local.gateway.throttle import Throttles
from whatschat_ops.local.interfaces import ControlPlane, Deployment, Route, Stage, WebSocketApi


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The dependencies of the gateway. `clock` gives epoch seconds."""

    control_plane: ControlPlane
    integrations: Integrations
    throttles: Throttles
    metrics: Metrics
    clock: Callable[[], float]

    async def find_stage(self, api_id: str, stage_name: str) -> tuple[WebSocketApi, Stage, Deployment] | None:
        """The API, the stage and what is deployed to it; None if one of them does not exist."""
        api = await self.control_plane.websocket_api(api_id)
        stage = None if api is None else api.stages.get(stage_name)
        if api is None or stage is None or stage.deployment is None:
            return None
        return api, stage, stage.deployment

    async def call(self, exchange: Exchange, route: Route, event: Event) -> IntegrationCall:
        """Call the route's integration and count its outcome."""
        call = await self.integrations.call(route, exchange.source_arn, event)
        exchange.call = call
        if call.reached_integration:
            self.metrics.latency(call.latency_ms, exchange.api.id, exchange.stage, exchange.route_key)
        if call.failure is not None:
            self.count(exchange, call.failure.metric)
        elif call.result is not None and call.result.status >= 400:
            self.count(exchange, "IntegrationError")
        return call

    def count(self, exchange: Exchange, name: CountName) -> None:
        """Add one to a metric of the exchange's route."""
        self.metrics.count(name, exchange.api.id, exchange.stage, exchange.route_key)

    def log(self, exchange: Exchange) -> None:
        """Write the access log line of a finished exchange, and a line of the service's own log if it failed."""
        access_log.write(self.control_plane, exchange)
        failure_log.write(exchange)
