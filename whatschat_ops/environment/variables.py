"""The guide's variables, with the values of a provisioned stack.

Input: settings, `StackOutputs`, and secrets if they are to be shown. Output: variables in the guide's order. Makes no
call. A variable without a value is a placeholder for the user to fill in.
"""

from __future__ import annotations

from dataclasses import dataclass

from whatschat_ops.config import Settings
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.outputs import StackOutputs


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
    key_id = secrets.access_key_id if secrets.secret_access_key else None
    return (
        Variable(
            "AWS_API_GATEWAY_WEBSOCKET_ENABLED", _flag(settings.websocket.enabled), section="WebSocket API"
        ),
        Variable("AWS_API_GATEWAY_WEBSOCKET_ENDPOINT", outputs.callback_url),
        Variable("CONNECTIONS_TABLE", outputs.connections_table),
        Variable("AWS_CHIME_ENABLED", _flag(settings.chime.enabled), section="Chime SDK"),
        Variable("AWS_CHIME_REGION", settings.chime.region),
        Variable("AWS_CHIME_MEDIA_REGION", settings.chime.media_region),
        Variable("AWS_REGION", outputs.region, section="AWS"),
        Variable(
            "AWS_ENDPOINT_URL",
            endpoint_url,
            "Endpoint of the embedded AWS; not needed with an AWS account.",
            absent=endpoint_url is None,
        ),
        Variable("AWS_ACCESS_KEY_ID", key_id, "Not needed with a profile or an instance role."),
        Variable("AWS_SECRET_ACCESS_KEY", secrets.secret_access_key),
        Variable(
            "JWT_SECRET",
            secrets.jwt_secret,
            "Signs the users' tokens; the functions read the same secret from SSM.",
            section="Tokens",
        ),
    )


def frontend_variables(settings: Settings, outputs: StackOutputs) -> tuple[Variable, ...]:
    """Variables of the frontend's `.env.local`. They are public: browsers receive them."""
    return (
        Variable(
            "NEXT_PUBLIC_WEBSOCKET_MODE",
            settings.frontend.websocket_mode,
            "socketio, apigateway or simulated",
            section="WebSocket",
        ),
        Variable(
            "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT",
            outputs.callback_url,
            f"For the WebSocket constructor: {outputs.websocket_url}",
        ),
        Variable(
            "NEXT_PUBLIC_WEBRTC_MODE",
            settings.frontend.webrtc_mode,
            "native, chime or simulated",
            section="WebRTC",
        ),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
