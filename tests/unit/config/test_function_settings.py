"""The variables and rights of the application's own functions, as a configuration file gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatschat_ops.config import LoadedSettings, Settings, load_settings
from whatschat_ops.config.function_settings import NamedValue, PolicyStatement
from whatschat_ops.errors import ConfigError


def load(folder: Path, text: str) -> LoadedSettings:
    file = folder / "local.yaml"
    file.write_text(text)
    return load_settings(path=file, environ={})


def test_values_and_names_are_read_with_their_origin(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """\
lambda:
  environment:
    FEATURE: "on"
    API_KEY_PARAMETER: {parameter: /app/key}
    DATABASE_SECRET:
      secret: prod/database
  policy_statements:
    - {sid: Images, actions: ["s3:GetObject"], resources: ["arn:aws:s3:::images/*"]}
""",
    )

    settings = loaded.settings.lambda_
    assert settings.environment == {
        "FEATURE": "on",
        "API_KEY_PARAMETER": NamedValue(parameter="/app/key"),
        "DATABASE_SECRET": NamedValue(secret="prod/database"),
    }
    assert settings.policy_statements == (
        PolicyStatement(sid="Images", actions=("s3:GetObject",), resources=("arn:aws:s3:::images/*",)),
    )
    assert str(loaded.origins["lambda.environment"]) == f"{tmp_path / 'local.yaml'}:3"
    assert str(loaded.origins["lambda.policy_statements"]) == f"{tmp_path / 'local.yaml'}:7"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("AWS_REGION: eu-west-1", "the variable AWS_REGION is reserved by Lambda"),
        ("_HANDLER: x", "the variable _HANDLER is reserved by Lambda"),
        ("CONNECTIONS_TABLE: mine", "the variable CONNECTIONS_TABLE is set by the stack"),
        ("1ST: x", "the variable '1ST' must begin with a letter"),
        ("A: x", "the variable 'A' must begin with a letter"),
        ("MY-KEY: x", "the variable 'MY-KEY' must begin with a letter"),
        ("PORTS: [80]", "expected a string"),
        ("FEATURE: null", "(got null)"),
        ("KEY: {parameter: /a, secret: b}", "give either parameter or secret"),
        ("KEY: {paramter: /a}", "unknown field `paramter`"),
        ("KEY: {parameter: a/b}", "must match"),
        ("KEY: {secret: 'a b'}", "must match"),
    ],
)
def test_variable_that_lambda_would_refuse_is_named(tmp_path: Path, value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"lambda:\n  environment:\n    {value}\n")

    assert problem in caught.value.message
    assert "local.yaml:3: lambda" in caught.value.message


@pytest.mark.parametrize("text", ["on", "80", "0512", "1.10", "22:30", "2026-02-31", "1_000", "0x1F"])
def test_variable_without_quotes_is_the_text_that_was_written(tmp_path: Path, text: str) -> None:
    settings = load(tmp_path, f"lambda:\n  environment:\n    NAME: {text}\n").settings

    assert settings.lambda_.environment == {"NAME": text}


@pytest.mark.parametrize("name", ["AWS_CHIME_ENABLED", "NODE_OPTIONS", "PATH", "TZ"])
def test_variable_that_lambda_accepts_is_accepted(tmp_path: Path, name: str) -> None:
    settings = load(tmp_path, f"lambda:\n  environment:\n    {name}: x\n").settings

    assert settings.lambda_.environment == {name: "x"}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("{sid: a-b, actions: ['s3:GetObject'], resources: ['*']}", "[0].sid: must match"),
        ("{sid: A, actions: [GetObject], resources: ['*']}", "actions[0]: must match"),
        ("{sid: A, actions: ['s3:GetObject'], resources: [images]}", "resources[0]: must match"),
        ("{sid: A, actions: [], resources: ['*']}", "actions: expected"),
        ("{actions: ['s3:GetObject'], resources: ['*']}", "sid is missing"),
        ("{sid: A, effect: Deny, actions: ['s3:GetObject'], resources: ['*']}", "unknown key"),
    ],
)
def test_statement_that_iam_would_refuse_is_named(tmp_path: Path, statement: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"lambda:\n  policy_statements:\n    - {statement}\n")

    assert problem in caught.value.message


def test_digests_of_saved_plans_change_only_when_they_are_set() -> None:
    given = Settings.of({"lambda": {"environment": {"KEY": {"parameter": "/a"}}}})

    assert "environment" not in Settings().lambda_.canonical_values()
    assert '"environment":{"KEY":{"parameter":"/a","secret":null}}' in given.canonical()
