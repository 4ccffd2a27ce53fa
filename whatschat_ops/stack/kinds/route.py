"""Integrations and routes of an API: which message reaches which function.

API Gateway gives both random ids; they are found by what they are for: an integration by the function it calls, a
route by its key.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Field, Kind, Live
from whatschat_ops.stack.kinds.context import Context


class Integration(Kind):
    """An AWS_PROXY integration to the function behind `uri`."""

    name = "integration"
    identity = ("api_id", "uri")
    fields: ClassVar[Mapping[str, Field]] = {
        "api_id": Field(),
        "uri": Field(),
        "type": Field(replaces="an integration keeps its type"),
        "timeout_ms": Field(),
    }
    tagged = False

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _gateway(self) -> Any:
        return self._context.client("apigatewayv2")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id = identity["api_id"]
        try:
            pages = list(self._gateway.get_paginator("get_integrations").paginate(ApiId=api_id))
        except NotFound:
            return None
        found = [i for page in pages for i in page["Items"] if i.get("IntegrationUri") == identity["uri"]]
        first = min(found, key=lambda item: str(item["IntegrationId"]), default=None)
        return _live_integration(api_id, first) if first else None

    def create(self, desired: Mapping[str, Any]) -> Live:
        integration = self._gateway.create_integration(
            ApiId=desired["api_id"],
            IntegrationType=desired["type"],
            IntegrationMethod="POST",
            IntegrationUri=desired["uri"],
            TimeoutInMillis=desired["timeout_ms"],
        )
        return _live_integration(desired["api_id"], integration)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        integration = self._gateway.update_integration(
            ApiId=desired["api_id"],
            IntegrationId=live.outputs["id"],
            TimeoutInMillis=desired["timeout_ms"],
        )
        return _live_integration(desired["api_id"], integration)

    def delete(self, live: Live) -> None:
        try:
            self._gateway.delete_integration(ApiId=live.fields["api_id"], IntegrationId=live.outputs["id"])
        except NotFound:
            return


class Route(Kind):
    """A route. `target` is `integrations/ID`. It has no route response: a function's answer is not sent to clients."""

    name = "route"
    identity = ("api_id", "route_key")
    fields: ClassVar[Mapping[str, Field]] = {
        "api_id": Field(),
        "route_key": Field(),
        "target": Field(),
        "authorization_type": Field(),
    }
    tagged = False

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _gateway(self) -> Any:
        return self._context.client("apigatewayv2")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id = identity["api_id"]
        try:
            pages = list(self._gateway.get_paginator("get_routes").paginate(ApiId=api_id))
        except NotFound:
            return None
        found = [r for page in pages for r in page["Items"] if r["RouteKey"] == identity["route_key"]]
        first = min(found, key=lambda item: str(item["RouteId"]), default=None)
        return _live_route(api_id, first) if first else None

    def create(self, desired: Mapping[str, Any]) -> Live:
        route = self._gateway.create_route(
            ApiId=desired["api_id"],
            RouteKey=desired["route_key"],
            Target=desired["target"],
            AuthorizationType=desired["authorization_type"],
        )
        return _live_route(desired["api_id"], route)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        route = self._gateway.update_route(
            ApiId=desired["api_id"],
            RouteId=live.outputs["id"],
            Target=desired["target"],
            AuthorizationType=desired["authorization_type"],
        )
        return _live_route(desired["api_id"], route)

    def delete(self, live: Live) -> None:
        try:
            self._gateway.delete_route(ApiId=live.fields["api_id"], RouteId=live.outputs["id"])
        except NotFound:
            return


def _live_integration(api_id: str, integration: Mapping[str, Any]) -> Live:
    return Live(
        id=f"{api_id}/integrations/{integration['IntegrationId']}",
        fields={
            "api_id": api_id,
            "uri": integration["IntegrationUri"],
            "type": integration["IntegrationType"],
            "timeout_ms": integration.get("TimeoutInMillis"),
        },
        outputs={"id": integration["IntegrationId"]},
    )


def _live_route(api_id: str, route: Mapping[str, Any]) -> Live:
    return Live(
        id=f"{api_id}/routes/{route['RouteId']}",
        fields={
            "api_id": api_id,
            "route_key": route["RouteKey"],
            "target": route.get("Target"),
            "authorization_type": route.get("AuthorizationType", "NONE"),
        },
        outputs={"id": route["RouteId"]},
    )
