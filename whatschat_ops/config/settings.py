"""The one settings model. Its docstrings and descriptions are the configuration reference.

Every field has a default, so that no file at all means: the embedded AWS with the guide's names.
"""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from collections.abc import Collection
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.config.migration_settings import MigrationSettings
from whatschat_ops.config.monitoring_settings import MonitoringSettings
from whatschat_ops.config.section import Section
from whatschat_ops.quotas import (
    API_REQUESTS,
    API_REQUESTS_OF_SMALL_REGIONS,
    CHIME_CONTROL_REGIONS,
    CHIME_MEDIA_REGIONS,
    MAX_FUNCTION_MEMORY_MB,
    MAX_INTEGRATION_TIMEOUT_MS,
    MIN_FUNCTION_MEMORY_MB,
    MIN_INTEGRATION_TIMEOUT_MS,
    STAGE_PATTERN,
    TABLE_NAME_PATTERN,
)

DEFAULT_LOCAL_PORT = 4566
"""Where the embedded AWS listens if nothing else is configured and the port is free."""

ParameterName = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_./-]+$")]
Url = Annotated[str, Meta(pattern=r"^https?://")]
SocketUrl = Annotated[str, Meta(pattern=r"^(wss?|https?)://")]
ApiName = Annotated[str, Meta(min_length=1, max_length=128)]
RoleArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
PolicyArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$")]
FilePath = Annotated[str, Meta(min_length=1)]
RolePath = Annotated[str, Meta(pattern=r"^/([\w+=,.@-]+/)*$", max_length=300)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Rate = Annotated[float, Meta(gt=0)]
Burst = Annotated[int, Meta(gt=0)]

ChimeControlRegion = Literal[CHIME_CONTROL_REGIONS]  # type: ignore[valid-type]
ChimeMediaRegion = Literal[CHIME_MEDIA_REGIONS]  # type: ignore[valid-type]


class AwsSettings(Section, frozen=True):
    """Which AWS to talk to. All of it can be left to the standard AWS variables and profiles."""

    region: Annotated[
        str,
        Meta(
            pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d+$",
            description="AWS Region of the stack (AWS_REGION, AWS_DEFAULT_REGION). Without one: the profile's.",
        ),
    ] = "us-east-1"
    profile: Annotated[str | None, Meta(description="Named profile of ~/.aws/config (AWS_PROFILE).")] = None
    endpoint_url: Annotated[
        Url | None,
        Meta(description="Another AWS endpoint, such as an emulator (AWS_ENDPOINT_URL)."),
    ] = None


class LocalSettings(Section, frozen=True):
    """The embedded AWS: a whole AWS on this machine, for the environment `local`."""

    enabled: Annotated[
        bool,
        Meta(
            description="Use the embedded AWS. On by default in the environment `local`, unless an endpoint URL is set."
        ),
    ] = False
    port: Annotated[
        Port | None,
        Meta(
            description="Port on 127.0.0.1 (WHATSCHAT_LOCAL_PORT). Without one: 4566, or the next free port, which is then remembered."
        ),
    ] = None

    node_modules: Annotated[
        FilePath | None,
        Meta(
            description="A directory node_modules with the AWS SDK for JavaScript (@aws-sdk, @smithy), which AWS's Node.js "
            "runtimes have built in: functions of the embedded AWS find it there. In a configuration file it is "
            "relative to that file. Applies from its next start.",
        ),
    ] = None
    enforce_memory: Annotated[
        bool,
        Meta(
            description="End functions that use more memory than they have, as AWS does (Runtime.OutOfMemory). Applies from "
            "the next start of the embedded AWS."
        ),
    ] = False
    log_events_per_group: Annotated[
        int,
        Meta(
            ge=1_000,
            le=10_000_000,
            description="The newest events that the embedded AWS keeps of each log group, in memory: about 0.5 KB each. Applies "
            "from its next start.",
        ),
    ] = 20_000
    step_functions_lag_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Seconds for which Step Functions does not show a change yet: an execution that was just started does not "
            "exist, one that was just redriven has failed. AWS: moments. Applies from the next start of the embedded AWS.",
        ),
    ] = 0.0

    def canonical_values(self) -> dict[str, Any]:
        """What digests in saved plans are made of: the fields of 0.1.0, with the default port in place of none."""
        return {"enabled": self.enabled, "port": self.port or DEFAULT_LOCAL_PORT}


class WebSocketSettings(Section, frozen=True):
    """The WebSocket API in API Gateway."""

    enabled: Annotated[bool, Meta(description="AWS_API_GATEWAY_WEBSOCKET_ENABLED of the application.")] = True
    api_name: Annotated[
        ApiName | None,
        Meta(
            description="Name of the API, behind the prefix. Default: <stack>-websocket. With the name of an API that exists, "
            "provision --adopt takes it over.",
        ),
    ] = None
    stage: Annotated[str, Meta(pattern=f"^{STAGE_PATTERN}$", description="Stage name.")] = "production"
    route_selection_expression: Annotated[
        str, Meta(pattern=r"^\$\{?request\.", description="How API Gateway finds a message's route.")
    ] = "$request.body.type"
    access_logs: Annotated[bool, Meta(description="Write access logs to /aws/apigateway/websocket.")] = True
    endpoint: Annotated[
        str | None,
        Meta(
            description="Endpoint to use instead of the provisioned API's own, for example a custom domain "
            "(AWS_API_GATEWAY_WEBSOCKET_ENDPOINT)."
        ),
    ] = None
    throttling_rate_limit: Annotated[float, Meta(gt=0, description="Messages per second of the stage.")] = (
        float(API_REQUESTS.rate_per_s)
    )
    throttling_burst_limit: Annotated[int, Meta(gt=0, description="Burst of the stage.")] = API_REQUESTS.burst
    integration_timeout_ms: Annotated[
        int,
        Meta(
            ge=MIN_INTEGRATION_TIMEOUT_MS, le=MAX_INTEGRATION_TIMEOUT_MS, description="Integration time-out."
        ),
    ] = MAX_INTEGRATION_TIMEOUT_MS

    def canonical_values(self) -> dict[str, Any]:
        """Without a name that is not set: digests in plans that 0.1.0 saved know nothing of it."""
        return {
            name: value for name, value in super().canonical_values().items() if value or name != "api_name"
        }


class ConnectionsSettings(Section, frozen=True):
    """The DynamoDB table of open connections."""

    table_name: Annotated[
        str, Meta(pattern=f"^{TABLE_NAME_PATTERN}$", description="Table name (CONNECTIONS_TABLE).")
    ] = "websocket-connections"
    ttl_hours: Annotated[
        int, Meta(ge=1, le=24 * 365, description="A connection's row expires after this time.")
    ] = 24
    point_in_time_recovery: Annotated[bool, Meta(description="Continuous backups of the table.")] = False
    deletion_protection: Annotated[bool, Meta(description="Refuse DeleteTable.")] = False


class AuthSettings(Section, frozen=True):
    """How a client proves who it is when it connects."""

    secret_parameter: Annotated[
        ParameterName | None,
        Meta(
            description="SSM parameter (SecureString) with the HS256 secret. Default: /whatschat-ops/<stack>-<environment>/jwt-secret.",
        ),
    ] = None
    token_ttl_minutes: Annotated[
        int, Meta(ge=1, description="Life of the tokens that `token mint` makes.")
    ] = 60


class ChimeSettings(Section, frozen=True):
    """Chime SDK meetings."""

    enabled: Annotated[bool, Meta(description="AWS_CHIME_ENABLED of the application.")] = True
    region: Annotated[
        ChimeControlRegion,
        Meta(description="Control Region: where meetings are made and deleted (AWS_CHIME_REGION)."),
    ] = "us-east-1"
    media_region: Annotated[
        ChimeMediaRegion, Meta(description="Where the media of a meeting is hosted (AWS_CHIME_MEDIA_REGION).")
    ] = "us-east-1"
    ledger_table_name: Annotated[
        str,
        Meta(
            pattern=f"^{TABLE_NAME_PATTERN}$",
            description="Table of the meetings that we made (Chime itself cannot list them).",
        ),
    ] = "chime-meetings"
    events: Annotated[
        bool,
        Meta(
            description="Write the events of meetings and attendees to a log group of the control Region"
            " (EventBridge rule of the source aws.chime); attendee-minutes are measured with them."
        ),
    ] = False
    signalling: Annotated[
        bool,
        Meta(
            description="Let the built-in default function make, join and end meetings for its users (docs/protocol.md)."
        ),
    ] = False
    signalling_meetings_per_user: Annotated[
        int, Meta(ge=1, le=100, description="Meetings that one user can have open through signalling.")
    ] = 5

    def canonical_values(self) -> dict[str, Any]:
        """Without what is not set: saved plans of earlier versions do not have it."""
        set_ = {
            "events": self.events,
            "signalling": self.signalling,
            "signalling_meetings_per_user": self.signalling,
        }
        return {name: value for name, value in super().canonical_values().items() if set_.get(name, True)}


class DistributedSettings(Section, frozen=True):
    """Broadcasting from Lambda functions under a Step Functions Distributed Map, for more than one machine can send."""

    enabled: Annotated[bool, Meta(description="Provision the state machine, the worker and the bucket.")] = (
        False
    )
    shard_connections: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Connections in one shard, which one worker sends to.")
    ] = 25_000
    workers: Annotated[
        int, Meta(ge=1, le=1_000, description="Workers at once; they share the rate evenly.")
    ] = 10
    reserved_concurrency: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Concurrent executions of the account that are kept for the workers, and that they cannot exceed; as many as "
            "`workers` or more. Empty: they share the account's with all functions.",
        ),
    ] = None
    memory_mb: Annotated[
        int,
        Meta(
            ge=MIN_FUNCTION_MEMORY_MB,
            le=MAX_FUNCTION_MEMORY_MB,
            description="Memory of the worker (1,769 MB is one vCPU).",
        ),
    ] = 1_024
    tolerated_failure_percentage: Annotated[
        float, Meta(ge=0, le=100, description="Shards that may fail before the state machine stops.")
    ] = 0.0

    def canonical_values(self) -> dict[str, Any]:
        """Without what is not set and not of 0.1.0: digests in saved plans stay as they are."""
        found = super().canonical_values()
        return {
            name: value
            for name, value in found.items()
            if value is not None or name != "reserved_concurrency"
        }


class BroadcastSettings(Section, frozen=True):
    """`ws broadcast`: one message to many connections."""

    rate_limit_per_s: Annotated[
        Rate | None,
        Meta(
            description=f"Posts per second. Empty: the account limit of the Region ({API_REQUESTS.rate_per_s:,.0f}; "
            f"{API_REQUESTS_OF_SMALL_REGIONS.rate_per_s:,.0f} in newer Regions).",
        ),
    ] = None
    burst_limit: Annotated[
        Burst | None,
        Meta(
            description="Posts at once after a pause. Empty: that of the Region "
            f"({API_REQUESTS.burst:,} or {API_REQUESTS_OF_SMALL_REGIONS.burst:,})."
        ),
    ] = None
    tcp_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=500,
            description="Posts in flight at most. Each takes as long as API Gateway answers: 10,000 per second at 25 ms need 250.",
        ),
    ] = 256
    max_attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts for one connection.")] = 8
    deadline_s: Annotated[
        float, Meta(gt=0, description="A connection is given up this long after its first attempt.")
    ] = 30.0
    distributed: DistributedSettings = DistributedSettings()


class FrontendSettings(Section, frozen=True):
    """What the web application is told."""

    websocket_mode: Annotated[
        Literal["socketio", "apigateway", "simulated"],
        Meta(description="NEXT_PUBLIC_WEBSOCKET_MODE. Default while websocket.enabled is false: socketio."),
    ] = "apigateway"
    webrtc_mode: Annotated[
        Literal["native", "chime", "simulated"],
        Meta(description="NEXT_PUBLIC_WEBRTC_MODE. Default while chime.enabled is false: native."),
    ] = "chime"
    socket_io_url: Annotated[
        SocketUrl | None,
        Meta(
            description="NEXT_PUBLIC_SOCKET_IO_URL: the server of the mode socketio. "
            "Empty: the web client's own default, ws://localhost:3001."
        ),
    ] = None
    api_url: Annotated[
        Url | None, Meta(description="NEXT_PUBLIC_API_URL: the backend's HTTP API for the web client.")
    ] = None

    def canonical_values(self) -> dict[str, Any]:
        """Without URLs that are not set: digests in plans that 0.1.0 saved know nothing of them."""
        urls = ("socket_io_url", "api_url")
        return {
            name: value
            for name, value in super().canonical_values().items()
            if value is not None or name not in urls
        }


class IamSettings(Section, frozen=True):
    """The roles of the stack, for accounts whose administrators limit what roles may be made, or make them themselves."""

    permissions_boundary: Annotated[
        PolicyArn | None,
        Meta(
            description="Policy that limits every role that is made. Without one, a boundary set by others stays."
        ),
    ] = None
    role_path: Annotated[
        RolePath | None,
        Meta(
            description="What the IAM path of the roles begins with; the stack and its Region follow. Default: /whatschat-ops/."
        ),
    ] = None
    lambda_role: Annotated[
        RoleArn | None,
        Meta(
            description="Role that exists, for the three functions: it is neither made, changed nor deleted. "
            "`iam check lambda` says what it lacks."
        ),
    ] = None
    broadcast_worker_role: Annotated[
        RoleArn | None, Meta(description="The same for the worker of distributed broadcasts.")
    ] = None
    broadcast_states_role: Annotated[
        RoleArn | None, Meta(description="The same for the state machine of distributed broadcasts.")
    ] = None
    open_connections_role: Annotated[
        RoleArn | None, Meta(description="The same for the scheduled count of open connections.")
    ] = None


class LoggingSettings(Section, frozen=True):
    """What is written to logs."""

    user_ids: Annotated[
        Literal["plain", "hashed"],
        Meta(
            description="User ids in the lines of the built-in functions: as they are, or hashed (docs/operate.md). "
            "The application's own functions write what they write."
        ),
    ] = "plain"


class Settings(Section, frozen=True):
    """All settings of one environment."""

    environment: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Name of the environment.")
    ] = "local"
    stack: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Name of the stack; part of its tag.")
    ] = "whatschat"
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^([a-z][a-z0-9-]{0,20})?$",
            description="Put before every resource name, so that two environments can share an account.",
        ),
    ] = ""
    aws: AwsSettings = AwsSettings()
    local: LocalSettings = LocalSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    connections: ConnectionsSettings = ConnectionsSettings()
    lambda_: LambdaSettings = field(default=LambdaSettings(), name="lambda")
    auth: AuthSettings = AuthSettings()
    chime: ChimeSettings = ChimeSettings()
    broadcast: BroadcastSettings = BroadcastSettings()
    frontend: FrontendSettings = FrontendSettings()
    iam: IamSettings = IamSettings()
    logging: LoggingSettings = LoggingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    migration: MigrationSettings = MigrationSettings()

    def canonical(self, *, without: Collection[str] = ()) -> str:
        """Without later sections while nothing is set there: digests in plans that 0.1.0 saved know nothing of them."""
        later = ("iam", "logging", "monitoring", "migration")
        unset = {name for name in later if (section := getattr(self, name)) == type(section)()}
        return super().canonical(without={*without, *unset})
