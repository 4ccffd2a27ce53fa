"""The one settings model. Its docstrings and descriptions are the configuration reference.

Every field has a default, so that no file at all means: the embedded AWS with the guide's names.
"""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from collections.abc import Collection
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from whatschat_ops.config.broadcast_settings import BroadcastSettings
from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.config.local_settings import LocalSettings
from whatschat_ops.config.migration_settings import MigrationSettings
from whatschat_ops.config.monitoring_settings import MonitoringSettings
from whatschat_ops.config.section import Section
from whatschat_ops.quotas import (
    API_REQUESTS,
    CHIME_CONTROL_REGIONS,
    CHIME_MEDIA_REGIONS,
    MAX_INTEGRATION_TIMEOUT_MS,
    MIN_INTEGRATION_TIMEOUT_MS,
    STAGE_PATTERN,
    TABLE_NAME_PATTERN,
)

ParameterName = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_./-]+$")]
Url = Annotated[str, Meta(pattern=r"^https?://")]
SocketUrl = Annotated[str, Meta(pattern=r"^(wss?|https?)://")]
ApiName = Annotated[str, Meta(min_length=1, max_length=128)]
RoleArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
PolicyArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$")]
RolePath = Annotated[str, Meta(pattern=r"^/([\w+=,.@-]+/)*$", max_length=300)]

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
