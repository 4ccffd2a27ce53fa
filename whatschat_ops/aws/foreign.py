"""Whether an answer comes from AWS at all: a proxy's page, `{}`, `null` or half a document must not be read as "there is nothing".

Pure: an operation, a status, headers and a body in; what was sent instead, in words, out. The shapes of answers are those of
botocore's models. AWS answers a reading operation with at least one of its fields, empty lists included; `EMPTY_IS_AN_ANSWER`
names the exceptions (their API references say so): there, the headers decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

EMPTY_IS_AN_ANSWER: Final = frozenset({"GetItem", "GetFunctionConcurrency", "GetBucketVersioning"})
LARGE_BYTES: Final = 64 * 1024
"""A document of this size that begins as one is not read twice."""

_READS: Final = re.compile(r"(Get|List|Describe|Scan|Query|BatchGet|Create|Start|Publish|Assume)")
_ERROR_FIELDS: Final = frozenset({"__type", "code", "Code", "message", "Message", "Type", "error", "Error"})


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operation's answer. `fields` are its names in the body; None: the body may be anything."""

    name: str
    form: str
    method: str
    fields: frozenset[str] | None

    @classmethod
    def of(cls, model: Any) -> Self:
        """From botocore's model of an operation."""
        protocol = str(model.service_model.resolved_protocol)
        form = "json" if "json" in protocol else "xml" if protocol in ("query", "ec2", "rest-xml") else ""
        return cls(model.name, form, model.http.get("method", "POST"), _fields(model))

    @property
    def has_fields(self) -> bool:
        """Whether AWS answers with at least one field, always."""
        return bool(self.fields and _READS.match(self.name))


def _fields(model: Any) -> frozenset[str] | None:
    shape = model.output_shape
    if shape is None:
        return frozenset()
    if model.has_streaming_output or "payload" in shape.serialization:
        return None
    return frozenset(
        member.serialization.get("name", name)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    )


def foreign(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """What was sent instead of AWS's answer; None if it is AWS's."""
    lower = {name.lower(): value for name, value in headers.items()}
    if "x-amzn-errortype" in lower or not operation.form or operation.method == "HEAD":
        return None
    if status >= 300:
        return None if _is_error(body) else _redirection(lower, status) or described(body)
    text = body.strip()
    if operation.fields is None or operation.name in EMPTY_IS_AN_ANSWER:
        # Its content may be anything: AWS's requests have ids.
        return None if any(name.startswith("x-amz") for name in lower) else described(text)
    if not text:
        return "an empty answer" if operation.has_fields else None
    return _wrong_json(operation, text) if operation.form == "json" else _wrong_xml(text)


def _wrong_json(operation: Operation, text: bytes) -> str | None:
    if text.startswith(b"{") and len(text) > LARGE_BYTES:
        return None
    document = _json(text)
    if not isinstance(document, dict):
        return described(text)
    if operation.has_fields and not (operation.fields or frozenset()) & document.keys():
        return "an empty JSON object" if not document else "a JSON object with none of its fields"
    return None


def _wrong_xml(text: bytes) -> str | None:
    return described(text) if not text.startswith(b"<") or _is_page(text) else None


def _is_error(body: bytes) -> bool:
    """Whether it is an error document of AWS."""
    document = _json(body)
    if isinstance(document, dict):
        return bool(_ERROR_FIELDS & document.keys())
    return b"<Code>" in body and not _is_page(body)


def _redirection(headers: Mapping[str, str], status: int) -> str | None:
    target = headers.get("location")
    return f"a redirection to {target.partition('?')[0]}" if 300 <= status < 400 and target else None


def described(body: bytes) -> str:
    """What a body is, in words."""
    text = body.strip()
    if not text:
        return "an empty answer"
    if _is_page(text):
        title = re.search(rb"<title>\s*([^<]{1,80}?)\s*</title>", text, re.IGNORECASE)
        return f"an HTML page ({title[1].decode('utf-8', 'replace')})" if title else "an HTML page"
    if text.startswith(b"<"):
        return "XML of another kind"
    document = _json(text)
    if document is _NO_JSON:
        return "JSON that ends early" if text.startswith((b"{", b"[")) else "text that is no JSON"
    return (
        "an empty JSON object" if document == {} else f"the JSON value {text[:40].decode('utf-8', 'replace')}"
    )


_NO_JSON: Final = object()


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def _is_page(text: bytes) -> bool:
    return text.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
