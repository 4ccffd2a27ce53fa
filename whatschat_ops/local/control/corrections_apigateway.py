"""The rows of the table of corrections for API Gateway."""

from __future__ import annotations

import re
from typing import Any, Final

from whatschat_ops.local.control import validation
from whatschat_ops.local.control.api_guard import ApiGuard
from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.deployments import Deployments
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response, with_reachable_endpoints


def _lead_endpoints_here(modules: Modules, parts: Parts) -> None:
    def wrap(handler: Handler) -> Handler:
        async def handle(method: str, path: str, *rest: Any) -> Response:
            return with_reachable_endpoints(await handler(method, path, *rest), path, parts.port)

        return handle

    wrap_handler(modules, "apigateway", wrap)


def _require_upgrade(apigateway: Any) -> None:
    execute = apigateway.handle_execute

    async def handle_execute(api_id: str, *request: Any, **options: Any) -> Response:
        scope = apigateway.find_api_scope(api_id)
        api = apigateway._apis.get_scoped(*scope, api_id) if scope else None
        if api and api.get("protocolType") == "WEBSOCKET":
            headers = {"Content-Type": "application/json", "Upgrade": "websocket", "Connection": "Upgrade"}
            return 426, headers, b'{"message": "Upgrade Required"}'
        response: Response = await execute(api_id, *request, **options)
        return response

    apigateway.handle_execute = handle_execute


def _check_apis(modules: Modules, _: Parts) -> None:
    validation.install(modules.apigateway)
    wrap_handler(modules, "apigateway", lambda handler: validation.paged(modules.apigateway, handler))


def _deploy_snapshots(modules: Modules, _: Parts) -> None:
    deployments = Deployments(modules.apigateway)
    deployments.install()
    wrap_handler(modules, "apigateway", deployments.updated)


def _guard_apis(modules: Modules, _: Parts) -> None:
    guard = ApiGuard(modules.apigateway)
    guard.install()
    wrap_handler(modules, "apigateway", guard.refuse_unserved)


def _serve_at_hosts_of_aws(modules: Modules, _: Parts) -> None:
    modules.app._EXECUTE_API_RE = re.compile(r"([a-f0-9]{8})\.execute-api\.[\w.-]+(?::\d+)?$")


APIGATEWAY: Final = (
    Correction(
        what="serves REST and HTTP APIs at host names of its own only",
        why="at `{api}.execute-api.{region}.amazonaws.com` too, to which functions are led",
        source="API Gateway Developer Guide, Invoke REST APIs; Publish HTTP APIs",
        replaces=("app._EXECUTE_API_RE",),
        apply=_serve_at_hosts_of_aws,
    ),
    Correction(
        what="runs the `$default` route of a WebSocket API for an HTTP request without an upgrade, past `$connect`, throttles and authorization",
        why="426 Upgrade Required, and nothing is invoked",
        source="our decision: AWS documents that no function runs, not the response; RFC 9110, 15.5.22",
        replaces=("apigateway.handle_execute",),
        apply=lambda modules, _: _require_upgrade(modules.apigateway),
    ),
    Correction(
        what="accepts duplicate routes, stages and authorizers, unknown deployments, settings of unknown routes, deletion of a used integration or authorizer; settings of routes that an update does not name are lost; lists are never in pages",
        why="rejected with AWS's error codes; kept until DeleteRouteSettings; MaxResults and NextToken",
        source="API Gateway V2 API Reference; quotas of WebSocket APIs; github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80",
        replaces=(
            "app.SERVICE_HANDLERS[apigateway]",
            "apigateway._create_authorizer",
            "apigateway._create_route",
            "apigateway._create_stage",
            "apigateway._delete_authorizer",
            "apigateway._delete_integration",
            "apigateway._update_route",
            "apigateway._update_stage",
        ),
        apply=_check_apis,
    ),
    Correction(
        what="accepts in a WebSocket API what AWS refuses (reserved route keys, stage names, identity sources, time-outs over 29 s) and what is not carried out here (API keys, models, integrations other than AWS_PROXY and MOCK, execution logs, domain names); drops template selection, pass-through behavior and credentials of integrations; deletes a stage with its access log or route settings, and a route with its request parameters; deletes what does not exist",
        why="refused with BadRequestException that names the property, in CloudFormation too; stored and applied; the settings alone are deleted; NotFoundException",
        source="API Gateway V2 API Reference; quotas of WebSocket APIs; the gaps are ours",
        replaces=(
            "app.SERVICE_HANDLERS[apigateway]",
            "apigateway._check_mapping_target",
            "apigateway._create_api",
            "apigateway._create_authorizer",
            "apigateway._create_integration",
            "apigateway._create_integration_response",
            "apigateway._create_route",
            "apigateway._create_route_response",
            "apigateway._create_stage",
            "apigateway._delete_authorizer",
            "apigateway._delete_integration",
            "apigateway._delete_integration_response",
            "apigateway._delete_route",
            "apigateway._delete_route_response",
            "apigateway._delete_stage",
            "apigateway._update_api",
            "apigateway._update_authorizer",
            "apigateway._update_integration",
            "apigateway._update_integration_response",
            "apigateway._update_route",
            "apigateway._update_route_response",
            "apigateway._update_stage",
        ),
        apply=_guard_apis,
    ),
    Correction(
        what="serves routes as they are, whatever was deployed to the stage; does not know UpdateDeployment",
        why="a deployment is a snapshot; a stage without one responds with 403; auto-deploy makes deployments; one in use cannot be deleted",
        source="API Gateway Developer Guide, Deploy a WebSocket API; API V2 API Reference, UpdateStage",
        replaces=(
            "app.SERVICE_HANDLERS[apigateway]",
            "apigateway._apigw_response",
            "apigateway._create_deployment",
            "apigateway._delete_deployment",
            "apigateway._get_deployment",
            "apigateway._get_deployments",
            "apigateway._get_stage",
            "apigateway._get_stages",
            "apigateway._update_stage",
        ),
        apply=_deploy_snapshots,
    ),
    Correction(
        what="returns an `ApiEndpoint` whose host name does not resolve",
        why="an endpoint on the port of the embedded AWS",
        source="our decision: there is no DNS for APIs",
        replaces=("app.SERVICE_HANDLERS[apigateway]",),
        apply=_lead_endpoints_here,
    ),
)
