"""Bundles: secrets are replaced by twins, and what is damaged, something else or newer is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.doctor.recorded import Call, facts
from whatschat_ops.config import Settings
from whatschat_ops.doctor import run_checks
from whatschat_ops.doctor.bundle import bundle_of, read_bundle, secrets_in
from whatschat_ops.doctor.catalogue import chosen
from whatschat_ops.errors import UsageError

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJwbGFudGVkIn0.cGxhbnRlZA"
CURRENT = "current-secret-of-at-least-32-characters"
PREVIOUS = "previous-secret-of-at-least-32-characters"
SETTINGS = Settings.of({"prefix": "b-", "lambda": {"environment": {"DB_PASSWORD": "planted-password"}}})
STORED: Call = (
    "ssm",
    "GetParameter",
    {"Name": "/jwt-secret", "WithDecryption": True},
    {"Parameter": {"Value": CURRENT}},
)
ROTATED: Call = (
    "ssm",
    "GetParameter",
    {"Name": "/jwt-secret-rotation", "WithDecryption": True},
    {"Parameter": {"Value": json.dumps({"secrets": [PREVIOUS, CURRENT], "until": 1800000000})}},
)
FUNCTION: Call = (
    "lambda",
    "GetFunctionConfiguration",
    {"FunctionName": "x"},
    {"Environment": {"Variables": {"JWT_SECRET": CURRENT, "API_KEY": "abc", "TABLE": "t"}}},
)
LOGGED: Call = (
    "logs",
    "GetLogEvents",
    {"logGroupName": "g"},
    {"events": [{"message": f"user {JWT} failed with {PREVIOUS}, again {JWT}; GET /x?token=opaque-token"}]},
)


def bundle(*calls: Call) -> str:
    found = facts(STORED, ROTATED, FUNCTION, LOGGED, *calls, settings=SETTINGS)
    # A recording has every call that was replayed or made: here those that are given.
    recording = {
        **found.recording(),
        "calls": [dict(call) for call in found.aws.replayed or ()],
    }
    found.recording = lambda: recording  # type: ignore[method-assign]
    return bundle_of(found, [], {"prefix": "--config b.yaml:1"}, {"version": "1"})


def test_no_secret_is_in_a_bundle_and_the_same_one_has_the_same_twin() -> None:
    text = bundle()
    for secret in (JWT, CURRENT, PREVIOUS, "planted-password", "opaque-token"):
        assert secret not in text
    calls = {call["operation"]: call for call in json.loads(text)["facts"]["calls"]}
    variables = calls["GetFunctionConfiguration"]["answer"]["Environment"]["Variables"]
    stored = [
        call["answer"]["Parameter"]["Value"]
        for call in json.loads(text)["facts"]["calls"]
        if call["operation"] == "GetParameter"
    ]
    assert variables["JWT_SECRET"] == stored[0]
    assert json.loads(stored[1])["secrets"][1] == stored[0]
    assert variables["TABLE"] == "t"
    assert variables["API_KEY"] not in ("abc", stored[0])
    message = calls["GetLogEvents"]["answer"]["events"][0]["message"]
    first, other, again = re.findall(r"<secret \d+>", message)
    assert first == again != other


def test_what_is_no_secret_stays() -> None:
    document = {
        "arn": "arn:aws:iam::123456789012:role/x",
        "nextToken": "abc",
        "uploadSequenceToken": "1",
        "route_key": "$connect",
    }
    assert secrets_in(document) == []


def test_settings_origins_and_versions_are_in_a_bundle() -> None:
    document = json.loads(bundle())
    assert document["settings"]["prefix"] == "b-"
    assert document["origins"] == {"prefix": "--config b.yaml:1"}
    assert document["versions"] == {"version": "1"}
    assert read_bundle(bundle(), "b.json").facts.settings.prefix == "b-"


def test_checks_of_a_bundle_reach_no_network() -> None:
    """What is not in it is skipped, also where a client would be asked."""
    found = read_bundle(bundle(), "b.json")
    results = run_checks(chosen("chime"), found.facts)
    assert {result.status.value for result in results} <= {"ok", "warn", "fail", "skip", "silenced"}
    by_code = {result.code: result for result in results}
    assert by_code["ST001"].status.value == "ok"
    assert by_code["CH002"].status.value == "skip"


DOCUMENT = json.loads(bundle())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        (bundle()[:-200], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no bundle"),
        ("{}", "no bundle"),
        ('{"resources": []}', "no bundle"),
        (json.dumps({**DOCUMENT, "version": 2}), "of version 2; this program reads version 1"),
        (json.dumps({**DOCUMENT, "version": None}), "of version None"),
        (json.dumps({**DOCUMENT, "facts": {}}), "damaged"),
        (json.dumps({**DOCUMENT, "facts": {**DOCUMENT["facts"], "calls": [{}]}}), "damaged"),
        (json.dumps({**DOCUMENT, "facts": {**DOCUMENT["facts"], "calls": 7}}), "damaged"),
        (json.dumps({**DOCUMENT, "facts": {**DOCUMENT["facts"], "at": "yesterday"}}), "damaged"),
        (json.dumps({**DOCUMENT, "settings": {"prefix": 7}}), "damaged"),
        (json.dumps({key: value for key, value in DOCUMENT.items() if key != "region"}), "damaged"),
    ],
)
def test_a_file_that_is_no_bundle_of_this_version_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        read_bundle(text, "b.json")
    assert refused.value.message.startswith("b.json is ")
    assert refused.value.hint


def test_result_keeps_its_fix_as_words_of_a_command() -> None:
    found = facts(settings=SETTINGS)
    [check] = [check for check in chosen("chime") if check.code == "CH010"]
    shown: dict[str, Any] = json.loads(bundle_of(found, run_checks([check], found), {}, {}))["results"][0]
    assert (shown["code"], shown["status"], shown["fix"]) == ("CH010", "ok", None)
