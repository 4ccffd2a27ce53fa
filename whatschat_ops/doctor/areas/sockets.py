"""Real handshakes and a message: what a client sees. Every socket says that it is the doctor's (`facts.USER_AGENT`).

On AWS, one run counts as `PROBES` in the API's metrics: a handshake that a function answers with 401 is an IntegrationError.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.doctor.areas import functions
from whatschat_ops.doctor.areas.api import (
    API,
    DEPLOYMENT,
    DNS,
    DOMAIN,
    ENDPOINT,
    INTEGRATIONS,
    ROUTES,
    STAGE,
    TLS,
)
from whatschat_ops.doctor.areas.functions import newest_error
from whatschat_ops.doctor.areas.secret import known_secret
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.areas.table import INDEX, KEY, TABLE
from whatschat_ops.doctor.check import Check, Finding, fail, ok, skip, warn
from whatschat_ops.doctor.facts import USER_AGENT, Facts
from whatschat_ops.errors import Hint
from whatschat_ops.handlers.token_rules import SECRET_KEPT_S
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.handshake import (
    Handshake,
    HandshakeAnswer,
    handshake_in_every_channel,
    probe_handshake,
)
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.jwt_secret import read_jwt_secret

ANSWERS: Final = "WS040"
GOOD: Final = "WS042"
PROBES: Final[Mapping[str, int]] = {"ConnectCount": 4, "IntegrationError": 3, "MessageCount": 2}
"""What one run adds to the metrics of AWS/ApiGateway at most."""
USER: Final = "whatschat-ops-doctor"
_LIFE: Final = timedelta(minutes=5)
"""Of the tokens that are sent; the expired one has been expired for as long."""
_ANSWER_S: Final = 10.0


def handshake(facts: Facts, token: str) -> HandshakeAnswer:
    """The answer to a handshake with `no token`, `a wrongly signed token` or `an expired token`."""
    return facts.observe(
        f"handshake with {token}",
        HandshakeAnswer,
        lambda: probe_handshake(_handshake(facts, token), user_agent=USER_AGENT),
    )


def _handshake(facts: Facts, token: str) -> Handshake:
    url, now = facts.outputs.websocket_url, datetime.now(UTC)
    if token == "no token":
        return Handshake(url, {}, ())
    if token == "a wrongly signed token":
        return handshake_in_every_channel(url, _token(Secret(secrets.token_urlsafe(32)), _LIFE, now))
    return handshake_in_every_channel(url, _token(read_jwt_secret(facts.settings, facts.aws), -_LIFE, now))


def _token(secret: Secret, ttl: timedelta, now: datetime) -> Secret:
    return mint(USER, secret, ttl=ttl, now=now, token_id=uuid.uuid4().hex).token


def endpoint(facts: Facts) -> Finding:
    """A handshake without a token reaches the connect function, which refuses it (401)."""
    url = facts.outputs.websocket_url
    finding = judge_handshake(url, handshake(facts, "no token"))
    return with_log(facts, finding, "connect")


def judge_handshake(url: str, answer: HandshakeAnswer) -> Finding:
    """What the response to a handshake without a token says about the endpoint."""
    function = ROUTE_FUNCTIONS["$connect"]
    logs = Hint(("lambda", "invoke", function, "--tail"), "See why")
    seen = f"handshake without a token: {answered(answer)}"
    if answer.status in (401, 101):  # 101: see WS041
        return ok(f"{url} responds.")
    if answer.status is None:
        return fail(
            f"{url} does not respond: {answer.error}.",
            Hint(("ws", "endpoint"), "Provision the stack, or compare with"),
            seen,
        )
    if answer.status == 403:
        return fail(
            f"{url} responds with 403: the stage does not exist, or an authorizer denies the request.",
            Hint(("status",), "Provision the stack, or compare the stage with"),
            seen,
        )
    if answer.status == 429:
        return warn(
            f"{url} responds with 429: too many new connections.",
            "Wait, or raise the quota L-9ED1E49A (new connections per second).",
            seen,
        )
    return fail(
        f"{url} responds with {answer.status}: the function {function} failed or cannot be invoked.",
        logs,
        seen,
    )


def with_log(facts: Facts, finding: Finding, short: str) -> Finding:
    """A finding about a function that failed, with what it logged last."""
    if finding.evidence.endswith(("500", "502", "503")) and (line := newest_error(facts, short)):
        return Finding(finding.status, f"{finding.detail} Its log: {line}", finding.fix, finding.evidence)
    return finding


def tokens(facts: Facts) -> Finding:
    """Handshakes without a token, with a wrongly signed and with an expired one are refused (401)."""
    kinds = ("no token", "a wrongly signed token", "an expired token")
    answers = {kind: handshake(facts, kind) for kind in kinds}
    return judge_tokens(answers, own_code=facts.settings.lambda_.source.path is not None)


def judge_tokens(answers: Mapping[str, HandshakeAnswer], *, own_code: bool) -> Finding:
    """What the responses to handshakes say that must all be rejected; `own_code`: the application's functions run."""
    accepted = [what for what, answer in answers.items() if answer.status == 101]
    seen = "; ".join(f"{what}: {answered(answer)}" for what, answer in answers.items())
    if accepted:
        return fail(
            f"The function {ROUTE_FUNCTIONS['$connect']} accepts {' and '.join(accepted)}.",
            "Correct how the application's connect handler verifies tokens (docs/protocol.md)."
            if own_code
            else Hint(("lambda", "deploy", ROUTE_FUNCTIONS["$connect"]), "Deploy our handler"),
            seen,
        )
    others = [f"{what} with {answered(answer)}" for what, answer in answers.items() if answer.status != 401]
    if not others:
        return ok(f"{len(answers)} handshakes are rejected with 401: {', '.join(answers)}.")
    detail = f"The endpoint answers {', '.join(others)}, not with 401."
    if all(answer.status in (401, 429, None) for answer in answers.values()):
        return skip(detail, f"See {ANSWERS}.")  # nothing that the function said
    return fail(detail, Hint(("lambda", "invoke", ROUTE_FUNCTIONS["$connect"], "--tail"), "See why"), seen)


def answered(answer: HandshakeAnswer) -> str:
    """An answer in words."""
    return str(answer.status) if answer.status is not None else f"no response ({answer.error})"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A handshake with a good token, and a message: `answer` is "pong" when it came back, after `answered_ms`."""

    handshake: HandshakeAnswer
    answer: str = ""
    answered_ms: float = 0.0


def conversation(facts: Facts) -> Conversation:
    """Open a socket with a good token, and with our own functions send a ping; then close it."""
    return facts.observe("conversation", Conversation, lambda: _conversation(facts))


def _conversation(facts: Facts) -> Conversation:
    token = _token(read_jwt_secret(facts.settings, facts.aws), _LIFE, datetime.now(UTC))
    heard: list[tuple[str, float]] = []

    def talk(socket: Any) -> None:
        if facts.settings.lambda_.source.path is not None:
            return  # what the application's functions make of a message is not known
        started = time.perf_counter()
        socket.send('{"type":"ping"}')
        try:
            said = json.loads(socket.recv(_ANSWER_S))
            kind = str(said.get("type", "")) if isinstance(said, dict) else ""
        except (TimeoutError, ValueError, RecursionError) as error:
            kind = f"no answer ({type(error).__name__})"
        heard.append((kind, (time.perf_counter() - started) * 1_000))

    channel = handshake_in_every_channel(facts.outputs.websocket_url, token)
    answer = probe_handshake(channel, user_agent=USER_AGENT, talk=talk)
    return Conversation(answer, *heard[0]) if heard else Conversation(answer)


KEPT: Final = timedelta(seconds=SECRET_KEPT_S + 15)
"""For how long a function may know an earlier secret, and a bit for its answer."""


def good(facts: Facts) -> Finding:
    """A handshake with a good token is accepted."""
    answer = conversation(facts).handshake
    if answer.status == 101:
        return ok("A good token is accepted.")
    seen = f"handshake with a good token: {answered(answer)}"
    function = ROUTE_FUNCTIONS["$connect"]
    if answer.status == 401 and (age := facts.now - known_secret(facts).stored_at) < KEPT:
        return skip(
            f"A good token is refused, and the secret was changed {age.total_seconds():.0f} s ago: the functions keep the earlier one for up to {KEPT.total_seconds():.0f} s.",
            "Run it again in a minute.",
        )
    if answer.status == 401:
        return fail(
            f"The function {function} refuses a token that is signed with the stack's secret.",
            Hint(
                ("lambda", "invoke", function, "--tail"),
                "It may use another secret (JWT_SECRET_PARAMETER). See why",
            ),
            seen,
        )
    if answer.status == 429:
        return skip("The endpoint answers with 429.", f"See {ANSWERS}.")
    finding = fail(
        f"A handshake with a good token is answered with {answered(answer)}.",
        Hint(("lambda", "invoke", function, "--tail"), "See why"),
        seen,
    )
    return with_log(facts, finding, function)


def round_trip(facts: Facts) -> Finding:
    """A message reaches the default function, and its answer the client."""
    if conversation(facts).handshake.status != 101:
        return skip("No connection was opened.", f"See {GOOD}.")
    if facts.settings.lambda_.source.path is not None:
        return skip("What the application's own functions answer is not known.")
    found = conversation(facts)
    if found.answer == "pong":
        return ok(f"A ping came back after {found.answered_ms:.0f} ms.")
    function = ROUTE_FUNCTIONS["$default"]
    line = newest_error(facts, function)
    return fail(
        f"A ping did not come back: {found.answer or 'the socket was closed'}.{f' Its log: {line}' if line else ''}",
        Hint(("lambda", "invoke", function, "--tail"), "See why"),
        f"ping: {found.answer or 'closed'}",
    )


_CAUSES: Final = (
    *THERE,
    *(API, ENDPOINT, DNS, TLS, STAGE, DOMAIN, ROUTES, INTEGRATIONS, DEPLOYMENT, "WS050", "WS054", "WS055"),
    *(functions.DEPLOYED, functions.STATE, "WS014", "WS015", "WS016", "WS017", functions.RESERVED),
    *("WS030", "WS031", "WS036"),
)
"""Whatever keeps a handshake from its function, or the function from its work."""
CHECKS: Final = (
    Check(
        ANSWERS,
        "websocket.endpoint",
        "Does the endpoint answer?",
        endpoint,
        (*_CAUSES, TABLE),
        meaning="A handshake without a token must be refused by the connect function with 401; anything else comes from what is before it.",
        fix=Hint(("lambda", "invoke", "connect", "--tail")),
    ),
    Check(
        "WS041",
        "websocket.tokens",
        "Are bad tokens refused?",
        tokens,
        (*_CAUSES, ANSWERS),
        actions=("ssm:GetParameter",),
        meaning="Whoever knows the address can connect as anyone: the connect function checks neither signature nor expiry.",
        fix=Hint(("lambda", "deploy", "connect")),
    ),
    Check(
        GOOD,
        "websocket.good-token",
        "Is a good token accepted?",
        good,
        (*_CAUSES, ANSWERS, TABLE, KEY),
        actions=("ssm:GetParameter",),
        meaning="A token that is signed with the stack's secret is refused, or its row cannot be written: no user can connect.",
        fix=Hint(("lambda", "invoke", "connect", "--tail")),
    ),
    Check(
        "WS043",
        "websocket.round-trip",
        "Does a message come back?",
        round_trip,
        (*_CAUSES, ANSWERS, TABLE, KEY, INDEX, GOOD),
        meaning="The default function failed, or may not post to connections (execute-api:ManageConnections).",
        fix=Hint(("lambda", "invoke", "default", "--tail")),
    ),
    Check(
        "WS028",
        "websocket.last-error",
        "Are the functions' newest log lines no errors?",
        functions.last_error,
        (*_CAUSES, ANSWERS, TABLE, KEY, INDEX, GOOD, "WS043"),
        actions=("logs:DescribeLogStreams", "logs:GetLogEvents"),
        meaning="A function failed at what it did last, though handshakes and messages work: the disconnect function, or one user's message.",
        fix=Hint(("lambda", "invoke", "connect", "--tail")),
    ),
)
