"""Deletes what runs left, found by name in the list of each service: every name of a run begins with its prefix.

What has the run's tag and is still there afterwards is named. Meetings cannot be listed: they end by themselves, five minutes
after the last attendee at the latest (Chime SDK developer guide, meetings).
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.live.account import RUN, RUN_TAG, LiveAws

IN_NAME: Final = re.compile(rf"(?:^|[/:])({RUN.pattern})")
STACK_SETTINGS: Final = "prefix: {prefix}\nwebsocket: {{access_logs: false}}\n"
"""Of the stack of a run. Access logs would set the account's role for logs."""


Find = Callable[[Any], Iterator[tuple[str, str]]]
"""Names and ids, from a client of the service."""


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its service, what is there (name, and what deletes it), in the order of deletion."""

    name: str
    service: str
    find: Find
    delete: Callable[[Any, str], Any]


def listed(operation: str, key: str, name: str, ident: str | None = None) -> Find:
    """Every row of a list, with pages."""

    def find(client: Any) -> Iterator[tuple[str, str]]:
        for page in client.get_paginator(operation).paginate():
            for row in page.get(key, []):
                yield (row, row) if isinstance(row, str) else (row[name], row[ident or name])

    return find


def _role(iam: Any, name: str) -> None:
    for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=each["PolicyArn"])
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _user(iam: Any, name: str) -> None:
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    iam.delete_user(UserName=name)


def _rule(events: Any, name: str) -> None:
    targets = [each["Id"] for each in events.list_targets_by_rule(Rule=name)["Targets"]]
    if targets:
        events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def _table(dynamodb: Any, name: str) -> None:
    ready = dynamodb.get_waiter("table_exists")
    ready.wait(TableName=name)
    if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        ready.wait(TableName=name)
    dynamodb.delete_table(TableName=name)


def _buses(events: Any) -> Iterator[tuple[str, str]]:
    for row in events.list_event_buses()["EventBuses"]:
        yield row["Name"], row["Name"]


def _apis(gateway: Any) -> Iterator[tuple[str, str]]:
    """By their tag too: tests rename them."""
    for page in gateway.get_paginator("get_apis").paginate():
        for row in page["Items"]:
            yield f"{row.get('Tags', {}).get(RUN_TAG, '')}:{row['Name']}", row["ApiId"]


KINDS: Final = (
    Kind("WebSocket API", "apigatewayv2", _apis, lambda c, i: c.delete_api(ApiId=i)),
    Kind("function", "lambda", listed("list_functions", "Functions", "FunctionName"),
        lambda c, i: c.delete_function(FunctionName=i)),
    Kind("rule", "events", listed("list_rules", "Rules", "Name"), _rule),
    Kind("event bus", "events", _buses, lambda c, i: c.delete_event_bus(Name=i)),
    Kind("state machine", "stepfunctions", listed("list_state_machines", "stateMachines", "name", "stateMachineArn"),
        lambda c, i: c.delete_state_machine(stateMachineArn=i)),
    Kind("table", "dynamodb", listed("list_tables", "TableNames", ""), _table),
    Kind("queue", "sqs", listed("list_queues", "QueueUrls", ""), lambda c, i: c.delete_queue(QueueUrl=i)),
    Kind("topic", "sns", listed("list_topics", "Topics", "TopicArn"), lambda c, i: c.delete_topic(TopicArn=i)),
    Kind("alarm", "cloudwatch", listed("describe_alarms", "MetricAlarms", "AlarmName"),
        lambda c, i: c.delete_alarms(AlarmNames=[i])),
    Kind("parameter", "ssm", listed("describe_parameters", "Parameters", "Name"), lambda c, i: c.delete_parameter(Name=i)),
    Kind("user", "iam", listed("list_users", "Users", "UserName"), _user),
    Kind("role", "iam", listed("list_roles", "Roles", "RoleName"), _role),
    # Last: functions that end write again.
    Kind("log group", "logs", listed("describe_log_groups", "logGroups", "logGroupName"),
        lambda c, i: c.delete_log_group(logGroupName=i)),
)  # fmt: skip


def leftovers(aws: LiveAws, run: str = "", older_than_s: float = 0) -> Iterator[tuple[Kind, str, str, str]]:
    """Kind, run, name and id of what this run left, or all that began so long ago."""
    for kind in KINDS:
        for name, ident in list(kind.find(aws.client(kind.service))):
            found = IN_NAME.search(name)
            if found and found[1].startswith(run) and int(found[2], 16) <= time.time() - older_than_s:
                yield kind, found[1], name, ident


def sweep(
    aws: LiveAws, run: str = "", older_than_s: float = 0, say: Callable[[str], Any] = print
) -> list[str]:
    """Delete them. What could not be deleted, or still has the tag, one line each."""
    runs = {found for _, found, *_ in leftovers(aws, run, older_than_s)}
    for found in sorted(runs):
        _destroy(aws, found, say)
    problems = []
    for kind, found, name, ident in leftovers(aws, run, older_than_s):
        aws.guard.prefix = found
        aws.guard.allow(ident)
        try:
            kind.delete(aws.client(kind.service), ident)
        except ClientError as error:
            problems.append(f"{kind.name} {name}: {error}")
        else:
            say(f"Deleted {kind.name} {name}.")
    return [*problems, *_tagged(aws, runs)]


def _destroy(aws: LiveAws, run: str, say: Callable[[str], Any]) -> None:
    """Delete the run's stack, if there is one, with the program itself: it knows the order and what else belongs to it."""
    with TemporaryDirectory() as directory:
        settings = Path(directory) / "live.yaml"
        settings.write_text(STACK_SETTINGS.format(prefix=run), encoding="utf-8")
        command = [sys.executable, "-m", "whatschat_ops", "-e", "live", "--config", str(settings)]
        done = subprocess.run(
            [*command, "destroy", "--yes", "--delete-data"],
            env={**aws.environment(), "WHATSCHAT_OPS_STATE_DIR": directory},
            capture_output=True,
            text=True,
            check=False,
        )
    say(f"destroy of the stack of {run} ended with exit code {done.returncode}.")
    if done.returncode:
        say(done.stderr)


def _tagged(aws: LiveAws, runs: set[str]) -> Iterator[str]:
    found = aws.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": RUN_TAG}])
    for row in found["ResourceTagMappingList"]:
        if any(each["Value"] in runs for each in row["Tags"]):
            yield f"{row['ResourceARN']} still has the tag {RUN_TAG}"
