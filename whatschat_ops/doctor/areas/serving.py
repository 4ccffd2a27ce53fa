"""What becomes of requests: how many the stage lets through, what it writes of them, how long it waits, and who else sends some."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.doctor.areas.api import API, STAGE, api_id
from whatschat_ops.doctor.areas.functions import DEPLOYED, described
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, Repair, fail, ok, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, Hint, NotFound
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.other_apis import invokers
from whatschat_ops.stack.shared_reads import SharedReads

_LEAKS: Final = re.compile(r"token|authorization|secret|query|jwt|sec-websocket|cookie", re.IGNORECASE)
"""What of a variable's name tells that a token may be in its value."""


def _stage(facts: Facts) -> Mapping[str, Any]:
    stages = facts.pages("apigatewayv2", "get_stages", "Items", ApiId=api_id(facts))
    wanted = facts.settings.websocket.stage
    return next((each for each in stages if each["StageName"] == wanted), {})


def throttling(facts: Facts) -> Finding:
    """The stage lets requests through."""
    stage = _stage(facts)
    for where, settings in {
        "": stage.get("DefaultRouteSettings", {}),
        **stage.get("RouteSettings", {}),
    }.items():
        for field in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
            if settings.get(field) == 0:
                of_route = f" of {where}" if where else ""
                return fail(
                    f"The stage's {field}{of_route} is 0: every request is answered with 429.",
                    PROVISION
                    if not where
                    else f"aws apigatewayv2 delete-route-settings --api-id {api_id(facts)} "
                    f"--stage-name {stage['StageName']} --route-key '{where}' --region {facts.aws.region}",
                    f"GetStages: {f'RouteSettings.{where}' if where else 'DefaultRouteSettings'}.{field} = 0",
                )
    return ok("The stage lets requests through.")


def log_format(facts: Facts) -> Finding:
    """The access log holds nothing that a token may be in."""
    format_ = str(_stage(facts).get("AccessLogSettings", {}).get("Format", ""))
    leaking = [name for name in re.findall(r"\$context\.([\w.-]+)", format_) if _LEAKS.search(name)]
    if not leaking:
        return ok("The access log holds no tokens." if format_ else "The stage writes no access log.")
    return fail(
        f"The access log holds $context.{leaking[0]}, in which tokens may be.",
        PROVISION,
        f"GetStages: AccessLogSettings.Format has $context.{leaking[0]}",
    )


def timeouts(facts: Facts) -> Finding:
    """No function may run longer than API Gateway waits for it."""
    waits_s = facts.settings.websocket.integration_timeout_ms / 1_000
    for short in ROUTE_FUNCTIONS.values():
        try:
            runs_s = described(facts, short)["Configuration"]["Timeout"]
        except NotFound:
            continue
        if runs_s > waits_s:
            return warn(
                f"{facts.names.function(short)} may run {runs_s} s, and API Gateway waits {waits_s:g} s for it: "
                "a late answer is an error, and what the function did stays done.",
                Hint(
                    PROVISION.argv, "Lower lambda.timeout_s or raise websocket.integration_timeout_ms, then"
                ),
                f"GetFunction: Timeout = {runs_s}",
            )
    return ok("No function may run longer than API Gateway waits.")


def other_users(facts: Facts) -> Finding:
    """No other WebSocket API invokes the functions: its clients would wait for answers that never come."""
    context = Context(facts.aws, shared=SharedReads())
    found = {
        user
        for short in ROUTE_FUNCTIONS.values()
        for user in invokers(context, facts.names.function(short), api_id(facts))
        if user.protocol == "WEBSOCKET"
    }
    if not found:
        return ok("No other WebSocket API invokes the functions.")
    first = min(found)
    return warn(
        f"{first.who} invokes these functions, too: {first.effect(facts.names.api)}.",
        Hint(
            ("provision", "--adopt"),
            "Delete that API, or set websocket.api_name to its name and take it over",
        ),
        f"GetIntegrations: {first.who}",
    )


CHECKS: Final = (
    Check(
        "WS050",
        "websocket.throttling",
        "Does the stage let requests through?",
        throttling,
        (API, STAGE),
        actions=("apigateway:GET",),
        watches=("stage.*:throttling_*",),
        meaning="A throttling limit of 0 switches the stage, or one route, off: the answer is 429.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        "WS052",
        "websocket.log-format",
        "Is the access log free of tokens?",
        log_format,
        (API, STAGE),
        actions=("apigateway:GET",),
        watches=("stage.*:access_log_format",),
        meaning="The format names a variable that may hold a token. Whoever reads the log may then connect as a user.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    drift_check(
        "WS053",
        "websocket.log-role",
        "May API Gateway write logs in this Region?",
        ("api_gateway_log_role.*",),
        "The account's log role is set.",
        "API Gateway has no role to write logs with",
        THERE,
        "The Region's setting `cloudwatchRoleArn` was removed, often by deleting another stack. It is shared by every API.",
    ),
    drift_check(
        "WS051",
        "websocket.access-log",
        "Does the stage write its access log?",
        ("stage.*:access_log_*",),
        "The access log is as the settings want it.",
        "The access log is not as the settings want it",
        (API, STAGE, "WS052", "WS053"),
        "The access log was switched off, or goes to another group or in another format.",
    ),
    Check(
        "WS056",
        "websocket.timeouts",
        "Does API Gateway wait for its functions?",
        timeouts,
        (API, "WS015"),
        actions=("lambda:GetFunction",),
        meaning="API Gateway gives up before the function does: clients see an error for what was done.",
        fix=PROVISION,
    ),
    Check(
        "WS057",
        "websocket.other-apis",
        "Are the functions this API's alone?",
        other_users,
        (API, DEPLOYED),
        actions=("apigateway:GET", "lambda:GetPolicy"),
        meaning="Another WebSocket API invokes the functions; they answer through this stack's API, so its clients get nothing.",
        fix=Hint(("provision", "--adopt")),
    ),
)
