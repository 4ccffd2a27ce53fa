"""A bundle: the facts of one run of `doctor` in one JSON file, without secrets, from which the same checks run elsewhere.

Every secret in it is replaced by a twin, `<secret 1>`: the same secret has the same twin within a bundle, so that what compares
secrets still compares them (as k8sgpt's masked twins do). A secret is the value of an SSM parameter that was decrypted, what a secret name
has for a value (a function's variable), and what has the shape of one (a token, a key). Account ids and ARNs stay: the checks compare them,
and AWS does not count them as secrets (IAM user guide, "AWS account identifiers"). Content of messages is in no fact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.doctor.check import CheckResult
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.redaction import REDACTED, Secret, is_secret_name, is_secret_value, redact

FORMAT: Final = "whatschat-ops/doctor-bundle"
VERSION: Final = 1
LEAST_WITHIN: Final = 6
"""Characters that a secret has at least to be looked for inside of other texts; a shorter one is masked where it stands alone."""
_WORD: Final = re.compile(r"[^\s\"'=,;&?{}\[\]()<>]+")
_MAKE_ANOTHER: Final = Hint(("doctor", "bundle", "bundle.json"), "Make one where the stack is reached")


class Bundle(NamedTuple):
    """What is read from a file."""

    facts: Facts
    made_at: str
    versions: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]


def bundle_of(
    facts: Facts, results: Sequence[CheckResult], origins: Mapping[str, str], versions: Mapping[str, Any]
) -> str:
    """The bundle as JSON. `origins`: dotted key of a setting -> where its value is from."""
    recording = facts.recording()
    document = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": recording["at"],
        "versions": versions,
        "region": facts.aws.region,
        "settings": msgspec.to_builtins(facts.settings),
        "origins": dict(origins),
        "facts": recording,
        "results": [_result(each) for each in results],
    }
    masked = _Masking(secrets_in(document)).masked(document)
    return json.dumps(masked, indent=1, ensure_ascii=False) + "\n"


def read_bundle(text: str, name: str) -> Bundle:
    """A bundle as `bundle_of` made it. Raises UsageError for what is damaged, something else, or of a later version."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is damaged: it is not JSON.", hint=_MAKE_ANOTHER) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"{name} is no bundle of `doctor`.", hint=_MAKE_ANOTHER)
    if document.get("version") != VERSION:
        raise UsageError(
            f"{name} is a bundle of version {document.get('version')!s:.20}; this program reads version {VERSION}.",
            hint="Use the version of whatschat-ops that made it, or a later one.",
        )
    try:
        settings = Settings.of(document["settings"])
        target = AwsTarget(document["region"], access_key_id="none", secret_access_key=Secret("none"))
        facts = Facts(settings, Aws(target), _recording(document["facts"]))
        return Bundle(facts, str(document["made_at"]), dict(document["versions"]), list(document["results"]))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{name} is damaged: its facts or settings are not as they were written.", hint=_MAKE_ANOTHER
        ) from error


def secrets_in(document: Any) -> list[str]:
    """Every secret in a document, each once, in the order in which they stand in it."""
    return list(dict.fromkeys(_secrets(document)))


def _secrets(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("operation") in ("GetParameter", "GetParameters", "GetSecretValue"):
            yield from _values_of_answer(value.get("answer"))
        for key, item in value.items():
            yield from _secrets(item, str(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _secrets(item, name)
    elif isinstance(value, str) and value:
        if is_secret_name(name) and is_secret_value(value) and not value.isdecimal():
            yield value
        yield from (word for word in _WORD.findall(value) if redact(word) == REDACTED)


def _values_of_answer(value: Any) -> Iterator[str]:
    """What an answer of SSM or Secrets Manager gives away, and the secrets inside of a value that is JSON."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("Value", "SecretString") and isinstance(item, str):
                yield from _texts_of(item)
            else:
                yield from _values_of_answer(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values_of_answer(item)


def _texts_of(value: str) -> Iterable[str]:
    try:
        found = json.loads(value)
        inner = found["secrets"]
    except (ValueError, RecursionError, TypeError, LookupError):
        return (value,)
    return [text for text in inner if isinstance(text, str)] if isinstance(inner, list) else (value,)


class _Masking:
    """Replaces secrets by their twins, the longest first: one may be a part of another."""

    def __init__(self, secrets: Sequence[str]) -> None:
        twins = {secret: f"<secret {number}>" for number, secret in enumerate(secrets, 1)}
        self._whole = twins
        self._within = sorted(
            ((secret, twin) for secret, twin in twins.items() if len(secret) >= LEAST_WITHIN),
            key=lambda item: -len(item[0]),
        )

    def masked(self, value: Any) -> Any:
        """A copy without secrets."""
        if isinstance(value, Mapping):
            return {self._text(str(key)): self.masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if text in self._whole:
            return self._whole[text]
        for secret, twin in self._within:
            text = text.replace(secret, twin)
        return redact(text)  # what stands behind a name: `?token=...`


def _result(result: CheckResult) -> dict[str, Any]:
    fix = result.fix
    return {
        "code": result.code,
        "name": result.name,
        "status": result.status.value,
        "detail": result.detail,
        "evidence": result.evidence,
        "fix": {"argv": list(fix.argv), "text": fix.text} if fix else None,
        "because": list(result.because),
    }


def _recording(found: Mapping[str, Any]) -> dict[str, Any]:
    if not (isinstance(found["at"], str) and isinstance(found["observed"], dict)):
        raise TypeError("no recording")
    for call in found["calls"]:
        if not {"service", "region", "operation", "parameters"} <= call.keys() or not call.keys() & {
            "answer",
            "error",
        }:
            raise TypeError("no recorded call")
    return dict(found)
