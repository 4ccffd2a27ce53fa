"""The policy documents: what they allow, on what, and nothing more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.errors import ConfigError
from whatschat_ops.provision import Text
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, trust_policy
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.backend import backend_policy
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.chime import chime_policy
from whatschat_ops.stack.parts.handlers import lambda_policy
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.resources import stack_resources

PLACE = Place("eu-west-1", "123456789012")
SETTINGS = Settings()
BLUEPRINT = Blueprint(SETTINGS, PLACE, api_id="abc123")


def allowed(document: Document) -> dict[str, set[str]]:
    """Action -> resources."""
    found: dict[str, set[str]] = {}
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for action in statement["Action"]:
            found.setdefault(action, set()).update([resources] if isinstance(resources, str) else resources)
    return found


def test_functions_may_do_exactly_this() -> None:
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/websocket-connections"
    logs = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/websocket-"
    groups = {f"{logs}{name}:*" for name in ("connect", "disconnect", "default")}
    assert allowed(lambda_policy(BLUEPRINT)) == {
        "dynamodb:PutItem": {table},
        "dynamodb:GetItem": {table},
        "dynamodb:DeleteItem": {table},
        "dynamodb:Query": {f"{table}/index/userId-index"},
        "execute-api:ManageConnections": {
            "arn:aws:execute-api:eu-west-1:123456789012:abc123/production/POST/@connections/*"
        },
        "logs:CreateLogStream": groups,
        "logs:PutLogEvents": groups,
        "ssm:GetParameter": {
            "arn:aws:ssm:eu-west-1:123456789012:parameter/whatschat-ops/whatschat-local/jwt-secret",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/whatschat-ops/whatschat-local/jwt-secret-rotation",
        },
    }


def test_functions_policy_refers_to_an_api_that_does_not_exist_yet() -> None:
    document = lambda_policy(Blueprint(SETTINGS, PLACE))
    resources = [statement["Resource"] for statement in document["Statement"]]
    assert any(isinstance(resource, Text) for resource in resources)


def test_functions_policy_follows_the_settings() -> None:
    settings = Settings.of(
        {"prefix": "blue-", "websocket": {"stage": "beta"}, "auth": {"secret_parameter": "/app/jwt"}}
    )
    text = json.dumps(lambda_policy(Blueprint(settings, PLACE, api_id="abc123")))
    assert "table/blue-websocket-connections" in text
    assert "/aws/lambda/blue-websocket-connect:*" in text
    assert "abc123/beta/POST" in text
    assert "parameter/app/jwt" in text


def test_application_may_use_the_meetings_of_its_account_only() -> None:
    meetings = {"arn:aws:chime:us-east-1:123456789012:meeting/*"}
    guide = {
        "GetMeeting",
        "DeleteMeeting",
        "CreateAttendee",
        "DeleteAttendee",
        "BatchCreateAttendee",
        "ListAttendees",
    }
    assert allowed(chime_policy(BLUEPRINT)) == {
        "chime:CreateMeeting": {"*"},
        **{f"chime:{action}": meetings for action in (*guide, "GetAttendee")},
    }


def test_backend_may_use_connections_of_its_stage_and_the_guides_operations_of_chime() -> None:
    settings = Settings.of({"websocket": {"stage": "beta"}, "chime": {"region": "eu-central-1"}})
    found = allowed(backend_policy(Blueprint(settings, Place("eu-north-1", "123456789012"), api_id="abc123")))
    sockets = "arn:aws:execute-api:eu-north-1:123456789012:abc123/beta"
    operations = "GetMeeting DeleteMeeting CreateAttendee DeleteAttendee BatchCreateAttendee ListAttendees"
    meetings = {"arn:aws:chime:eu-central-1:123456789012:meeting/*"}
    assert found == {
        "execute-api:ManageConnections": {
            f"{sockets}/{method}/@connections/*" for method in ("POST", "GET", "DELETE")
        },
        "chime:CreateMeeting": {"*"},
        **{f"chime:{operation}": meetings for operation in operations.split()},
    }


def test_backend_may_use_meetings_where_chime_service_makes_them_too() -> None:
    settings = Settings.of({"chime": {"region": "us-east-1"}})
    found = allowed(backend_policy(Blueprint(settings, Place("eu-central-1", "1"), api_id="a")))
    assert found["chime:GetMeeting"] == {
        f"arn:aws:chime:{region}:1:meeting/*" for region in ("us-east-1", "eu-central-1")
    }


def test_operator_policy_has_few_actions_on_everything() -> None:
    everywhere = {
        action
        for action, resources in allowed(policy_of("operator", SETTINGS, PLACE, "abc123")).items()
        if "*" in resources
    }
    listings = {
        "cloudtrail:LookupEvents",
        "ec2:DescribeRegions",
        "iam:ListRoles",
        "lambda:ListFunctions",
        "logs:DescribeLogGroups",
        "servicequotas:GetServiceQuota",
        "tag:GetResources",
    }
    assert everywhere == {"chime:CreateMeeting", *listings}


@pytest.mark.parametrize("component", ["lambda", "chime", "backend", "operator", "operator-monitoring"])
def test_no_action_is_a_wildcard(component: str) -> None:
    for statement in policy_of(component, SETTINGS, PLACE, "abc123")["Statement"]:
        assert all("*" not in action for action in statement["Action"])


@pytest.mark.parametrize(
    ("component", "limit"),
    [
        ("lambda", 2_048),
        ("chime", 2_048),
        ("backend", 2_048),
        ("operator", 6_144),
        ("operator-monitoring", 6_144),
    ],
)
def test_policies_fit_where_they_are_put(component: str, limit: int) -> None:
    # IAM: 2,048 characters inline for a user (less than for a group or role), 6,144 in a managed policy.
    document = policy_of(component, SETTINGS, PLACE, "a1b2c3d4e5")
    assert len(json.dumps(document, separators=(",", ":"))) <= limit


def test_operator_reads_and_changes_the_events_of_chime_only_where_they_are_on() -> None:
    off = allowed(policy_of("operator", SETTINGS, PLACE, "abc123"))
    settings = Settings.of({"chime": {"events": True}})
    on = allowed(policy_of("operator", settings, Place("us-east-1", "1"), "abc123"))
    group = "arn:aws:logs:us-east-1:1:log-group:/aws/events/whatschat-local-chime"
    assert on["logs:FilterLogEvents"] >= {group, f"{group}:*"}
    assert on["events:PutRule"] == {"arn:aws:events:us-east-1:1:rule/whatschat-local-chime-events"}
    # The Service Authorization Reference names no resource for these two.
    assert on["logs:PutResourcePolicy"] == on["logs:DescribeResourcePolicies"] == {"*"}
    assert not any(action.startswith("events:") or "ResourcePolic" in action for action in off)


def test_events_of_a_control_region_that_is_not_that_of_the_stack_are_refused() -> None:
    settings = Settings.of({"chime": {"events": True, "region": "eu-central-1"}})
    with pytest.raises(ConfigError, match=r"the stack is in us-east-1, .* in eu-central-1"):
        stack_resources(Blueprint(settings, PLACE))


@pytest.mark.parametrize(
    "changes", [{"broadcast": {"distributed": {"enabled": True}}}, {"chime": {"events": True}}]
)
def test_operators_policy_with_more_parts_fits_a_role(changes: dict[str, Any]) -> None:
    settings = Settings.of(changes)
    document = policy_of("operator", settings, PLACE, "a1b2c3d4e5")
    assert len(json.dumps(document, separators=(",", ":"))) <= 10_240


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_arns_name_the_partition_of_the_region(region: str, partition: str) -> None:
    assert Table.arn.of(Place(region, "1"), "t").startswith(f"arn:{partition}:dynamodb:{region}:1:")


def test_trust_policy_names_one_service() -> None:
    statement: dict[str, Any] = trust_policy("lambda.amazonaws.com")["Statement"][0]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
