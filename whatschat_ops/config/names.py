"""Every AWS name, derived from the settings alone: the guide's names behind an optional prefix.

What AWS keeps per account and not per Region (IAM, the names of buckets) has the Region in its name, so that the stacks of
two Regions are independent. Version 0.1.0 left it out; `earlier_...` are the names that it gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whatschat_ops.config.settings import Settings
from whatschat_ops.handlers.token_rules import ROTATION_SUFFIX
from whatschat_ops.quotas import (
    ACCOUNT_ID_CHARACTERS,
    LONGEST_REGION_CHARACTERS,
    MAX_BUCKET_NAME_CHARACTERS,
    MAX_BUDGET_NAME_CHARACTERS,
    MAX_DASHBOARD_NAME_CHARACTERS,
    MAX_EVENT_RULE_NAME_CHARACTERS,
    MAX_POLICY_NAME_CHARACTERS,
    MAX_ROLE_NAME_CHARACTERS,
    MAX_STATE_MACHINE_NAME_CHARACTERS,
    MAX_TOPIC_NAME_CHARACTERS,
)

ROUTE_FUNCTIONS: Final[Mapping[str, str]] = {
    "$connect": "connect",
    "$disconnect": "disconnect",
    "$default": "default",
}
"""Route key -> short name of the function behind it (guide, "Create API Gateway WebSocket API")."""

STACK_TAG = "whatschat-ops:stack"
LIVE_ALIAS = "live"
BROADCAST_WORKER = "broadcast-worker"
"""Short name of the function that sends one shard of a distributed broadcast."""
LOAD_WORKER = "load-worker"
"""Short name of the function that is one worker of a distributed load test. `ws load` makes it on first use."""
OPEN_CONNECTIONS = "open-connections"
"""Short name of the function that counts open connections on a schedule."""
USER_INDEX = "userId-index"

_BUCKET_ROOM: Final = MAX_BUCKET_NAME_CHARACTERS - 1 - ACCOUNT_ID_CHARACTERS
"""What is left of a bucket's name before the account."""


def _within(name: str, length: int) -> str:
    """`name`, or as much of it as fits with a digest of the whole."""
    if len(name) <= length:
        return name
    import hashlib  # loads OpenSSL, which most names do without

    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: length - 9].rstrip('-')}-{digest}"


def _role_name(arn: str | None) -> str:
    return arn.rpartition("/")[2] if arn else ""


class Names:
    """The names of one environment's resources in one Region: that of the settings, unless another one is given."""

    def __init__(self, settings: Settings, region: str | None = None) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._region = region or settings.aws.region

    def _in_region(self, name: str, length: int) -> str:
        """`name` and the Region. How much of `name` stays is the same in every Region, known or not (in a template)."""
        room = length - 1 - max(LONGEST_REGION_CHARACTERS, len(self._region))
        return f"{_within(name, room)}-{self._region}"

    @property
    def stack(self) -> str:
        """The value of the tag `whatschat-ops:stack`, for example `whatschat-local`."""
        return f"{self._prefix}{self._settings.stack}-{self._settings.environment}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags that mark a resource as ours."""
        return {STACK_TAG: self.stack}

    @property
    def api(self) -> str:
        """Name of the WebSocket API."""
        return f"{self._prefix}{self._settings.websocket.api_name or f'{self._settings.stack}-websocket'}"

    @property
    def connections_table(self) -> str:
        """Name of the connections table."""
        return f"{self._prefix}{self._settings.connections.table_name}"

    @property
    def ledger_table(self) -> str:
        """Name of the table of Chime meetings."""
        return f"{self._prefix}{self._settings.chime.ledger_table_name}"

    @property
    def lock_table(self) -> str:
        """Name of the table that holds the stack's lock while it is changed."""
        return f"{self.stack}-ops-lock"

    @property
    def audit_table(self) -> str:
        """Name of the table of what operators did, which outlives the stack."""
        return f"{self.stack}-audit"

    def function(self, short: str) -> str:
        """Name of the function `connect`, `disconnect` or `default`."""
        return f"{self._prefix}websocket-{short}"

    @property
    def functions(self) -> tuple[str, ...]:
        """Short names of all functions: those behind the routes, the worker of distributed broadcasts, the count."""
        distributed = self._settings.broadcast.distributed.enabled
        counts = self._settings.monitoring.counts_connections
        extra = {BROADCAST_WORKER: distributed, OPEN_CONNECTIONS: counts}
        return (*ROUTE_FUNCTIONS.values(), *(short for short, wanted in extra.items() if wanted))

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles that the stack makes for itself."""
        distributed = self._settings.broadcast.distributed.enabled
        extra = (self.broadcast_worker_role, self.broadcast_states_role) if distributed else ()
        counts = self._settings.monitoring.counts_connections
        return (self.lambda_role, *extra, *((self.open_connections_role,) if counts else ()))

    def function_log_group(self, short: str) -> str:
        """Log group of a function, fixed by Lambda to `/aws/lambda/<function>`."""
        return f"/aws/lambda/{self.function(short)}"

    @property
    def access_log_group(self) -> str:
        """Log group of the stage's access logs."""
        return f"/aws/apigateway/{self._prefix}websocket"

    @property
    def chime_event_log_group(self) -> str:
        """Log group of the events of Chime, in the control Region. EventBridge's console offers `/aws/events/` only."""
        return f"/aws/events/{self.stack}-chime"

    @property
    def chime_event_rule(self) -> str:
        """Name of the rule that sends the events of Chime there."""
        return _within(f"{self.stack}-chime-events", MAX_EVENT_RULE_NAME_CHARACTERS)

    @property
    def open_connections_rule(self) -> str:
        """Name of the rule that starts the count of open connections."""
        return _within(f"{self.stack}-open-connections", MAX_EVENT_RULE_NAME_CHARACTERS)

    def alarm(self, short: str) -> str:
        """Name of an alarm. What stands before the slash lists all of the stack."""
        return f"{self.stack}/{short}"

    @property
    def budget(self) -> str:
        """Name of the budget of `cost budget`: budgets are of all Regions, so the Region is in it."""
        return self._in_region(f"{self.stack}-monthly", MAX_BUDGET_NAME_CHARACTERS)

    @property
    def budget_alarm(self) -> str:
        """Name of the alarm of `cost budget`. It is not the stack's: `provision` does not delete it."""
        return f"{self.stack}-budget-messages"

    @property
    def alarm_topic(self) -> str:
        """Name of the topic that alarms send to."""
        return _within(f"{self.stack}-alarms", MAX_TOPIC_NAME_CHARACTERS)

    @property
    def dashboard(self) -> str:
        """Name of the dashboard: dashboards are global, so the Region is in it."""
        return self._in_region(self.stack, MAX_DASHBOARD_NAME_CHARACTERS)

    @property
    def iam_path(self) -> str:
        """IAM path of everything we make there: IAM is how orphans are found where tags cannot be searched."""
        root = self._settings.iam.role_path or "/whatschat-ops/"
        return f"{root}{self.stack}/{self._region}/"

    @property
    def earlier_iam_path(self) -> str:
        """IAM path of the roles of the stack in every Region, as 0.1.0 made them. It begins the paths of today."""
        return f"/whatschat-ops/{self.stack}/"

    @property
    def lambda_role(self) -> str:
        """Name of the functions' execution role: the one that the settings give, else the stack's own."""
        return _role_name(self._settings.iam.lambda_role) or self._in_region(
            self._earlier_role("websocket-lambda"), MAX_ROLE_NAME_CHARACTERS
        )

    @property
    def broadcast_worker_role(self) -> str:
        """Name of the role of the worker of distributed broadcasts."""
        return _role_name(self._settings.iam.broadcast_worker_role) or self._in_region(
            self._earlier_role("broadcast-worker"), MAX_ROLE_NAME_CHARACTERS
        )

    @property
    def broadcast_states_role(self) -> str:
        """Name of the role of the state machine of distributed broadcasts."""
        return _role_name(self._settings.iam.broadcast_states_role) or self._in_region(
            self._earlier_role("broadcast-states"), MAX_ROLE_NAME_CHARACTERS
        )

    @property
    def load_worker_role(self) -> str:
        """Name of the role of the worker of distributed load tests."""
        return self._in_region(self._earlier_role(LOAD_WORKER), MAX_ROLE_NAME_CHARACTERS)

    @property
    def open_connections_role(self) -> str:
        """Name of the role of the function that counts open connections."""
        return _role_name(self._settings.iam.open_connections_role) or self._in_region(
            self._earlier_role(OPEN_CONNECTIONS), MAX_ROLE_NAME_CHARACTERS
        )

    @property
    def earlier_roles(self) -> tuple[str, ...]:
        """What `roles` were called."""
        distributed = self._settings.broadcast.distributed.enabled
        extra = ("broadcast-worker", "broadcast-states") if distributed else ()
        return tuple(self._earlier_role(part) for part in ("websocket-lambda", *extra))

    def _earlier_role(self, part: str) -> str:
        return f"{self._prefix}{self._settings.stack}-{part}-{self._settings.environment}"

    def attached_policy(self, component: str) -> str:
        """Name of the inline policy that `iam attach` puts on an IAM identity of the account."""
        return self._in_region(self.earlier_attached_policy(component), MAX_POLICY_NAME_CHARACTERS)

    def earlier_attached_policy(self, component: str) -> str:
        """What `attached_policy` was called."""
        return f"{self.stack}-{component}"

    @property
    def broadcast_state_machine(self) -> str:
        """Name of the state machine of distributed broadcasts."""
        return _within(f"{self.stack}-broadcast", MAX_STATE_MACHINE_NAME_CHARACTERS)

    def broadcast_bucket(self, account_id: str) -> str:
        """Name of the bucket of distributed broadcasts. Bucket names are shared by all accounts, so the account is in it."""
        return f"{self._in_region(f'{self.stack}-broadcast', _BUCKET_ROOM)}-{account_id}"

    def earlier_broadcast_bucket(self, account_id: str) -> str:
        """What `broadcast_bucket` was called."""
        return f"{_within(f'{self.stack}-broadcast', _BUCKET_ROOM)}-{account_id}"

    @property
    def api_gateway_log_role(self) -> str:
        """Name of the role that lets API Gateway write logs, made only if the Region has none."""
        return "whatschat-ops-apigateway-logs"

    @property
    def jwt_secret_parameter(self) -> str:
        """SSM parameter of the JWT secret."""
        return self._settings.auth.secret_parameter or f"/whatschat-ops/{self.stack}/jwt-secret"

    @property
    def jwt_secret_rotation_parameter(self) -> str:
        """SSM parameter of both secrets while one replaces the other."""
        return self.jwt_secret_parameter + ROTATION_SUFFIX

    @property
    def migration_parameter(self) -> str:
        """SSM parameter of the migration's phases and shares, which the backend's reader reads."""
        return f"/whatschat-ops/{self.stack}/migration"
