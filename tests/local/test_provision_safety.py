"""What makes provisioning safe to trust: saved plans, drift, the lock, orphans, and what belongs to other owners."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults.calls import Call
from tests.faults.proxy import Fault, Point
from tests.local.conftest import EmbeddedAws
from tests.local.test_provision import (
    changed,
    connect,
    make_table,
    run,
    run_killed,
    what_is_there,
    writes_of,
)
from whatschat_ops.config import Settings
from whatschat_ops.errors import Blocked, Interrupted
from whatschat_ops.provision import Action, Event, Kind, Live, Ownership, PlanReport, plan
from whatschat_ops.stack.stack import Stack
from whatschat_ops.stack.waiting import Waiting

pytestmark = pytest.mark.local

OURS = {"whatschat-ops:stack": "whatschat-local"}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture
def stack(own_aws: EmbeddedAws) -> Iterator[Stack]:
    yield Stack(Settings(), connect(own_aws))


def make_one_of_each(aws: EmbeddedAws, names: dict[str, str], tags: dict[str, str], path: str) -> None:
    """A table, log group, role, parameter, API and function with these names and tags."""
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    make_table(aws, names["table"], tags)
    aws.client("logs").create_log_group(logGroupName=names["log_group"], tags=tags)
    role = aws.client("iam").create_role(
        RoleName=names["role"], Path=path, AssumeRolePolicyDocument=TRUST, Tags=pairs
    )["Role"]
    aws.client("ssm").put_parameter(Name=names["secret"], Type="SecureString", Value="x" * 40, Tags=pairs)
    aws.client("apigatewayv2").create_api(
        Name=names["api"],
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.action",
        Tags=tags,
    )
    code = Stack(Settings(), connect(aws))._built()["connect"].zip_bytes
    aws.client("lambda").create_function(
        FunctionName=names["function"],
        Runtime="python3.12",
        Role=role["Arn"],
        Handler="app.handler",
        Code={"ZipFile": code},
        Tags=tags,
    )


WANTED_NAMES = {
    "table": "websocket-connections",
    "log_group": "/aws/lambda/websocket-connect",
    "role": "whatschat-websocket-lambda-local-us-east-1",
    "secret": "/whatschat-ops/whatschat-local/jwt-secret",
    "api": "whatschat-websocket",
    "function": "websocket-connect",
}
OLD_NAMES = {
    "table": "sockets",
    "log_group": "/aws/lambda/websocket-old",
    "role": "old-role",
    "secret": "/whatschat-ops/whatschat-local/old-secret",
    "api": "whatschat-websocket",
    "function": "websocket-old",
}


def test_saved_plan_is_applied_as_shown_once_and_never_when_stale(own_aws: EmbeddedAws, stack: Stack) -> None:
    secret = "the-jwt-secret-" + "x" * 32
    file = own_aws.state_directory / "plan.json"
    shown = run(own_aws, "plan", "--json", "--out", str(file), JWT_SECRET=secret)
    assert shown.returncode == 0
    msgspec.json.decode(shown.stdout, type=PlanReport)
    assert json.loads(file.read_text())["plan"] == json.loads(shown.stdout)
    assert secret not in file.read_text()
    assert what_is_there(own_aws) == {}

    other_secret = run(own_aws, "provision", str(file), JWT_SECRET="another-jwt-secret-" + "x" * 32)
    assert other_secret.returncode == 1 and "is stale" in other_secret.stderr
    assert f"Try: whatschat-ops plan --out {file}" in other_secret.stderr
    make_table(own_aws, "chime-meetings", OURS)
    drifted = run(own_aws, "provision", str(file), JWT_SECRET=secret)
    assert drifted.returncode == 1 and "has changed for table.meetings" in drifted.stderr
    own_aws.client("dynamodb").delete_table(TableName="chime-meetings")
    assert what_is_there(own_aws) == {}

    done = run(own_aws, "provision", str(file), "--json", JWT_SECRET=secret)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert len(result["done"]) == 28 and result["requests"] > 28
    planned = [step["address"] for step in json.loads(shown.stdout)["steps"] if step["action"] == "create"]
    assert sorted(result["done"]) == sorted(planned)
    twice = run(own_aws, "provision", str(file), JWT_SECRET=secret)
    assert twice.returncode == 0 and "is applied already" in twice.stderr  # and nothing was done
    assert "No changes" in twice.stdout
    assert run(own_aws, "provision", str(file), "--adopt").returncode == 2


def test_drift_shows_field_by_field_in_plan_status_and_watch(own_aws: EmbeddedAws, stack: Stack) -> None:
    stack.apply(stack.plan())
    watching = subprocess.Popen(
        [sys.executable, "-m", "whatschat_ops", "status", "--watch", "--interval", "0.2"],
        env=own_aws.environment(),
        cwd=own_aws.state_directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    first = [watching.stdout.readline() for _ in range(28)]
    assert all(line.rstrip().endswith(": in sync") for line in first)
    own_aws.client("logs").put_retention_policy(
        logGroupName="/aws/lambda/websocket-connect", retentionInDays=1
    )
    assert "log_group.connect: in sync -> drifted (retention_days: 1 -> 14)" in watching.stdout.readline()

    own_aws.client("dynamodb").update_table(TableName="websocket-connections", DeletionProtectionEnabled=True)
    own_aws.client("lambda").update_function_configuration(FunctionName="websocket-default", MemorySize=1024)
    text = run(own_aws, "plan").stdout
    assert "retention_days: 1 -> 14" in text
    assert "deletion_protection: true -> false" in text
    assert "memory_mb: 1024 -> 256" in text
    assert "version: 1 -> (known after apply)" in text
    status = json.loads(run(own_aws, "status", "--json").stdout)
    drift = {
        (resource["address"], change["field"]): (change["old"], change["new"])
        for resource in status["resources"]
        for change in resource["drift"]
    }
    assert drift[("function.default", "memory_mb")] == (1024, 256)
    assert drift[("table.connections", "deletion_protection")] == (True, False)

    os.kill(watching.pid, signal.SIGINT)
    assert watching.wait(timeout=60) == 0
    assert watching.stderr is not None and watching.stderr.read() == ""
    watching.stdout.close()
    watching.stderr.close()


def test_replacement_says_why_and_destruction_is_marked(own_aws: EmbeddedAws, stack: Stack) -> None:
    make_table(own_aws, "chime-meetings", OURS)  # its key is not the one of the ledger
    text = run(own_aws, "plan").stdout
    assert "-/+ table.meetings" in text and "(its data is lost)" in text
    assert "because key: DynamoDB cannot change the key of a table" in text
    assert "key: connectionId -> meetingId  (forces replacement)" in text
    step = next(step for step in stack.report(stack.plan()).steps if step.address == "table.meetings")
    assert step.destructive


def test_second_operator_is_told_who_holds_the_lock(own_aws: EmbeddedAws, stack: Stack) -> None:
    stack.guard("whatschat-ops provision")
    assert stack._guarded is not None
    lock, seen = stack._guarded
    with lock.hold(seen):
        for command in (
            ["provision"],
            ["lambda", "deploy"],
            ["lambda", "promote"],
            ["lambda", "rollback"],
            ["iam", "attach", "chime", "--user", "backend"],
            ["iam", "detach", "chime", "--user", "backend"],
        ):
            refused = run(own_aws, *command, "--yes", "--json")
            error = json.loads(refused.stdout)["error"]
            assert (refused.returncode, error["code"]) == (1, "conflict"), command
            assert "is being changed by arn:aws:iam::000000000000:user/operator" in error["message"]
            assert "whatschat-ops provision, since 20" in error["message"]
            assert "whatschat-ops unlock" in error["hint"]
        assert run(own_aws, "plan").returncode == 0  # who only reads needs no lock
        assert what_is_there(own_aws) == {"tables": ["whatschat-local-ops-lock"]}
    assert run(own_aws, "provision", "--yes").returncode == 0
    assert run(own_aws, "unlock", "--yes").stdout.endswith("is not locked.\n")


def test_commands_of_one_function_and_policy_without_a_stack_say_so_and_leave_no_lock(
    own_aws: EmbeddedAws,
) -> None:
    own_aws.client("iam").create_user(UserName="backend")
    for command in (
        ["lambda", "deploy"],
        ["lambda", "promote"],
        ["lambda", "rollback"],
        ["iam", "attach", "chime", "--user", "backend"],
    ):
        early = run(own_aws, *command, "--yes", "--json")
        error = json.loads(early.stdout)["error"]
        assert (early.returncode, error["code"]) == (1, "not_found"), command
        assert error["hint"] == "whatschat-ops provision", command
    # The policy that provisioning needs comes before the stack; what a stack left behind is taken off after it.
    own_aws.client("iam").create_role(RoleName="ops", AssumeRolePolicyDocument=TRUST)
    assert run(own_aws, "iam", "attach", "operator", "--role", "ops", "--yes").returncode == 0
    assert run(own_aws, "iam", "detach", "operator", "--role", "ops", "--yes").returncode == 0
    assert run(own_aws, "iam", "detach", "chime", "--user", "backend", "--yes").returncode == 0
    assert what_is_there(own_aws) == {}


def test_lock_of_a_killed_run_is_taken_over_and_goes_with_the_stack(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    run_killed(own_aws, "provision", Point(Call("iam", "CreateRole"), 1), Fault.KILL_AFTER)
    again = run(own_aws, "provision", "--yes")
    assert again.returncode == 0
    if Path("/proc/self/ns/pid").exists():
        assert "was killed; its lock is taken over" in again.stderr
    assert stack.plan().changing == ()
    assert run(own_aws, "destroy", "--yes").returncode == 0
    assert what_is_there(own_aws) == {}


def test_run_whose_lock_is_taken_away_starts_no_further_step(own_aws: EmbeddedAws, stack: Stack) -> None:
    told = threading.Event()
    stack.waiting = Waiting(say=lambda text: told.set())
    stack.guard("whatschat-ops provision")
    assert stack._guarded is not None
    stack._guarded[0].beat_s = 0.02

    def on_event(event: Event) -> None:
        if not told.is_set():
            Stack(stack.settings, connect(own_aws)).unlock()
            assert told.wait(60)

    made = stack.plan()
    with pytest.raises(Interrupted, match="of 28 steps are done"):
        stack.apply(made, on_event)
    assert len(stack.plan().changing) >= 28 - 8  # what ran was finished, no more


def test_renamed_table_is_deleted_with_a_warning_and_never_when_protected(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    stack.apply(stack.plan())
    renamed = changed(stack, connections={"table_name": "sockets"})
    step = next(step for step in renamed.plan() if step.action is Action.DELETE)
    assert step.live is not None and step.live.id.endswith("table/websocket-connections")
    assert step.note == "its data is lost" and step.loses_data

    own_aws.client("dynamodb").update_table(TableName="websocket-connections", DeletionProtectionEnabled=True)
    with pytest.raises(Blocked, match="deletion protection is on") as caught:
        renamed.apply(renamed.plan())
    assert "--delete-data" in str(caught.value.hint)
    assert "sockets" not in what_is_there(own_aws)["tables"]

    renamed.apply(renamed.plan(delete_data=True))
    assert renamed.plan().changing == ()
    assert what_is_there(own_aws)["tables"] == ["chime-meetings", "sockets"]


def test_what_is_left_of_ours_is_deleted_and_others_things_stay(own_aws: EmbeddedAws, stack: Stack) -> None:
    stack.apply(stack.plan())
    api_id = own_aws.client("apigatewayv2").get_apis()["Items"][0]["ApiId"]
    time.sleep(1.1)  # the API that is used is the oldest, to the second
    make_one_of_each(own_aws, OLD_NAMES, OURS, "/whatschat-ops/whatschat-local/us-east-1/")
    theirs = {kind: f"{name}-theirs" for kind, name in OLD_NAMES.items()}
    make_one_of_each(
        own_aws, theirs, {"whatschat-ops:stack": "other"}, "/whatschat-ops/whatschat-local/us-east-1/"
    )
    own_aws.client("apigatewayv2").create_stage(ApiId=api_id, StageName="old", Tags=OURS)
    own_aws.client("apigatewayv2").create_stage(ApiId=api_id, StageName="theirs")
    make_table(own_aws, "connections", OURS)  # named like the logical names of wanted things
    own_aws.client("apigatewayv2").create_stage(ApiId=api_id, StageName="websocket", Tags=OURS)

    steps = {step.address: step.action for step in stack.plan().changing}
    assert steps.pop("api.websocket") is Action.UPDATE  # the second one goes
    assert set(steps.values()) == {Action.DELETE}
    assert set(steps) == {
        "table.orphan/connections",
        "stage.orphan/websocket",
        "table.orphan/sockets",
        "log_group.orphan//aws/lambda/websocket-old",
        "role.orphan/old-role",
        "secret.orphan//whatschat-ops/whatschat-local/old-secret",
        "function.orphan/websocket-old",
        "stage.orphan/old",
    }
    stack.apply(stack.plan())
    assert stack.plan().changing == ()
    there = what_is_there(own_aws)
    assert there["apis"] == ["whatschat-websocket", "whatschat-websocket-theirs"]
    assert own_aws.client("apigatewayv2").get_apis()["Items"][0]["ApiId"] == api_id
    stages = own_aws.client("apigatewayv2").get_stages(ApiId=api_id)["Items"]
    assert {stage["StageName"] for stage in stages} == {"production", "theirs"}

    make_table(own_aws, "sockets", OURS)
    stack.apply(stack.plan_destroy())
    assert what_is_there(own_aws) == {
        "apis": ["whatschat-websocket-theirs"],
        "functions": ["websocket-old-theirs"],
        "groups": ["websocket-old-theirs"],
        "parameters": ["/whatschat-ops/whatschat-local/old-secret-theirs"],
        "roles": ["old-role-theirs"],
        "tables": ["sockets-theirs"],
    }


def test_foreign_thing_of_every_kind_is_refused_and_adopted_on_demand(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    make_one_of_each(own_aws, WANTED_NAMES, {}, "/whatschat-ops/whatschat-local/us-east-1/")
    refused = stack.plan()
    assert {step.address for step in refused.blocked} == {
        "table.connections",
        "log_group.connect",
        "role.lambda",
        "secret.jwt",
        "api.websocket",
        "function.connect",
    }
    assert all("--adopt" in str(step.hint) for step in refused.blocked)
    writes = writes_of(stack.aws)
    with pytest.raises(Blocked, match="does not carry the tag"):
        stack.apply(refused)
    assert writes == []
    stack.apply(stack.plan_destroy())
    assert writes == []

    stack.apply(stack.plan(adopt=True))
    assert stack.plan().changing == ()
    assert "DeleteTable" not in writes and "DeleteFunction" not in writes and "DeleteApi" not in writes


def test_log_role_that_is_set_is_kept_and_the_plan_says_that_it_is_region_wide(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    assert "api_gateway_log_role.region  (Region-wide: every API" in run(own_aws, "plan").stdout
    theirs = own_aws.client("iam").create_role(RoleName="theirs", AssumeRolePolicyDocument=TRUST)["Role"]
    account = own_aws.client("apigateway")
    account.update_account(
        patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": theirs["Arn"]}]
    )
    stack.apply(stack.plan())
    stack.apply(stack.plan_destroy())
    assert account.get_account()["cloudwatchRoleArn"] == theirs["Arn"]
    roles = own_aws.client("iam").list_roles()["Roles"]
    assert "whatschat-ops-apigateway-logs" not in {role["RoleName"] for role in roles}


def test_plan_of_a_stack_in_sync_reads_every_resource_once(own_aws: EmbeddedAws, stack: Stack) -> None:
    stack.apply(stack.plan())
    fresh = Stack(stack.settings, connect(own_aws))
    reads: list[str] = []

    def count(kind: Kind) -> None:
        read = kind.read

        def counted(identity: Mapping[str, Any]) -> Live | None:
            reads.append(kind.name)
            return read(identity)

        kind.read = counted  # type: ignore[method-assign]

    kinds = fresh.kinds
    for kind in kinds.values():
        count(kind)
    made = plan(fresh._resources(fresh._built()).wanted, kinds, Ownership(fresh.name))
    assert made.changing == () and len(reads) == len(made.steps) == 28
    before = fresh.aws.requests
    assert fresh.plan().changing == ()
    # Shared reads pay for what takes more than one, and for the search for orphans.
    assert fresh.aws.requests - before <= len(made.steps)
