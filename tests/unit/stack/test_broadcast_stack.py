"""What `broadcast.distributed` puts into the stack: nothing unless enabled; scoped rights; a worker that needs only Lambda."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.state_machine import StateMachine
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.orphans import _resource_of
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.broadcast import operator_statements, states_policy, worker_policy
from whatschat_ops.stack.parts.state_machine import definition, execution_input
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.resources import stack_resources

PLACE = Place("eu-west-1", "123456789012")
OFF = Settings()
ON = Settings.of({"broadcast": {"distributed": {"enabled": True, "workers": 7}}})
BUCKET = "whatschat-local-broadcast-eu-west-1-123456789012"
WORKER = "arn:aws:lambda:eu-west-1:123456789012:function:websocket-broadcast-worker"


def addresses(settings: Settings) -> set[str]:
    return {resource.address for resource in stack_resources(Blueprint(settings, PLACE)).all}


def test_nothing_of_it_is_in_the_stack_unless_it_is_enabled() -> None:
    assert addresses(ON) - addresses(OFF) == {
        "bucket.broadcast",
        "log_group.broadcast-worker",
        "role.broadcast-worker",
        "role_policy.broadcast-worker",
        "role.broadcast-states",
        "role_policy.broadcast-states",
        "function.broadcast-worker",
        "alias.broadcast-worker",
        "state_machine.broadcast",
    }
    assert addresses(OFF) < addresses(ON)
    whole = json.dumps(policy_of("operator", OFF, PLACE, "*"))
    assert "states:" not in whole
    assert "s3:" not in whole
    assert list(operator_statements(Blueprint(OFF, PLACE))) == []


def test_state_machine_reads_the_list_and_calls_the_live_worker() -> None:
    found = definition(Blueprint(ON, PLACE))["States"]["Shards"]
    assert found["ItemReader"]["Parameters"] == {"Bucket": BUCKET, "Key.$": "$.shards"}
    given = execution_input("lists/1.json", 7, 3)
    paths = ("MaxConcurrencyPath", "ToleratedFailurePercentagePath")
    assert [given[found[path].removeprefix("$.")] for path in paths] == [7, 3]
    assert given[found["ItemReader"]["Parameters"]["Key.$"].removeprefix("$.")] == "lists/1.json"
    send = found["ItemProcessor"]["States"]["Send"]
    assert send["Parameters"]["FunctionName"] == f"{WORKER}:live"
    assert send["Retry"][0] == {"ErrorEquals": ["PermissionDenied", "UsageError"], "MaxAttempts": 0}


def added_for_the_operator() -> list[dict[str, Any]]:
    """The statements that the operator has with distributed broadcasts only."""
    with_it, without = (policy_of("operator", settings, PLACE, "*")["Statement"] for settings in (ON, OFF))
    sids = {statement["Sid"] for statement in without}
    return [statement for statement in with_it if statement["Sid"] not in sids]


@pytest.mark.parametrize(
    "document",
    [
        worker_policy(Blueprint(ON, PLACE, api_id="a1b2c3")),
        states_policy(Blueprint(ON, PLACE)),
        {"Statement": added_for_the_operator()},
    ],
    ids=["worker", "states", "operator"],
)
def test_rights_are_on_our_own_resources_only(document: dict[str, Any]) -> None:
    for statement in document["Statement"]:
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            assert any(own in resource for own in ("broadcast", "execute-api", "table/websocket-connections"))
            assert ":*:" not in resource
            assert resource != "*"


def test_worker_may_list_its_runs_only() -> None:
    (listing,) = (
        statement
        for statement in worker_policy(Blueprint(ON, PLACE))["Statement"]
        if statement["Sid"] == "Outcomes"
    )
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "runs/*"}}


@pytest.mark.parametrize(
    ("arn", "address", "fields"),
    [
        (f"arn:aws:s3:::{BUCKET}", f"bucket.orphan/{BUCKET}", {"bucket_name": BUCKET}),
        (
            StateMachine.arn.of(PLACE, "whatschat-local-broadcast"),
            "state_machine.orphan/whatschat-local-broadcast",
            {"state_machine_name": "whatschat-local-broadcast"},
        ),
        (Table.arn.of(PLACE, "t"), "table.orphan/t", {"table_name": "t"}),
        (Function.arn.of(PLACE, "f"), "function.orphan/f", {"function_name": "f"}),
        (
            f"{LogGroup.arn.of(PLACE, '/aws/lambda/f')}:*",
            "log_group.orphan//aws/lambda/f",
            {"group_name": "/aws/lambda/f"},
        ),
        (
            "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b",
            "secret.orphan//a/b",
            {"parameter_name": "/a/b"},
        ),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/a", "secret.orphan/a", {"parameter_name": "a"}),
    ],
)
def test_what_an_earlier_setting_left_is_found_by_its_arn(
    arn: str, address: str, fields: dict[str, str]
) -> None:
    (found,) = _resource_of(arn)
    assert (found.address, dict(found.fields)) == (address, fields)


@pytest.mark.parametrize(
    "resource", ["ssm:us-east-1:123456789012:document/ours", "states:us-east-1:123456789012:activity:ours"]
)
def test_another_kind_of_resource_that_somebody_gave_our_tag_is_left_alone(resource: str) -> None:
    assert list(_resource_of(f"arn:aws:{resource}")) == []


names = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)


@given(names, names, st.from_regex(r"([a-z][a-z0-9-]{0,20})?", fullmatch=True))
def test_names_fit_whatever_the_stack_is_called(stack: str, environment: str, prefix: str) -> None:
    found = Names(Settings(stack=stack, environment=environment, prefix=prefix))
    assert len(found.broadcast_bucket("123456789012")) <= 63
    assert found.broadcast_bucket("123456789012").endswith("-123456789012")
    assert len(found.broadcast_state_machine) <= 80


def test_long_names_that_begin_alike_stay_apart() -> None:
    first, second = (
        Names(Settings(stack="a" * 31, environment=f"{'b' * 30}{end}", prefix="c" * 21)) for end in "xy"
    )
    assert first.broadcast_bucket("1" * 12) != second.broadcast_bucket("1" * 12)
