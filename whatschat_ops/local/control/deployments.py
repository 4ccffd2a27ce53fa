"""Deployments of WebSocket APIs: a stage serves a snapshot of the API, not what the API has become since.

AWS, apigateway-set-up-websocket-deployment: every change of routes, integrations and authorizers needs a new
deployment; only a stage's own settings take effect at once. ministack 1.5.33 serves the routes as they are.

The snapshot is part of ministack's record of the deployment, so that it is saved with it; responses do not show it.
Automatic deployments are made when a stage or a deployment is read, by a client that connects or by a request: that
looks the same as making them at the change, and needs no hook in every way to change an API.
"""

from __future__ import annotations

import copy
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.wire import Handler

SNAPSHOT: Final = "snapshot"
"""Key of the snapshot in ministack's record of a deployment."""
NO_ROUTES: Final = "At least one route is required before deploying the Api."
"""AWS's text, as users of Terraform and the CDK report it."""
IN_USE: Final = "Active stages pointing to this deployment must be moved or deleted"
"""AWS's text for REST APIs; the one for WebSocket APIs is not documented."""
AUTOMATIC: Final = "Automatic deployment triggered by changes to the Api configuration"

Answer = tuple[int, dict[str, Any], bytes]
"""HTTP status, headers, body."""
Operation = Callable[..., Answer]


class Deployments:
    """The deployments of every API. It has no state of its own: everything is in ministack's records."""

    def __init__(self, apigateway: Any) -> None:
        self._apigateway = apigateway

    def install(self) -> None:
        """Replace ministack's operations on deployments, and those that show one."""
        apigateway = self._apigateway
        respond = apigateway._apigw_response
        apigateway._apigw_response = lambda document, status=200: respond(
            _without_snapshots(document), status
        )
        apigateway._create_deployment = self._create
        apigateway._delete_deployment = self._refreshed(self._deleting(apigateway._delete_deployment))
        apigateway._update_stage = self._refreshed(self._updating(apigateway._update_stage))
        apigateway._get_stage = self._refreshed(apigateway._get_stage)
        apigateway._get_stages = self._refreshed(apigateway._get_stages)
        apigateway._get_deployment = self._refreshed(apigateway._get_deployment)
        apigateway._get_deployments = self._refreshed(apigateway._get_deployments)

    def refresh(self, api_id: str) -> None:
        """Deploy the API, if it has changed, to those of its stages that deploy automatically."""
        stages = [stage for stage in self._stages(api_id).values() if is_true(stage.get("autoDeploy"))]
        if stages and self._is_websocket(api_id):
            content = self._content(api_id)
            for stage in stages:
                self._deploy_automatically(api_id, stage, content)

    def complete_saved(self, request_scope: Callable[[str, str], Any]) -> None:
        """Give deployments that an earlier version saved the snapshot that they stood for: the API as it is."""
        for (account_id, region, api_id), _ in self._apigateway._apis.all_items():
            with request_scope(account_id, region):
                if self._is_websocket(api_id):
                    for deployment in self._deployments(api_id).values():
                        deployment.setdefault(SNAPSHOT, self._content(api_id))

    # Operations

    def _create(self, api_id: str, data: Mapping[str, Any]) -> Answer:
        missing: Answer | None = self._apigateway._require_api(api_id)
        refused = missing or self._refusal(api_id, data)
        if refused is not None:
            return refused
        made = self._new(api_id, str(data.get("description") or ""), self._content(api_id))
        if stage := data.get("stageName"):
            self._stages(api_id)[stage]["deploymentId"] = made["deploymentId"]
        answer: Answer = self._apigateway._apigw_response(made, 201)
        return answer

    def _refusal(self, api_id: str, data: Mapping[str, Any]) -> Answer | None:
        if self._is_websocket(api_id) and not self._apigateway._routes.get(api_id):
            return self._error("BadRequestException", NO_ROUTES)
        name = data.get("stageName")
        stage = self._stages(api_id).get(name)
        if name and stage is None:
            return self._error("NotFoundException", f"Stage '{name}' not found", 404)
        if stage is not None and is_true(stage.get("autoDeploy")):
            return self._error("BadRequestException", _automatic(str(name)))
        return None

    def _updating(self, original: Operation) -> Operation:
        """UpdateStage: the deployment cannot be updated if auto-deploy is enabled (API reference)."""

        def update_stage(api_id: str, name: str, data: Mapping[str, Any]) -> Answer:
            stage = self._stages(api_id).get(name, {})
            if is_true({**stage, **data}.get("autoDeploy")):
                if data.get("deploymentId") not in (None, "", stage.get("deploymentId")):
                    return self._error("BadRequestException", _automatic(name))
                data = {key: value for key, value in data.items() if key != "deploymentId"}
            return original(api_id, name, data)

        return update_stage

    def _deleting(self, original: Operation) -> Operation:
        def delete_deployment(api_id: str, deployment_id: str) -> Answer:
            if deployment_id not in self._deployments(api_id):
                return self._error("NotFoundException", f"Deployment {deployment_id} not found", 404)
            if self._is_used(api_id, deployment_id):
                return self._error("BadRequestException", IN_USE)
            return original(api_id, deployment_id)

        return delete_deployment

    def update(self, api_id: str, deployment_id: str, data: Mapping[str, Any]) -> Answer:
        """UpdateDeployment: only its description can be changed (API reference)."""
        if "description" in data and deployment_id in self._deployments(api_id):
            self._deployments(api_id)[deployment_id]["description"] = data["description"]
        answer: Answer = self._apigateway._get_deployment(api_id, deployment_id)
        return answer

    def updated(self, handler: Handler) -> Handler:
        """The handler of API Gateway with UpdateDeployment, which ministack does not have."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            found = re.fullmatch(r"/v2/apis/([^/]+)/deployments/([^/]+)/?", path)
            if method != "PATCH" or found is None:
                return await handler(method, path, headers, body, query)
            return self.update(found[1], found[2], json_object(body))

        return handle

    def _refreshed(self, original: Operation) -> Operation:
        def refreshed(api_id: str, *rest: Any) -> Answer:
            self.refresh(api_id)
            return original(api_id, *rest)

        return refreshed

    def _error(self, code: str, message: str, status: int = 400) -> Answer:
        answer: Answer = self._apigateway._apigw_error(code, message, status)
        return answer

    # Records

    def _deploy_automatically(self, api_id: str, stage: dict[str, Any], content: Mapping[str, Any]) -> None:
        """Keeps only the newest automatic deployment of a stage (our decision): each one holds a whole API."""
        deployments, old_id = self._deployments(api_id), stage.get("deploymentId")
        old = deployments.get(old_id, {})
        if old.get("autoDeployed") and old.get(SNAPSHOT) == content:
            return
        if not content["routes"]:
            stage["lastDeploymentStatusMessage"] = f"Deployment attempt failed: {NO_ROUTES}"
            return
        made = self._new(api_id, AUTOMATIC, content)
        made["autoDeployed"] = True
        stage["deploymentId"] = made["deploymentId"]
        stage["lastDeploymentStatusMessage"] = (
            f"Successfully deployed stage with deployment ID '{made['deploymentId']}'"
        )
        if old.get("autoDeployed") and not self._is_used(api_id, str(old_id)):
            del deployments[old_id]

    def _new(self, api_id: str, description: str, content: Mapping[str, Any]) -> dict[str, Any]:
        record = {
            "deploymentId": uuid.uuid4().hex[:8],
            "deploymentStatus": "DEPLOYED",
            "createdDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "description": description,
            "autoDeployed": False,
            SNAPSHOT: content,
        }
        self._deployments(api_id)[record["deploymentId"]] = record
        return record

    def _content(self, api_id: str) -> dict[str, Any]:
        """What a deployment of the API holds now."""
        apigateway = self._apigateway
        held = {
            "routeSelectionExpression": apigateway._apis[api_id]["routeSelectionExpression"],
            "routes": apigateway._routes.get(api_id, {}),
            "routeResponses": apigateway._route_responses.get(api_id, {}),
            "integrations": apigateway._integrations.get(api_id, {}),
            "integrationResponses": apigateway._integration_responses.get(api_id, {}),
            "authorizers": apigateway._authorizers.get(api_id, {}),
        }
        return copy.deepcopy(held)

    def _is_websocket(self, api_id: str) -> bool:
        return bool((self._apigateway._apis.get(api_id) or {}).get("protocolType") == "WEBSOCKET")

    def _is_used(self, api_id: str, deployment_id: str) -> bool:
        return any(stage.get("deploymentId") == deployment_id for stage in self._stages(api_id).values())

    def _stages(self, api_id: str) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = self._apigateway._stages.get(api_id) or {}
        return found

    def _deployments(self, api_id: str) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = self._apigateway._deployments.setdefault(api_id, {})
        return found


def json_object(body: bytes) -> Mapping[str, Any]:
    """The body of a request; of one that is malformed nothing, as ministack has it."""
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def is_true(value: object) -> bool:
    """Whether a boolean is true; in a template it may be text."""
    return str(value).lower() == "true"


def _automatic(stage_name: str) -> str:
    return f"The deployment of stage {stage_name} cannot be updated: auto-deploy is enabled for it"


def _without_snapshots(document: Mapping[str, Any]) -> Mapping[str, Any]:
    if "items" in document:
        return {**document, "items": [_without_snapshots(item) for item in document["items"]]}
    return {key: value for key, value in document.items() if key != SNAPSHOT}
