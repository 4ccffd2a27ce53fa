"""Answers of AWS as fixtures: a JSON file for each question, in which what is of this account, run or moment is a placeholder.

A text that still looks like an id, a time or a secret is never written: `leftovers` finds it, and the file says so instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from whatschat_ops.redaction import REDACTED, redact

SECRETS: Final = re.compile(
    r"(?i).*(secret|password|token|url)|SecretAccessKey|Location|ReceiptHandle|CodeSha256|ETag"
)
IDS: Final = re.compile(
    r"(Api|Connection|Integration|Route|RouteResponse|IntegrationResponse|Deployment|Authorizer|Meeting|Attendee|Request|"
    r"Revision|User|Role|Policy|AccessKey|Message|Event|Version|Query|Stack|Statement|ExtendedRequest)Id$|UUID$",
    re.IGNORECASE,
)
NAMED_BY_US: Final = {"ExternalMeetingId", "ExternalUserId", "StatementId", "VersionId"}
SHAPES: Final[tuple[tuple[str, str], ...]] = (
    (r"wl-[0-9a-f]{12}-?", "<run>"),
    (r"\b(?:AKIA|ASIA|AROA|AIDA|ANPA)[A-Z0-9]{12,}", "<key>"),
    (r"\b[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\b", "<uuid>"),
    (r"\b[0-9a-f]{32,64}\b", "<hex>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b\d\d?/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r"(?:wss?|https?)://(?:127\.0\.0\.1:\d+|[\w.-]+\.amazonaws\.com)[^\s\"'\\]*", "<url>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "<ip>"),
    (r"(?<![\d.])\d{12}(?![\d])", "<account>"),
    (r"(?<![\d.])1[4-9]\d{8}(?:\d{3})?(?:\.\d+)?(?!\d)", "<time>"),
    (r"[A-Za-z0-9_-]{11,15}=(?![\w=])", "<ConnectionId>"),
    (r"\b(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d\b", "<region>"),
)  # fmt: skip
"""What is an id, a time or an address by its form, and what replaces it. In this order."""

Exchange = dict[str, Any]


class Placeholders:
    """Replaces what is not the same tomorrow. Remembers ids by their keys, and finds them in every text afterwards."""

    def __init__(self, *known_secrets: str) -> None:
        self._known = {secret: "<secret>" for secret in known_secrets if secret}

    def clean(self, value: Any, key: str = "") -> Any:
        """The value without ids, as JSON has it."""
        match value:
            case Mapping():
                return {self._text(str(name)): self.clean(each, str(name)) for name, each in value.items()}
            case list() | tuple():
                return [self.clean(each, key) for each in value]
            case bytes() | bytearray():
                return "<bytes>"
            case date():
                return "<time>"
            case None | bool():
                return value
            case int() | float():
                return self._number(value)
            case str():
                return self._string(value, key)
        return f"<{type(value).__name__}>"  # a stream, which the test reads

    def _number(self, value: float) -> Any:
        text = self._text(repr(value))
        return value if text == repr(value) else text

    def _string(self, value: str, key: str) -> str:
        if SECRETS.fullmatch(key) and value:
            return REDACTED
        if IDS.search(key) and key not in NAMED_BY_US and len(value) > 5 and not value.startswith("<"):
            self._known[value] = f"<{key}>"
        return self._text(value)

    def _text(self, text: str) -> str:
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, self._known[known])
        text = redact(text)
        for shape, placeholder in SHAPES:
            text = re.sub(shape, placeholder, text)
        return text


def leftovers(text: str) -> list[str]:
    """What looks like an id, a time or a secret."""
    found = [match.group() for shape, _ in SHAPES for match in re.finditer(shape, text)]
    return found if redact(text) == text else [*found, "a secret"]


class Recorder:
    """Writes the exchanges of each question to `directory`; None: keeps none."""

    def __init__(self, directory: Path | None, placeholders: Placeholders) -> None:
        self._directory, self._placeholders = directory, placeholders
        self._exchanges: list[Exchange] = []

    def watch(self, client: Any) -> None:
        """Record what a client sends and gets."""
        if self._directory is not None:
            client.meta.events.register("provide-client-params", self._asked)
            client.meta.events.register("after-call", self._answered)

    def _asked(self, params: Any, context: dict[str, Any], **_: Any) -> None:
        context["live_request"] = params

    def _answered(self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        # By their keys, ids of the response are known before they are looked for in the request.
        body = {name: value for name, value in parsed.items() if name not in ("ResponseMetadata", "Error")}
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode")
        answer = {"error": parsed["Error"]} if "Error" in parsed else {"response": body}
        cleaned = self._placeholders.clean({**answer, "status": status})
        request = self._placeholders.clean(context.get("live_request", {}))
        place = {"service": model.service_model.service_name, "operation": model.name}
        self._exchanges.append({**place, "request": request, **cleaned})

    def finish(self, question: str, answer: str) -> None:
        """Write what was exchanged since the last question."""
        exchanges, self._exchanges = self._exchanges, []
        if self._directory is None or not exchanges:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        kept = [each for each in exchanges if not leftovers(json.dumps(each))]
        document = {
            "question": question,
            "answer": self._placeholders.clean(answer),
            "exchanges": kept,
            "not_recorded": len(exchanges) - len(kept),
        }
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        name = re.sub(r"[^a-z0-9]+", "-", question.casefold())[-150:].strip("-")
        (self._directory / f"{name}.json").write_text(text, encoding="utf-8")


def compare(aws: Path, embedded: Path) -> Iterator[str]:
    """Where the answers of two runs differ in shape, one line each."""
    for path in sorted({each.name for directory in (aws, embedded) for each in directory.glob("*.json")}):
        sides = [directory / path for directory in (aws, embedded)]
        if not all(side.exists() for side in sides):
            yield f"{path}: asked in one run only"
            continue
        first, second = (_by_operation(json.loads(side.read_text("utf-8"))["exchanges"]) for side in sides)
        for name in sorted(first.keys() & second.keys()):
            yield from (f"{path}: {name}{line}" for line in _differences(first[name], second[name]))


def _by_operation(exchanges: list[Exchange]) -> dict[str, Any]:
    """The shape of each exchange, by operation and how often it was called before."""
    found: dict[str, Any] = {}
    for each in exchanges:
        name, number = f"{each['service']}.{each['operation']}", 1
        while f"{name} {number}" in found:
            number += 1
        error = each.get("error", {}).get("Code")
        found[f"{name} {number}"] = {"error": error} if error else _shape(each.get("response"))
    return found


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "time" if value == "<time>" else type(value).__name__


def _differences(aws: Any, embedded: Any, path: str = "") -> Iterator[str]:
    if isinstance(aws, dict) and isinstance(embedded, dict) and aws.keys() | embedded.keys() != {"error"}:
        for name in sorted(aws.keys() | embedded.keys()):
            if name not in embedded or name not in aws:
                yield f"{path}.{name}: only in {'AWS' if name in aws else 'the embedded AWS'}"
            else:
                yield from _differences(aws[name], embedded[name], f"{path}.{name}")
    elif isinstance(aws, list) and isinstance(embedded, list) and aws and embedded:
        yield from _differences(aws[0], embedded[0], f"{path}[]")
    elif aws != embedded and [] not in (aws, embedded):
        yield f"{path}: {aws} in AWS, {embedded} in the embedded AWS"
