"""The operator's work: provision, fix, update, look, talk, meet, examine, destroy, as a user with a policy of ours.

Each step is what a command of the program calls. What an administrator or another application did to the stack in
between (`admin`) is part of the scenario: fixing it takes rights of its own.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.sync.client import connect

from tests.minimality.change_over import change_over
from tests.minimality.removal import Broken
from whatschat_ops.audit import AuditEntry, AuditLog
from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.selection import select
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.broadcasting import Broadcasting, SendRate, send_policy
from whatschat_ops.broadcast.journal.record import new_run_id
from whatschat_ops.broadcast.message import compose
from whatschat_ops.broadcast.order import Order
from whatschat_ops.chime.api_calls import failed_calls
from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.of_settings import chime_service
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.connections.management import ConnectionsApi
from whatschat_ops.connections.store import ConnectionStore
from whatschat_ops.doctor import Facts, Status, run_checks
from whatschat_ops.doctor.areas.chime_readiness import quota
from whatschat_ops.doctor.catalogue import chosen
from whatschat_ops.errors import OpsError
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.kinds.api import Api
from whatschat_ops.stack.lambdas.functions import invoke_function, list_functions
from whatschat_ops.stack.locking.lock import StackLock
from whatschat_ops.stack.outputs import StackOutputs, read_outputs
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack
from whatschat_ops.stack.status import describe_connections_table, status_of

BEYOND_THE_OPERATOR = ("WS019", "WS028", "ST031", "ST033", "ST040")
"""Checks that take the policy of `doctor`: quotas of the account, metrics, log lines; or parts that are not turned on."""
OF_ANOTHER_THING = ("ST020", "AP001", "AP002", "AP003", "AP004")
"""What the policy itself lacks, which would name every action that is taken out; and the application."""
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
UPDATE = {
    "lambda": {"memory_mb": 512, "log_retention_days": 30},
    "websocket": {"integration_timeout_ms": 20_000, "throttling_rate_limit": 100, "access_logs": False},
    "connections": {"point_in_time_recovery": True, "deletion_protection": True},
}


class OperatorScenario:
    """One life of a stack, from nothing to nothing."""

    def __init__(self, admin: Callable[[str], Any], administrator: Aws) -> None:
        self._admin = admin
        self._settings = Settings()
        self._names = Names(self._settings)
        self._administrator = Stack(self._settings, administrator)

    def attempt(self, aws: Aws) -> None:
        """All of it. Raises Broken at the first step that fails."""
        self._delete_log_groups()
        stack = Stack(self._settings, aws)
        for name, step in self._steps(stack):
            with _as_step(name):
                step(stack)

    def clear(self) -> None:
        """Delete whatever is left: the lock of a run that could not give it back, the log role, late log lines."""
        table = {"TableName": self._names.connections_table, "DeletionProtectionEnabled": False}
        dynamodb = self._admin("dynamodb")
        tables = dynamodb.list_tables()["TableNames"]
        if self._names.connections_table in tables:
            dynamodb.update_table(**table)
        if self._names.lock_table in tables:
            dynamodb.delete_table(TableName=self._names.lock_table)
        if (audit := self._names.audit_table) in tables:
            dynamodb.update_table(TableName=audit, DeletionProtectionEnabled=False)
            dynamodb.delete_table(TableName=audit)
        self._give_back_tag()
        self._administrator.apply(self._administrator.plan_destroy(delete_data=True))
        self._forget_log_role()
        self._delete_log_groups()

    def _steps(self, stack: Stack) -> Iterator[tuple[str, Callable[[Stack], None]]]:
        yield "audit", self._audit
        yield "provision", self._provision
        yield "provision again", self._settle
        yield "fix what others changed", self._fix
        yield "adopt", self._adopt
        yield "change over", lambda stack: change_over(self._settings, self._admin, stack.aws)
        yield "update", self._update
        yield "status", lambda stack: _require(status_of(stack.plan(), stack.name).provisioned)
        yield "table describe", lambda stack: _require(describe_connections_table(self._settings, stack.aws))
        yield "lambda list", lambda stack: _require(len(list_functions(self._settings, stack.aws)) == 3)
        yield "lambda invoke", self._invoke
        yield "ws", self._talk
        yield "chime", self._meet
        yield "doctor", self._examine
        yield "iam check", self._check
        yield "destroy", self._destroy
        yield "destroy again", lambda stack: _require(not stack.plan_destroy(delete_data=True).changing)

    def _audit(self, stack: Stack) -> None:
        """The first entry creates the table."""
        log = AuditLog(stack.aws, self._names)
        log.record(AuditEntry(at=datetime.now(UTC), by=stack.aws.caller_arn, action="provision"))
        log.ensure_table()
        _require(len(list(log.entries())) == 1)

    def _provision(self, stack: Stack) -> None:
        lock = StackLock(self._settings, stack.aws, "provision")
        with lock.hold(lock.look()):
            stack.apply(stack.plan())

    def _settle(self, stack: Stack) -> None:
        changing = [step.address for step in stack.plan().changing]
        _require(not changing, f"changes again: {', '.join(changing)}")

    def _fix(self, stack: Stack) -> None:
        """Drift that is no failure: trust policy, the stage's tag, a permission, code, the Region's log role."""
        self._admin("iam").update_assume_role_policy(
            RoleName=self._names.lambda_role,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        )
        api_id = read_outputs(self._settings, stack.aws).api_id
        arn = f"{Api.arn.of(stack_place(stack), api_id)}/stages/{self._settings.websocket.stage}"
        self._admin("apigatewayv2").untag_resource(ResourceArn=arn, TagKeys=[STACK_TAG])
        self._admin("lambda").remove_permission(
            FunctionName=self._names.function("connect"),
            Qualifier="live",
            StatementId="whatschat-ops-apigateway",
        )
        self._deploy_something_else("disconnect")
        self._unset_log_role()
        stack.apply(stack.plan())
        self._settle(stack)

    def _deploy_something_else(self, short: str) -> None:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("other.py", "")
        client, name = self._admin("lambda"), self._names.function(short)
        client.update_function_code(FunctionName=name, ZipFile=code.getvalue())
        while client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
            time.sleep(0.05)

    def _adopt(self, stack: Stack) -> None:
        """Another client deleted the API and made another one of its name, without our tag: it becomes ours."""
        gateway = self._admin("apigatewayv2")
        gateway.delete_api(ApiId=read_outputs(self._settings, stack.aws).api_id)
        foreign = gateway.create_api(
            Name=self._names.api,
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression=self._settings.websocket.route_selection_expression,
        )
        stack.apply(stack.plan(adopt=True))
        self._settle(stack)
        # The embedded AWS does not show tags given later in GetApis: go on with an API of our own.
        gateway.delete_api(ApiId=foreign["ApiId"])
        stack.apply(stack.plan())

    def _update(self, stack: Stack) -> None:
        for settings in (Settings.of(UPDATE), self._settings):
            changed = Stack(settings, stack.aws)
            changed.apply(changed.plan())
            _require(not changed.plan().changing, "it does not settle")

    def _invoke(self, stack: Stack) -> None:
        result = invoke_function(self._settings, stack.aws, "connect", b'{"requestContext": {}}', tail=True)
        _require(result.status_code == 200)

    def _talk(self, stack: Stack) -> None:
        outputs = read_outputs(self._settings, stack.aws)
        secret = read_jwt_secret(self._settings, stack.aws)
        token = mint("alice", secret, ttl=timedelta(minutes=5), now=datetime.now(UTC), token_id="t").token
        store = ConnectionStore(stack.aws, outputs.connections_table)
        api = ConnectionsApi(stack.aws, outputs.callback_url)
        with connect(f"{outputs.websocket_url}?token={token.reveal()}", open_timeout=20) as socket:
            (row,) = store.of_user("alice")
            _require(store.get(row.connection_id))
            _require(api.get(row.connection_id))
            self._broadcast(stack.aws, outputs)
            _require(socket.recv(timeout=5) == "hello")
            _require(api.delete(row.connection_id))
            store.delete(row.connection_id)

    def _broadcast(self, aws: Aws, outputs: StackOutputs) -> None:
        """To a user, to all, and to a connection that is gone, whose row is deleted."""
        item = {"connectionId": {"S": "Zm9yZ290dGVu"}, "userId": {"S": "ghost"}}
        self._admin("dynamodb").put_item(TableName=outputs.connections_table, Item=item)
        message = compose("hello", None, text=True)
        policy = send_policy(self._settings, aws.region, SendRate())
        with TemporaryDirectory() as directory:
            work = Broadcasting(Path(directory), self._settings, aws, outputs)
            for selection in (
                select(users=["alice"], connections=["Zm9yZ290dGVu"]),
                select(exclude_users=["alice"]),
            ):
                journal = work.begin(Order(new_run_id(), message, selection), policy)
                summary = work.work_on(journal, policy)
                _require(summary.pending == summary.failed == 0, f"{summary.failures}")
                _require(summary.pruned == summary.gone, summary.not_pruned_because)
        _require(Table(aws, outputs.connections_table).about_how_many() >= 0)

    def _meet(self, stack: Stack) -> None:
        chime = chime_service(stack.aws, self._settings)
        meeting = chime.create_meeting("alice")
        attendee = chime.create_attendee(meeting.meeting_id, "alice")
        batch = chime.create_attendees(meeting.meeting_id, ["bob", "carol"])
        _require(len(batch.attendees) == 2)
        chime.get_attendee(meeting.meeting_id, attendee.attendee_id)
        chime.update_capabilities(meeting.meeting_id, attendee.attendee_id, Capabilities("None"))
        chime.update_capabilities_except(meeting.meeting_id, [attendee.attendee_id], Capabilities("Receive"))
        _require(len(chime.list_attendees(meeting.meeting_id)) == 3)
        chime.delete_attendee(meeting.meeting_id, attendee.attendee_id)
        chime.list_meetings()
        chime.delete_meeting(meeting.meeting_id)

    def _examine(self, stack: Stack) -> None:
        for result in run_checks(chosen(skip=OF_ANOTHER_THING), Facts(self._settings, stack.aws)):
            fine = result.status is Status.OK or (
                result.code in BEYOND_THE_OPERATOR and result.status is Status.SKIP
            )
            _require(fine, f"{result.name}: {result.status}: {result.detail}")
        found = quota(self._settings, stack.aws)
        _require("may not be read" not in found.detail, found.detail)
        list(failed_calls(stack.aws, self._settings.chime.region, datetime.now(UTC) - timedelta(hours=1)))

    def _check(self, stack: Stack) -> None:
        api_id = read_outputs(self._settings, stack.aws).api_id
        document = policy_of("lambda", self._settings, stack_place(stack), api_id)
        result = check_permissions(stack.aws, "lambda", Principal("role", self._names.lambda_role), document)
        _require(not result.missing, f"missing {result.missing}")
        _require(result.decided_by == "iam", "IAM could not be asked")
        _require(result.superfluous is not None, "the policies may not be read")

    def _destroy(self, stack: Stack) -> None:
        """Another client attached a policy to the role: it has to go first."""
        self._admin("iam").attach_role_policy(RoleName=self._names.lambda_role, PolicyArn=READ_ONLY)
        lock = StackLock(self._settings, stack.aws, "destroy")
        with lock.hold(lock.look(), remove=True):
            stack.apply(stack.plan_destroy(delete_data=True))
        left = self._administrator.plan_destroy(delete_data=True).changing
        _require(not left, f"left: {[step.address for step in left]}")

    def _give_back_tag(self) -> None:
        """To an API that was not adopted."""
        gateway = self._admin("apigatewayv2")
        for api in gateway.get_apis()["Items"]:
            arn = f"arn:aws:apigateway:{self._administrator.aws.region}::/apis/{api['ApiId']}"
            gateway.tag_resource(ResourceArn=arn, Tags=self._names.tags)

    def _delete_log_groups(self) -> None:
        """A connection that closes late writes its line after its group is gone, and so makes it again."""
        logs = self._admin("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])

    def _unset_log_role(self) -> None:
        self._admin("apigateway").update_account(
            patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
        )

    def _forget_log_role(self) -> None:
        self._unset_log_role()
        iam, name = self._admin("iam"), self._names.api_gateway_log_role
        if any(role["RoleName"] == name for role in iam.list_roles()["Roles"]):
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_role(RoleName=name)


def stack_place(stack: Stack) -> Place:
    """Where the stack is."""
    return Place(stack.aws.region, stack.aws.account_id)


def _require(condition: object, otherwise: str = "not as it should be") -> None:
    if not condition:
        raise Broken("", otherwise)


@contextmanager
def _as_step(name: str) -> Iterator[None]:
    try:
        yield
    except Broken as broken:
        raise Broken(name, broken.seen) from None
    except OpsError as error:
        raise Broken(name, error.message) from error
