"""ministack in this process: the only module that imports it.

It gives the gateway, the executor and the Chime service what they may know of it (`interfaces.ControlPlane`), serves
its HTTP API, and closes what an embedded AWS must not leave open:

- ministack treats the access keys `test`, every 12-digit key and a request without any as the account's root and does
  not check their signature. Here that holds only for calls from inside; from the network they are unknown keys.
- Its state is saved while it runs, not only when it ends (`persistence`).
- Its functions run on our executor (`lambda_bridge`), its metrics and logs stay bounded (`telemetry`).

Import it after the variables of `layout.ministack_environment` are set. ministack keeps its state in modules, so
there is one `Ministack` in a process. It is pinned to 1.5.33; every private name used here was read in that version.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from ministack import app as ministack
from ministack.core import iam_actions, iam_evaluator, persistence, responses, router, sigv4
from ministack.services import apigateway, cloudwatch, cloudwatch_logs, dynamodb, iam, lambda_svc, sts
from ministack.services import stepfunctions as ministack_states
from ministack.services import tagging as ministack_tagging

from whatschat_ops.local import asgi
from whatschat_ops.local.control import (
    cloudformation,
    denials,
    lambda_bridge,
    records,
    simulation,
    step_functions,
    tagging,
)
from whatschat_ops.local.control import (
    validation as validation,
)
from whatschat_ops.local.control.authorization import Authorization, Need, SignedCall
from whatschat_ops.local.control.persistence import Autosave, require_whole
from whatschat_ops.local.control.role_sessions import RoleSessions
from whatschat_ops.local.control.telemetry import Telemetry
from whatschat_ops.local.control.wire import is_read_only, with_reachable_endpoints
from whatschat_ops.local.interfaces import Denial, Executor, HttpRequest, LambdaFunction, WebSocketApi
from whatschat_ops.local.layout import ACCOUNT_ID, DEFAULT_REGION

T = TypeVar("T")
CACHE_S = 1.0
FUNCTION_PENDING_S = 0.05
"""How long a function is Pending after a change: AWS takes seconds, nobody gains by waiting for them here."""

# Services that create things in other services, some of them long after the call.
_MAKERS = frozenset(
    {"cloudformation", "cloudcontrol", "states", "tagging", "pipes", "events", "scheduler", "sns", "s3"}
)

_from_inside: ContextVar[bool] = ContextVar("whatschat_from_inside", default=True)
_may_be_anonymous: ContextVar[bool] = ContextVar("whatschat_may_be_anonymous", default=False)


class Ministack:
    """The control plane. Implements `interfaces.ControlPlane`."""

    def __init__(self, port: int) -> None:
        self.autosave = Autosave(self._snapshot, self._write)
        self._port = port
        self._cache: dict[tuple[str, str], tuple[float, Any]] = {}
        self._sessions = RoleSessions(sts.register_session)
        self._telemetry = Telemetry(
            cloudwatch_logs,
            cloudwatch,
            responses.request_scope,
            self._regions_of,
            lambda service: self.autosave.changed(service, lazily=True),
        )
        self.record_metric = self._telemetry.record_metric
        self._authorization = Authorization(iam_actions, iam_evaluator, router, responses, iam)
        self._prune_code: Callable[[], None] = lambda: None
        self._lifespan: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the saved state and start ministack's background threads. Raises LocalError if a file is damaged."""
        require_whole(Path(persistence.STATE_DIR))
        self._replace_parts()
        started = asyncio.Event()
        events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        events.put_nowait({"type": "lifespan.startup"})

        async def sent(_message: Mapping[str, Any]) -> None:
            started.set()

        self._lifespan = asyncio.create_task(ministack.app({"type": "lifespan"}, events.get, sent))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({self._lifespan, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._lifespan.done():
            waiting.cancel()
            await self._lifespan
        lambda_bridge.settle_pending(lambda_svc)

    def run_functions_on(self, executor: Executor) -> None:
        """Invocations that do not come from the gateway run on `executor` too."""
        lambda_bridge.install_executor(lambda_svc, executor, self._pick_function)

    async def close(self) -> None:
        """Save everything. The threads of ministack are daemons and end with the process."""
        if self._lifespan:
            self._lifespan.cancel()
        for service in ministack._build_persistence_save_dict():
            self.autosave.changed(service)
        await self.autosave.flush()

    def _replace_parts(self) -> None:
        original_is_root = iam_evaluator.is_root_access_key

        def is_root_access_key(access_key_id: str) -> bool:
            if _from_inside.get():
                return bool(original_is_root(access_key_id))
            return not access_key_id and _may_be_anonymous.get()

        iam_evaluator.is_root_access_key = is_root_access_key
        sts.is_root_access_key = is_root_access_key
        cloudwatch.record_metric = self._telemetry.add_point
        ministack._collect_scripts = (
            lambda *_: []
        )  # start-up scripts of container images: none of them is ours
        lambda_bridge.install_dry_run(lambda_svc)
        validation.install(apigateway)
        tagging.install(ministack_tagging, cloudwatch_logs)
        lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = FUNCTION_PENDING_S
        ministack.SERVICE_HANDLERS["cloudformation"] = cloudformation.completed(
            ministack.SERVICE_HANDLERS["cloudformation"], apigateway, dynamodb, self._port
        )
        simulation.install_principal_paths(iam_evaluator)
        self._authorization.install()
        states = step_functions.StepFunctions(ministack_states, self._role_may)
        states.install(ministack_tagging)
        ministack.SERVICE_HANDLERS["states"] = states.completed(ministack.SERVICE_HANDLERS["states"])
        self._prune_code = lambda_bridge.install_blob_pruning(lambda_svc)
        invoking = lambda_bridge.name_executed_version(ministack.SERVICE_HANDLERS["lambda"])
        ministack.SERVICE_HANDLERS["lambda"] = validation.guard_changes(lambda_svc, invoking)
        for service, handler in ministack.SERVICE_HANDLERS.items():
            ministack.SERVICE_HANDLERS[service] = self._observed(service, handler)

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request from the network (ASGI)."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, path = headers.get("host", ""), scope["path"]
        _from_inside.set(False)
        # Without a key ministack means root. That is right for the callers of a user's own HTTP API or function URL,
        # and harmless without any credentials (it refuses those itself), but not with, say, a bearer token.
        _may_be_anonymous.set(
            "authorization" not in headers
            or ministack._parse_execute_api_url(host, path) is not None
            or ministack._parse_lambda_url(host, path) is not None
        )
        await ministack.app(scope, receive, send)

    async def call_iam(self, action: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Call IAM as the account's root, from inside."""
        body = urlencode({"Action": action, "Version": "2010-05-08", **parameters}).encode()
        credential = f"{ACCOUNT_ID}/20260101/{DEFAULT_REGION}/iam/aws4_request"
        headers = {
            "host": "iam.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded",
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
        }
        return await asgi.call(ministack.app, "POST", "/", headers, body)

    def _observed(
        self, service: str, handler: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """The handler of a service, after which we know what changed."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            call = SignedCall(service, method, path, headers, body, query_params)
            if (refused := self._authorization.refusal(call)) is not None:
                return refused
            response = self._authorization.visible(
                call, await handler(method, path, headers, body, query_params)
            )
            if service in _MAKERS:
                self._changed(*ministack._build_persistence_save_dict())
            elif not is_read_only(method, path, headers, body):
                self._changed(*_state_keys(service))
            if service == "apigateway":
                response = with_reachable_endpoints(response, path, self._port)
            return response

        return handle

    # --- what the gateway, the executor and Chime may ask ---------------------------------------------------------

    async def websocket_api(self, api_id: str) -> WebSocketApi | None:
        """The API with its routes and stages, or None."""
        return self._cached("api", api_id, self._read_api)

    async def function(self, function_arn: str) -> LambdaFunction | None:
        """The function (version or alias resolved; a weighted alias picks by weight), or None."""
        return self._pick_function(function_arn)

    async def may_invoke(self, function_arn: str, source_arn: str) -> bool:
        """Whether the function's resource policy lets API Gateway call it for this route ARN."""
        return self._cached("permission", f"{function_arn} {source_arn}", self._read_permission)

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        """Check the SigV4 signature and the caller's IAM policies; None means allowed."""
        # In a context of its own: ministack keeps the request that it works on in context variables.
        return copy_context().run(self._authorize, request, service, action, resource_arn)

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        """Append log events, if the role in whose name that happens may; see `interfaces.LogWriter`."""
        if role_arn is None:
            # A late line of a socket must not bring back a group that was deleted with its stack.
            self._telemetry.write(group, stream, messages, make_group=False)
        elif self._may_write(group, stream, role_arn):
            self._telemetry.write(group, stream, messages)

    def _may_write(self, group: str, stream: str, role_arn: str) -> bool:
        region, arn, actions = self._telemetry.needs(group, stream)

        def allowed(_key: str) -> bool:
            return all(
                self._authorization.role_allows(ACCOUNT_ID, region, role_arn, Need(action, arn))
                for action in actions
            )

        return self._cached("log", f"{role_arn} {arn} {len(actions)}", allowed)

    def _role_may(self, role_arn: str, action: str, resource_arn: str) -> bool:
        region = responses.get_region()
        return self._authorization.role_allows(ACCOUNT_ID, region, role_arn, Need(action, resource_arn))

    def counts(self) -> dict[str, int]:
        """How much of what exists, for `local status`."""
        apis = [api for _, api in apigateway._apis.all_items()]
        return {
            "websocket_apis": sum(api.get("protocolType") == "WEBSOCKET" for api in apis),
            "functions": len(lambda_svc._functions.all_items()),
            "tables": len(dynamodb._tables.all_items()),
        }

    def _authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        headers = {
            name.decode("latin-1"): sigv4.decode_header_value(value) for name, value in request.headers
        }
        query = parse_qs(request.query_string, keep_blank_values=True)
        key = router.extract_access_key_id(headers, query)
        _from_inside.set(False)
        _may_be_anonymous.set(False)
        if wrong_scope := denials.wrong_scope(headers.get("authorization", ""), service):
            return wrong_scope
        try:
            responses.set_request_account_id(iam_evaluator.find_iam_access_key_account(key) or key)
        except iam_evaluator.AmbiguousAccessKeyError:
            return denials.UNKNOWN_KEY
        region = router.extract_region(headers, query)
        responses.set_request_region(region)
        iam_evaluator.pin_request_origin(request.client_host, False)
        iam_evaluator.pin_signed_request(request.method, request.raw_path, query, list(request.headers))
        iam_evaluator.pin_signed_body(request.body)
        denied = iam_evaluator.enforce(key, action, service, region, resource_arn=resource_arn)
        if denied is None:
            return None
        if isinstance(denied, iam_evaluator.AuthError):
            return denials.failed_authentication(denied.code, denied.message)
        return denials.denied_by_policy(
            action, denied.principal_arn, resource_arn, explicitly=denied.decision == "Deny"
        )

    # --- reading --------------------------------------------------------------------------------------------------

    def _cached(self, kind: str, key: str, read: Callable[[str], T]) -> T:
        now = time.monotonic()
        deadline, value = self._cache.get((kind, key), (0.0, None))
        if deadline <= now:
            value = read(key)
            self._cache[kind, key] = (now + CACHE_S, value)
        found: T = value
        return found

    def _changed(self, *services: str) -> None:
        self._cache.clear()
        for service in services:
            self.autosave.changed(service)

    def _read_api(self, api_id: str) -> WebSocketApi | None:
        for (account, region, stored_id), api in apigateway._apis.all_items():
            if stored_id == api_id and api.get("protocolType") == "WEBSOCKET":
                parts = (
                    store.get_scoped(account, region, api_id, {})
                    for store in (
                        apigateway._routes,
                        apigateway._integrations,
                        apigateway._stages,
                        apigateway._route_responses,
                    )
                )
                routes, integrations, stages, route_responses = parts
                return records.websocket_api(
                    account,
                    region,
                    api,
                    routes=routes.values(),
                    integrations=integrations,
                    stages=stages.values(),
                    route_responses=route_responses,
                )
        return None

    def _pick_function(self, function_arn: str) -> LambdaFunction | None:
        choices = self._cached("function", function_arn, self._read_function)
        if len(choices) < 2:
            return choices[0][0] if choices else None
        functions = [function for function, _ in choices]
        return random.choices(functions, [weight for _, weight in choices])[0]

    def _read_function(self, function_arn: str) -> list[tuple[LambdaFunction, float]]:
        match = _FUNCTION_ARN.fullmatch(function_arn)
        record = match and lambda_svc._functions.get_scoped(match["account"], match["region"], match["name"])
        if not match or record is None:
            return []
        choices = []
        for version, weight in records.versions_by_weight(record, match["qualifier"]):
            chosen = record if version == "$LATEST" else (record.get("versions") or {}).get(version)
            if chosen is None or not isinstance(chosen.get("code_zip"), bytes):
                continue
            config = chosen["config"]
            credentials = self._sessions.of(match["account"], config)
            function = records.lambda_function(
                function_arn,
                match["region"],
                config,
                chosen["code_zip"],
                credentials,
                record.get("concurrency"),
            )
            choices.append((function, weight))
        return choices

    def _read_permission(self, key: str) -> bool:
        function_arn, source_arn = key.split(" ", 1)
        match = _FUNCTION_ARN.fullmatch(function_arn)
        record = match and lambda_svc._functions.get_scoped(match["account"], match["region"], match["name"])
        if not record:
            return False
        statements = (record.get("policy") or {}).get("Statement") or []
        return records.policy_allows(statements, function_arn, source_arn)

    def _regions_of(self, kind: str, name: str) -> Iterable[str]:
        store = {"ApiId": apigateway._apis, "FunctionName": lambda_svc._functions}[kind]
        return (region for (_, region, stored), _record in store.all_items() if stored == name)

    # --- saving ---------------------------------------------------------------------------------------------------

    def _snapshot(self, service: str) -> Any:
        get_state = ministack._build_persistence_save_dict().get(service)
        return get_state() if get_state else None

    def _write(self, service: str, state: Any) -> bool:
        path = Path(persistence.STATE_DIR) / f"{service}.json"
        before = path.stat().st_mtime_ns if path.exists() else 0
        persistence.save_state(service, state)  # logs an error instead of raising it
        saved = path.exists() and path.stat().st_mtime_ns != before
        if saved and service == "lambda":
            self._prune_code()
        return saved


_FUNCTION_ARN = re.compile(
    r"arn:aws:lambda:(?P<region>[^:]+):(?P<account>\d{12}):function:(?P<name>[^:]+)(:(?P<qualifier>[^:]+))?"
)


def _state_keys(service: str) -> list[str]:
    config = ministack.SERVICE_REGISTRY[service]
    return [config.get("state_key", config["module"]), *config.get("sub_modules", ())]
