"""Every AWS name, derived from the settings alone: the guide's names behind an optional prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whatschat_ops.config.settings import Settings
from whatschat_ops.handlers.token_rules import ROTATION_SUFFIX
from whatschat_ops.quotas import (
    ACCOUNT_ID_CHARACTERS,
    MAX_BUCKET_NAME_CHARACTERS,
    MAX_STATE_MACHINE_NAME_CHARACTERS,
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
USER_INDEX = "userId-index"


def _within(name: str, length: int) -> str:
    """`name`, or as much of it as fits with a digest of the whole."""
    if len(name) <= length:
        return name
    import hashlib  # loads OpenSSL, which most names do without

    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: length - 9].rstrip('-')}-{digest}"


class Names:
    """The names of one environment's resources."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.prefix

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
        return f"{self._prefix}{self._settings.stack}-websocket"

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

    def function(self, short: str) -> str:
        """Name of the function `connect`, `disconnect` or `default`."""
        return f"{self._prefix}websocket-{short}"

    @property
    def functions(self) -> tuple[str, ...]:
        """Short names of all functions: those behind the routes, and the worker of distributed broadcasts."""
        distributed = self._settings.broadcast.distributed.enabled
        return (*ROUTE_FUNCTIONS.values(), *((BROADCAST_WORKER,) if distributed else ()))

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles that the stack makes for itself."""
        distributed = self._settings.broadcast.distributed.enabled
        extra = (self.broadcast_worker_role, self.broadcast_states_role) if distributed else ()
        return (self.lambda_role, *extra)

    def function_log_group(self, short: str) -> str:
        """Log group of a function, fixed by Lambda to `/aws/lambda/<function>`."""
        return f"/aws/lambda/{self.function(short)}"

    @property
    def access_log_group(self) -> str:
        """Log group of the stage's access logs."""
        return f"/aws/apigateway/{self._prefix}websocket"

    @property
    def iam_path(self) -> str:
        """IAM path of everything we make there: IAM is how orphans are found where tags cannot be searched."""
        return f"/whatschat-ops/{self.stack}/"

    @property
    def lambda_role(self) -> str:
        """Name of the functions' execution role (unique in the account, not per Region)."""
        return f"{self._prefix}{self._settings.stack}-websocket-lambda-{self._settings.environment}"

    @property
    def broadcast_worker_role(self) -> str:
        """Name of the role of the worker of distributed broadcasts."""
        return f"{self._prefix}{self._settings.stack}-broadcast-worker-{self._settings.environment}"

    @property
    def broadcast_states_role(self) -> str:
        """Name of the role of the state machine of distributed broadcasts."""
        return f"{self._prefix}{self._settings.stack}-broadcast-states-{self._settings.environment}"

    @property
    def broadcast_state_machine(self) -> str:
        """Name of the state machine of distributed broadcasts."""
        return _within(f"{self.stack}-broadcast", MAX_STATE_MACHINE_NAME_CHARACTERS)

    def broadcast_bucket(self, account_id: str) -> str:
        """Name of the bucket of distributed broadcasts. Bucket names are shared by all accounts, so the account is in it."""
        room = MAX_BUCKET_NAME_CHARACTERS - 1 - ACCOUNT_ID_CHARACTERS
        return f"{_within(f'{self.stack}-broadcast', room)}-{account_id}"

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
