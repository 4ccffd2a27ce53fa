"""What AWS documents of a transcription's configuration besides the shapes, and why none starts here. Pure.

Source: API reference, EngineTranscribeSettings and TranscriptionConfiguration (texts of botocore's model).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.chime.fault import ChimeFault, bad_request

Settings = Mapping[str, Any]

_REDACTION: Final = ("ContentIdentificationType", "ContentRedactionType")


def _languages(settings: Settings) -> list[str]:
    return [code.strip() for code in settings.get("LanguageOptions", "").split(",")]


_RULES: Final[tuple[tuple[str, Callable[[Settings], bool]], ...]] = (
    (
        "Either LanguageCode or IdentifyLanguage must be included",
        lambda given: bool(given.get("LanguageCode")) is not bool(given.get("IdentifyLanguage")),
    ),
    (
        "ContentIdentificationType and ContentRedactionType cannot both be set",
        lambda given: not all(map(given.get, _REDACTION)),
    ),
    (
        "PiiEntityTypes needs ContentIdentificationType or ContentRedactionType",
        lambda given: not given.get("PiiEntityTypes") or any(map(given.get, _REDACTION)),
    ),
    (
        "IdentifyLanguage cannot be combined with LanguageModelName or ContentRedactionType",
        lambda given: (
            not given.get("IdentifyLanguage")
            or not (given.get("LanguageModelName") or given.get("ContentRedactionType"))
        ),
    ),
    (
        "LanguageOptions needs IdentifyLanguage",
        lambda given: not given.get("LanguageOptions") or bool(given.get("IdentifyLanguage")),
    ),
    (
        "LanguageOptions must have two or more language codes, one dialect per language",
        lambda given: (
            not given.get("LanguageOptions")
            or 2 <= len(_languages(given)) == len({code.partition("-")[0] for code in _languages(given)})
        ),
    ),
    (
        "PreferredLanguage must be one of LanguageOptions",
        lambda given: not given.get("PreferredLanguage") or given["PreferredLanguage"] in _languages(given),
    ),
)


def check(configuration: Mapping[str, Any]) -> None:
    """Raise BadRequestException for a configuration that Chime does not accept."""
    given = [
        name
        for name in ("EngineTranscribeSettings", "EngineTranscribeMedicalSettings")
        if configuration.get(name) is not None
    ]
    if len(given) != 1:
        raise bad_request(
            "TranscriptionConfiguration must contain EngineTranscribeSettings or EngineTranscribeMedicalSettings"
        )
    settings = configuration.get("EngineTranscribeSettings")
    broken = [rule for rule, holds in _RULES if settings is not None and not holds(settings)]
    if broken:
        raise bad_request("; ".join(broken))


def refusal(operation: str) -> ChimeFault:
    """The error of both operations: there is nothing to transcribe."""
    return ChimeFault(
        "UnprocessableEntityException",
        f"{operation} is refused: the embedded AWS does not transcribe, because its meetings have no media",
    )
