"""Settings that contradict each other, and defaults that follow from other settings. Pure.

A mode of the web client needs its service. Where only the service is disabled, the default of the mode follows; where both
are given, the settings are refused. The guide's migration runs on Socket.IO and native WebRTC until a service is enabled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from whatschat_ops.config.located import DEFAULT, Located
from whatschat_ops.config.section import BOOLEAN_WORDS
from whatschat_ops.config.settings import Settings
from whatschat_ops.errors import ConfigError


class ModeOfService(NamedTuple):
    """`mode_key: mode` needs `service_key: true`. `otherwise` is the default of the mode while the service is disabled."""

    mode_key: str
    mode: str
    service_key: str
    otherwise: str


MODES_OF_SERVICES: Final = (
    ModeOfService("frontend.websocket_mode", "apigateway", "websocket.enabled", "socketio"),
    ModeOfService("frontend.webrtc_mode", "chime", "chime.enabled", "native"),
)


def implied_defaults(values: Mapping[str, Located]) -> dict[str, Located]:
    """Dotted key -> the default of a mode whose service is disabled."""
    return {
        rule.mode_key: Located(rule.otherwise, DEFAULT)
        for rule in MODES_OF_SERVICES
        if rule.mode_key not in values and _is_false(values.get(rule.service_key))
    }


def refuse_contradictions(settings: Settings, values: Mapping[str, Located]) -> None:
    """Raises ConfigError that names every pair of given values that contradict each other, with their origins."""
    problems = [
        *_modes_without_service(settings, values),
        *_two_targets(settings, values),
        *_signalling_without_service(settings, values),
    ]
    if problems:
        raise ConfigError("\n".join(problem for problem, _ in problems), hint=problems[0][1])


def _modes_without_service(settings: Settings, values: Mapping[str, Located]) -> Iterator[tuple[str, str]]:
    enabled = {"websocket.enabled": settings.websocket.enabled, "chime.enabled": settings.chime.enabled}
    modes = {
        "frontend.websocket_mode": settings.frontend.websocket_mode,
        "frontend.webrtc_mode": settings.frontend.webrtc_mode,
    }
    for rule in MODES_OF_SERVICES:
        if modes[rule.mode_key] == rule.mode and not enabled[rule.service_key]:
            yield (
                f"{values[rule.mode_key].origin}: {rule.mode_key}: {rule.mode} needs {rule.service_key}: true, "
                f"which is false ({values[rule.service_key].origin}).",
                f"Set {rule.service_key}: true, or {rule.mode_key}: {rule.otherwise}.",
            )


def _signalling_without_service(
    settings: Settings, values: Mapping[str, Located]
) -> Iterator[tuple[str, str]]:
    """Signalling is served by the built-in default function, with Chime."""
    if not settings.chime.signalling:
        return
    said = f"{values['chime.signalling'].origin}: chime.signalling: true needs"
    if not settings.chime.enabled:
        yield (
            f"{said} chime.enabled: true, which is false ({values['chime.enabled'].origin}).",
            "Set chime.enabled: true, or chime.signalling: false.",
        )
    if settings.lambda_.source.path:
        yield (
            f"{said} the built-in functions, but lambda.source.path names others "
            f"({values['lambda.source.path'].origin}).",
            "Set chime.signalling: false, and serve the messages about meetings in your own functions.",
        )


def _two_targets(settings: Settings, values: Mapping[str, Located]) -> Iterator[tuple[str, str]]:
    """The embedded AWS and another endpoint. One that the shell exports is no decision: `local env` prints it."""
    endpoint = values.get("aws.endpoint_url")
    given = endpoint is not None and not str(endpoint.origin).startswith("environment")
    if settings.local.enabled and settings.aws.endpoint_url and endpoint is not None and given:
        yield (
            f"{endpoint.origin}: aws.endpoint_url: {settings.aws.endpoint_url} is another AWS than the embedded one, "
            f"which local.enabled: true means ({values['local.enabled'].origin}).",
            "Set local.enabled: false, or leave aws.endpoint_url out.",
        )


def _is_false(given: Located | None) -> bool:
    """Whether a value that may not be valid yet means false, as `validate` reads it."""
    return given is not None and BOOLEAN_WORDS.get(str(given.value).lower()) is False
