"""Applies the rules for WebSocket APIs (`api_rules`) to ministack's operations, and stores what ministack drops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from whatschat_ops.local.control import api_rules
from whatschat_ops.local.control.wire import Handler
from whatschat_ops.quotas import MAX_INTEGRATION_TIMEOUT_MS

Answer = tuple[int, dict[str, Any], bytes]
Operation = Callable[..., Answer]
TargetCheck = Callable[[str, str], Answer | None]

STORES: Final = {
    "route": "_routes",
    "integration": "_integrations",
    "stage": "_stages",
    "authorizer": "_authorizers",
    "route_response": "_route_responses",
    "integration_response": "_integration_responses",
}
"""What is created and updated below an API -> ministack's store of it."""
DROPPED: Final = ("templateSelectionExpression", "passthroughBehavior", "credentialsArn")
"""Properties of an integration that ministack does not store."""
_UNSERVED: Final = {"models": "have models", "exports": "export APIs"}
_BELOW: Final = {
    "stages": ("accesslogsettings", "routesettings"),
    "routes": ("routeresponses",),
    "integrations": ("integrationresponses",),
}
"""What is served below a stage, a route or an integration. ministack takes every other path for that of its parent."""


class ApiGuard:
    """The guard of one ministack. It has no state of its own."""

    def __init__(self, apigateway: Any) -> None:
        self._apigateway = apigateway

    def install(self) -> None:
        """Replace the operations that create or update a part of an API."""
        apigateway = self._apigateway
        apigateway._create_api = self._checked_api(apigateway._create_api)
        apigateway._update_api = self._checked_api(apigateway._update_api)
        for kind, store in STORES.items():
            create, update = f"_create_{kind}", f"_update_{kind}"
            setattr(apigateway, create, self._checked(kind, None, getattr(apigateway, create)))
            setattr(apigateway, update, self._checked(kind, store, getattr(apigateway, update)))
            delete = f"_delete_{kind}"
            setattr(apigateway, delete, self._present(kind, store, getattr(apigateway, delete)))
        apigateway._create_integration = self._storing(self._with_timeout(apigateway._create_integration))
        apigateway._update_integration = self._storing(apigateway._update_integration)
        apigateway._create_authorizer = _without_default_source(apigateway._create_authorizer)
        apigateway._check_mapping_target = self._without_websocket(apigateway._check_mapping_target)

    def refusal(
        self, kind: str, api_id: str, given: Mapping[str, Any], current: Mapping[str, Any]
    ) -> str | None:
        """Why a part of an API is refused, or None. `kind` is a key of `STORES`."""
        api = self._apigateway._apis.get(api_id) or {}
        if api.get("protocolType") != "WEBSOCKET":
            return None
        first, *others = kind.split("_")
        name = first + "".join(part.title() for part in others)
        refused = api_rules.refusal(name, given, {**current, **given})
        return refused or (self._dangling(api_id, given) if kind == "route" else None)

    def _dangling(self, api_id: str, route: Mapping[str, Any]) -> str | None:
        """Why the integration or the authorizer of a route is none of its API."""
        target, authorizer_id = str(route.get("target") or ""), route.get("authorizerId")
        if target and target.removeprefix("integrations/") not in (
            self._apigateway._integrations.get(api_id) or {}
        ):
            return f"Target {target} is not an integration of this API"
        if authorizer_id and authorizer_id not in (self._apigateway._authorizers.get(api_id) or {}):
            return f"Authorizer {authorizer_id} is not an authorizer of this API"
        return None

    def api_refusal(self, given: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
        """Why an API is refused, or None."""
        whole = {**current, **given}
        return api_rules.refusal("api", given, whole) if whole.get("protocolType") == "WEBSOCKET" else None

    def keep_dropped(self, api_id: str, integration_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Store the properties of an integration that ministack does not. Returns its record."""
        record: dict[str, Any] = self._apigateway._integrations[api_id][integration_id]
        for name in DROPPED:
            if name in given:
                record[name] = given[name]
        return record

    def default_timeout_ms(self, api_id: object) -> int | None:
        """The time-out of an integration for which none is given; None where ministack's, that of HTTP APIs, is right."""
        api = self._apigateway._apis.get(api_id) or {}
        return MAX_INTEGRATION_TIMEOUT_MS if api.get("protocolType") == "WEBSOCKET" else None

    def refuse_unserved(self, handler: Handler) -> Handler:
        """The handler of API Gateway without the operations on what the embedded AWS does not have."""

        async def handle(method: str, path: str, *rest: Any) -> Any:
            parts = path.strip("/").split("/")
            if gap := _gap(parts):
                return self._refused(f"{method} {path}: the embedded AWS does not have {gap}")
            gap = _UNSERVED.get(parts[3]) if len(parts) > 3 else None
            if method == "PUT" and len(parts) in (2, 3):
                gap = "import APIs"
            if len(parts) > 5 and parts[5] not in _BELOW.get(parts[3], ()):
                gap = f"have {'/'.join(parts[5:])}"
            if parts[:2] == ["v2", "apis"] and gap:
                return self._refused(f"{method} {path}: the embedded AWS does not {gap}")
            if method == "DELETE" and parts[:2] == ["v2", "apis"] and parts[3:4] == ["stages"] and parts[5:]:
                return self._delete_settings(parts[2], parts[4], parts[5], unquote("/".join(parts[6:])))
            return await handler(method, path, *rest)

        return handle

    def _delete_settings(self, api_id: str, name: str, settings: str, route_key: str) -> Answer:
        """DeleteAccessLogSettings and DeleteRouteSettings, for which ministack deletes the stage."""
        stage, missing = self._apigateway._stages.get(api_id, {}).get(name), None
        if stage is None:
            missing = f"Stage '{name}' not found"
        elif settings == "accesslogsettings":
            stage.pop("accessLogSettings", None)
        elif stage["routeSettings"].pop(route_key, None) is None:
            missing = f"Unable to find Route by key {route_key} within the provided RouteSettings"
        if missing is None:
            return 204, {}, b""
        answer: Answer = self._apigateway._apigw_error("NotFoundException", missing, 404)
        return answer

    def _checked_api(self, original: Operation) -> Operation:
        def checked(*arguments: Any) -> Answer:
            *ids, data = arguments
            current = (self._apigateway._apis.get(ids[0]) or {}) if ids else {}
            refused = self.api_refusal(data, current)
            return self._refused(refused) if refused else original(*arguments)

        return checked

    def _checked(self, kind: str, store: str | None, original: Operation) -> Operation:
        """`store` has what is updated; None if it is created."""

        def checked(api_id: str, *arguments: Any) -> Answer:
            *ids, data = arguments
            current: Any = getattr(self._apigateway, store).get(api_id) or {} if store else {}
            for id_ in ids if store else ():
                current = current.get(id_) or {}
            if store and not current:
                return original(api_id, *arguments)  # which does not find it either
            refused = self.refusal(kind, api_id, data, current) or (
                self._without_response(api_id, ids[0]) if kind == "integration_response" else None
            )
            return self._refused(refused) if refused else original(api_id, *arguments)

        return checked

    def _present(self, kind: str, store: str, delete: Operation) -> Operation:
        """ministack deletes what does not exist with success."""

        def delete_present(api_id: str, *ids: str) -> Answer:
            found: Any = getattr(self._apigateway, store).get(api_id)
            for id_ in ids:
                found = (found or {}).get(id_)
            if found is not None:
                return delete(api_id, *ids)
            message = f"{kind.replace('_', ' ').capitalize()} {ids[-1]} not found"
            answer: Answer = self._apigateway._apigw_error("NotFoundException", message, 404)
            return answer

        return delete_present

    def _without_websocket(self, check_target: TargetCheck) -> TargetCheck:
        """The check of an API mapping's API and stage, which refuses WebSocket APIs."""

        def check(api_id: str, stage: str) -> Answer | None:
            if (self._apigateway._apis.get(api_id) or {}).get("protocolType") == "WEBSOCKET":
                return self._refused(
                    "ApiMapping: the embedded AWS does not serve WebSocket APIs at domain names"
                )
            return check_target(api_id, stage)

        return check

    def _without_response(self, api_id: str, integration_id: str) -> str | None:
        """A proxy integration has no response: its backend's output is passed on (apigateway-websocket-api-integration-responses)."""
        integration = (self._apigateway._integrations.get(api_id) or {}).get(integration_id) or {}
        if integration.get("integrationType") != "AWS_PROXY":
            return None
        return "Integration responses: the embedded AWS does not apply them to AWS_PROXY integrations"

    def _storing(self, original: Operation) -> Operation:
        def storing(api_id: str, *arguments: Any) -> Answer:
            status, headers, body = original(api_id, *arguments)
            if status >= 300:
                return status, headers, body
            record = self.keep_dropped(api_id, json.loads(body)["integrationId"], arguments[-1])
            answer: Answer = self._apigateway._apigw_response(record, status)
            return answer

        return storing

    def _with_timeout(self, create: Operation) -> Operation:
        def create_integration(api_id: str, data: Mapping[str, Any]) -> Answer:
            default = self.default_timeout_ms(api_id)
            return create(api_id, {"timeoutInMillis": default, **data} if default else data)

        return create_integration

    def _refused(self, message: str) -> Answer:
        answer: Answer = self._apigateway._apigw_error("BadRequestException", message, 400)
        return answer


def _gap(parts: Sequence[str]) -> str | None:
    """What of API Gateway V2 besides APIs a path is for that is not served."""
    if parts[:1] == ["v2"] and parts[1:2] not in (["apis"], ["domainnames"], ["tags"]):
        return "/".join(parts[1:2])
    return "routing rules" if parts[:2] == ["v2", "domainnames"] and parts[3:4] == ["routingrules"] else None


def _without_default_source(create: Operation) -> Operation:
    """ministack's default identity source is that of HTTP APIs; a REQUEST authorizer needs none (API reference)."""

    def create_authorizer(api_id: str, data: Mapping[str, Any]) -> Answer:
        return create(api_id, {"identitySource": [], **data})

    return create_authorizer
