"""The guide's variables, with the values of a provisioned stack.

Input: settings, `StackOutputs`, and secrets if they are to be shown. Output: variables in the guide's order. Makes no
call. A variable without a value is a placeholder for the user to fill in.

Who reads what: felixzhu97/whatschat at 03620be, the commit that the guide belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from whatschat_ops.config import Settings
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.outputs import StackOutputs


class Side(StrEnum):
    """A side of the application."""

    BACKEND = "backend"
    FRONTEND = "frontend"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a .env file. `value` None: a placeholder that is written as a comment."""

    name: str
    value: str | Secret | None
    comment: str = ""
    section: str = ""
    """The heading above it, where a section begins."""
    absent: bool = False
    """It must not be set; a value in an existing file is commented out."""
    read_by: str = ""
    """What in the application reads it."""


@dataclass(frozen=True, slots=True)
class BackendSecrets:
    """Secrets of the backend's file. None: a placeholder."""

    access_key_id: str | None = None
    secret_access_key: Secret | None = None
    jwt_secret: Secret | None = None


def backend_variables(
    settings: Settings, outputs: StackOutputs, secrets: BackendSecrets, *, endpoint_url: str | None
) -> tuple[Variable, ...]:
    """Variables of the backend's `.env`. `endpoint_url`: that of an emulator; None for AWS."""
    return (
        *_websocket_variables(settings, outputs),
        *_chime_variables(settings, outputs),
        *_aws_variables(outputs, secrets, endpoint_url),
        Variable(
            "JWT_SECRET",
            secrets.jwt_secret,
            "Signs the users' tokens; the functions read the same secret from SSM.",
            section="Tokens",
            read_by="the backend's sign-in",
        ),
    )


def frontend_variables(settings: Settings, outputs: StackOutputs) -> tuple[Variable, ...]:
    """Variables of the frontend's `.env.local`. They are public: browsers receive them."""
    frontend = settings.frontend
    return (
        Variable(
            "NEXT_PUBLIC_WEBSOCKET_MODE",
            frontend.websocket_mode,
            "socketio, apigateway or simulated",
            section="WebSocket",
            read_by="the WebSocket adapter",
        ),
        # Passed to `new WebSocket` as it stands, and older browsers take ws and wss only there.
        Variable(
            "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT",
            outputs.websocket_url,
            read_by="the WebSocket adapter (mode apigateway)",
        ),
        Variable(
            "NEXT_PUBLIC_SOCKET_IO_URL",
            frontend.socket_io_url,
            "For the mode socketio; without it ws://localhost:3001.",
            read_by="the WebSocket adapter (mode socketio)",
        ),
        Variable(
            "NEXT_PUBLIC_WEBRTC_MODE",
            frontend.webrtc_mode,
            "native, chime or simulated",
            section="WebRTC",
            read_by="the WebRTC adapter",
        ),
        Variable(
            "NEXT_PUBLIC_API_URL",
            frontend.api_url,
            "The backend's HTTP API.",
            section="Backend",
            read_by="the HTTP client",
        ),
    )


def _websocket_variables(settings: Settings, outputs: StackOutputs) -> tuple[Variable, ...]:
    return (
        Variable(
            "AWS_API_GATEWAY_WEBSOCKET_ENABLED",
            _flag(settings.websocket.enabled),
            section="WebSocket API",
            read_by="`ApiGatewayWebSocketService`",
        ),
        Variable(
            "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT",
            outputs.callback_url,
            read_by="`ApiGatewayWebSocketService` (@connections)",
        ),
        Variable(
            "CONNECTIONS_TABLE",
            outputs.connections_table,
            read_by="the functions, which `provision` gives it; the guide lists it for the backend",
        ),
    )


def _chime_variables(settings: Settings, outputs: StackOutputs) -> tuple[Variable, ...]:
    region = settings.chime.region
    return (
        Variable(
            "AWS_CHIME_ENABLED",
            _flag(settings.chime.enabled),
            section="Chime SDK",
            read_by="`ChimeService`",
        ),
        Variable(
            "AWS_CHIME_REGION",
            region,
            "" if region == outputs.region else "ChimeService calls AWS_REGION, not this.",
            read_by="nothing (`ChimeService` calls AWS_REGION); the guide lists it",
        ),
        Variable("AWS_CHIME_MEDIA_REGION", settings.chime.media_region, read_by="`ChimeService`"),
    )


def _aws_variables(
    outputs: StackOutputs, secrets: BackendSecrets, endpoint_url: str | None
) -> tuple[Variable, ...]:
    key_id = secrets.access_key_id if secrets.secret_access_key else None
    return (
        Variable("AWS_REGION", outputs.region, section="AWS", read_by="the AWS SDK, `ChimeService`"),
        Variable(
            "AWS_ENDPOINT_URL",
            endpoint_url,
            "Endpoint of the embedded AWS; not needed with an AWS account.",
            absent=endpoint_url is None,
            read_by="the AWS SDK",
        ),
        Variable(
            "AWS_ENDPOINT",
            endpoint_url,
            absent=endpoint_url is None,
            read_by="the backend's own wrapper of the AWS SDK",
        ),
        Variable(
            "AWS_ACCESS_KEY_ID",
            key_id,
            "Not needed with a profile or an instance role.",
            read_by="the AWS SDK",
        ),
        Variable("AWS_SECRET_ACCESS_KEY", secrets.secret_access_key, read_by="the AWS SDK"),
        # The embedded AWS's key is permanent: AWS refuses such a key with a session token.
        Variable(
            "AWS_SESSION_TOKEN",
            None,
            "With temporary credentials only.",
            absent=key_id is not None,
            read_by="the AWS SDK",
        ),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
