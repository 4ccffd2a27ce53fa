"""Quotas of the account with what is used of them, and alarms that fire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from whatschat_ops import quotas
from whatschat_ops.doctor.areas.chime_readiness import NEARLY_FULL, quota_of
from whatschat_ops.doctor.areas.stack import CREDENTIALS, STATUS, THERE
from whatschat_ops.doctor.check import Check, Finding, fail, ok, skip, warn
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import Hint
from whatschat_ops.plurals import rounded

NEW_CONNECTIONS: Final = "L-9ED1E49A"
REQUESTS: Final = "L-8A5B8E43"
"""Codes in Service Quotas, service `apigateway`."""
_LOOKED_BACK: Final = timedelta(days=1)
_PERIOD_S: Final = 60


def new_connections(facts: Facts) -> Finding:
    """The busiest minute of the last day was below the rate at which clients may connect."""
    region = facts.aws.region
    limit, source = quota_of(facts.aws, region, NEW_CONNECTIONS, quotas.NEW_CONNECTIONS_PER_S, "apigateway")
    end = facts.now.replace(second=0, microsecond=0)
    points = facts.call(
        "cloudwatch",
        "get_metric_statistics",
        Namespace="AWS/ApiGateway",
        MetricName="ConnectCount",
        Dimensions=[{"Name": "ApiId", "Value": facts.outputs.api_id}],
        StartTime=end - _LOOKED_BACK,
        EndTime=end,
        Period=_PERIOD_S,
        Statistics=["Sum"],
    )["Datapoints"]
    busiest = max((point["Sum"] for point in points), default=0.0) / _PERIOD_S
    return judge_rate(busiest, limit, source, region)


def judge_rate(busiest_per_s: float, limit_per_s: float, source: str, region: str) -> Finding:
    """What the busiest minute left of the rate."""
    detail = f"The busiest minute of the last day had {rounded(busiest_per_s)} new connections a second. {source} allow {limit_per_s:,g}."
    if busiest_per_s < NEARLY_FULL * limit_per_s:
        return ok(detail)
    fix = (
        f"aws service-quotas request-service-quota-increase --service-code apigateway --quota-code {NEW_CONNECTIONS} "
        f"--desired-value {limit_per_s * 2:g} --region {region}"
    )
    return warn(detail, fix, f"ConnectCount: {busiest_per_s * _PERIOD_S:g} in one minute")


def requests(facts: Facts) -> Finding:
    """The stage does not promise a rate that the account does not have."""
    limit, source = quota_of(
        facts.aws, facts.aws.region, REQUESTS, quotas.API_REQUESTS.rate_per_s, "apigateway"
    )
    wanted = facts.settings.websocket.throttling_rate_limit
    detail = f"The stage throttles at {wanted:,g} messages a second. {source} allow {limit:,g} for all APIs of the Region."
    if wanted <= limit:
        return ok(detail)
    return warn(
        detail,
        "Lower websocket.throttling_rate_limit, or raise the quota L-8A5B8E43",
        f"L-8A5B8E43 = {limit:g}",
    )


def code_storage(facts: Facts) -> Finding:
    """There is room for more versions of functions in the account."""
    return judge_code_storage(facts.call("lambda", "get_account_settings"))


def judge_code_storage(account: dict[str, Any]) -> Finding:
    """What the account's functions leave of its storage for code (GetAccountSettings)."""
    used, limit = account["AccountUsage"]["TotalCodeSize"], account["AccountLimit"]["TotalCodeSize"]
    detail = (
        f"The functions of the account have {used / 1e6:,.0f} MB of code; the limit is {limit / 1e6:,.0f} MB."
    )
    if used < NEARLY_FULL * limit:
        return ok(detail)
    said = Hint(
        ("lambda", "list"),
        "Lower lambda.keep_versions and deploy, or delete versions of other functions. See",
    )
    return (fail if used >= limit else warn)(
        detail, said, f"GetAccountSettings.AccountUsage.TotalCodeSize = {used}"
    )


def alarms(facts: Facts) -> Finding:
    """No alarm of the stack fires."""
    if not facts.settings.monitoring.enabled:
        return skip("The stack has no alarms (monitoring.enabled).")
    prefix = facts.names.alarm("")
    found = facts.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix)
    firing = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    if not firing:
        return ok(f"None of {len(found)} alarms fires.")
    said = "; ".join(
        f"{alarm['AlarmName'].removeprefix(prefix)}: {alarm.get('StateReason', '')}" for alarm in firing
    )
    return fail(
        f"{len(firing)} of {len(found)} alarms fire: {said}.",
        Hint(text="Look at what the alarm watches; its description says what it means."),
        f"DescribeAlarms.StateValue = ALARM ({firing[0]['AlarmName']})",
    )


CHECKS: Final = (
    Check(
        "ST031",
        "stack.new-connections",
        "Is there room for more new connections?",
        new_connections,
        (*THERE, "WS001"),
        actions=("servicequotas:GetServiceQuota", "cloudwatch:GetMetricStatistics"),
        meaning="Handshakes beyond the account's rate of new connections are refused with 429; a reconnect storm comes close first.",
        fix=Hint(text="aws service-quotas request-service-quota-increase"),
    ),
    Check(
        "ST032",
        "stack.request-rate",
        "Does the account have the stage's rate?",
        requests,
        (CREDENTIALS,),
        actions=("servicequotas:GetServiceQuota",),
        meaning="The stage is set to a higher rate than the account has: API Gateway throttles before the stage's limit.",
        fix=Hint(text="Lower websocket.throttling_rate_limit, or raise the quota"),
    ),
    Check(
        "ST033",
        "stack.code-storage",
        "Is there room for more versions of functions?",
        code_storage,
        (CREDENTIALS, STATUS),  # Lambda answers
        actions=("lambda:GetAccountSettings",),
        meaning="Deployments fail with CodeStorageExceededException when all versions of all functions reach the account's limit.",
        fix=Hint(("lambda", "list")),
    ),
    Check(
        "ST040",
        "stack.alarms",
        "Is no alarm of the stack firing?",
        alarms,
        THERE,
        actions=("cloudwatch:DescribeAlarms",),
        meaning="An alarm of `monitoring` is in the state ALARM; its reason and description say what was seen.",
        fix=Hint(text="Look at what the alarm watches"),
    ),
)
