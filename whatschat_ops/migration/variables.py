"""What each variable of the application is in each place of a migration, and when a change of it takes effect. Pure.

The variables are those of felixzhu97/whatschat at 03620be. With a share of 0 or 100 % the variables alone say it all; between
them the backend's variable is `true`, its reader (docs/reader) picks the users, and the web client asks the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from whatschat_ops.migration.phases import Phase
from whatschat_ops.migration.state import Place

WHOLE: Final = 100


class Effect(StrEnum):
    """When a changed value takes effect."""

    AT_ONCE = "at once"
    RESTART = "restart of the backend"
    BUILD = "build of the web client"


class Variable(Struct, frozen=True):
    """One variable. `setting` is what `env render` takes its value from. `value` of a place: `set`: as `env render` writes it."""

    name: str
    effect: Effect
    setting: str
    value: Callable[[Place], str]


class Switch(Struct, frozen=True):
    """A value that changes between two places. `before`: whether it is to be changed before the step, or may be after it."""

    name: str
    old: str
    new: str
    effect: Effect
    setting: str
    before: bool


def _chime(place: Place) -> int:
    return place.share(Phase.NEW_CALLS)


def _sockets(place: Place) -> int:
    return place.share(Phase.NEW_SOCKETS)


def _flag(share: int) -> str:
    return "true" if share else "false"


def _needed(share: int) -> str:
    return "set" if share else "not needed"


def _between(place: Place) -> bool:
    return any(0 < share < WHOLE for share in map(place.share, Phase))


VARIABLES: Final = (
    Variable("AWS_CHIME_ENABLED", Effect.RESTART, "chime.enabled", lambda at: _flag(_chime(at))),
    Variable("AWS_CHIME_REGION", Effect.RESTART, "chime.region", lambda at: _needed(_chime(at))),
    Variable("AWS_CHIME_MEDIA_REGION", Effect.RESTART, "chime.media_region", lambda at: _needed(_chime(at))),
    Variable(
        "AWS_API_GATEWAY_WEBSOCKET_ENABLED",
        Effect.RESTART,
        "websocket.enabled",
        lambda at: _flag(_sockets(at)),
    ),
    Variable(
        "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT",
        Effect.RESTART,
        "websocket.endpoint",
        lambda at: _needed(_sockets(at)),
    ),
    Variable("CONNECTIONS_TABLE", Effect.RESTART, "connections.table_name", lambda at: _needed(_sockets(at))),
    Variable("JWT_SECRET", Effect.RESTART, "auth.secret_parameter", lambda _at: "same for both"),
    Variable(
        "NEXT_PUBLIC_WEBRTC_MODE",
        Effect.BUILD,
        "frontend.webrtc_mode",
        lambda at: "chime" if _chime(at) == WHOLE else "native",
    ),
    Variable(
        "NEXT_PUBLIC_WEBSOCKET_MODE",
        Effect.BUILD,
        "frontend.websocket_mode",
        lambda at: "apigateway" if _sockets(at) == WHOLE else "socketio",
    ),
    Variable(
        "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT",
        Effect.BUILD,
        "websocket.endpoint",
        lambda at: _needed(_sockets(at)),
    ),
    Variable(
        "NEXT_PUBLIC_SOCKET_IO_URL",
        Effect.BUILD,
        "frontend.socket_io_url",
        lambda at: "not needed" if at.drained else "set",
    ),
    Variable(
        "NEXT_PUBLIC_API_URL",
        Effect.BUILD,
        "frontend.api_url",
        lambda at: "set, and asked for the mode" if _between(at) else "set",
    ),
)
"""Variables that no phase changes (AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT, keys) are not among them."""

SHARES: Final = "SSM parameter"


def switches(old: Place, new: Place) -> tuple[Switch, ...]:
    """What changes from one place to another: the parameter first, which acts at once, then variables in their order.

    What a step forward needs is set before it. What switches something follows after it: `true` without the parameter would
    mean all users, and on the way back the share acts at once.
    """
    changes = [
        Switch(
            each.name,
            each.value(old),
            each.value(new),
            each.effect,
            each.setting,
            _is_before(each.value(new)),
        )
        for each in VARIABLES
        if each.value(old) != each.value(new)
    ]
    parameter = Switch(SHARES, old.words, new.words, Effect.AT_ONCE, "", before=False)
    return (*([parameter] if old != new else []), *changes)


def _is_before(value: str) -> bool:
    return value.startswith("set")


def table(places: Sequence[Place]) -> list[list[str]]:
    """Each variable's values in these places, and its effect: the rows of the table in docs/migrate.md."""
    return [[each.name, *(each.value(at) for at in places), each.effect.value] for each in VARIABLES]
