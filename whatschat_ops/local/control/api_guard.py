"""Applies the rules for WebSocket APIs (`api_rules`) to ministack's operations, and stores what ministack drops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control import api_rules
from whatschat_ops.local.control.wire import Handler
from whatschat_ops.quotas import MAX_INTEGRATION_TIMEOUT_MS

Answer = tuple[int, dict[str, Any], bytes]
Operation = Callable[..., Answer]

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
        apigateway._create_integration = self._storing(self._with_timeout(apigateway._create_integration))
        apigateway._update_integration = self._storing(apigateway._update_integration)
        apigateway._create_authorizer = _without_default_source(apigateway._create_authorizer)

    def refusal(
        self, kind: str, api_id: str, given: Mapping[str, Any], current: Mapping[str, Any]
    ) -> str | None:
        """Why a part of an API is refused, or None. `kind` is a key of `STORES`."""
        api = self._apigateway._apis.get(api_id) or {}
        if api.get("protocolType") != "WEBSOCKET":
            return None
        first, *others = kind.split("_")
        name = first + "".join(part.title() for part in others)
        return api_rules.refusal(name, given, {**current, **given})

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
            gap = _UNSERVED.get(parts[3]) if len(parts) > 3 else None
            if method == "PUT" and len(parts) in (2, 3):
                gap = "import APIs"
            if parts[:2] == ["v2", "apis"] and gap:
                message = f"{method} {path}: the embedded AWS does not {gap}"
                return self._apigateway._apigw_error("BadRequestException", message, 400)
            if method == "DELETE" and parts[3:4] == ["stages"] and parts[5:] == ["accesslogsettings"]:
                return self._delete_access_log_settings(parts[2], parts[4])
            return await handler(method, path, *rest)

        return handle

    def _delete_access_log_settings(self, api_id: str, name: str) -> Answer:
        """DeleteAccessLogSettings, for which ministack deletes the stage."""
        stage = self._apigateway._stages.get(api_id, {}).get(name)
        if stage is None:
            answer: Answer = self._apigateway._apigw_error(
                "NotFoundException", f"Stage '{name}' not found", 404
            )
            return answer
        stage.pop("accessLogSettings", None)
        return 204, {}, b""

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
            refused = self.refusal(kind, api_id, data, current)
            return self._refused(refused) if refused else original(api_id, *arguments)

        return checked

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


def _without_default_source(create: Operation) -> Operation:
    """ministack's default identity source is that of HTTP APIs; a REQUEST authorizer needs none (API reference)."""

    def create_authorizer(api_id: str, data: Mapping[str, Any]) -> Answer:
        return create(api_id, {"identitySource": [], **data})

    return create_authorizer
