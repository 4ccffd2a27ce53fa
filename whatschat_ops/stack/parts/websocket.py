"""Settings -> the resources of the stack. Pure: no call is made here, so the whole stack can be read and tested as data.

tables, log groups, role, secret     stand alone
API                                  stands alone; everything below needs its id or URL
role policy -> role, API             the policy names the API's @connections
function -> role, its log group      its environment holds the stage's callback URL, so it needs the API's
alias -> function                    points to the newest version
permission -> alias, API             lets exactly one route of one stage call it
integration -> API;  route -> integration       an integration names the alias, which need not be there before the stage is
deployment -> routes, integrations   a digest of routes and the integrations' ids decide when to redeploy
stage -> deployment, permissions, role policy, access log group, the Region's log role

What distributed broadcasts add, when they are enabled, is in broadcast.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import BROADCAST_WORKER, LIVE_ALIAS, ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.provision import Reference, Resource, text
from whatschat_ops.provision.values import digest
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.access_log import ACCESS_LOG_FORMAT
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.secret import Generated
from whatschat_ops.stack.parts.broadcast import broadcast_resources
from whatschat_ops.stack.policies import lambda_policy, trust_policy

if TYPE_CHECKING:
    from whatschat_ops.packaging import FunctionPackage

API = "api.websocket"
ROLE = "role.lambda"
CONNECTIONS_TABLE = "table.connections"
LEDGER_TABLE = "table.meetings"


@dataclass(frozen=True, slots=True)
class StackResources:
    """`wanted` with these settings; `unwanted` would be there with others (access logs that were switched off)."""

    wanted: tuple[Resource, ...]
    unwanted: tuple[Resource, ...] = ()

    @property
    def all(self) -> tuple[Resource, ...]:
        """Everything that the stack may consist of."""
        return (*self.wanted, *self.unwanted)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the stack is made from, beside its settings.

    Without `packages` (function -> code) the code of functions is neither compared nor deployed: enough to destroy.
    Without `jwt_secret` a secret that exists is kept, else one is generated.
    """

    place: Place
    packages: Mapping[str, FunctionPackage] = field(default_factory=dict)
    jwt_secret: Secret | None = None


def stack_resources(settings: Settings, inputs: Inputs) -> StackResources:
    """Every resource of the stack of `settings`."""
    return _Builder(settings, inputs).build()


class _Builder:
    def __init__(self, settings: Settings, inputs: Inputs) -> None:
        self._settings = settings
        self._inputs = inputs
        self._place = inputs.place
        self._names = Names(settings)
        self._api_id = Reference(API, "id")

    def build(self) -> StackResources:
        optional = tuple(self._access_logs())
        with_logs = self._settings.websocket.access_logs
        wanted = (
            *self._tables(),
            *self._log_groups(),
            *(optional if with_logs else ()),
            *self._role(),
            self._secret(),
            self._api(),
            *(self._function(short) for short in ROUTE_FUNCTIONS.values()),
            *(self._alias(short) for short in ROUTE_FUNCTIONS.values()),
            *(self._permission(key, short) for key, short in ROUTE_FUNCTIONS.items()),
            *(self._integration(short) for short in ROUTE_FUNCTIONS.values()),
            *(self._route(key, short) for key, short in ROUTE_FUNCTIONS.items()),
            self._deployment(),
            self._stage(),
            *self._distributed_broadcasts(),
        )
        return StackResources(wanted, () if with_logs else optional)

    def _distributed_broadcasts(self) -> Iterator[Resource]:
        """Nothing unless enabled; what an earlier setting left is found by its tag (orphans.py)."""
        if self._settings.broadcast.distributed.enabled:
            worker = self._inputs.packages.get(BROADCAST_WORKER)
            yield from broadcast_resources(self._settings, self._place, self._api_id, worker)

    def _tables(self) -> Iterator[Resource]:
        connections = self._settings.connections
        common = {"billing_mode": "PAY_PER_REQUEST", "ttl_attribute": "ttl", "tags": self._names.tags}
        yield Resource(
            "table",
            "connections",
            {
                "table_name": self._names.connections_table,
                "key": "connectionId",
                "indexes": {USER_INDEX: "userId"},
                "point_in_time_recovery": connections.point_in_time_recovery,
                "deletion_protection": connections.deletion_protection,
                **common,
            },
        )
        yield Resource(
            "table",
            "meetings",
            {
                "table_name": self._names.ledger_table,
                "key": "meetingId",
                "indexes": {},
                "point_in_time_recovery": False,
                "deletion_protection": False,
                **common,
            },
        )

    def _log_groups(self) -> Iterator[Resource]:
        for short in ROUTE_FUNCTIONS.values():
            yield self._log_group(short, self._names.function_log_group(short))

    def _log_group(self, name: str, group_name: str) -> Resource:
        retention_days = self._settings.lambda_.log_retention_days
        fields = {"group_name": group_name, "retention_days": retention_days, "tags": self._names.tags}
        return Resource("log_group", name, fields)

    def _access_logs(self) -> Iterator[Resource]:
        yield self._log_group("access", self._names.access_log_group)
        yield Resource(
            "api_gateway_log_role",
            "region",
            {
                "role_name": self._names.api_gateway_log_role,
                "trust_policy": trust_policy("apigateway.amazonaws.com"),
            },
        )

    def _role(self) -> Iterator[Resource]:
        yield Resource(
            "role",
            "lambda",
            {
                "role_name": self._names.lambda_role,
                "path": self._names.iam_path,
                "trust_policy": trust_policy("lambda.amazonaws.com"),
                "tags": self._names.tags,
            },
        )
        yield Resource(
            "role_policy",
            "lambda",
            {
                "role_name": Reference(ROLE, "role_name"),
                "policy_name": "whatschat-ops-lambda",
                "document": lambda_policy(self._settings, self._place, self._api_id),
            },
        )

    def _secret(self) -> Resource:
        value = self._inputs.jwt_secret
        return Resource(
            "secret",
            "jwt",
            {
                "parameter_name": self._names.jwt_secret_parameter,
                "type": "SecureString",
                "value": value if value is not None else Generated(),
                "tags": self._names.tags,
            },
        )

    def _api(self) -> Resource:
        return Resource(
            "api",
            "websocket",
            {
                "api_name": self._names.api,
                "stack": self._names.stack,
                "protocol": "WEBSOCKET",
                "route_selection_expression": self._settings.websocket.route_selection_expression,
                "tags": self._names.tags,
                "surplus": None,
            },
        )

    def _function(self, short: str) -> Resource:
        settings = self._settings.lambda_
        fields: dict[str, Any] = {
            "function_name": self._names.function(short),
            "runtime": settings.function_runtime,
            "architecture": settings.architecture,
            "memory_mb": settings.memory_mb,
            "timeout_s": settings.timeout_s,
            "role_arn": self._place.role(self._names.iam_path, self._names.lambda_role),
            "environment": self._environment(),
            "published": True,
            "tags": self._names.tags,
        }
        if (package := self._inputs.packages.get(short)) is not None:
            fields |= {
                "handler": package.handler,
                "code_sha256": package.sha256_base64,
                "zip": package.zip_bytes,
            }
        return Resource("function", short, fields, frozenset({ROLE, f"log_group.{short}"}))

    def _environment(self) -> dict[str, Any]:
        """The secret itself is not among them: only where it is."""
        return {
            "API_GATEWAY_ENDPOINT": text(
                Reference(API, "callback_base"), "/", self._settings.websocket.stage
            ),
            "CONNECTIONS_TABLE": self._names.connections_table,
            "CONNECTION_TTL_HOURS": str(self._settings.connections.ttl_hours),
            "JWT_SECRET_PARAMETER": self._names.jwt_secret_parameter,
            "LOG_LEVEL": self._settings.lambda_.log_level,
            "USER_INDEX": USER_INDEX,
        }

    def _alias(self, short: str) -> Resource:
        function = f"function.{short}"
        return Resource(
            "alias",
            short,
            {
                "function_name": Reference(function, "function_name"),
                "alias_name": LIVE_ALIAS,
                "version": Reference(function, "version"),
                "content": Reference(function, "content"),
                "keep_versions": self._settings.lambda_.keep_versions,
            },
        )

    def _permission(self, route_key: str, short: str) -> Resource:
        return Resource(
            "permission",
            short,
            {
                "function_name": Reference(f"function.{short}", "function_name"),
                "qualifier": Reference(f"alias.{short}", "alias_name"),
                "statement_id": "whatschat-ops-apigateway",
                "principal": "apigateway.amazonaws.com",
                "action": "lambda:InvokeFunction",
                "source_arn": self._place.route(self._api_id, self._settings.websocket.stage, route_key),
            },
        )

    def _integration(self, short: str) -> Resource:
        alias_arn = self._place.function(self._names.function(short), LIVE_ALIAS)
        return Resource(
            "integration",
            short,
            {
                "api_id": self._api_id,
                "uri": self._place.integration_uri(alias_arn),
                "type": "AWS_PROXY",
                "timeout_ms": self._settings.websocket.integration_timeout_ms,
                "surplus": None,
            },
        )

    def _route(self, route_key: str, short: str) -> Resource:
        return Resource(
            "route",
            short,
            {
                "api_id": self._api_id,
                "route_key": route_key,
                "target": text("integrations/", Reference(f"integration.{short}", "id")),
                "authorization_type": "NONE",
            },
        )

    def _deployment(self) -> Resource:
        """Its content names all that is deployed: a digest of what the settings say, and the integrations' ids.

        An integration made anew (its URI is its identity) has another id. No account or Region goes into the digest,
        so that an exported template can carry the same content.
        """
        websocket = self._settings.websocket
        routes = {
            route_key: {
                "function": f"{self._names.function(short)}:{LIVE_ALIAS}",
                "timeout_ms": websocket.integration_timeout_ms,
                "authorization_type": "NONE",
            }
            for route_key, short in ROUTE_FUNCTIONS.items()
        }
        wanted = digest({"selection": websocket.route_selection_expression, "routes": routes})
        ids = (Reference(f"integration.{short}", "id") for short in ROUTE_FUNCTIONS.values())
        return Resource(
            "deployment",
            "live",
            {
                "api_id": self._api_id,
                "content": text(wanted, *(part for id_ in ids for part in (" ", id_))),
                "surplus": None,
            },
            frozenset(f"route.{short}" for short in ROUTE_FUNCTIONS.values()),
        )

    def _stage(self) -> Resource:
        settings = self._settings.websocket
        logs = settings.access_logs
        needed = {ROLE.replace("role.", "role_policy."), "secret.jwt", CONNECTIONS_TABLE}
        needed |= {f"permission.{short}" for short in ROUTE_FUNCTIONS.values()}
        needed |= {"log_group.access", "api_gateway_log_role.region"} if logs else set()
        return Resource(
            "stage",
            "websocket",
            {
                "api_id": self._api_id,
                "stage_name": settings.stage,
                "deployment_id": Reference("deployment.live", "id"),
                "throttling_rate_limit": settings.throttling_rate_limit,
                "throttling_burst_limit": settings.throttling_burst_limit,
                "access_log_group_arn": self._place.log_group(self._names.access_log_group) if logs else None,
                "access_log_format": ACCESS_LOG_FORMAT if logs else None,
                "tags": self._names.tags,
            },
            frozenset(needed),
        )
