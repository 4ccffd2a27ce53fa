"""The checks of the stack and its WebSocket side, each given recorded answers of AWS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.unit.doctor.recorded import NOW, Call, facts
from whatschat_ops.config import Settings
from whatschat_ops.doctor import Facts, Status
from whatschat_ops.doctor.areas import api, functions, serving, sockets, stack, table
from whatschat_ops.doctor.areas.secret import SecretFacts
from whatschat_ops.doctor.catalogue import CHECKS, chosen
from whatschat_ops.doctor.check import Finding
from whatschat_ops.errors import NotFound, UsageError

CHECK = {check.code: check for check in CHECKS}
SOUND = {"table.connections": "in sync", "api.websocket": "in sync", "function.connect": "in sync"}
Examine = Callable[[Facts], Finding]
NO_APIS: Call = ("apigatewayv2", "GetApis", {}, {"Items": []})


def test_codes_names_and_causes_are_distinct_and_lead_to_checks() -> None:
    assert len({check.code for check in CHECKS}) == len({check.name for check in CHECKS}) == len(CHECKS)
    assert {cause for check in CHECKS for cause in check.causes} <= CHECK.keys()


def test_no_check_is_its_own_cause_at_any_remove() -> None:
    from graphlib import TopologicalSorter

    order = tuple(TopologicalSorter({check.code: check.causes for check in CHECKS}).static_order())

    assert len(order) == len(CHECKS)


def test_checks_of_an_area_bring_the_causes_of_theirs_from_others() -> None:
    codes = [check.code for check in chosen("chime")]

    assert {"ST001", "ST005", "CH003"} <= set(codes) and "WS001" not in codes


def test_chosen_checks_are_named_by_code_or_name_and_unknown_ones_are_refused() -> None:
    assert [check.code for check in chosen(only=["WS020", "websocket.api"])] == ["WS001", "WS020"]
    assert "WS020" not in [check.code for check in chosen("websocket", skip=["WS020"])]
    with pytest.raises(UsageError, match="WS999"):
        chosen(skip=["WS999"])


@pytest.mark.parametrize(
    ("ahead_s", "status", "words"),
    [
        (2.0, Status.OK, "agrees"),
        (-20.0, Status.WARN, "20 s behind"),
        (20.0, Status.WARN, "20 s ahead"),
        (301.0, Status.FAIL, "301 s ahead"),
        (-301.0, Status.FAIL, "301 s behind"),
    ],
)
def test_clock_is_judged_by_what_tokens_and_signatures_allow(
    ahead_s: float, status: Status, words: str
) -> None:
    finding = stack.clock(facts(observed={"clock_ahead_s": ahead_s}))

    assert (finding.status, words in finding.detail) == (status, True)


def _roles(*regions: str) -> Call:
    path = "/whatschat-ops/whatschat-local/"
    roles = [{"Path": f"{path}{region}/", "RoleName": "r"} for region in regions]
    return ("iam", "ListRoles", {"PathPrefix": path}, {"Roles": roles, "IsTruncated": False})


@pytest.mark.parametrize(
    ("regions", "state", "status"),
    [
        (["eu-west-1"], "missing", Status.FAIL),
        (["us-east-1"], "missing", Status.OK),
        ([], "missing", Status.OK),
        (["eu-west-1"], "in sync", Status.OK),
    ],
)
def test_region_is_wrong_when_the_stack_is_in_another_only(
    regions: list[str], state: str, status: Status
) -> None:
    finding = stack.region(facts(_roles(*regions), states={"api.websocket": state}))

    assert finding.status is status
    assert (finding.fix is not None and "eu-west-1" in str(finding.fix)) == (status is Status.FAIL)


def test_several_parts_that_are_missing_are_one_failure_and_one_part_is_none() -> None:
    gone = {"table.connections": "missing", "role.lambda": "missing", "route.connect": "missing"}

    assert stack.complete(facts(states=gone | {"api.websocket": "in sync"})).status is Status.OK
    finding = stack.complete(facts(states=gone | {"api.websocket": "missing", "secret.jwt": "in sync"}))
    assert (finding.status, "4 of 5" in finding.detail) == (Status.FAIL, True)


def test_resource_of_another_stack_is_named_with_its_reason() -> None:
    finding = stack.ours(facts(states=SOUND | {"table.connections": "not ours"}))

    assert finding.status is Status.FAIL and "table.connections belongs to another" in finding.detail


def test_drift_is_what_no_failed_check_watches() -> None:
    found = facts(
        states={
            "table.connections": {"ttl_attribute": (None, "ttl"), "tags": ({}, {"a": "b"})},
            "stage.websocket": {"deployment_id": ("d1", "(known after apply)")},
        }
    )
    found.watched = ("table.*:ttl_attribute",)

    finding = stack.drift(found)

    assert "1 difference from" in finding.detail
    assert finding.evidence == "status: table.connections.tags differs in a"
    found.watched = ("table.*",)
    assert stack.drift(found).status is Status.OK


@pytest.mark.parametrize(
    ("code", "states"),
    [
        ("WS001", {"api.websocket": "missing"}),
        ("WS005", {"stage.websocket": "missing"}),
        ("WS007", {"route.default": "missing"}),
        ("WS007", {"route.default": {"target": ("integrations/a", "integrations/b")}}),
        ("WS008", {"integration.default": {"timeout_ms": (50, 29000)}}),
        ("WS009", {"stage.websocket": {"deployment_id": ("a", "b")}}),
        ("WS010", {"alias.connect": "missing"}),
        ("WS014", {"function.connect": {"code_sha256": ("a", "b")}}),
        ("WS015", {"function.connect": {"handler": ("a", "b")}}),
        ("WS016", {"function.connect": {"environment": ({"A": "1"}, {"A": "2"})}}),
        ("WS017", {"alias.connect": {"version": ("1", "2")}}),
        ("WS024", {"table.connections": {"ttl_attribute": ("expires", "ttl")}}),
        ("WS051", {"stage.websocket": {"access_log_group_arn": (None, "arn")}}),
        ("WS053", {"api_gateway_log_role.region": "missing"}),
        ("WS055", {"permission.connect": {"source_arn": ("a", "b")}}),
    ],
)
def test_difference_is_found_by_the_check_that_watches_it_and_by_no_other(
    code: str, states: dict[str, Any]
) -> None:
    found = facts(states=SOUND | states)
    by_drift = [check for check in CHECKS if "examine_drift" in check.examine.__qualname__]

    failed = [check.code for check in by_drift if check.examine(found).status is Status.FAIL]

    assert failed == [code]
    assert all(check.repair and check.fix and check.meaning for check in by_drift)


def _stage(**settings: Any) -> Call:
    stage = {"StageName": "production", **settings}
    return ("apigatewayv2", "GetStages", {"ApiId": "api1"}, {"Items": [stage]})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ""),
        ({"DefaultRouteSettings": {"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 5}}, ""),
        ({"DefaultRouteSettings": {"ThrottlingRateLimit": 0.0}}, "ThrottlingRateLimit is 0"),
        ({"DefaultRouteSettings": {"ThrottlingBurstLimit": 0}}, "ThrottlingBurstLimit is 0"),
        ({"RouteSettings": {"$default": {"ThrottlingBurstLimit": 0}}}, "of $default is 0"),
    ],
)
def test_stage_that_lets_nothing_through_fails(settings: dict[str, Any], words: str) -> None:
    finding = serving.throttling(facts(_stage(**settings), states=SOUND))

    assert finding.status is (Status.FAIL if words else Status.OK)
    assert words in finding.detail


@pytest.mark.parametrize(
    ("format_", "leaks"),
    [
        ('{"a":"$context.requestId","b":"$context.identity.userAgent"}', ""),
        ('{"a":"$context.authorizer.token"}', "authorizer.token"),
        ('{"a":"$context.authorizer.jwtClaims"}', "authorizer.jwtClaims"),
        ("", ""),
    ],
)
def test_log_format_that_holds_a_token_fails_with_the_variable(format_: str, leaks: str) -> None:
    stage = _stage(AccessLogSettings={"Format": format_}) if format_ else _stage()

    finding = serving.log_format(facts(stage, states=SOUND))

    assert (finding.status, leaks in finding.detail) == (Status.FAIL if leaks else Status.OK, True)


def test_default_endpoint_that_is_switched_off_fails_with_the_command() -> None:
    listed = {
        "ApiId": "api1",
        "Name": "whatschat-websocket",
        "ApiEndpoint": "wss://api1.execute-api.us-east-1.amazonaws.com",
    }
    for disabled, status in ((True, Status.FAIL), (False, Status.OK)):
        one = {
            **listed,
            "DisableExecuteApiEndpoint": disabled,
            "Tags": {"whatschat-ops:stack": "whatschat-local"},
        }

        finding = api.default_endpoint(facts(("apigatewayv2", "GetApis", {}, {"Items": [one]}), states=SOUND))

        assert finding.status is status


def _domain(*mappings: dict[str, str]) -> Finding:
    settings = Settings.of({"websocket": {"endpoint": "wss://chat.example.com/v1"}})
    asked = ("apigatewayv2", "GetApiMappings", {"DomainName": "chat.example.com"}, {"Items": list(mappings)})
    return api.domain(facts(asked, NO_APIS, settings=settings, states=SOUND))


def test_custom_domain_must_lead_to_the_api_and_stage_of_the_stack() -> None:
    own = {"ApiMappingKey": "v1", "ApiId": "api1", "Stage": "production"}

    assert _domain(own).status is Status.OK
    assert "leads to other/production" in _domain({**own, "ApiId": "other"}).detail
    assert "leads to nothing" in _domain({**own, "ApiMappingKey": "v2"}).detail


def test_endpoint_of_another_api_fails() -> None:
    settings = Settings.of({"websocket": {"endpoint": "wss://api2.execute-api.us-east-1.amazonaws.com"}})

    finding = api.endpoint_form(facts(NO_APIS, settings=settings, states=SOUND))

    assert (finding.status, "names the API api2; the stack's is api1" in finding.detail) == (
        Status.FAIL,
        True,
    )


def _function(short: str, *, reserved: int | None = None, **configuration: Any) -> Call:
    found: dict[str, Any] = {"Configuration": {"State": "Active", "Runtime": "python3.13", **configuration}}
    if reserved is not None:
        found["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
    return ("lambda", "GetFunction", {"FunctionName": f"websocket-{short}"}, found)


@pytest.mark.parametrize(
    ("examine", "change", "status", "words"),
    [
        (functions.state, {"State": "Failed", "StateReason": "no ENI"}, Status.FAIL, "Failed: no ENI"),
        (functions.state, {"State": "Pending"}, Status.WARN, "is being made"),
        (functions.state, {"State": "Inactive"}, Status.OK, "active"),
        (functions.last_update, {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "x"}, Status.FAIL, "failed: x"),
        (functions.last_update, {"LastUpdateStatus": "InProgress"}, Status.WARN, "being changed"),
        (functions.runtime, {"Runtime": "python3.9"}, Status.WARN, "ended on 2025-12-15"),
        (functions.runtime, {"Runtime": "python3.12"}, Status.OK, "is supported"),
        (functions.reserved, {"reserved": 0}, Status.FAIL, "reserved concurrency of 0"),
        (functions.reserved, {"reserved": 5}, Status.OK, ""),
        (serving.timeouts, {"Timeout": 30}, Status.WARN, "may run 30 s"),
        (serving.timeouts, {"Timeout": 5}, Status.OK, ""),
    ],
)  # fmt: skip
def test_function_is_judged_by_what_get_function_says(
    examine: Examine, change: dict[str, Any], status: Status, words: str
) -> None:
    sound = {"Timeout": 5}
    found = facts(
        _function("connect", **sound),
        _function("disconnect", **sound),
        _function("default", **{**sound, **change}),
    )

    finding = examine(found)

    assert (finding.status, words in finding.detail) == (status, True)
    assert bool(finding.evidence and finding.fix) == (status is not Status.OK)


@pytest.mark.parametrize(("limit", "status"), [(10, Status.WARN), (1000, Status.OK)])
def test_account_with_a_small_quota_of_concurrency_is_told(limit: int, status: Status) -> None:
    answer = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}}

    assert functions.account(facts(("lambda", "GetAccountSettings", {}, answer))).status is status


@pytest.mark.parametrize(
    ("distributed", "unreserved", "words"),
    [
        ({"workers": 10}, 10, "10 workers leave 0 of the 10"),
        ({"workers": 800}, 850, "800 workers leave 50 of the 850"),
        ({"workers": 10}, 1_000, None),
        ({"workers": 900, "reserved_concurrency": 900}, 100, None),
        ({"workers": 10, "reserved_concurrency": 5}, 995, "reserved_concurrency (5) is less"),
    ],
)
def test_workers_that_leave_too_little_to_the_functions_are_told(
    distributed: dict[str, int], unreserved: int, words: str | None
) -> None:
    settings = Settings.of({"broadcast": {"distributed": {"enabled": True, **distributed}}})
    answer = {"AccountLimit": {"ConcurrentExecutions": 1_000, "UnreservedConcurrentExecutions": unreserved}}
    finding = functions.account(facts(("lambda", "GetAccountSettings", {}, answer), settings=settings))
    assert finding.status is (Status.WARN if words else Status.OK)
    assert (words or "") in finding.detail


def _lines(*messages: str) -> tuple[Call, Call]:
    group = "/aws/lambda/websocket-connect"
    order = {"logGroupName": group, "orderBy": "LastEventTime", "descending": True, "limit": 1}
    read = {"logGroupName": group, "logStreamName": "s", "limit": 20, "startFromHead": False}
    return (
        ("logs", "DescribeLogStreams", order, {"logStreams": [{"logStreamName": "s"}]}),
        ("logs", "GetLogEvents", read, {"events": [{"message": message} for message in messages]}),
    )


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        (['{"level":"ERROR","outcome":"failed","reason":"no table"}', "END RequestId: 1"], "no table"),
        (['{"level":"ERROR","reason":"no table"}', '{"level":"INFO","outcome":"accepted"}'], None),
        (["2026-11-29T12:00:00Z 1 Task timed out after 3.00 seconds"], "Task timed out"),
        (["words", '["level"]', '{"level'], None),
        ([], None),
    ],
)
def test_newest_line_of_a_function_decides_whether_it_failed(messages: list[str], error: str | None) -> None:
    found = functions.newest_error(facts(*_lines(*messages)), "connect")

    assert (found is None) if error is None else (found is not None and error in found)


def _table(**changes: Any) -> dict[str, Any]:
    return {
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "connectionId", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "connectionId", "AttributeType": "S"},
            {"AttributeName": "userId", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexes": [_index()],
        **changes,
    }


def _index(**changes: Any) -> dict[str, Any]:
    return {
        "IndexName": "userId-index",
        "IndexStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "userId", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        **changes,
    }


NUMBERS = [
    {"AttributeName": "connectionId", "AttributeType": "N"},
    {"AttributeName": "userId", "AttributeType": "S"},
]


@pytest.mark.parametrize(
    ("examine", "changes", "status", "words"),
    [
        (table.table, {}, Status.OK, "ACTIVE"),
        (table.table, {"TableStatus": "DELETING"}, Status.FAIL, "is DELETING"),
        (table.key, {}, Status.OK, "connectionId"),
        (table.key, {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, Status.FAIL, "is id, not"),
        (table.key, {"AttributeDefinitions": NUMBERS}, Status.FAIL, "is connectionId (N), not connectionId"),
        (table.index, {}, Status.OK, "of userId"),
        (table.index, {"GlobalSecondaryIndexes": []}, Status.FAIL, "userId-index is missing"),
        (
            table.index,
            {"GlobalSecondaryIndexes": [_index(IndexStatus="CREATING")]},
            Status.WARN,
            "is CREATING",
        ),
        (table.projection, {}, Status.OK, "every attribute"),
        (
            table.projection,
            {"GlobalSecondaryIndexes": [_index(Projection={"ProjectionType": "KEYS_ONLY"})]},
            Status.FAIL,
            "projects KEYS_ONLY",
        ),
    ],
)
def test_table_is_judged_by_its_description(
    examine: Examine, changes: dict[str, Any], status: Status, words: str
) -> None:
    described = (
        "dynamodb",
        "DescribeTable",
        {"TableName": "websocket-connections"},
        {"Table": _table(**changes)},
    )

    finding = examine(facts(described))

    assert (finding.status, words in finding.detail) == (status, True)


def test_missing_table_says_provision() -> None:
    described = ("dynamodb", "DescribeTable", {"TableName": "websocket-connections"}, NotFound("absent"))

    finding = table.table(facts(described))

    assert (finding.status, str(finding.fix)) == (
        Status.FAIL,
        "Check CONNECTIONS_TABLE, or: whatschat-ops provision",
    )


@pytest.mark.parametrize(("hours", "status"), [(47, Status.OK), (49, Status.WARN)])
def test_rows_that_ttl_should_have_deleted_are_counted(hours: int, status: Status) -> None:
    end = int((NOW - timedelta(hours=hours)).timestamp())
    asked = {
        "TableName": "websocket-connections",
        "ProjectionExpression": "#ttl",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "Limit": table.ROWS_LOOKED_AT,
    }
    rows = {"Items": [{"ttl": {"N": str(end)}}, {}]}

    assert table.stale(facts(("dynamodb", "Scan", asked, rows))).status is status


def stored_for(**age: float) -> dict[str, Any]:
    """Facts about a secret that was stored so long ago."""
    found: dict[str, Any] = msgspec.to_builtins(SecretFacts(False, 32, 160.0, NOW - timedelta(**age), "none"))
    return found


@pytest.mark.parametrize(("seconds", "status"), [(20, Status.SKIP), (90, Status.FAIL)])
def test_good_token_may_be_refused_for_a_minute_after_the_secret_changed(
    seconds: int, status: Status
) -> None:
    had = {"handshake": {"status": 401, "error": ""}, "answer": "", "answered_ms": 0.0}
    found = facts(observed={"conversation": had, "secret": stored_for(seconds=seconds)})
    assert sockets.good(found).status is status


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (101, "pong", (Status.OK, Status.OK)),
        (101, "no answer (TimeoutError)", (Status.OK, Status.FAIL)),
        (401, "", (Status.FAIL, Status.SKIP)),
        (500, "", (Status.FAIL, Status.SKIP)),
        (429, "", (Status.SKIP, Status.SKIP)),
    ],
)
def test_conversation_is_judged_by_its_handshake_and_its_answer(
    status: int, answer: str, expected: tuple[Status, Status]
) -> None:
    logs = [
        (
            "logs",
            "DescribeLogStreams",
            {
                "logGroupName": f"/aws/lambda/websocket-{short}",
                "orderBy": "LastEventTime",
                "descending": True,
                "limit": 1,
            },
            NotFound("no group"),
        )
        for short in ("connect", "default")
    ]
    had = {"handshake": {"status": status, "error": ""}, "answer": answer, "answered_ms": 3.0}
    found = facts(*logs, observed={"conversation": had, "secret": stored_for(days=2)})

    assert (sockets.good(found).status, sockets.round_trip(found).status) == expected
