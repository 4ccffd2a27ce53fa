"""A .env file held against the stack: every variable that does not fit, and what to do about it. Pure.

Each rule takes an `ApplicationFile` and the `Stack`'s variables, and yields `Mismatch`es. What the application does with
the variables: felixzhu97/whatschat at 03620be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from whatschat_ops.config import Settings
from whatschat_ops.endpoint import normalise
from whatschat_ops.environment.variables import Side, Variable
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.quotas import CHIME_CONTROL_REGIONS
from whatschat_ops.redaction import Secret, redact

CHIME_PACKAGE: Final = "amazon-chime-sdk-js"
BACKEND_ENDPOINT: Final = "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT"
FRONTEND_ENDPOINT: Final = "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT"
WEBSOCKET_MODE: Final = "NEXT_PUBLIC_WEBSOCKET_MODE"
WEBRTC_MODE: Final = "NEXT_PUBLIC_WEBRTC_MODE"
_LONGEST_SHOWN: Final = 120


class Status(StrEnum):
    """Whether the application fails because of it, or may."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A variable that does not fit the stack (`detail` names no secret), and what to do about it."""

    variable: str
    status: Status
    detail: str
    fix: Hint


@dataclass(frozen=True, slots=True)
class ApplicationFile:
    """A .env file: its values, and the packages of the package.json beside it (None: there is none).

    `faulty_adapter` is the web client's Chime adapter, if it reads events as at commit 03620be (docs/protocol.md, "Meetings").
    """

    path: Path
    side: Side
    values: Mapping[str, str]
    packages: Collection[str] | None = None
    faulty_adapter: Path | None = None

    def get(self, name: str) -> str:
        """The value; "" when it is not set, as the application reads it."""
        return self.values.get(name, "")

    @property
    def rendering(self) -> Hint:
        """The command that writes the stack's values into this file."""
        return Hint(("env", "render", self.side.value, "--output", str(self.path)))


def compare(file: ApplicationFile, settings: Settings, variables: tuple[Variable, ...]) -> list[Mismatch]:
    """What does not fit: rules that know the reason first, then every other difference from `variables` of its side."""
    special = [*(_backend_rules(file) if file.side is Side.BACKEND else _frontend_rules(file, settings))]
    explained = {mismatch.variable for mismatch in special}
    rest = (_difference(file, variable) for variable in variables if variable.name not in explained)
    return [*special, *(mismatch for mismatch in rest if mismatch)]


def _difference(file: ApplicationFile, variable: Variable) -> Mismatch | None:
    """How the value differs from the stack's. Placeholders take any value; secrets are not compared here."""
    found, wanted = file.get(variable.name), variable.value
    if variable.absent and found:
        detail = f"is {_shown(found)}, but the stack is in an AWS account: the SDK would call another AWS."
    elif wanted is None or isinstance(wanted, Secret) or found == wanted:
        return None
    elif not found:
        if wanted == "false":  # the application takes a flag that is not set for false
            return None
        detail = f"is not set; the stack's is {wanted}."
    elif variable.name in (BACKEND_ENDPOINT, FRONTEND_ENDPOINT):
        detail = _endpoint_difference(found, wanted)
    else:
        detail = f"is {_shown(found)}; the stack's is {wanted}."
    return Mismatch(variable.name, Status.FAIL, detail, file.rendering)


def _endpoint_difference(found: str, wanted: str) -> str:
    try:
        endpoint = normalise(found, stage=wanted.rpartition("/")[2])
    except UsageError as error:
        return error.message
    if wanted not in (endpoint.websocket_url, endpoint.callback_url):
        return f"is {_shown(found)}, another API or stage than the stack's {wanted}."
    scheme, needed = urlsplit(found.strip()).scheme, urlsplit(wanted).scheme
    if scheme == needed:
        return f"is {_shown(found)}; the application uses it as it stands, so it must be {wanted}."
    reason = (
        "it is passed to new WebSocket, and many browsers take ws and wss only"
        if needed in ("ws", "wss")
        else "the backend calls @connections with HTTP requests"
    )
    return f"begins with {scheme} where {needed} is needed: {reason}."


def _frontend_rules(file: ApplicationFile, settings: Settings) -> Iterator[Mismatch]:
    yield from _websocket_mode(file, settings)
    if file.get(WEBRTC_MODE) != "chime":
        return
    if not settings.chime.enabled:
        yield Mismatch(
            WEBRTC_MODE,
            Status.FAIL,
            "is chime, but the stack's Chime SDK is disabled (chime.enabled).",
            file.rendering,
        )
    elif file.packages is not None and CHIME_PACKAGE not in file.packages:
        yield Mismatch(
            WEBRTC_MODE,
            Status.FAIL,
            f"is chime, but {file.path.parent / 'package.json'} has no {CHIME_PACKAGE}.",
            Hint(text=f"cd {file.path.parent} && pnpm add {CHIME_PACKAGE}"),
        )
    elif file.get(WEBSOCKET_MODE) == "simulated":
        yield Mismatch(
            WEBRTC_MODE,
            Status.WARN,
            f"is chime, but with {WEBSOCKET_MODE}=simulated no message that creates a meeting leaves the browser.",
            Hint(text="Set frontend.webrtc_mode: simulated, too."),
        )
    elif file.faulty_adapter is not None:
        yield Mismatch(
            WEBRTC_MODE,
            Status.FAIL,
            f"is chime, but {file.faulty_adapter} takes meeting and attendee from the event of the WebSocket adapter instead of "
            "from the event's data, so no server can start a Chime call in it.",
            Hint(
                text="Let its handlers read data.data.meeting, data.data.attendee and data.data.attendeeId."
            ),
        )


def _websocket_mode(file: ApplicationFile, settings: Settings) -> Iterator[Mismatch]:
    mode = file.get(WEBSOCKET_MODE)
    if mode == "socketio":
        yield Mismatch(
            WEBSOCKET_MODE,
            Status.FAIL,
            "is socketio: there the web client opens a bare WebSocket and speaks no Socket.IO, so the server refuses it.",
            file.rendering
            if settings.frontend.websocket_mode == "apigateway"
            else Hint(file.rendering.argv, "Set frontend.websocket_mode: apigateway, then write the file"),
        )
    elif mode == "apigateway" and not settings.websocket.enabled:
        yield Mismatch(
            WEBSOCKET_MODE,
            Status.FAIL,
            "is apigateway, but the stack's WebSocket API is disabled (websocket.enabled).",
            file.rendering,
        )


def _backend_rules(file: ApplicationFile) -> Iterator[Mismatch]:
    yield from _credentials(file)
    region, chime_region = file.get("AWS_REGION"), file.get("AWS_CHIME_REGION")
    if file.get("AWS_CHIME_ENABLED") != "true" or not region or not chime_region or region == chime_region:
        return
    served = region in CHIME_CONTROL_REGIONS
    outcome = "so its meetings are not where these commands look" if served else "which has no Chime SDK"
    yield Mismatch(
        "AWS_CHIME_REGION",
        Status.WARN if served else Status.FAIL,
        f"is {_shown(chime_region)}, but ChimeService calls AWS_REGION, {_shown(region)}, {outcome}.",
        Hint(text="Let ChimeService read AWS_CHIME_REGION, or give aws.region and chime.region one value."),
    )


def _credentials(file: ApplicationFile) -> Iterator[Mismatch]:
    """Keys that AWS refuses. AKIA begins a permanent key's id, ASIA a temporary one's (IAM user guide, "unique identifiers")."""
    key_id, secret = file.get("AWS_ACCESS_KEY_ID"), file.get("AWS_SECRET_ACCESS_KEY")
    token = file.get("AWS_SESSION_TOKEN")
    if bool(key_id) != bool(secret):
        lacking = "AWS_SECRET_ACCESS_KEY" if key_id else "AWS_ACCESS_KEY_ID"
        detail = "is not set, but the other half of the access key is."
        yield Mismatch(lacking, Status.FAIL, detail, Hint(text="Set both, or neither to use a profile."))
    elif key_id.startswith("ASIA") and not token:
        yield Mismatch(
            "AWS_SESSION_TOKEN",
            Status.FAIL,
            "is not set, but the access key is a temporary one.",
            Hint(text="Set the session token that belongs to the key."),
        )
    elif key_id.startswith("AKIA") and token:
        yield Mismatch(
            "AWS_SESSION_TOKEN",
            Status.FAIL,
            "is set, but the access key is a permanent one: AWS refuses them together.",
            Hint(text="Remove AWS_SESSION_TOKEN."),
        )


def _shown(value: str) -> str:
    """A value that is no secret, without any that is in it."""
    shown = redact(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 3]}..."
