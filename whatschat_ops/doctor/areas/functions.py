"""The functions behind the routes: there, active, as they were deployed, and with room to run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, Repair, fail, ok, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, Hint, NotFound
from whatschat_ops.stack.concurrency import LITTLE_CONCURRENCY, starved_functions

DEPLOYED: Final = "WS010"
STATE: Final = "WS011"
RESERVED: Final = "WS018"
RUNTIME_ENDS: Final[Mapping[str, date]] = {
    "nodejs16.x": date(2024, 6, 12),
    "nodejs18.x": date(2025, 9, 1),
    "nodejs20.x": date(2026, 4, 30),
    "nodejs22.x": date(2027, 4, 30),
    "python3.8": date(2024, 10, 14),
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
}
"""When AWS ends the support of a runtime (Lambda developer guide, "Lambda runtimes"); others have years."""
"""New accounts often have 10 (`quotas`): the commonest cause of a throttled first load test."""


def described(facts: Facts, short: str) -> Mapping[str, Any]:
    """What GetFunction says. Raises NotFound."""
    found: Mapping[str, Any] = facts.call("lambda", "get_function", FunctionName=facts.names.function(short))
    return found


def _configurations(facts: Facts) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for short in ROUTE_FUNCTIONS.values():
        try:
            yield facts.names.function(short), described(facts, short)["Configuration"]
        except NotFound:
            continue  # WS010 says so


def state(facts: Facts) -> Finding:
    """Lambda can run them."""
    bad = [
        (name, found["State"], found.get("StateReason", "Lambda gives no reason"))
        for name, found in _configurations(facts)
        if found.get("State", "Active") not in ("Active", "Inactive")
    ]
    if not bad:
        return ok("The functions are active.")
    name, now, reason = bad[0]
    evidence = "; ".join(f"GetFunction {each}: State = {word}" for each, word, _ in bad)
    if now == "Pending":
        return warn(f"{name} is being made: {reason}.", "Wait a moment.", evidence)
    return fail(f"{name} is {now}: {reason}.", Hint(("lambda", "deploy", "all")), evidence)


def last_update(facts: Facts) -> Finding:
    """The last change of each came into effect."""
    bad = [
        (name, found)
        for name, found in _configurations(facts)
        if found.get("LastUpdateStatus", "Successful") != "Successful"
    ]
    if not bad:
        return ok("The last change of each function came into effect.")
    name, found = bad[0]
    now = found["LastUpdateStatus"]
    evidence = f"GetFunction {name}: LastUpdateStatus = {now}"
    if now == "InProgress":
        return warn(f"{name} is being changed.", "Wait a moment.", evidence)
    reason = found.get("LastUpdateStatusReason", "Lambda gives no reason")
    return fail(f"The last change of {name} failed: {reason}.", Hint(("lambda", "deploy", "all")), evidence)


def runtime(facts: Facts) -> Finding:
    """AWS supports their runtimes."""
    found = {name: str(each.get("Runtime", "")) for name, each in _configurations(facts)}
    today = facts.now.date()
    for name, used in found.items():
        ends = RUNTIME_ENDS.get(used)
        if ends is not None and ends <= today:
            return warn(
                f"{name} runs on {used}, whose support ended on {ends}: AWS will refuse to update it.",
                Hint(PROVISION.argv, "Set lambda.runtime (or lambda.source.runtime) to a newer one, then"),
                f"GetFunction {name}: Runtime = {used}",
            )
    return ok(f"{', '.join(sorted(set(found.values())))} is supported.")


def reserved(facts: Facts) -> Finding:
    """No function may run zero times at once."""
    for short in ROUTE_FUNCTIONS.values():
        try:
            limit = described(facts, short).get("Concurrency", {}).get("ReservedConcurrentExecutions")
        except NotFound:
            continue
        if limit == 0:
            name = facts.names.function(short)
            return fail(
                f"{name} has a reserved concurrency of 0: every invocation is throttled.",
                f"aws lambda delete-function-concurrency --function-name {name} --region {facts.aws.region}",
                f"GetFunction {name}: Concurrency.ReservedConcurrentExecutions = 0",
            )
    return ok("No function is limited to 0 concurrent executions.")


def account(facts: Facts) -> Finding:
    """The account may run enough functions at once."""
    limits = facts.call("lambda", "get_account_settings")["AccountLimit"]
    total, free = int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
    evidence = f"GetAccountSettings: ConcurrentExecutions = {total}, unreserved {free}"
    if starved := starved_functions(facts.settings, free):
        return warn(
            starved,
            Hint(
                PROVISION.argv,
                "Set broadcast.distributed.workers lower, or reserved_concurrency, or ask for a higher quota; then",
            ),
            evidence,
        )
    if free >= LITTLE_CONCURRENCY:
        return ok(f"The account may run {total:,} functions at once, {free:,} of them unreserved.")
    return warn(
        f"The account may run {total:,} functions at once, {free:,} of them unreserved: more sockets at a time are throttled.",
        f"aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        f"--desired-value VALUE --region {facts.aws.region}",
        evidence,
    )


def last_error(facts: Facts) -> Finding:
    """The newest line of each function is no error."""
    bad = {name: line for short, name in _named(facts) if (line := newest_error(facts, short))}
    if not bad:
        return ok("The newest lines of the functions' logs are no errors.")
    name, line = next(iter(bad.items()))
    short = next(short for short, each in _named(facts) if each == name)
    return warn(
        f"The newest line of {name} is an error: {line}.",
        Hint(("lambda", "invoke", short, "--tail"), "Look at its log, or"),
        f"GetLogEvents {facts.names.function_log_group(short)}: {line}",
    )


def _named(facts: Facts) -> list[tuple[str, str]]:
    return [(short, facts.names.function(short)) for short in ROUTE_FUNCTIONS.values()]


def newest_error(facts: Facts, short: str) -> str | None:
    """What the newest handler or platform line of a function says, if it is a failure of the function; else None."""
    group = facts.names.function_log_group(short)
    try:
        streams = facts.call(
            "logs",
            "describe_log_streams",
            logGroupName=group,
            orderBy="LastEventTime",
            descending=True,
            limit=1,
        )["logStreams"]
        if not streams:
            return None
        stream = streams[0]["logStreamName"]
        events = facts.call(
            "logs", "get_log_events", logGroupName=group, logStreamName=stream, limit=20, startFromHead=False
        )["events"]
    except NotFound:
        return None
    return (
        next((said for event in reversed(events) if (said := _said(event["message"])) is not None), None)
        or None
    )


def _said(message: str) -> str | None:
    """The failure that a line tells of; "" when it tells of something that went well, None when of neither."""
    if message.startswith("{"):
        try:
            line = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(line, dict) or "level" not in line:
            return None
        return str(line.get("reason") or line.get("outcome", "")) if line["level"] == "ERROR" else ""
    if any(word in message for word in ("Task timed out", "Runtime exited", "Runtime.", "[ERROR]")):
        return message.strip().splitlines()[0][:200]
    return None


_FUNCTIONS: Final = "function.*"
_MADE: Final = (DEPLOYED,)
CHECKS: Final = (
    drift_check(
        DEPLOYED,
        "websocket.functions",
        "Are the functions deployed?",
        ("function.*:", "alias.*:"),
        f"{len(ROUTE_FUNCTIONS)} functions are deployed, with their alias {LIVE_ALIAS!r}.",
        "Functions are missing",
        THERE,
        f"A function or its alias {LIVE_ALIAS!r}, which API Gateway invokes, was deleted.",
    ),
    Check(
        STATE,
        "websocket.function-state",
        "Can Lambda run them?",
        state,
        _MADE,
        actions=("lambda:GetFunction",),
        meaning="A function is Failed (its role, key or network is gone) or still Pending.",
        fix=Hint(("lambda", "deploy", "all")),
    ),
    Check(
        "WS012",
        "websocket.function-update",
        "Did their last change succeed?",
        last_update,
        (DEPLOYED, STATE),
        actions=("lambda:GetFunction",),
        meaning="`LastUpdateStatus` is Failed: the function runs what it ran before.",
        fix=Hint(("lambda", "deploy", "all")),
    ),
    drift_check(
        "WS014",
        "websocket.function-code",
        "Do they run the code that is built here?",
        ("function.*:code_sha256",),
        "They run the code that is built here.",
        "Functions run other code",
        (DEPLOYED, STATE),
        "The code was changed in the console or by another pipeline, or this version of the program was not deployed yet.",
    ),
    drift_check(
        "WS015",
        "websocket.function-configuration",
        "Are memory, time-out, runtime and role as set?",
        tuple(
            f"function.*:{field}"
            for field in ("memory_mb", "timeout_s", "runtime", "handler", "architecture", "role_arn")
        ),
        "Memory, time-out, runtime, handler and role are as the settings want them.",
        "Functions are configured otherwise",
        (DEPLOYED, STATE),
        "Someone changed a function by hand: a wrong handler or role fails every invocation, a short time-out some.",
    ),
    drift_check(
        "WS016",
        "websocket.function-environment",
        "Are their variables as set?",
        ("function.*:environment",),
        "Their variables are as the settings want them.",
        "Functions have other variables",
        (DEPLOYED, STATE, "WS001"),
        "A variable such as CONNECTIONS_TABLE or API_GATEWAY_ENDPOINT was changed or removed: rows or messages go elsewhere.",
    ),
    drift_check(
        "WS017",
        "websocket.function-alias",
        "Does the alias point to the newest version?",
        ("alias.*:version", "function.*:published"),
        f"The alias {LIVE_ALIAS!r} points to what was deployed last.",
        f"The alias {LIVE_ALIAS!r} does not point to the newest version",
        (DEPLOYED, STATE, "WS014", "WS015", "WS016"),
        "The alias was moved or rolled back by hand, or a change was not published as a version: an older one runs.",
    ),
    Check(
        "WS013",
        "websocket.function-runtime",
        "Does AWS support their runtime?",
        runtime,
        (DEPLOYED, "WS015"),
        actions=("lambda:GetFunction",),
        meaning="AWS gives a runtime no security patches after its end of support, and refuses updates some months later.",
        fix=PROVISION,
    ),
    Check(
        RESERVED,
        "websocket.function-concurrency",
        "May every function run?",
        reserved,
        _MADE,
        actions=("lambda:GetFunction",),
        meaning="A reserved concurrency of 0 is how a function is switched off: every handshake or message is throttled.",
        fix=Hint(text="aws lambda delete-function-concurrency"),
        repair=Repair.CONCURRENCY,
    ),
    Check(
        "WS019",
        "websocket.account-concurrency",
        "May the account run enough functions at once?",
        account,
        THERE,
        actions=("lambda:GetAccountSettings",),
        meaning="New accounts often have a quota of 10 concurrent executions (L-B99A9384), shared by all functions.",
        fix=Hint(text="aws service-quotas request-service-quota-increase"),
    ),
)
