"""The checks of permissions, quotas, alarms, the ledger and the application, each given recorded answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.doctor.recorded import NOW, facts
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import app, capacity, chime, permissions
from whatschat_ops.doctor.areas.app import FileProblem, FilesFound, Tool
from whatschat_ops.doctor.check import Status
from whatschat_ops.stack.iam_check.check import MissingPermission, PermissionCheck
from whatschat_ops.stack.iam_check.evaluator import Decision

NODE_SETTINGS = Settings.of({"lambda": {"source": {"path": "app"}}})
MONITORED = Settings.of({"monitoring": {"enabled": True}})


@pytest.mark.parametrize(
    ("tool", "status"),
    [
        (Tool("node", "v18.0.0"), Status.OK),
        (Tool("node", "v22.4.1"), Status.OK),
        (Tool("node", "v17.9.1"), Status.FAIL),
        (Tool("node", ""), Status.FAIL),
        (Tool("node", problem="Node.js cannot be run: none", fix="Install it."), Status.FAIL),
    ],
)
def test_node_has_to_be_there_and_18_or_newer(tool: Tool, status: Status) -> None:
    found = app.node(facts(settings=NODE_SETTINGS, observed={"node": msgspec.to_builtins(tool)}))
    assert found.status is status


def test_tools_are_not_asked_for_with_the_built_in_handlers() -> None:
    assert app.node(facts()).status is app.manager(facts()).status is Status.SKIP


def test_package_manager_that_is_not_there_fails_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pnpm-lock.yaml").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = app.find_manager(tmp_path)
    found = app.manager(
        facts(settings=NODE_SETTINGS, observed={"package_manager": msgspec.to_builtins(tool)})
    )
    assert found.status is Status.FAIL
    assert "pnpm is not on the PATH" in found.detail
    assert "corepack" in str(found.fix)


def test_node_that_is_not_on_the_path_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "node is not on the PATH" in app.find_node().problem


def found_files(*problems: FileProblem, files: tuple[str, ...] = (".env",)) -> dict[str, Any]:
    return {"application_files": msgspec.to_builtins(FilesFound(files, problems))}


def test_files_and_the_secret_are_two_checks() -> None:
    secret = FileProblem(".env", "JWT_SECRET", True, "is not the stack's.", ("env", "render"), "")
    table = FileProblem(".env", "CONNECTIONS_TABLE", False, "is x; the stack's is y.", ("env", "render"), "")
    found = facts(observed=found_files(secret, table))
    assert (app.files(found).status, app.secret(found).status) == (Status.WARN, Status.FAIL)
    assert "CONNECTIONS_TABLE is x" in app.files(found).detail
    assert app.secret(facts(observed=found_files())).status is Status.OK
    assert app.files(facts(observed=found_files(files=()))).status is Status.SKIP


@pytest.mark.parametrize(("busiest", "status"), [(0, Status.OK), (399, Status.OK), (400, Status.WARN)])
def test_new_connections_warn_near_the_rate(busiest: float, status: Status) -> None:
    assert capacity.judge_rate(busiest, 500, "The quotas of the account", "us-east-1").status is status


@pytest.mark.parametrize(
    ("used", "status"), [(0, Status.OK), (80, Status.WARN), (99, Status.WARN), (100, Status.FAIL)]
)
def test_code_storage_warns_and_fails_near_its_limit(used: int, status: Status) -> None:
    account = {"AccountUsage": {"TotalCodeSize": used}, "AccountLimit": {"TotalCodeSize": 100}}
    assert capacity.judge_code_storage(account).status is status


@pytest.mark.parametrize(("limit", "status"), [(10_000.0, Status.OK), (2_500.0, Status.WARN)])
def test_stage_that_promises_more_than_the_account_has_warns(limit: float, status: Status) -> None:
    asked = {"ServiceCode": "apigateway", "QuotaCode": capacity.REQUESTS}
    found = facts(("service-quotas", "GetServiceQuota", asked, {"Quota": {"Value": limit}}))
    assert capacity.requests(found).status is status


@pytest.mark.parametrize(
    ("state", "status"), [("OK", Status.OK), ("INSUFFICIENT_DATA", Status.OK), ("ALARM", Status.FAIL)]
)
def test_alarm_that_fires_is_named_with_its_reason(state: str, status: Status) -> None:
    name = "whatschat-local/connect-errors"
    alarm = {"AlarmName": name, "StateValue": state, "StateReason": "Threshold crossed"}
    asked = {"AlarmNamePrefix": "whatschat-local/"}
    found = capacity.alarms(
        facts(("cloudwatch", "DescribeAlarms", asked, {"MetricAlarms": [alarm]}), settings=MONITORED)
    )
    assert found.status is status
    assert ("connect-errors: Threshold crossed" in found.detail) is (state == "ALARM")
    assert capacity.alarms(facts()).status is Status.SKIP


def test_operator_that_lacks_permissions_is_warned_of_the_first_ones() -> None:
    lacking = tuple(MissingPermission(f"lambda:A{n}", "*", Decision.EXPLICIT_DENY) for n in range(7))
    found = PermissionCheck("operator", "user", "ops", "iam", 300, lacking, (), None, None)
    said = permissions.judge_operator(found)
    assert said.status is Status.WARN
    assert "lacks 7 of 300" in said.detail
    assert "and 2 more" in said.detail


def record(status: MeetingStatus, *, hours: float, purpose: str = "test") -> MeetingRecord:
    return MeetingRecord(
        meeting_id="m",
        external_meeting_id="call-1",
        created_by="ops",
        control_region="us-east-1",
        media_region="us-east-1",
        status=status,
        created_at=NOW - timedelta(hours=hours),
        purpose=purpose,
    )


@pytest.mark.parametrize(
    ("left", "status"),
    [
        (record(MeetingStatus.CREATED, hours=2), Status.WARN),
        (record(MeetingStatus.CREATED, hours=0.5), Status.OK),
        (record(MeetingStatus.DELETED, hours=2), Status.OK),
        (record(MeetingStatus.CREATED, hours=2, purpose="call"), Status.OK),
    ],
)
def test_meeting_of_a_test_that_is_older_than_an_hour_was_left_open(
    left: MeetingRecord, status: Status
) -> None:
    assert chime.judge_leftovers([left], NOW).status is status
