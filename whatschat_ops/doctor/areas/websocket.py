"""Items 1 to 4 of the guide: endpoint, functions, table, IAM."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS, ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.doctor.areas.stack import PROVISIONED
from whatschat_ops.doctor.check import Check, Finding, fail, judge_permissions, of, ok, skip, warn
from whatschat_ops.errors import PROVISION, Hint, NotFound
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.handshake import (
    Handshake,
    HandshakeAnswer,
    handshake_in_every_channel,
    probe_handshake,
)
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import check_permissions
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.table_keys import describe_indexes, describe_key
from whatschat_ops.stack.other_apis import invokers
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.shared_reads import SharedReads

_LIFE: Final = timedelta(minutes=5)
"""Of the tokens that are sent; the expired one has been expired for as long."""


def endpoint(settings: Settings, aws: Aws) -> Finding:
    """Open the endpoint without a token: the `connect` function must reject the handshake (401)."""
    url = read_outputs(settings, aws).websocket_url
    return judge_handshake(url, probe_handshake(_without_token(url)))


def judge_handshake(url: str, answer: HandshakeAnswer) -> Finding:
    """What the response to a handshake without a token says about the endpoint."""
    function = ROUTE_FUNCTIONS["$connect"]
    logs = Hint(("lambda", "invoke", function, "--tail"), "See why")
    if answer.status == 401:
        return ok(f"{url} responds, and rejects a client without a token.")
    if answer.status is None:
        return fail(
            f"{url} does not respond: {answer.error}.",
            Hint(("ws", "endpoint"), "Provision the stack, or compare with"),
        )
    if answer.status == 101:
        return fail(
            f"{url} accepted a client without a token.",
            Hint(("lambda", "deploy", function), "Deploy our handler"),
        )
    if answer.status == 403:
        return fail(
            f"{url} responds with 403: the stage does not exist, or an authorizer denies the request.",
            Hint(("status",), "Provision the stack, or compare the stage with"),
        )
    if answer.status == 429:
        return warn(
            f"{url} responds with 429: too many new connections.",
            "Wait, or raise the quota L-9ED1E49A (new connections per second).",
        )
    return fail(
        f"{url} responds with {answer.status}: the function {function} failed or cannot be invoked.", logs
    )


def tokens(settings: Settings, aws: Aws) -> Finding:
    """Open the endpoint without a token, with a wrongly signed and with an expired one: each must be rejected (401)."""
    url = read_outputs(settings, aws).websocket_url
    now = datetime.now(UTC)
    foreign = _token(Secret(secrets.token_urlsafe(32)), _LIFE, now)
    expired = _token(read_jwt_secret(settings, aws), -_LIFE, now)
    handshakes = {
        "no token": _without_token(url),
        "a wrongly signed token": handshake_in_every_channel(url, foreign),
        "an expired token": handshake_in_every_channel(url, expired),
    }
    answers = {what: probe_handshake(handshake) for what, handshake in handshakes.items()}
    return judge_tokens(answers, own_code=settings.lambda_.source.path is not None)


def judge_tokens(answers: Mapping[str, HandshakeAnswer], *, own_code: bool) -> Finding:
    """What the responses to handshakes say that must all be rejected; `own_code`: the application's functions run."""
    accepted = [what for what, answer in answers.items() if answer.status == 101]
    if accepted:
        return fail(
            f"The function {ROUTE_FUNCTIONS['$connect']} accepts {' and '.join(accepted)}.",
            "Correct how the application's connect handler verifies tokens (docs/protocol.md)."
            if own_code
            else Hint(("lambda", "deploy", ROUTE_FUNCTIONS["$connect"]), "Deploy our handler"),
        )
    others = [f"{what} with {_answered(answer)}" for what, answer in answers.items() if answer.status != 401]
    if not others:
        return ok(f"{len(answers)} handshakes are rejected with 401: {', '.join(answers)}.")
    detail = f"The endpoint answers {', '.join(others)}, not with 401."
    if all(answer.status in (401, 429, None) for answer in answers.values()):
        return skip(detail, "See websocket.endpoint.")  # nothing that the function said
    return fail(detail, Hint(("lambda", "invoke", ROUTE_FUNCTIONS["$connect"], "--tail"), "See why"))


def _answered(answer: HandshakeAnswer) -> str:
    return str(answer.status) if answer.status is not None else f"no response ({answer.error})"


def _without_token(url: str) -> Handshake:
    return Handshake(url, {}, ())


def _token(secret: Secret, ttl: timedelta, now: datetime) -> Secret:
    return mint("doctor", secret, ttl=ttl, now=now, token_id=uuid.uuid4().hex).token


def functions(settings: Settings, aws: Aws) -> Finding:
    """All three functions exist, are active behind the alias, and API Gateway has permission to invoke them."""
    names = Names(settings)
    problems = {
        names.function(short): problem
        for short in ROUTE_FUNCTIONS.values()
        if (problem := _function_problem(aws, names.function(short))) is not None
    }
    if problems:
        return fail("; ".join(f"{name}: {problem}" for name, problem in problems.items()) + ".", PROVISION)
    others = _other_apis(settings, aws)
    if others:
        return warn(
            f"{'; '.join(others)}.",
            Hint(
                ("provision", "--adopt"),
                "Delete that API, or set websocket.api_name to its name and take it over",
            ),
        )
    return ok(
        f"{len(ROUTE_FUNCTIONS)} functions are active, and API Gateway can invoke their alias {LIVE_ALIAS!r}."
    )


def _other_apis(settings: Settings, aws: Aws) -> list[str]:
    """Other WebSocket APIs that invoke the functions: their clients wait for answers that never come."""
    names, context = Names(settings), Context(aws, shared=SharedReads())
    own_api = read_outputs(settings, aws).api_id
    found = {
        user
        for short in ROUTE_FUNCTIONS.values()
        for user in invokers(context, names.function(short), own_api)
        if user.protocol == "WEBSOCKET"
    }
    return [f"{user.who} invokes these functions, too: {user.effect(names.api)}" for user in sorted(found)]


def _function_problem(aws: Aws, name: str) -> str | None:
    client = aws.client("lambda")
    try:
        configuration = client.get_function_configuration(FunctionName=name, Qualifier=LIVE_ALIAS)
    except NotFound:
        return f"not deployed (no alias {LIVE_ALIAS!r})"
    if configuration.get("State", "Active") != "Active":
        return f"state {configuration['State']}: {configuration.get('StateReason', 'no reason given')}"
    try:
        policy = str(client.get_policy(FunctionName=name, Qualifier=LIVE_ALIAS)["Policy"])
    except NotFound:
        policy = ""
    return None if "apigateway.amazonaws.com" in policy else "API Gateway has no permission to invoke it"


def table(settings: Settings, aws: Aws) -> Finding:
    """The connections table exists, with its key, its index and its TTL."""
    name = Names(settings).connections_table
    client = aws.client("dynamodb")
    try:
        description = client.describe_table(TableName=name)["Table"]
    except NotFound:
        return fail(
            f"The table {name} does not exist in {aws.region}.",
            Hint(PROVISION.argv, "Check CONNECTIONS_TABLE, or"),
        )
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    problems = table_problems(description, ttl)
    if problems:
        return fail(f"The table {name}: {'; '.join(problems)}.", PROVISION)
    return ok(
        f"The table {name} is active, with {USER_INDEX} and TTL; about {description.get('ItemCount', 0)} rows."
    )


def table_problems(description: Mapping[str, Any], ttl: Mapping[str, Any]) -> list[str]:
    """What is wrong with a connections table, given DescribeTable's Table and the TimeToLiveDescription."""
    key, index = describe_key(description), describe_indexes(description).get(USER_INDEX)
    states = {
        index["IndexName"]: index.get("IndexStatus", "ACTIVE")
        for index in description.get("GlobalSecondaryIndexes", [])
    }
    problems = []
    if description["TableStatus"] not in ("ACTIVE", "UPDATING"):
        problems.append(f"status {description['TableStatus']}")
    if key != "connectionId":
        problems.append(f"its key is {key}, not connectionId")
    if states.get(USER_INDEX) != "ACTIVE":
        problems.append(f"the index {USER_INDEX} is {states.get(USER_INDEX, 'missing')}")
    elif index != "userId":
        problems.append(f"the index {USER_INDEX} is of {index}, not of userId with all attributes")
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING") or ttl.get("AttributeName") != "ttl":
        problems.append("TTL is not enabled on the attribute ttl, so expired rows stay")
    return problems


def iam(settings: Settings, aws: Aws) -> Finding:
    """The functions' role allows the calls of the handlers."""
    names = Names(settings)
    api_id = read_outputs(settings, aws).api_id or "*"
    document = policy_of("lambda", settings, Place(aws.region, aws.account_id), api_id)
    try:
        found = check_permissions(aws, "lambda", Principal("role", names.lambda_role), document)
    except NotFound:
        return fail(f"The role {names.lambda_role} does not exist.", PROVISION)
    fix = Hint(("iam", "attach", "lambda", "--role", names.lambda_role), "Provision the stack, or")
    return judge_permissions(found, fix)


_THERE: Final = (PROVISIONED,)
CHECKS: Final = (
    Check("WS001", "websocket.endpoint", "Does the endpoint answer?", of(endpoint), _THERE),
    Check("WS010", "websocket.functions", "Are the functions deployed?", of(functions), _THERE),
    Check("WS020", "websocket.table", "Does the table exist?", of(table), _THERE),
    Check("WS031", "websocket.iam", "Do the functions have their permissions?", of(iam), _THERE),
    Check("WS040", "websocket.tokens", "Are bad tokens rejected?", of(tokens), _THERE),
)
