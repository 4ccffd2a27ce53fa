"""Integrations and routes of an API: which message reaches which function.

API Gateway gives both random ids; they are found by what they are for: an integration by the function it calls, a
route by its key.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live
from whatschat_ops.stack.kinds.context import GatewayKind, was_repeated
from whatschat_ops.stack.kinds.declaration import ONE_OF_EACH, AwsField, CloudFormationType, ref


class Integration(GatewayKind):
    """An AWS_PROXY integration to the function behind `uri`.

    CreateIntegration is not idempotent: if its answer is lost and the call repeated, there are two. `surplus` names those
    beside the one that is used; it is wanted to be None.
    """

    name = "integration"
    identity = ("api_id", "uri")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "api_id": AwsField(cfn="ApiId"),
        "uri": AwsField(cfn="IntegrationUri"),
        "type": AwsField(cfn="IntegrationType"),
        "timeout_ms": AwsField(cfn="TimeoutInMillis"),
        "surplus": AwsField(left_out=ONE_OF_EACH),
    }
    template = (
        CloudFormationType(
            "AWS::ApiGatewayV2::Integration", own=lambda _address: {"IntegrationMethod": "POST"}
        ),
    )
    template_outputs: ClassVar = {"id": ref}
    tagged = False
    goes_with = "api"

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id = identity["api_id"]
        try:
            found = self._find(api_id, identity["uri"])
            if len(found) > 1:
                found = self._used_first(api_id, found)
        except NotFound:
            return None
        return _live_integration(api_id, found[0], found[1:]) if found else None

    def create(self, desired: Mapping[str, Any]) -> Live:
        integration = self._client.create_integration(
            ApiId=desired["api_id"],
            IntegrationType=desired["type"],
            IntegrationMethod="POST",
            IntegrationUri=desired["uri"],
            TimeoutInMillis=desired["timeout_ms"],
        )
        live = _live_integration(desired["api_id"], integration)
        if was_repeated(integration):
            self._delete_twins(live)
        return live

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "surplus" in changed:
            self._delete_twins(live)
        integration = self._client.update_integration(
            ApiId=desired["api_id"],
            IntegrationId=live.outputs["id"],
            IntegrationType=desired["type"],
            TimeoutInMillis=desired["timeout_ms"],
        )
        return _live_integration(desired["api_id"], integration)

    def delete(self, live: Live) -> None:
        self._delete(live.fields["api_id"], live.outputs["id"])

    def _delete_twins(self, keep: Live) -> None:
        api_id = keep.fields["api_id"]
        for twin in self._find(api_id, keep.fields["uri"]):
            if twin["IntegrationId"] != keep.outputs["id"]:
                self._delete(api_id, twin["IntegrationId"])

    def _delete(self, api_id: str, integration_id: str) -> None:
        with suppress(NotFound):
            self._client.delete_integration(ApiId=api_id, IntegrationId=integration_id)

    def _find(self, api_id: str, uri: str) -> list[Any]:
        found = [
            item for item in self._items("get_integrations", api_id) if item.get("IntegrationUri") == uri
        ]
        return sorted(found, key=lambda item: str(item["IntegrationId"]))

    def _used_first(self, api_id: str, found: Sequence[Any]) -> list[Any]:
        """API Gateway does not delete an integration that a route uses: that one is kept."""
        used = {str(route.get("Target")) for route in self._items("get_routes", api_id)}
        return sorted(found, key=lambda item: f"integrations/{item['IntegrationId']}" not in used)


class Route(GatewayKind):
    """A route. `target` is `integrations/ID`. It has no route response: a function's answer is not sent to clients."""

    name = "route"
    identity = ("api_id", "route_key")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "api_id": AwsField(cfn="ApiId"),
        "route_key": AwsField(cfn="RouteKey"),
        "target": AwsField(cfn="Target"),
        "authorization_type": AwsField(cfn="AuthorizationType"),
    }
    template = (CloudFormationType("AWS::ApiGatewayV2::Route"),)
    tagged = False
    goes_with = "api"

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id = identity["api_id"]
        try:
            routes = self._items("get_routes", api_id)
        except NotFound:
            return None
        found = [route for route in routes if route["RouteKey"] == identity["route_key"]]
        first = min(found, key=lambda item: str(item["RouteId"]), default=None)
        return _live_route(api_id, first) if first else None

    def create(self, desired: Mapping[str, Any]) -> Live:
        route = self._client.create_route(
            ApiId=desired["api_id"],
            RouteKey=desired["route_key"],
            Target=desired["target"],
            AuthorizationType=desired["authorization_type"],
        )
        return _live_route(desired["api_id"], route)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        route = self._client.update_route(
            ApiId=desired["api_id"],
            RouteId=live.outputs["id"],
            Target=desired["target"],
            AuthorizationType=desired["authorization_type"],
        )
        return _live_route(desired["api_id"], route)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_route(ApiId=live.fields["api_id"], RouteId=live.outputs["id"])
        except NotFound:
            return


def _live_integration(
    api_id: str, integration: Mapping[str, Any], surplus: Sequence[Mapping[str, Any]] = ()
) -> Live:
    return Live(
        id=f"{api_id}/integrations/{integration['IntegrationId']}",
        fields={
            "api_id": api_id,
            "uri": integration["IntegrationUri"],
            "type": integration["IntegrationType"],
            "timeout_ms": integration.get("TimeoutInMillis"),
            "surplus": ", ".join(str(twin["IntegrationId"]) for twin in surplus) or None,
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
