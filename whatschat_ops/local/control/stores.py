"""What the gateway and the executor read from ministack's stores: APIs, functions, permissions. Cached for a second."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from whatschat_ops.local.control import function_policy, records
from whatschat_ops.local.control.async_invocations import EventSettings
from whatschat_ops.local.control.deployments import SNAPSHOT, Deployments
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.role_sessions import RoleSessions
from whatschat_ops.local.interfaces import LambdaFunction, WebSocketApi

T = TypeVar("T")
CACHE_S = 1.0
MAX_CACHED = 1_000
"""Values that are no longer valid are dropped when there are more: handshakes may name any API, without a signature."""

_FUNCTION_ARN = re.compile(
    r"arn:[\w-]+:lambda:(?P<region>[^:]+):(?P<account>\d{12}):function:(?P<name>[^:]+)(:(?P<qualifier>[^:]+))?"
)


class Cache:
    """Cached values, each for `CACHE_S` or until `clear`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[float, Any]] = {}

    def get(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        """The cached value, or the result of `read`."""
        now = self._clock()
        deadline, value = self._known.get(key, (0.0, None))
        if deadline <= now:
            value = read()
            if len(self._known) >= MAX_CACHED:
                self._known = {each: known for each, known in self._known.items() if known[0] > now}
            self._known[key] = (now + CACHE_S, value)
        found: T = value
        return found

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Drop every value, because something changed."""
        self._known.clear()


class Stores:
    """Reads ministack's records."""

    def __init__(self, modules: Modules, cache: Cache) -> None:
        self._modules = modules
        self._cache = cache
        self._deployments = Deployments(modules.apigateway)
        self._sessions = RoleSessions(modules.sts.register_session)

    def websocket_api(self, api_id: str) -> WebSocketApi | None:
        """The API with its routes and stages, or None."""
        return self._cache.get(("api", api_id), lambda: self._read_api(api_id))

    def function(self, function_arn: str) -> LambdaFunction | None:
        """The function (version or alias resolved; a weighted alias picks by weight), or None."""
        choices = self._cache.get(("function", function_arn), lambda: self._read_function(function_arn))
        if len(choices) < 2:
            return choices[0][0] if choices else None
        functions = [function for function, _ in choices]
        return random.choices(functions, [weight for _, weight in choices])[0]

    def event_settings(self, function: Mapping[str, Any]) -> EventSettings:
        """How events for a function record of ministack are processed."""
        lambda_svc, config = self._modules.lambda_svc, function["config"]
        arn, qualifier = records.split_qualifier(str(config["FunctionArn"]))
        _, record = self._function_record(arn)
        configured = lambda_svc._event_invoke_config(record or function, qualifier)
        if configured is None and qualifier in (None, "$LATEST"):
            other = "$LATEST" if qualifier is None else None
            configured = lambda_svc._event_invoke_config(record or function, other)
        reserved = (record or function).get("concurrency")
        return records.event_settings(f"{arn}:{qualifier or '$LATEST'}", config, configured or {}, reserved)

    def may_invoke(self, service: str, function_arn: str, source_arn: str) -> bool:
        """Whether the function's resource policy lets a service (`apigateway.amazonaws.com`) call it for this source."""
        key = ("permission", service, function_arn, source_arn)
        return self._cache.get(key, lambda: self._read_permission(service, function_arn, source_arn))

    def regions_of(self, kind: str, name: str) -> Iterable[str]:
        """The Regions of an API (`kind` ApiId) or a function (FunctionName) of that name."""
        store = {
            "ApiId": self._modules.apigateway._apis,
            "FunctionName": self._modules.lambda_svc._functions,
        }[kind]
        return (region for (_, region, stored), _record in store.all_items() if stored == name)

    def reserved_concurrency(self, region: str) -> int:
        """The reserved concurrency of all functions of a Region together."""

        def total() -> int:
            functions = self._modules.lambda_svc._functions.all_items()
            return sum(int(each.get("concurrency") or 0) for (_, at, _), each in functions if at == region)

        return self._cache.get(("reserved", region), total)

    def counts(self) -> dict[str, int]:
        """Counts for `local status`."""
        apis = [api for _, api in self._modules.apigateway._apis.all_items()]
        return {
            "websocket_apis": sum(api.get("protocolType") == "WEBSOCKET" for api in apis),
            "functions": len(self._modules.lambda_svc._functions.all_items()),
            "tables": len(self._modules.dynamodb._tables.all_items()),
        }

    def _read_api(self, api_id: str) -> WebSocketApi | None:
        apigateway = self._modules.apigateway
        for (account, region, stored_id), api in apigateway._apis.all_items():
            if stored_id == api_id and api.get("protocolType") == "WEBSOCKET":
                with self._modules.responses.request_scope(account, region):
                    self._deployments.refresh(api_id)
                deployments = apigateway._deployments.get_scoped(account, region, api_id, {})
                return records.websocket_api(
                    account,
                    region,
                    api,
                    stages=apigateway._stages.get_scoped(account, region, api_id, {}).values(),
                    snapshots={id_: deployment[SNAPSHOT] for id_, deployment in deployments.items()},
                )
        return None

    def _read_function(self, function_arn: str) -> list[tuple[LambdaFunction, float]]:
        match, record = self._function_record(function_arn)
        if match is None or record is None:
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

    def _read_permission(self, service: str, function_arn: str, source_arn: str) -> bool:
        _, record = self._function_record(function_arn)
        statements = ((record or {}).get("policy") or {}).get("Statement") or []
        # ministack writes its own ARNs with the partition `aws` in every Region.
        recorded = f"arn:aws:{function_arn.split(':', 2)[2]}"
        return function_policy.allows(statements, service, recorded, source_arn)

    def _function_record(self, function_arn: str) -> tuple[re.Match[str] | None, Any]:
        match = _FUNCTION_ARN.fullmatch(function_arn)
        if match is None:
            return None, None
        functions = self._modules.lambda_svc._functions
        return match, functions.get_scoped(match["account"], match["region"], match["name"])
