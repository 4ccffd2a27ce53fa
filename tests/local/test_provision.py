"""The whole stack on the embedded AWS: from nothing, unchanged, changed, killed anywhere, destroyed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from types import MappingProxyType
from typing import Any

import pytest
import websockets.sync.client

from tests.faults.calls import Call
from tests.faults.proxy import Fault, Hold, Point, Proxy, Recording
from tests.local.conftest import EmbeddedAws
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.errors import Blocked, NotProvisioned, PermissionDenied
from whatschat_ops.provision import Action
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

READS = ("Get", "Describe", "List")


def connect(embedded: EmbeddedAws) -> Aws:
    return Aws(
        AwsTarget(
            embedded.region,
            endpoint_url=embedded.endpoint_url,
            access_key_id=embedded.access_key_id,
            secret_access_key=embedded.secret_access_key,
        )
    )


def writes_of(aws: Aws) -> list[str]:
    """A list that fills with the name of every operation that is not a read."""
    writes: list[str] = []

    def note(model: Any, **_: Any) -> None:
        if not model.name.startswith(READS):
            writes.append(model.name)

    for service in ("apigateway", "apigatewayv2", "dynamodb", "iam", "lambda", "logs", "ssm"):
        aws.client(service).meta.events.register("before-call", note)
    return writes


def what_is_there(embedded: EmbeddedAws, prefix: str = "") -> dict[str, list[str]]:
    """Names of everything of ours, asked from AWS directly, but the audit log, which outlives the stack."""
    iam, logs, ssm = (embedded.client(name) for name in ("iam", "logs", "ssm"))
    names = {
        "apis": [api["Name"] for api in embedded.client("apigatewayv2").get_apis()["Items"]],
        "functions": [f["FunctionName"] for f in embedded.client("lambda").list_functions()["Functions"]],
        "groups": [g["logGroupName"].rpartition("/")[2] for g in logs.describe_log_groups()["logGroups"]],
        "parameters": [p["Name"] for p in ssm.describe_parameters()["Parameters"]],
        "roles": [
            role["RoleName"] for role in iam.list_roles(PathPrefix="/whatschat-ops/whatschat-")["Roles"]
        ],
        "tables": [
            name
            for name in embedded.client("dynamodb").list_tables()["TableNames"]
            if not name.endswith("-audit")
        ],
    }
    return {kind: found for kind, found in names.items() if found}


def run(embedded: EmbeddedAws, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "whatschat_ops", *arguments],
        env={**embedded.environment(), **environment},
        cwd=embedded.state_directory,  # where there is no configuration file
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make_table(aws: EmbeddedAws, name: str, tags: Mapping[str, str] = MappingProxyType({})) -> None:
    """A table of another owner, unless it carries a stack's tag."""
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )


@pytest.fixture
def stack(own_aws: EmbeddedAws) -> Iterator[Stack]:
    yield Stack(Settings(), connect(own_aws))


def changed(base: Stack, **settings: Any) -> Stack:
    return Stack(Settings.of(settings), base.aws)


def test_from_nothing_then_no_changes_then_nothing_again(own_aws: EmbeddedAws, stack: Stack) -> None:
    stack.apply(stack.plan())
    outputs = read_outputs(stack.settings, stack.aws)
    assert outputs.websocket_url.startswith("ws://") and outputs.websocket_url.endswith("/production")
    there = what_is_there(own_aws)
    assert len(there["functions"]) == 3 and len(there["groups"]) == 4 and len(there["tables"]) == 2

    fresh = Stack(stack.settings, connect(own_aws))
    writes = writes_of(fresh.aws)
    again = fresh.plan()
    assert again.changing == ()
    assert fresh.aws.requests <= len(again.steps)  # not more than one read for each resource, all in all
    fresh.apply(again)
    assert writes == []

    destroyed = fresh.plan_destroy()
    fresh.apply(destroyed)
    assert what_is_there(own_aws) == {}
    with pytest.raises(NotProvisioned, match="not provisioned"):
        read_outputs(stack.settings, stack.aws)
    assert own_aws.client("apigateway").get_account()["cloudwatchRoleArn"]  # Region-wide: it stays
    assert fresh.plan_destroy().changing == ()


def test_every_setting_that_changes_is_applied_and_settles(stack: Stack) -> None:
    stack.apply(stack.plan())
    other = changed(
        stack,
        **{
            "lambda": {"memory_mb": 512, "timeout_s": 20, "log_retention_days": 30, "log_level": "DEBUG"},
            "websocket": {
                "integration_timeout_ms": 20_000,
                "throttling_rate_limit": 100,
                "access_logs": False,
            },
            "connections": {"point_in_time_recovery": True, "ttl_hours": 2},
        },
    )
    actions = {step.address: step.action for step in other.plan().changing}
    assert actions["log_group.access"] is Action.DELETE
    assert actions["deployment.live"] is Action.UPDATE  # an integration changed, so the routes are redeployed
    assert actions["alias.connect"] is Action.UPDATE
    assert "secret.jwt" not in actions and "api.websocket" not in actions
    other.apply(other.plan())
    assert other.plan().changing == ()
    stack.apply(stack.plan())
    assert stack.plan().changing == ()
    versions = stack.aws.client("lambda").list_versions_by_function(FunctionName="websocket-connect")
    assert [version["Version"] for version in versions["Versions"]] == ["$LATEST", "1", "2", "3"]


def test_what_somebody_deleted_or_changed_is_repaired(stack: Stack) -> None:
    stack.apply(stack.plan())
    gateway = stack.aws.client("apigatewayv2")
    api_id = read_outputs(stack.settings, stack.aws).api_id
    route = next(r for r in gateway.get_routes(ApiId=api_id)["Items"] if r["RouteKey"] == "$default")
    gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    stack.aws.client("lambda").remove_permission(
        FunctionName="websocket-connect", Qualifier="live", StatementId="whatschat-ops-apigateway"
    )
    stack.aws.client("iam").delete_role_policy(
        RoleName="whatschat-websocket-lambda-local-us-east-1", PolicyName="whatschat-ops-lambda"
    )
    broken = {step.address: step.action.value for step in stack.plan().changing}
    assert broken == {
        "route.default": "create",
        "permission.connect": "create",
        "role_policy.lambda": "create",
    }
    stack.apply(stack.plan())
    assert stack.plan().changing == ()


def test_foreign_table_of_our_name_is_refused_untouched_and_adopted_on_demand(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    dynamodb = own_aws.client("dynamodb")
    make_table(own_aws, "websocket-connections")
    dynamodb.put_item(TableName="websocket-connections", Item={"connectionId": {"S": "theirs"}})
    refused = run(own_aws, "provision", "--yes")
    assert refused.returncode == 1
    assert "does not carry the tag of the stack whatschat-local" in refused.stderr
    assert "--adopt" in refused.stderr
    with pytest.raises(Blocked):
        stack.apply(stack.plan())
    assert what_is_there(own_aws) == {"tables": ["websocket-connections"]}
    stack.apply(stack.plan_destroy())
    assert what_is_there(own_aws) == {"tables": ["websocket-connections"]}

    stack.apply(stack.plan(adopt=True))
    assert stack.plan().changing == ()
    assert dynamodb.scan(TableName="websocket-connections")["Count"] == 1


def test_two_environments_share_an_account_by_prefix(own_aws: EmbeddedAws, stack: Stack) -> None:
    blue = changed(stack, prefix="blue-")
    for each in (stack, blue):
        each.apply(each.plan())
    stack.apply(stack.plan_destroy())
    assert blue.plan().changing == ()
    with pytest.raises(Blocked, match="belongs to the stack blue-whatschat-local"):
        intruder = changed(stack, prefix="blue-", stack="other")
        intruder.plan().require_possible()


def test_jwt_secret_is_taken_kept_and_changed_on_demand(own_aws: EmbeddedAws) -> None:
    first, second = "first-secret-" + "x" * 32, "second-secret-" + "x" * 32
    shown = run(own_aws, "provision", "--yes", "-v", JWT_SECRET=first)
    assert shown.returncode == 0
    ssm = own_aws.client("ssm")
    name = "/whatschat-ops/whatschat-local/jwt-secret"

    def stored() -> str:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    assert stored() == first
    assert run(own_aws, "plan", "--detailed-exitcode").returncode == 0
    changing = run(own_aws, "plan", "--detailed-exitcode", JWT_SECRET=second)
    assert changing.returncode == 3
    assert "value: (sensitive) -> (sensitive)" in changing.stdout
    assert run(own_aws, "provision", "--yes", JWT_SECRET=second).returncode == 0
    assert stored() == second
    functions = own_aws.client("lambda").list_functions()["Functions"]
    assert "secret-xx" not in json.dumps(functions, default=str) + shown.stdout + shown.stderr


@contextmanager
def through_a_proxy(
    embedded: EmbeddedAws, command: str, target: Point, fault: Fault | Hold
) -> Iterator[subprocess.Popen[str]]:
    """A command whose call `target` meets `fault`. The call always comes, whatever else runs beside it."""
    with closing(Proxy(embedded.port)) as proxy:
        recording = Recording(target, fault)
        proxy.recording = recording
        with subprocess.Popen(
            [sys.executable, "-m", "whatschat_ops", command, "--yes"],
            env={**embedded.aws_environment(), "AWS_ENDPOINT_URL": proxy.endpoint_url},
            cwd=embedded.state_directory,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process:
            recording.pid = process.pid
            try:
                yield process
            finally:
                process.kill()
                if isinstance(fault, Hold):
                    fault.released.set()
        proxy.until_idle()
        assert proxy.errors == []


def run_killed(embedded: EmbeddedAws, command: str, target: Point, fault: Fault) -> None:
    """A command that is killed at that call."""
    with through_a_proxy(embedded, command, target, fault) as process:
        _, said = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, said


@pytest.mark.parametrize(
    ("command", "service", "operation", "n", "fault"),
    [
        ("provision", "iam", "CreateRole", 1, Fault.KILL_AFTER),
        (
            "provision",
            "dynamodb",
            "CreateTable",
            3,
            Fault.KILL_AFTER,
        ),  # after those of the audit and the lock
        ("provision", "lambda", "CreateAlias", 2, Fault.KILL_BEFORE),
        ("provision", "apigatewayv2", "CreateStage", 1, Fault.KILL_BEFORE),
        ("destroy", "apigatewayv2", "DeleteStage", 1, Fault.KILL_AFTER),
        ("destroy", "apigatewayv2", "DeleteApi", 1, Fault.KILL_BEFORE),
        ("destroy", "lambda", "DeleteFunction", 2, Fault.KILL_AFTER),
        ("destroy", "dynamodb", "DeleteTable", 1, Fault.KILL_BEFORE),
        ("destroy", "iam", "DeleteRole", 1, Fault.KILL_BEFORE),
    ],
)
def test_killed_in_the_middle_the_next_run_finishes(
    own_aws: EmbeddedAws, stack: Stack, command: str, service: str, operation: str, n: int, fault: Fault
) -> None:
    if command == "destroy":
        stack.apply(stack.plan())
    run_killed(own_aws, command, Point(Call(service, operation), n), fault)
    left = stack.plan() if command == "provision" else stack.plan_destroy()
    assert left.changing  # no call of those above is the last one that has an effect

    if command == "provision":
        stack.apply(stack.plan())
        assert stack.plan().changing == ()
        assert what_is_there(own_aws)["apis"] == ["whatschat-websocket"]
    assert run(own_aws, "destroy", "--yes").returncode == 0  # takes over the lock of the killed run
    assert what_is_there(own_aws) == {}


def test_interrupted_run_finishes_its_steps_and_exits_with_130(own_aws: EmbeddedAws, stack: Stack) -> None:
    hold = Hold()
    with through_a_proxy(own_aws, "provision", Point(Call("iam", "CreateRole"), 1), hold) as process:
        assert hold.reached.wait(60)
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = [process.stderr.readline()]
        while not said[-1].startswith("Interrupted:"):
            assert said[-1], "".join(said)
            said.append(process.stderr.readline())
        hold.released.set()
        said += process.stderr.readlines()
        assert process.wait(timeout=60) == 130
    text = "".join(said)
    assert "Interrupted: finishing the steps that are running." in text
    assert "steps are done" in text and "Traceback" not in text
    created = text.count("Created ")
    found = sum(step.action is Action.NO_OP for step in stack.plan())
    assert found == created  # what was said is what is there
    assert 0 < created < 28


def test_commands_for_one_thing_at_a_time(own_aws: EmbeddedAws) -> None:
    assert run(own_aws, "table", "create", "--yes").returncode == 0
    described = json.loads(run(own_aws, "table", "describe", "--json").stdout)
    assert (described["key"], described["indexes"][0]["name"]) == ("connectionId", "userId-index")
    early = run(own_aws, "lambda", "deploy", "connect", "--yes")
    assert early.returncode == 1 and "whatschat-ops provision" in early.stderr

    assert run(own_aws, "provision", "--yes").returncode == 0
    unchanged = run(own_aws, "lambda", "deploy", "--yes")
    assert unchanged.returncode == 0 and "No changes" in unchanged.stderr
    listed = json.loads(run(own_aws, "lambda", "list", "--json").stdout)
    assert [(f["function"], f["version"]) for f in listed] == [
        ("websocket-connect", "1"),
        ("websocket-disconnect", "1"),
        ("websocket-default", "1"),
    ]
    for function, status in (("connect", 401), ("default", 200), ("disconnect", 200)):
        answered = json.loads(run(own_aws, "lambda", "invoke", function, "--json").stdout)
        assert (answered["payload"]["statusCode"], answered["function_error"]) == (status, None)
    sample = json.loads(run(own_aws, "lambda", "invoke", "websocket-default", "--print-sample").stdout)
    assert sample["requestContext"]["routeKey"] == "$default"
    failed = run(own_aws, "lambda", "invoke", "default", "--payload", "[]", "--tail")
    assert failed.returncode == 1
    assert "websocket-default failed" in failed.stdout and "REPORT RequestId" in failed.stdout

    own_aws.client("iam").create_user(UserName="backend")
    attached = run(own_aws, "iam", "attach", "chime", "--user", "backend", "--yes", "--json")
    assert json.loads(attached.stdout)["changed"] is True
    again = run(own_aws, "iam", "attach", "chime", "--user", "backend", "--yes", "--json")
    assert json.loads(again.stdout)["changed"] is False
    assert run(own_aws, "iam", "detach", "chime", "--user", "backend", "--yes").returncode == 0
    assert own_aws.client("iam").list_user_policies(UserName="backend")["PolicyNames"] == []


def test_status_names_every_resource_and_its_state(own_aws: EmbeddedAws) -> None:
    before = json.loads(run(own_aws, "status", "--json").stdout)
    assert before["provisioned"] is False
    assert run(own_aws, "provision", "--yes").returncode == 0
    own_aws.client("logs").put_retention_policy(
        logGroupName="/aws/lambda/websocket-connect", retentionInDays=1
    )
    after = json.loads(run(own_aws, "status", "--json").stdout)
    states = {resource["address"]: resource["state"] for resource in after["resources"]}
    assert states.pop("log_group.connect") == "drifted"
    assert set(states.values()) == {"in sync"} and len(states) == 27
    assert all(resource["id"] for resource in after["resources"])


def test_operator_policy_is_enough_to_provision_use_and_destroy(own_aws: EmbeddedAws) -> None:
    iam = own_aws.client("iam")
    iam.create_user(UserName="limited")
    printed = run(own_aws, "iam", "policies", "operator", "--account-id", own_aws.account_id).stdout
    document = json.loads(printed)
    iam.put_user_policy(UserName="limited", PolicyName="operator", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    target = AwsTarget(
        own_aws.region,
        endpoint_url=own_aws.endpoint_url,
        access_key_id=key["AccessKeyId"],
        secret_access_key=Secret(key["SecretAccessKey"]),
    )
    limited = Stack(Settings(), Aws(target))
    limited.apply(limited.plan())
    assert limited.plan().changing == ()
    other = changed(limited, **{"lambda": {"memory_mb": 512}, "websocket": {"integration_timeout_ms": 5000}})
    other.apply(other.plan())
    with pytest.raises(PermissionDenied):
        limited.aws.client("dynamodb").describe_table(TableName="somebody-elses")
    make_table(own_aws, "sockets", {"whatschat-ops:stack": "whatschat-local"})  # as if it had been renamed
    with pytest.raises(
        PermissionDenied, match="orphan/sockets seems to be left over of whatschat-local"
    ) as told:
        limited.plan()
    assert "administrator" in str(told.value.hint)
    own_aws.client("dynamodb").delete_table(TableName="sockets")
    limited.apply(limited.plan_destroy())
    assert what_is_there(own_aws) == {}


def test_destroy_with_open_sockets_leaves_nothing_and_can_be_provisioned_again(
    own_aws: EmbeddedAws, stack: Stack
) -> None:
    stack.apply(stack.plan())
    url = read_outputs(stack.settings, stack.aws).websocket_url
    token = run(own_aws, "token", "mint", "--user", "alice").stdout.strip()
    with ExitStack() as sockets:
        for _ in range(3):
            sockets.enter_context(websockets.sync.client.connect(f"{url}?token={token}"))
        stack.apply(stack.plan_destroy())
    assert what_is_there(own_aws) == {}
    stack.apply(stack.plan())
    assert stack.plan().changing == ()
