"""What the operator does for `monitoring`: provision, look, fix what others changed, turn parts off, delete, as a user with the
policy `operator-monitoring` besides the operator's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from tests.component.local.executor_functions import make_zip
from tests.minimality.removal import Broken
from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import OpsError
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.topic import Subscription
from whatschat_ops.stack.stack import Stack

ADDRESS: Final = "oncall@example.com"
COUNT: Final = "open-connections"


def settings(prefix: str = "", **monitoring: Any) -> Settings:
    """With monitoring on, unless that is what `monitoring` says."""
    given = {"prefix": prefix} if prefix else {}
    few = {"keep_versions": 1}  # so that a version is deleted
    return Settings.of(
        {**given, "lambda": few, "monitoring": {"enabled": True, "emails": [ADDRESS], **monitoring}}
    )


def attempt_monitoring(prefix: str, admin: Callable[[str], Any], aws: Aws) -> None:
    """All of it, on a stack that is there. Raises Broken at the first step that fails."""
    names = Names(settings(prefix))
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("provision", lambda: _apply(settings(prefix), aws)),
        ("fix", lambda: _fix(names, admin, settings(prefix), aws)),
        ("cancel a subscription", lambda: _cancel(names, aws)),
        ("take over", lambda: _take_over(names, admin, settings(prefix), aws)),
        ("turn parts off", lambda: _apply(settings(prefix, emails=[], dashboard=False, alarms=False), aws)),
        ("delete", lambda: _delete(names, admin, settings(prefix, enabled=False), aws)),
    )
    for name, step in steps:
        try:
            step()
        except OpsError as error:
            raise Broken(name, error.message) from error


def clear(prefix: str, administrator: Aws) -> None:
    """Back to a stack without monitoring."""
    _apply(settings(prefix), administrator, adopt=True)
    _apply(settings(prefix, enabled=False), administrator)


def _apply(wanted: Settings, aws: Aws, *, adopt: bool = False) -> None:
    stack = Stack(wanted, aws)
    stack.apply(stack.plan(adopt=adopt))
    if changing := stack.plan().changing:
        raise Broken("provision again", f"it changes {', '.join(step.address for step in changing)} again")


def _fix(names: Names, admin: Callable[[str], Any], wanted: Settings, aws: Aws) -> None:
    """Others changed an alarm, the dashboard, the rule, and everything of the count's function."""
    function, place = names.function(COUNT), {"FunctionName": names.function(COUNT), "Qualifier": "live"}
    admin("cloudwatch").put_dashboard(
        DashboardName=names.dashboard, DashboardBody=_edited(admin("cloudwatch"), names.dashboard)
    )
    admin("cloudwatch").disable_alarm_actions(AlarmNames=[names.alarm("lost-counts")])
    admin("events").disable_rule(Name=names.open_connections_rule)
    admin("events").remove_targets(Rule=names.open_connections_rule, Ids=["whatschat-ops"])
    admin("logs").put_retention_policy(logGroupName=names.function_log_group(COUNT), retentionInDays=3)
    trust = admin("iam").get_role(RoleName=names.open_connections_role)["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Sid"] = "Drifted"
    admin("iam").update_assume_role_policy(
        RoleName=names.open_connections_role, PolicyDocument=json.dumps(trust)
    )
    statement = {**place, "StatementId": "whatschat-ops-schedule"}
    admin("lambda").remove_permission(**statement)
    admin("lambda").add_permission(**statement, Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    admin("lambda").update_function_code(
        FunctionName=function, ZipFile=make_zip({"index.py": "drift = True"})
    )
    admin("lambda").get_waiter("function_updated_v2").wait(FunctionName=function)
    admin("lambda").update_function_configuration(FunctionName=function, MemorySize=256)
    admin("lambda").get_waiter("function_updated_v2").wait(FunctionName=function)
    _apply(wanted, aws)
    versions = admin("lambda").list_versions_by_function(FunctionName=function)["Versions"]
    if [version["Version"] for version in versions].count("$LATEST") != len(versions) - 1:
        raise Broken("fix", f"{len(versions) - 1} versions are still there")


def _delete(names: Names, admin: Callable[[str], Any], wanted: Settings, aws: Aws) -> None:
    """Others gave the count's role a policy of AWS's."""
    admin("iam").attach_role_policy(
        RoleName=names.open_connections_role, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    _apply(wanted, aws)


def _edited(cloudwatch: Any, name: str) -> str:
    body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    body["widgets"][-1]["properties"]["title"] = "by hand"
    return json.dumps(body)


def _cancel(names: Names, aws: Aws) -> None:
    """A subscription that is confirmed, as a mail address is on AWS after its link was followed."""
    kind, place = Subscription(Context(aws)), Context(aws).place
    topic = f"arn:aws:sns:{place.region}:{place.account_id}:{names.alarm_topic}"
    endpoint = f"arn:aws:sqs:{place.region}:{place.account_id}:confirmed"
    wanted = {"topic_arn": topic, "protocol": "sqs", "endpoint": endpoint}
    kind.create(wanted)
    live = kind.read(wanted)
    if live is None:
        raise Broken("cancel a subscription", "it is not there")
    kind.delete(live)


def _take_over(names: Names, admin: Callable[[str], Any], wanted: Settings, aws: Aws) -> None:
    """Others took the tags away."""
    place = Context(aws).place
    cloudwatch, rule = admin("cloudwatch"), admin("events").describe_rule(Name=names.open_connections_rule)
    alarm = cloudwatch.describe_alarms(AlarmNames=[names.alarm("lost-counts")])["MetricAlarms"][0]
    cloudwatch.untag_resource(ResourceARN=alarm["AlarmArn"], TagKeys=[STACK_TAG])
    admin("events").untag_resource(ResourceARN=rule["Arn"], TagKeys=[STACK_TAG])
    topic = f"arn:aws:sns:{place.region}:{place.account_id}:{names.alarm_topic}"
    admin("sns").untag_resource(ResourceArn=topic, TagKeys=[STACK_TAG])
    group = f"arn:aws:logs:{place.region}:{place.account_id}:log-group:{names.function_log_group(COUNT)}"
    admin("logs").untag_resource(resourceArn=group, tagKeys=[STACK_TAG])
    function = f"arn:aws:lambda:{place.region}:{place.account_id}:function:{names.function(COUNT)}"
    admin("lambda").untag_resource(Resource=function, TagKeys=[STACK_TAG])
    admin("iam").untag_role(RoleName=names.open_connections_role, TagKeys=[STACK_TAG])
    _apply(wanted, aws, adopt=True)
