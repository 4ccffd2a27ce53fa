"""The one settings model. Its docstrings and descriptions are the configuration reference.

Every field has a default, so that no file at all means: the embedded AWS with the guide's names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from whatschat_ops.quotas import (
    API_REQUESTS,
    API_REQUESTS_OF_SMALL_REGIONS,
    MAX_FUNCTION_MEMORY_MB,
    MAX_INTEGRATION_TIMEOUT_MS,
    MIN_FUNCTION_MEMORY_MB,
    MIN_INTEGRATION_TIMEOUT_MS,
)

LOG_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""The retention periods that CloudWatch Logs accepts (botocore model `logs`, shape `Days`)."""

LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
PythonRuntime = Literal["python3.12", "python3.13", "python3.14"]
NodeRuntime = Literal["nodejs20.x", "nodejs22.x", "nodejs24.x"]
NodeStep = Literal["install", "build", "package"]
Architecture = Literal["arm64", "x86_64"]

CHIME_CONTROL_REGIONS = (
    "af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-west-2", "il-central-1", "us-east-1", "us-west-2",
    "us-gov-east-1", "us-gov-west-1",
)  # fmt: skip
"""Regions with a Chime SDK Meetings API endpoint (botocore endpoints.json)."""

CHIME_MEDIA_REGIONS = (
    "af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1",
)  # fmt: skip
"""Regions that can host the media of a meeting (CreateMeeting in the API reference)."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _handler(function: str) -> Any:
    return Field(
        None,
        pattern=r"^[^\s.]([^\s]*[^\s.])?\.[^\s./]+$",
        description=f"Handler of `{function}`. Empty: the file {function}.js of the zip, export `handler`.",
    )


class AwsSettings(_Section):
    """Which AWS to talk to. All of it can be left to the standard AWS variables and profiles."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = Field(
        "us-east-1", description="AWS Region of the stack (AWS_REGION)."
    )
    profile: str | None = Field(None, description="Named profile of ~/.aws/config (AWS_PROFILE).")
    endpoint_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Another AWS endpoint, such as an emulator (AWS_ENDPOINT_URL).",
    )


class LocalSettings(_Section):
    """The embedded AWS: a whole AWS on this machine, for the environment `local`."""

    enabled: bool = Field(
        False,
        description="Use the embedded AWS. On by default in the environment `local`, unless an endpoint URL is set.",
    )
    port: int = Field(4566, ge=1, le=65535, description="Port on 127.0.0.1 (WHATSCHAT_LOCAL_PORT).")


class WebSocketSettings(_Section):
    """The WebSocket API in API Gateway."""

    enabled: bool = Field(True, description="AWS_API_GATEWAY_WEBSOCKET_ENABLED of the application.")
    stage: str = Field("production", pattern=r"^[A-Za-z0-9_-]{1,128}$", description="Stage name.")
    route_selection_expression: str = Field(
        "$request.body.type",
        pattern=r"^\$\{?request\.",
        description="How API Gateway finds a message's route.",
    )
    access_logs: bool = Field(True, description="Write access logs to /aws/apigateway/websocket.")
    endpoint: str | None = Field(
        None,
        description="Endpoint to use instead of the provisioned API's own, for example a custom domain "
        "(AWS_API_GATEWAY_WEBSOCKET_ENDPOINT).",
    )
    throttling_rate_limit: float = Field(
        API_REQUESTS.rate_per_s, gt=0, description="Messages per second of the stage."
    )
    throttling_burst_limit: int = Field(API_REQUESTS.burst, gt=0, description="Burst of the stage.")
    integration_timeout_ms: int = Field(
        MAX_INTEGRATION_TIMEOUT_MS,
        ge=MIN_INTEGRATION_TIMEOUT_MS,
        le=MAX_INTEGRATION_TIMEOUT_MS,
        description="Integration time-out.",
    )


class ConnectionsSettings(_Section):
    """The DynamoDB table of open connections."""

    table_name: str = Field(
        "websocket-connections",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="Table name (CONNECTIONS_TABLE).",
    )
    ttl_hours: int = Field(24, ge=1, le=24 * 365, description="A connection's row expires after this time.")
    point_in_time_recovery: bool = Field(False, description="Continuous backups of the table.")
    deletion_protection: bool = Field(False, description="Refuse DeleteTable.")


class HandlerSettings(_Section):
    """Lambda's handler names in the application's package, for example `dist/connect.handler`."""

    connect: str | None = _handler("connect")
    disconnect: str | None = _handler("disconnect")
    default: str | None = _handler("default")


class SourceSettings(_Section):
    """The application's own Node.js folder as the code of the functions. Without `path` the built-in handlers run."""

    path: str | None = Field(
        None,
        min_length=1,
        description="Folder with a package.json, relative to the configuration file. Empty: the built-in Python handlers.",
    )
    runtime: NodeRuntime = Field("nodejs22.x", description="Runtime of the folder's functions.")
    handlers: HandlerSettings = HandlerSettings()
    steps: tuple[NodeStep, ...] = Field(
        ("install", "build", "package"),
        description="What is run there, in this order: `npm install`, `npm run build`, `npm run package`. "
        "A script that package.json does not have is skipped.",
    )
    zip: str | None = Field(
        None,
        min_length=1,
        description="The zip that `package` makes, as a glob pattern. Empty: the newest *.zip in the folder.",
    )
    dependencies: Literal["auto", "bundle", "runtime"] = Field(
        "auto",
        description="Production dependencies that the zip lacks. `bundle` adds them, `runtime` leaves them to "
        "Lambda's runtime (which has the AWS SDK v3), `auto` adds those that the code imports.",
    )
    ignore_build_errors: bool = Field(
        False, description="Go on after a failed build that wrote JavaScript all the same, as tsc does."
    )


class LambdaSettings(_Section):
    """The three functions behind the WebSocket API."""

    runtime: PythonRuntime = Field("python3.13", description="Runtime of the built-in handlers.")
    architecture: Architecture = Field("arm64", description="Processor of the functions.")
    memory_mb: int = Field(
        256, ge=MIN_FUNCTION_MEMORY_MB, le=MAX_FUNCTION_MEMORY_MB, description="Memory of each function."
    )
    timeout_s: int = Field(
        10,
        ge=1,
        le=MAX_INTEGRATION_TIMEOUT_MS // 1000,
        description=f"Time-out of each function (API Gateway waits {MAX_INTEGRATION_TIMEOUT_MS // 1000} s).",
    )
    log_retention_days: LogRetentionDays = Field(14, description="Retention of all log groups.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="LOG_LEVEL of the functions."
    )
    keep_versions: int = Field(
        10,
        ge=1,
        le=1000,
        description="Published versions of each function that a deployment leaves; those behind an alias always stay.",
    )
    requirements: str | None = Field(
        None,
        min_length=1,
        description="File with more packages for the built-in handlers (pip's format), relative to the configuration file.",
    )
    source: SourceSettings = SourceSettings()

    @property
    def function_runtime(self) -> PythonRuntime | NodeRuntime:
        """The runtime of what is deployed: the built-in handlers' or the application's."""
        return self.source.runtime if self.source.path else self.runtime


class AuthSettings(_Section):
    """How a client proves who it is when it connects."""

    secret_parameter: str | None = Field(
        None,
        pattern=r"^/[A-Za-z0-9_./-]+$",
        description="SSM parameter (SecureString) with the HS256 secret. Default: /whatschat-ops/<stack>-<environment>/jwt-secret.",
    )
    token_ttl_minutes: int = Field(60, ge=1, description="Life of the tokens that `token mint` makes.")


class ChimeSettings(_Section):
    """Chime SDK meetings."""

    enabled: bool = Field(True, description="AWS_CHIME_ENABLED of the application.")
    region: Literal[CHIME_CONTROL_REGIONS] = Field(  # type: ignore[valid-type]
        "us-east-1", description="Control Region: where meetings are made and deleted (AWS_CHIME_REGION)."
    )
    media_region: Literal[CHIME_MEDIA_REGIONS] = Field(  # type: ignore[valid-type]
        "us-east-1", description="Where the media of a meeting is hosted (AWS_CHIME_MEDIA_REGION)."
    )
    ledger_table_name: str = Field(
        "chime-meetings",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="Table of the meetings that we made (Chime itself cannot list them).",
    )


class DistributedSettings(_Section):
    """Broadcasting from Lambda functions under a Step Functions Distributed Map, for more than one machine can send."""

    enabled: bool = Field(False, description="Provision the state machine, the worker and the bucket.")
    shard_connections: int = Field(
        25_000, ge=1, le=1_000_000, description="Connections in one shard, which one worker sends to."
    )
    workers: int = Field(10, ge=1, le=1_000, description="Workers at once; they share the rate evenly.")
    memory_mb: int = Field(
        1_024,
        ge=MIN_FUNCTION_MEMORY_MB,
        le=MAX_FUNCTION_MEMORY_MB,
        description="Memory of the worker (1,769 MB is one vCPU).",
    )
    tolerated_failure_percentage: float = Field(
        0, ge=0, le=100, description="Shards that may fail before the state machine stops."
    )


class BroadcastSettings(_Section):
    """`ws broadcast`: one message to many connections."""

    rate_limit_per_s: float | None = Field(
        None,
        gt=0,
        description=f"Posts per second. Empty: the account limit of the Region ({API_REQUESTS.rate_per_s:,.0f}; "
        f"{API_REQUESTS_OF_SMALL_REGIONS.rate_per_s:,.0f} in newer Regions).",
    )
    burst_limit: int | None = Field(
        None,
        gt=0,
        description="Posts at once after a pause. Empty: that of the Region "
        f"({API_REQUESTS.burst:,} or {API_REQUESTS_OF_SMALL_REGIONS.burst:,}).",
    )
    tcp_connections: int = Field(
        256,
        ge=1,
        le=500,
        description="Posts in flight at most. Each takes as long as API Gateway answers: 10,000 per second at 25 ms need 250.",
    )
    max_attempts: int = Field(8, ge=1, le=100, description="Attempts for one connection.")
    deadline_s: float = Field(
        30, gt=0, description="A connection is given up this long after its first attempt."
    )
    distributed: DistributedSettings = DistributedSettings()


class FrontendSettings(_Section):
    """What the web application is told."""

    websocket_mode: Literal["socketio", "apigateway", "simulated"] = Field(
        "apigateway", description="NEXT_PUBLIC_WEBSOCKET_MODE."
    )
    webrtc_mode: Literal["native", "chime", "simulated"] = Field(
        "chime", description="NEXT_PUBLIC_WEBRTC_MODE."
    )


class Settings(_Section):
    """All settings of one environment."""

    environment: str = Field(
        "local", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Name of the environment."
    )
    stack: str = Field(
        "whatschat", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Name of the stack; part of its tag."
    )
    prefix: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9-]{0,20})?$",
        description="Put before every resource name, so that two environments can share an account.",
    )
    aws: AwsSettings = AwsSettings()
    local: LocalSettings = LocalSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    connections: ConnectionsSettings = ConnectionsSettings()
    lambda_: LambdaSettings = Field(LambdaSettings(), alias="lambda")
    auth: AuthSettings = AuthSettings()
    chime: ChimeSettings = ChimeSettings()
    broadcast: BroadcastSettings = BroadcastSettings()
    frontend: FrontendSettings = FrontendSettings()
