"""The control plane: ministack in this process.

It provides what the gateway, the executor and the Chime service need (`interfaces.ControlPlane`) and serves
ministack's HTTP API. Where ministack differs from AWS, the table in `corrections` changes it. Its state is saved
while it runs, not only when it stops (`persistence`, `saved_state`).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from whatschat_ops.local import asgi
from whatschat_ops.local.account_quotas import AccountQuotas
from whatschat_ops.local.clock import ServiceClock
from whatschat_ops.local.cloudtrail.recorder import Caller
from whatschat_ops.local.control import budgets, caller, lambda_bridge, lambda_invoke, modules
from whatschat_ops.local.control.api_hosts import ApiHosts
from whatschat_ops.local.control.async_invocations import AsyncInvocations
from whatschat_ops.local.control.authorization import Authorization, UnreadableRequest
from whatschat_ops.local.control.cloudwatch import CloudWatch
from whatschat_ops.local.control.correction import Parts
from whatschat_ops.local.control.corrections import install
from whatschat_ops.local.control.deployments import Deployments
from whatschat_ops.local.control.destinations import Destinations
from whatschat_ops.local.control.eventbridge import send_event
from whatschat_ops.local.control.persistence import Autosave, require_readable
from whatschat_ops.local.control.request_checks import json_error
from whatschat_ops.local.control.saved_state import SavedState
from whatschat_ops.local.control.stores import Cache, Stores
from whatschat_ops.local.control.telemetry import Telemetry
from whatschat_ops.local.interfaces import (
    Denial,
    HttpRequest,
    LambdaFunction,
    RequestExecutor,
    ServiceEvent,
    WebSocketApi,
)
from whatschat_ops.local.layout import ACCOUNT_ID, DEFAULT_REGION


class Ministack:
    """The control plane. Implements `interfaces.ControlPlane`."""

    def __init__(
        self,
        port: int,
        clock: ServiceClock,
        quotas: AccountQuotas,
        api_hosts_file: Path,
        report_unsaved: Callable[[Mapping[str, str]], None],
        *,
        log_events_per_group: int = budgets.MAX_EVENTS_PER_GROUP,
        step_functions_lag_s: float = 0.0,
    ) -> None:
        """`report_unsaved` gets the services that cannot be saved, and why, each time that this changes."""
        self._log_events_per_group = log_events_per_group
        self._step_functions_lag_s = step_functions_lag_s
        self._port = port
        self._clock = clock
        self._quotas = quotas
        self._modules = modules.load()
        self._cache = Cache()
        self._stores = Stores(self._modules, self._cache)
        self._api_hosts = ApiHosts(
            api_hosts_file,
            lambda: [key for key, _ in self._modules.apigateway._apis.all_items()] + modules.rest_apis(),
        )
        self._authorization = Authorization(self._modules)
        self._functions = lambda_bridge.FunctionRunner(self._stores.function)
        self._code = lambda_bridge.CodeBlobs()
        self._events = AsyncInvocations(
            self._stores.event_settings,
            partial(lambda_bridge.run_attempt, self._modules.lambda_svc),
            Destinations(
                self._modules,
                self._authorization.role_may,
                self._submit,
                lambda: self._changed_in_thread(self._state.services()),
            ),
            clock=time.time,
        )
        self._state = SavedState(self._modules, self._written, self._changed_in_thread)
        self.autosave = Autosave(self._state.snapshot, self._state.write, report=report_unsaved)
        self._telemetry = Telemetry(
            self._modules.cloudwatch_logs,
            self._modules.cloudwatch,
            self._modules.responses.request_scope,
            self._stores.regions_of,
            lambda service: self.autosave.changed(service, lazily=True),
            clock,
            events_per_stream=log_events_per_group,
        )
        self.record_metric = self._telemetry.record_metric
        self.record_in = self._telemetry.record_in
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lifespan: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the saved state and start ministack's background threads.

        Raises LocalError if a file is damaged, or if the installed ministack lacks a name that is corrected or used.
        """
        self._loop = asyncio.get_running_loop()
        gc.disable()  # nothing that is loaded is garbage; looking for it again and again takes minutes with a million rows
        require_readable(self._state.directory)
        parts = Parts(
            self._port,
            self._telemetry,
            self._authorization,
            self._functions,
            self._code,
            self._events,
            self._state,
            self._changed,
            self._clock,
            self._quotas,
            self._stores.may_invoke,
            self._step_functions_lag_s,
        )
        install(self._modules, parts)
        started = asyncio.Event()
        events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        events.put_nowait({"type": "lifespan.startup"})

        async def sent(_message: Mapping[str, Any]) -> None:
            started.set()

        self._lifespan = asyncio.create_task(self._modules.app.app({"type": "lifespan"}, events.get, sent))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({self._lifespan, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._lifespan.done():
            waiting.cancel()
            await self._lifespan
        gc.freeze()
        gc.enable()
        lambda_bridge.settle_pending(self._modules.lambda_svc)
        Deployments(self._modules.apigateway).complete_saved(self._modules.responses.request_scope)
        self._api_hosts.write()

    def run_functions_on(self, executor: RequestExecutor) -> None:
        """Invocations that do not come from the gateway run on `executor` too."""
        self._functions.use(executor)
        self._events.use_loop()

    def _submit(self, function: Any, event: Any) -> None:
        self._events.submit(function, event)

    async def close(self) -> None:
        """Save everything. ministack's threads are daemons and end with the process."""
        self._events.close()
        if self._lifespan:
            self._lifespan.cancel()
        self._changed(self._state.services())
        await self.autosave.flush()

    def _changed(self, services: Iterable[str]) -> None:
        self._cache.clear()
        self._api_hosts.write()
        for service in services:
            self.autosave.changed(service)

    def _changed_in_thread(self, services: Iterable[str]) -> None:
        """`_changed` on the event loop, since two writes of the hosts' file at once would write one partial file."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._changed, services)

    def _written(self, service: str) -> None:
        if service == "lambda":
            self._code.prune()

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request from the network (ASGI)."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, path, app = headers.get("host", ""), scope["path"], self._modules.app
        # ministack treats a request without a key as root. That is right for callers of a user's own HTTP API or function URL,
        # and harmless without credentials (it rejects those itself), but not with, for example, a bearer token.
        caller.comes_from_network(
            may_be_anonymous="authorization" not in headers
            or app._parse_execute_api_url(host, path) is not None
            or app._parse_lambda_url(host, path) is not None
        )
        try:
            await app.app(scope, receive, lambda_invoke.answering(scope, send))
        except UnreadableRequest:
            await asgi.respond(
                send, *json_error("SerializationException", "The name of the resource is not a text.")
            )

    def service_of(self, request: HttpRequest) -> str:
        """ministack's name of the service that it would pass the request to."""
        return caller.service_of(self._modules, request)

    async def call_iam(self, action: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Call IAM as the account's root, from inside."""
        body = urlencode({"Action": action, "Version": "2010-05-08", **parameters}).encode()
        credential = f"{ACCOUNT_ID}/20260101/{DEFAULT_REGION}/iam/aws4_request"
        headers = {
            "host": "iam.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded",
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
        }
        return await asgi.call(self._modules.app.app, "POST", "/", headers, body)

    # --- what the gateway, the executor and Chime may ask ---------------------------------------------------------

    async def websocket_api(self, api_id: str) -> WebSocketApi | None:
        """The API with its routes and stages, or None."""
        return self._stores.websocket_api(api_id)

    async def function(self, function_arn: str) -> LambdaFunction | None:
        """The function (version or alias resolved; a weighted alias picks by weight), or None."""
        return self._stores.function(function_arn)

    async def may_invoke(self, function_arn: str, source_arn: str, role_arn: str | None = None) -> bool:
        """Whether API Gateway may call the function, with the role or by the function's resource policy."""
        if role_arn is None:
            return self._stores.may_invoke("apigateway.amazonaws.com", function_arn, source_arn)
        return self._cache.get(
            ("credentials", role_arn, function_arn),
            lambda: self._authorization.service_may(
                "apigateway.amazonaws.com", role_arn, "lambda:InvokeFunction", function_arn
            ),
        )

    def policy_decision(self, document: object, action: str, resource_arn: str, source_ip: str) -> str | None:
        """What an IAM policy says: Allow, Deny (explicitly) or ImplicitDeny. None: it is not a policy."""
        return self._authorization.policy_decision(document, action, resource_arn, source_ip)

    def caller_identity(self, request: HttpRequest) -> Mapping[str, str]:
        """The sender of a signed request."""
        return self._authorization.caller_identity(request)

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        """Check the SigV4 signature and the caller's IAM policies; None means allowed."""
        return self._authorization.denial_of(request, service, action, resource_arn)

    def caller_of(self, access_key_id: str) -> Caller | None:
        """The user or the session of a role that an access key belongs to, or None."""
        return self._authorization.caller_of(access_key_id)

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        """Append log events, if the role may; see `interfaces.LogWriter`."""
        if role_arn is None:
            # A late event of a connection must not recreate a group that was deleted with its stack.
            self._telemetry.write(group, stream, messages, create_group=False)
        elif self._may_write(group, stream, role_arn):
            ahead_ms = int(self._clock.offset_s * 1000)  # a function has the machine's time
            self._telemetry.write(group, stream, [(time_ms + ahead_ms, text) for time_ms, text in messages])

    def _may_write(self, group: str, stream: str, role_arn: str) -> bool:
        region, arn, actions = self._telemetry.needs(group, stream)

        def allowed() -> bool:
            return all(self._authorization.role_may(role_arn, action, arn, region) for action in actions)

        return self._cache.get(("log", role_arn, arn, *actions), allowed)

    def publish(self, events: Sequence[ServiceEvent]) -> None:
        """Send events of AWS services to the default buses of their Regions."""
        delivered = [send_event(self._modules, event) for event in events]
        if any(delivered):
            self._changed(self._state.services())

    def housekeep(self) -> None:
        """Delete log events after their retention, and the oldest logs and metrics that are over their budgets; evaluate alarms. Called every few seconds."""
        budgets.expire(self._modules.cloudwatch_logs, self._clock())
        budgets.keep_newest(
            self._modules.cloudwatch_logs, self._modules.cloudwatch, self._log_events_per_group
        )
        CloudWatch(
            self._modules.cloudwatch, self._clock, self._modules.responses.request_scope
        ).evaluate_alarms()

    def unreserved_concurrency(self, region: str) -> int:
        """How many functions without reserved concurrency may run at once in the Region."""
        return self._quotas.concurrent_executions(region) - self._stores.reserved_concurrency(region)

    def counts(self) -> dict[str, int]:
        """Counts for `local status`."""
        return self._stores.counts()
