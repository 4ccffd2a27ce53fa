"""A part of the fault matrix, the same one every time; `python -m tests.faults` runs the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.calls import Call, Request, identify
from tests.faults.expected import expected, missing
from tests.faults.matrix import WITH_EFFECT, Baseline, all_cases, record, run_case, sample
from tests.faults.proxy import Fault, Point
from tests.faults.world import Operation, World, embedded_aws
from whatschat_ops.config import Settings

SAMPLE_SIZE = 3

TWINS = ("CreateApi", "CreateIntegration", "CreateDeployment")
"""Creations that AWS does not refuse to do twice."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("faults")
    with embedded_aws(directory / "state") as aws:
        made = World(aws, directory / "world", "w-")
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def baseline(world: World) -> Baseline:
    return record(world)


def _signed(method: str, target: str, service: str, body: bytes = b"", called: str = "") -> Request:
    authorization = f"AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{service}/aws4_request, Signature=0"
    headers = {"authorization": authorization, **({"x-amz-target": called} if called else {})}
    return Request(method, target, headers, body)


@pytest.mark.parametrize(
    ("request_", "service", "operation", "writes"),
    [
        (_signed("POST", "/", "dynamodb", called="DynamoDB_20120810.CreateTable"),
         "dynamodb", "CreateTable", True),
        (_signed("POST", "/", "iam", b"Action=GetRole&RoleName=r"), "iam", "GetRole", False),
        (_signed("PUT", "/2015-03-31/functions/f/code", "lambda"), "lambda", "UpdateFunctionCode", True),
        (_signed("GET", "/2015-03-31/functions/f/policy?Qualifier=live", "lambda"), "lambda", "GetPolicy", False),
        (_signed("POST", "/v2/apis/a/deployments", "apigateway"), "apigatewayv2", "CreateDeployment", True),
        (_signed("DELETE", "/v2/apis/a/stages/s/accesslogsettings", "apigateway"),
         "apigatewayv2", "DeleteAccessLogSettings", True),
        (_signed("PATCH", "/account", "apigateway"), "apigateway", "UpdateAccount", True),
    ],
)  # fmt: skip
def test_request_is_known_by_its_operation(
    request_: Request, service: str, operation: str, writes: bool
) -> None:
    assert identify(request_) == Call(service, operation)
    assert identify(request_).writes is writes


def test_unsigned_request_is_refused() -> None:
    with pytest.raises(ValueError, match="not signed"):
        identify(Request("GET", "/", {}, b""))


def test_matrix_is_every_call_times_every_fault_that_can_differ() -> None:
    read, write = Point(Call("iam", "GetRole"), 1), Point(Call("iam", "CreateRole"), 1)
    cases = all_cases({Operation.PROVISION: [read, write]})
    assert len(cases) == len(set(cases)) == 2 * len(Fault) - len(WITH_EFFECT)
    assert {case.fault for case in cases if case.point == write} == set(Fault)
    few = sample(cases, len(Fault))
    assert {case.fault for case in few} == set(Fault)
    assert all(case.point == write for case in few)
    assert few == sample(list(reversed(cases)), len(Fault))


@pytest.mark.parametrize(
    "wrong",
    [
        {"Principal": {"Service": "events.amazonaws.com"}},
        {"Action": "lambda:*"},
        {"Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:API/*"}}},
        {"Condition": None},
    ],
)
def test_inventory_that_is_not_as_the_settings_say_is_named(wrong: dict[str, Any]) -> None:
    found = expected(Settings())
    (statement,) = found["function websocket-connect"]["statements"]
    found["function websocket-connect"]["statements"] = [{**statement, **wrong}]
    (problem,) = missing(expected(Settings()), found)
    assert problem.startswith("function websocket-connect: statements is [")
    assert missing(expected(Settings()), expected(Settings())) == []
    other = Settings.of({"lambda": {"memory_mb": 512}, "connections": {"deletion_protection": True}})
    assert len(missing(expected(other), expected(Settings()))) == 4


WHOLE = Settings.of(
    {
        "broadcast": {"distributed": {"enabled": True}},
        "monitoring": {"enabled": True, "emails": ["oncall@example.com"]},
    }
)
ROWS = [(name, key) for name, thing in expected(WHOLE).items() for key in thing]


@pytest.mark.parametrize(("name", "key"), ROWS, ids=lambda value: str(value))
def test_every_row_of_the_inventory_can_be_missing(name: str, key: str) -> None:
    found = expected(WHOLE)
    found[name] = {**found[name], key: "another value"}
    (problem,) = missing(expected(WHOLE), found)
    assert problem.startswith(f"{name}: {key} is another value, and the settings say ")


def test_inventory_has_a_row_for_each_kind_of_thing() -> None:
    kinds = {name.partition(" ")[0] for name in expected(WHOLE)}
    assert kinds == {
        "alarm", "api", "bucket", "dashboard", "function", "log", "parameter", "role", "rule", "stage", "state", "table",
        "topic",
    }  # fmt: skip
    worker_and_access = {
        "log group /aws/lambda/websocket-broadcast-worker",
        "log group /aws/apigateway/websocket",
    }
    assert worker_and_access < set(expected(WHOLE))
    without = expected(Settings.of({"websocket": {"access_logs": False}}))
    assert worker_and_access.isdisjoint(without)
    assert without["stage production of whatschat-websocket 0"]["logs"] is None


@pytest.mark.local
def test_recorded_calls_cover_every_kind_of_write(baseline: Baseline) -> None:
    written = {
        operation: {point.call.operation for point in points if point.call.writes}
        for operation, points in baseline.points.items()
    }
    assert {"CreateTable", "CreateRole", "UpdateAccount", "PutParameter", *TWINS} <= written[
        Operation.PROVISION
    ]
    assert {
        "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "PutRetentionPolicy", "DeleteLogGroup",
        "UpdateAssumeRolePolicy", "PutParameter", "UpdateApi", "UpdateFunctionCode", "UpdateFunctionConfiguration",
        "PublishVersion", "UpdateAlias", "RemovePermission", "AddPermission", "UpdateIntegration", "UpdateRoute",
        "CreateDeployment", "DeleteDeployment", "DeleteAccessLogSettings", "CreateStateMachine",
        "CreateTopic", "Subscribe", "PutMetricAlarm", "PutDashboard", "PutRule", "PutTargets",
    } <= written[Operation.UPDATE]  # fmt: skip
    assert {
        "DeleteApi", "DeleteTable", "DeleteRole", "DeleteParameter", "DeleteStateMachine", "DeleteTopic", "DeleteAlarms",
        "DeleteDashboards", "RemoveTargets", "DeleteRule",
    } <= written[Operation.DESTROY]  # fmt: skip


@pytest.mark.local
def test_sampled_faults_leave_nothing_wrong(world: World, baseline: Baseline) -> None:
    cases = [
        case
        for case in all_cases(baseline.points)
        if case.fault is Fault.DROP_AFTER and case.point.call.operation in TWINS and case.point.n == 1
        if case.operation is Operation.PROVISION
    ]
    kills = [case for case in all_cases(baseline.points) if case.fault is Fault.KILL_AFTER]
    chosen = {operation: [c for c in cases if c.operation is operation] for operation in Operation}
    for operation in Operation:
        of_operation = [case for case in kills if case.operation is operation]
        chosen[operation] += sample(of_operation, SAMPLE_SIZE - len(chosen[operation]))
    for cycle in range(SAMPLE_SIZE):
        for operation in Operation:
            result = run_case(world, operation, chosen[operation][cycle], baseline)
            assert result is not None
            assert result.reached and result.problems == (), f"{result.case}: {result.problems}"


@pytest.mark.local
def test_twins_left_by_lost_answers_are_found_and_removed(world: World, baseline: Baseline) -> None:
    """What remains when every answer was lost and the run ended: made by hand here, past the proxy."""
    assert world.run(Operation.PROVISION)[0].code == 0
    gateway = world.client("apigatewayv2")
    api = next(a for a in gateway.get_apis()["Items"] if a["Name"] == f"{world.prefix}whatschat-websocket")
    place = {"ApiId": api["ApiId"]}
    integration = gateway.get_integrations(**place)["Items"][0]
    gateway.create_integration(
        **place,
        IntegrationType="AWS_PROXY",
        IntegrationMethod="POST",
        IntegrationUri=integration["IntegrationUri"],
    )
    description = gateway.get_deployments(**place)["Items"][0]["Description"]
    gateway.create_deployment(**place, Description=description)
    time.sleep(1.1)  # CreatedDate has whole seconds, and the older twin is kept
    gateway.create_api(
        Name=api["Name"],
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression=api["RouteSelectionExpression"],
        Tags=api["Tags"],
    )
    assert world.plan(Operation.PROVISION).code == 3
    assert world.ours() != baseline.things[Operation.PROVISION]
    assert world.run(Operation.PROVISION)[0].code == 0
    assert world.ours() == baseline.things[Operation.PROVISION]
    assert world.plan(Operation.PROVISION).code == 0
    assert world.run(Operation.DESTROY)[0].code == 0
    world.forget_log_role()
    assert world.ours() == {}
