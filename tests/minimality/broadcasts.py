"""A distributed broadcast from nothing to its accounts: sent, failed and redriven, its log lines; and its provisioning.

`BroadcastScenario` runs it with a policy of ours on the worker's or the state machine's role; `BroadcastOperatorScenario`
does what the operator does for it, as a user with a policy of ours.
"""

from __future__ import annotations

import base64
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.minimality.change_over import change_over
from tests.minimality.removal import Broken, Document
from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.selection import Selection
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.distributed.engine import DistributedEngine, distributed_engine
from whatschat_ops.broadcast.distributed.executions import Executions
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord, new_run_id
from whatschat_ops.broadcast.kinds import BROADCAST, DISCONNECT, PRUNE
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import BROADCAST_WORKER, LIVE_ALIAS, STACK_TAG
from whatschat_ops.errors import AwsError, OpsError
from whatschat_ops.sender.model import SendPolicy
from whatschat_ops.stack.concurrency import account_concurrency
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.stack import Stack

POLICY_NAME = "whatschat-ops-broadcast"
SETTINGS = Settings.of(
    {"broadcast": {"distributed": {"enabled": True, "shard_connections": 2, "workers": 2}}}
)
CHANGED = Settings.of(
    {
        "broadcast": {
            "distributed": {"enabled": True, "shard_connections": 2, "workers": 2, "reserved_concurrency": 2}
        }
    }
)
EVERYONE = Selection()
CONNECTIONS = 3
LATE_S = 3.0


class BroadcastScenario:
    """Broadcasts to connections that are gone, on a stack that is there."""

    def __init__(self, admin: Callable[[str], Any], aws: Aws, role_name: str) -> None:
        self._admin = admin
        self._aws = aws
        self._role_name = role_name
        self._names = Names(SETTINGS)

    @property
    def document(self) -> Document:
        """The policy that `provision` put on the role."""
        return policy_on(self._admin, self._role_name)

    def attempt(self, document: Document) -> None:
        """Everything with this policy. Raises Broken at the first step that fails."""
        put_policy(self._admin, self._role_name, document)
        renew_worker(self._admin)
        began_ms = int(time.time() * 1000)
        broadcast_and_redrive(self._admin, self._aws)
        with tempfile.TemporaryDirectory() as folder:
            for kind in (PRUNE, DISCONNECT):
                _finish(kind, _journal(Path(folder), self._admin, self._aws, kind=kind), self._aws)
        group = self._names.function_log_group(BROADCAST_WORKER)
        deadline = time.monotonic() + LATE_S
        while not self._admin("logs").filter_log_events(logGroupName=group, startTime=began_ms)["events"]:
            if time.monotonic() > deadline:
                raise Broken("logs", f"nothing in {group}")
            time.sleep(0.05)


class BroadcastOperatorScenario:
    """Provision, broadcast, redrive, fix tags, update, adopt, turn off."""

    def __init__(self, admin: Callable[[str], Any], administrator: Aws) -> None:
        self._admin = admin
        self._administrator = administrator
        self._names = Names(SETTINGS)

    def attempt(self, aws: Aws) -> None:
        """All of it. Raises Broken at the first step that fails."""
        steps: tuple[tuple[str, Callable[[], object]], ...] = (
            ("provision", lambda: self._apply(aws, SETTINGS)),
            ("provision again", lambda: self._settle(aws, SETTINGS)),
            ("broadcast", lambda: broadcast_and_redrive(self._admin, aws)),
            ("change over", lambda: change_over(SETTINGS, self._admin, aws)),
            ("fix tags", lambda: self._fix_tags(aws)),
            ("see the concurrency", lambda: account_concurrency(aws)),
            ("reserve", lambda: self._apply(aws, CHANGED)),
            ("reserve no more", lambda: self._apply(aws, SETTINGS)),
            ("turn off", lambda: self._turn_off(aws)),
        )
        for name, step in steps:
            try:
                step()
            except OpsError as error:
                raise Broken(name, error.message) from error

    def clear(self) -> None:
        """Back to a stack without distributed broadcasts."""
        self._tag_all()
        self._apply(self._administrator, Settings())

    def _apply(self, aws: Aws, settings: Settings, *, adopt: bool = False) -> None:
        stack = Stack(settings, aws)
        stack.apply(stack.plan(adopt=adopt))

    def _settle(self, aws: Aws, settings: Settings) -> None:
        changing = [step.address for step in Stack(settings, aws).plan().changing]
        if changing:
            raise Broken("provision again", f"changes again: {', '.join(changing)}")

    def _fix_tags(self, aws: Aws) -> None:
        """Another client took the tags away, allowed public access, encryption and expiration, and changed the state machine."""
        s3, bucket = self._admin("s3"), self._bucket(aws)
        s3.delete_bucket_tagging(Bucket=bucket)
        s3.delete_public_access_block(Bucket=bucket)
        s3.delete_bucket_encryption(Bucket=bucket)
        s3.delete_bucket_lifecycle(Bucket=bucket)
        s3.delete_bucket_policy(Bucket=bucket)
        arn = self._machine_arn(aws)
        states = self._admin("stepfunctions")
        states.untag_resource(resourceArn=arn, tagKeys=[STACK_TAG])
        definition = json.loads(states.describe_state_machine(stateMachineArn=arn)["definition"])
        states.update_state_machine(stateMachineArn=arn, definition=json.dumps({**definition, "Comment": ""}))
        self._apply(aws, SETTINGS, adopt=True)
        self._settle(aws, SETTINGS)

    def _turn_off(self, aws: Aws) -> None:
        self._apply(aws, Settings())
        buckets = self._admin("s3").list_buckets()["Buckets"]
        if self._bucket(aws) in [bucket["Name"] for bucket in buckets]:
            raise Broken("turn off", "the bucket is still there")

    def _tag_all(self) -> None:
        """Restore what `_fix_tags` removed and a limited operator could not restore."""
        tags = [{"Key": STACK_TAG, "Value": self._names.stack}]
        bucket = self._bucket(self._administrator)
        if bucket in [found["Name"] for found in self._admin("s3").list_buckets()["Buckets"]]:
            self._admin("s3").put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
        machines = self._admin("stepfunctions").list_state_machines()["stateMachines"]
        for machine in machines:
            self._admin("stepfunctions").tag_resource(
                resourceArn=machine["stateMachineArn"],
                tags=[{"key": STACK_TAG, "value": self._names.stack}],
            )

    def _bucket(self, aws: Aws) -> str:
        return self._names.broadcast_bucket(aws.account_id)

    def _machine_arn(self, aws: Aws) -> str:
        name = self._names.broadcast_state_machine
        return f"arn:aws:states:{aws.region}:{aws.account_id}:stateMachine:{name}"


def policy_on(admin: Callable[[str], Any], role_name: str) -> Document:
    """The broadcasts' policy on a role."""
    found: Document = admin("iam").get_role_policy(RoleName=role_name, PolicyName=POLICY_NAME)[
        "PolicyDocument"
    ]
    return found


def put_policy(admin: Callable[[str], Any], role_name: str, document: Document) -> None:
    """Give a role this policy in the place of its own."""
    admin("iam").put_role_policy(
        RoleName=role_name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(document)
    )


def renew_worker(admin: Callable[[str], Any]) -> None:
    """A new version behind the alias: no execution environment, nothing kept from before."""
    client, name = admin("lambda"), Names(SETTINGS).function(BROADCAST_WORKER)
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    variables["MINIMALITY_RUN"] = str(time.time_ns())
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    while client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
        time.sleep(0.05)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name=LIVE_ALIAS, FunctionVersion=version)


def broadcast_and_redrive(admin: Callable[[str], Any], aws: Aws) -> None:
    """One run that works; one whose state machine could not invoke the worker at first. Raises Broken."""
    with tempfile.TemporaryDirectory() as folder:
        journal = _journal(Path(folder), admin, aws)
        _finish("broadcast", journal, aws)
        _steer(Executions(SETTINGS, aws, journal.record.run_id))
        _finish("broadcast to a user", _journal(Path(folder), admin, aws, Selection(users=("ghost",))), aws)
        journal = _journal(Path(folder), admin, aws)
        role = Names(SETTINGS).broadcast_states_role
        document = policy_on(admin, role)
        without = [part for part in document["Statement"] if part["Sid"] != "Worker"]
        put_policy(admin, role, {**document, "Statement": without})
        try:
            _engine(journal, aws).run(journal, lambda: False)
        except OpsError as error:
            if "lambda:InvokeFunction" not in error.message:  # it says why the shards failed
                raise Broken("reason of a failure", error.message) from error
        finally:
            put_policy(admin, role, document)
        _finish("redrive", journal, aws)


def _steer(executions: Executions) -> None:
    """What is asked and said of a broadcast that is sent; of this one, which has ended, it is refused for that reason only."""
    execution = executions.latest()
    assert execution is not None
    if not str(executions.shards(execution)):
        raise Broken("progress", "it is not known")
    try:
        executions.set_workers(execution, 2)
    except AwsError as error:
        if error.aws_code != "ValidationException":
            raise Broken("change the workers", error.message) from error
    try:
        executions.stop(execution.number)
    except AwsError as error:
        raise Broken("stop", error.message) from error


def _finish(step: str, journal: Journal, aws: Aws) -> None:
    said: list[str] = []
    try:
        _engine(journal, aws, said.append).run(journal, lambda: False)
    except OpsError as error:
        raise Broken(step, error.message) from error
    counts = journal.counts()
    if (counts.gone, counts.pruned, counts.pending) != (CONNECTIONS, CONNECTIONS, 0):
        raise Broken(step, f"{counts}")
    if step == "redrive" and not any(line.startswith("Redriving") for line in said):
        raise Broken(step, "it was not redriven")


def _engine(journal: Journal, aws: Aws, say: Callable[[str], None] = lambda _line: None) -> DistributedEngine:
    policy = SendPolicy(rate_per_s=1_000, burst=100)
    return distributed_engine(
        journal.record.run_id, SETTINGS, aws, policy, Table(aws, journal.record.table_name), say=say
    )


def _journal(
    folder: Path,
    admin: Callable[[str], Any],
    aws: Aws,
    selection: Selection = EVERYONE,
    kind: str = BROADCAST,
) -> Journal:
    names, outputs = Names(SETTINGS), read_outputs(SETTINGS, aws)
    record = RunRecord(
        run_id=new_run_id(),
        created_at="2026-11-23T10:00:00+00:00",
        environment="local",
        stack=names.stack,
        table_name=outputs.connections_table,
        region=aws.region,
        callback_url=outputs.callback_url,
        message=b'{"type": "notice"}',
        message_id="",
        selection=selection.to_json(),
        policy="{}",
        engine="distributed",
        caller_arn="",
        kind=kind,
    )
    _delete_rows(aws, record.table_name)  # of a broadcast that a missing right has broken
    source = random.Random(record.run_id)
    for _ in range(CONNECTIONS):
        name = base64.b64encode(source.randbytes(11)).decode()
        row = {
            "connectionId": {"S": name},
            "userId": {"S": "ghost"},
            "connectedAt": {"S": "2026-11-23T10:00:00Z"},
        }
        admin("dynamodb").put_item(TableName=record.table_name, Item=row)
    return Journal.create(folder, record)


def _delete_rows(aws: Aws, table: str) -> None:
    dynamodb = aws.client("dynamodb")
    for row in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={"connectionId": row["connectionId"]})
