"""A distributed load test: the worker with a policy of ours on its role; and what the operator does for it with `operator-load`
besides the operator's policy: make the worker, test, check it, fix what others changed, delete it.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from tests.component.local.executor_functions import make_zip
from tests.minimality.removal import Broken, Document
from whatschat_ops.aws import Aws
from whatschat_ops.choices import TokenVia, Traffic
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LOAD_WORKER
from whatschat_ops.errors import OpsError
from whatschat_ops.load.distributed import engine
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.parts.load import POLICY
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

SETTINGS = Settings.of({"lambda": {"keep_versions": 1}, "broadcast": {"distributed": {"enabled": True}}})
OFF = Settings.of({"lambda": {"keep_versions": 1}})
PLAN = LoadPlan(
    url="",
    sockets=2,
    users=2,
    connect_rate_per_s=10,
    interval_s=0.5,
    duration_s=1.0,
    message_size_bytes=16,
    traffic=Traffic.PING,
    drain_s=1.0,
)
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
LATE_S = 3.0


class LoadWorkerScenario:
    """Load tests on a worker that is there, from the administrator's machine."""

    def __init__(self, admin: Callable[[str], Any], aws: Aws) -> None:
        self._admin = admin
        self._aws = aws
        self._names = Names(SETTINGS)

    @property
    def document(self) -> Document:
        """The policy that the first test put on the role."""
        role = self._names.load_worker_role
        found = self._admin("iam").get_role_policy(RoleName=role, PolicyName=POLICY)
        document: Document = found["PolicyDocument"]
        return document

    def attempt(self, document: Document) -> None:
        """A test with this policy. Raises Broken at the first step that fails."""
        role, function = self._names.load_worker_role, self._names.function(LOAD_WORKER)
        self._admin("iam").put_role_policy(
            RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(document)
        )
        client = self._admin("lambda")
        variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        variables["MINIMALITY_RUN"] = str(
            time.time_ns()
        )  # no execution environment, nothing kept from before
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        client.get_waiter("function_updated_v2").wait(FunctionName=function)
        began_ms = int(time.time() * 1000)
        load_test(self._admin, self._aws)
        group = self._names.function_log_group(LOAD_WORKER)
        deadline_s = time.monotonic() + LATE_S
        while not self._admin("logs").filter_log_events(logGroupName=group, startTime=began_ms)["events"]:
            if time.monotonic() > deadline_s:
                raise Broken("logs", f"nothing in {group}")
            time.sleep(0.05)


def attempt_load(admin: Callable[[str], Any], aws: Aws) -> None:
    """All that the operator does, on a stack that is there. Raises Broken at the first step that fails."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("make the worker", lambda: _make(aws)),
        ("load test", lambda: load_test(admin, aws)),
        ("iam check", lambda: _check(aws)),
        ("fix", lambda: _fix(admin, aws)),
        ("delete", lambda: _delete(admin, aws)),
    )
    for name, step in steps:
        try:
            step()
        except OpsError as error:
            raise Broken(name, error.message) from error


def load_test(admin: Callable[[str], Any], aws: Aws) -> None:
    """A test of a second on one worker. Raises Broken."""
    parameter = Names(SETTINGS).jwt_secret_parameter
    found = admin("ssm").get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]

    def token(user: str) -> Secret:
        now = datetime.now(UTC)
        return mint(user, Secret(found), ttl=timedelta(minutes=5), now=now, token_id=uuid.uuid4().hex).token

    run_id = engine.new_run_id()
    objects, invoke = engine.bucket_of(SETTINGS, aws), engine.invoker(SETTINGS, aws)
    fleet = engine.Fleet(objects, invoke, PLAN, 1, TokenVia.HEADER, token, run_id)
    try:
        report = fleet.run(threading.Event())
    except OpsError as error:
        raise Broken("load test", error.message) from error
    finally:
        engine.forget_run(SETTINGS, aws, run_id)
    if report.sockets.opened != PLAN.sockets:
        raise Broken("load test", f"{report.sockets}")


def clear(administrator: Aws) -> None:
    """Back to a stack without the worker."""
    _delete_worker(administrator)


def make_worker(aws: Aws) -> None:
    """The worker's function, role and log group."""
    stack = Stack(SETTINGS, aws)
    stack.apply(stack.plan_load_worker())


def _make(aws: Aws) -> None:
    make_worker(aws)
    if changing := Stack(SETTINGS, aws).plan_load_worker().changing:
        raise Broken("make the worker", f"it changes {', '.join(step.address for step in changing)} again")


def _check(aws: Aws) -> None:
    stack, names = Stack(SETTINGS, aws), Names(SETTINGS)
    place, api_id = Place(aws.region, aws.account_id), read_outputs(SETTINGS, aws).api_id
    document = policy_of("load-worker", SETTINGS, place, api_id)
    found = check_permissions(stack.aws, "load-worker", Principal("role", names.load_worker_role), document)
    if found.missing or found.decided_by != "iam":
        raise Broken("iam check", f"{found}")


def _fix(admin: Callable[[str], Any], aws: Aws) -> None:
    """Others changed everything of the worker."""
    names = Names(SETTINGS)
    function, role = names.function(LOAD_WORKER), names.load_worker_role
    admin("logs").put_retention_policy(logGroupName=names.function_log_group(LOAD_WORKER), retentionInDays=3)
    trust = admin("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Sid"] = "Drifted"
    admin("iam").update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    client = admin("lambda")
    client.update_function_code(FunctionName=function, ZipFile=make_zip({"index.py": "drift = True"}))
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    client.update_function_configuration(FunctionName=function, MemorySize=256)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    _make(aws)


def _delete(admin: Callable[[str], Any], aws: Aws) -> None:
    """As `destroy` does, of the worker alone. Others gave its role a policy of AWS's."""
    admin("iam").attach_role_policy(RoleName=Names(SETTINGS).load_worker_role, PolicyArn=READ_ONLY)
    _delete_worker(aws)
    left = {step.address for step in Stack(OFF, aws).plan().steps if LOAD_WORKER in step.address}
    if left:
        raise Broken("delete", f"left: {', '.join(sorted(left))}")


def _delete_worker(aws: Aws) -> None:
    stack = Stack(OFF, aws)
    made = stack.plan()
    of_worker = tuple(step for step in made.steps if LOAD_WORKER in step.address)
    stack.apply(structs.replace(made, steps=of_worker))
