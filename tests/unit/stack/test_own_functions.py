"""The variables and rights that the settings give to the functions, in the resources of the stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import ValidationError

from whatschat_ops.config import Settings
from whatschat_ops.config.function_settings import OWN_VARIABLES
from whatschat_ops.errors import ConfigError
from whatschat_ops.quotas import MAX_FUNCTION_ENVIRONMENT_BYTES
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.handlers import lambda_policy, resources

PLACE = Place("eu-west-1", "123456789012")


def blueprint(**lambda_: Any) -> Blueprint:
    return Blueprint(Settings.of({"lambda": lambda_}), PLACE, api_id="abc123")


def variables(made: Blueprint) -> list[dict[str, Any]]:
    return [each.fields["environment"] for each in resources(made) if each.kind == "function"]


def added(made: Blueprint) -> list[dict[str, Any]]:
    """The statements that a stack without these settings has not."""
    usual = lambda_policy(blueprint())["Statement"]
    statements: list[dict[str, Any]] = lambda_policy(made)["Statement"]
    assert statements[: len(usual)] == usual
    return statements[len(usual) :]


def test_own_variables_are_those_that_the_settings_may_not_set() -> None:
    assert [set(each) for each in variables(blueprint())] == [set(OWN_VARIABLES)] * 3


def test_every_function_has_values_and_names_beside_its_own_variables() -> None:
    given = {"FEATURE": "on", "KEY": {"parameter": "/app/key"}, "DATABASE": {"secret": "prod/db"}}

    for each in variables(blueprint(environment=given)):
        assert {name: each[name] for name in each.keys() - OWN_VARIABLES} == {
            "FEATURE": "on",
            "KEY": "/app/key",
            "DATABASE": "prod/db",
        }
        assert each.keys() >= OWN_VARIABLES


def test_functions_may_read_what_is_named_once_each_and_nothing_else() -> None:
    given = {
        "FEATURE": "on",
        "KEY": {"parameter": "/app/key"},
        "SAME": {"parameter": "/app/key"},
        "PLAIN": {"parameter": "key"},
        "DATABASE": {"secret": "prod/db"},
    }

    assert added(blueprint(environment=given)) == [
        {
            "Sid": "EnvironmentParameters",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter"],
            "Resource": [
                "arn:aws:ssm:eu-west-1:123456789012:parameter/app/key",
                "arn:aws:ssm:eu-west-1:123456789012:parameter/key",
            ],
        },
        {
            "Sid": "EnvironmentSecrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-??????"],
        },
    ]


def test_plain_values_add_no_right() -> None:
    assert added(blueprint(environment={"FEATURE": "on"})) == []


def statement(sid: str) -> dict[str, Any]:
    return {"sid": sid, "actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::images/*"]}


def test_statements_of_the_settings_follow_those_of_the_stack() -> None:
    [found] = added(blueprint(policy_statements=[statement("Images")]))

    assert json.loads(json.dumps(found)) == {
        "Sid": "Images",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::images/*"],
    }


@pytest.mark.parametrize("sids", [["Images", "Images"], ["JwtSecret"], ["EnvironmentSecrets"]])
def test_sid_that_is_taken_is_refused(sids: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"the sid {sids[-1]} is taken"):
        lambda_policy(blueprint(policy_statements=[statement(sid) for sid in sids]))


def test_environment_of_more_than_4_kb_with_the_stacks_own_is_refused() -> None:
    half = MAX_FUNCTION_ENVIRONMENT_BYTES // 2  # with the stack's own, which have some 400 bytes, it fits
    assert variables(blueprint(environment={"TEXT": "x" * half}))

    with pytest.raises(ConfigError, match=r"bytes with the stack's own, and Lambda accepts 4,096"):
        variables(blueprint(environment={"TEXT": "ü" * half}))


def test_variables_may_have_exactly_4096_bytes() -> None:
    """Lambda quotas: "4 KB, for all environment variables associated with the function, in aggregate"."""

    def given(characters: int) -> dict[str, Any]:
        return variables(blueprint(environment={"LARGE": "x" * characters}))[0]

    def size_bytes(found: dict[str, Any]) -> int:
        # An endpoint that does not exist yet counts for 100 characters.
        known = {name: value if isinstance(value, str) else "x" * 100 for name, value in found.items()}
        return len(json.dumps(known, separators=(",", ":")))

    largest = 3_000 + 4_096 - size_bytes(given(3_000))
    assert size_bytes(given(largest)) == 4_096
    with pytest.raises(ConfigError, match="4,097 bytes"):
        given(largest + 1)


def test_signalling_adds_variables_to_the_default_function_and_rights_to_the_role() -> None:
    chime = {
        "signalling": True,
        "signalling_meetings_per_user": 7,
        "region": "us-west-2",
        "media_region": "eu-west-3",
    }
    made = Blueprint(Settings.of({"prefix": "blue-", "chime": chime}), PLACE, api_id="abc123")
    by_name = {each.name: each.fields["environment"] for each in resources(made) if each.kind == "function"}
    assert [set(by_name[short]) - OWN_VARIABLES for short in ("connect", "disconnect")] == [set(), set()]
    assert {name: by_name["default"][name] for name in by_name["default"].keys() - OWN_VARIABLES} == {
        "SIGNALLING_TABLE": "blue-chime-meetings",
        "SIGNALLING_REGION": "us-west-2",
        "SIGNALLING_MEDIA_REGION": "eu-west-3",
        "SIGNALLING_MEETINGS_PER_USER": "7",
    }
    statements = lambda_policy(made)["Statement"]
    assert {each["Sid"]: each["Resource"] for each in statements[-3:]} == {
        "Meetings": "arn:aws:dynamodb:eu-west-1:123456789012:table/blue-chime-meetings",
        "CreateMeetings": "*",
        "UseMeetings": "arn:aws:chime:us-west-2:123456789012:meeting/*",
    }


def test_variables_of_signalling_cannot_be_given() -> None:
    with pytest.raises(ValidationError, match="SIGNALLING_TABLE is set by the stack"):
        blueprint(environment={"SIGNALLING_TABLE": "mine"})
