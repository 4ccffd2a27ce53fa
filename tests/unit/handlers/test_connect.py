"""The $connect and $disconnect routes on hand-written fakes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.handlers.aws_api import AwsCallFailed, NotConfigured
from whatschat_ops.handlers.connect import Connect
from whatschat_ops.handlers.connections_table import ConnectionsTable
from whatschat_ops.handlers.disconnect import disconnect
from whatschat_ops.handlers.jwt_secret import JwtSecret
from whatschat_ops.handlers.log import Log
from whatschat_ops.handlers.token_rules import SECRET_KEPT_S

SECRET = "the-secret-of-the-tests-is-32-bytes-long"
ROTATED = "the-next-secret-of-the-tests-is-as-long"
NOW_S = 1_800_000_000.5


class FakeAws:
    """SSM with one parameter and DynamoDB with one table."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.rotation: str | None = None
        self.secret_reads = 0
        self.rotation_reads = 0
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.failing: set[str] = set()

    def call(self, service: str, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        operation = target.rpartition(".")[2]
        if operation in self.failing:
            raise AwsCallFailed(operation, "InternalServerError")
        return {"GetParameter": self._parameter, "PutItem": self._put, "DeleteItem": self._delete}[operation](
            request
        )

    def _parameter(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert request["WithDecryption"] is True
        value = {"/secret": self.secret, "/secret-rotation": self.rotation}[request["Name"]]
        if request["Name"] == "/secret":
            self.secret_reads += 1
        else:
            self.rotation_reads += 1
        if value is None:
            raise AwsCallFailed("GetParameter", "ParameterNotFound")
        return {"Parameter": {"Value": value}}

    def _put(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.rows[request["Item"]["connectionId"]["S"]] = request["Item"]
        return {}

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert request["ReturnValues"] == "ALL_OLD"
        row = self.rows.pop(request["Key"]["connectionId"]["S"], None)
        return {} if row is None else {"Attributes": row}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Route:
    """The route on a fake AWS and a clock."""

    def __init__(self, secret: str = SECRET) -> None:
        self.aws = FakeAws(secret)
        self.clock = Clock()
        self.connect = Connect(
            JwtSecret(self.aws, "/secret", clock=self.clock), ConnectionsTable(self.aws, "connections"), 24
        )

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        context = {"connectionId": "R0oXAdfD0kwCH6w=", "connectedAt": 1_800_000_000_123}
        log = Log("connect", "request", "connection")
        answer = self.connect.answer({"requestContext": context, **event}, NOW_S, log)
        log.write(9_000, cold_start=False)
        return answer


def mint(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"userId": "alice", "exp": NOW_S + 60, **claims}, secret, algorithm)


def with_token(token: str) -> dict[str, Any]:
    return {"queryStringParameters": {"token": token}}


def test_good_token_stores_the_connection() -> None:
    route = Route()
    assert route.answer(with_token(mint())) == {"statusCode": 200}
    assert route.aws.rows == {
        "R0oXAdfD0kwCH6w=": {
            "connectionId": {"S": "R0oXAdfD0kwCH6w="},
            "userId": {"S": "alice"},
            "connectedAt": {"S": "2027-01-15T08:00:00.123Z"},
            "ttl": {"N": str(1_800_000_000 + 24 * 3600)},
        }
    }


def test_offered_subprotocol_comes_back() -> None:
    answer = Route().answer({"headers": {"Sec-WebSocket-Protocol": f"whatschat, {mint()}"}})
    assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "whatschat"}}


BAD_EVENTS = {
    "missing": {},
    "expired": with_token(mint(exp=NOW_S - 1)),
    "algorithm none": with_token(jwt.encode({"userId": "alice", "exp": NOW_S + 60}, "", "none")),
    "wrong key": with_token(mint(ROTATED)),
    "wrong algorithm": with_token(mint(SECRET * 2, "HS512")),
    "no user": with_token(mint(userId=None)),
    "not yet valid": with_token(mint(nbf=NOW_S + 60)),
    "garbage": with_token("garbage"),
    "10 KB": with_token(mint(padding="x" * 10_240)),
    "two tokens": {
        "queryStringParameters": {"token": mint()},
        "headers": {"Authorization": f"Bearer {mint(userId='bob')}"},
    },
}


@pytest.mark.parametrize("event", BAD_EVENTS.values(), ids=BAD_EVENTS.keys())
def test_bad_token_is_401_and_leaves_no_row_and_no_trace_of_itself(
    event: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    route = Route()
    assert route.answer(event) == {"statusCode": 401}
    assert route.aws.rows == {}
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["outcome"]) == ("connect", "refused")
    assert "eyJ" not in json.dumps(line)
    assert len(line["reason"]) < 30


def test_secret_is_read_once() -> None:
    route = Route()
    for _ in range(3):
        assert route.answer(with_token(mint()))["statusCode"] == 200
    assert (route.aws.secret_reads, route.aws.rotation_reads) == (1, 0)


def test_shapeless_tokens_never_read_the_secret() -> None:
    route = Route()
    assert route.answer(with_token("garbage"))["statusCode"] == 401
    assert route.aws.secret_reads == 0


def test_rotated_secret_is_read_after_a_minute() -> None:
    route = Route()
    route.answer(with_token(mint()))
    route.aws.secret = ROTATED
    assert route.answer(with_token(mint(ROTATED)))["statusCode"] == 401
    route.clock.now_s += 60
    assert route.answer(with_token(mint(ROTATED)))["statusCode"] == 200
    assert route.answer(with_token(mint(SECRET)))["statusCode"] == 401


def test_bad_signatures_read_the_secret_once_a_minute() -> None:
    route = Route()
    for _ in range(120):
        assert route.answer(with_token(mint(ROTATED)))["statusCode"] == 401
        route.clock.now_s += 1
    assert (route.aws.secret_reads, route.aws.rotation_reads) == (2, 2)


def test_failing_secret_is_our_failure_and_asked_for_once_a_minute() -> None:
    route = Route()
    route.answer(with_token(mint()))
    route.aws.failing = {"GetParameter"}
    route.clock.now_s += 60
    with pytest.raises(AwsCallFailed, match="GetParameter: InternalServerError"):
        route.answer(with_token(mint(ROTATED)))
    assert route.answer(with_token(mint(ROTATED)))["statusCode"] == 401
    assert route.answer(with_token(mint()))["statusCode"] == 200


def rotation(*secrets: str, until_s: float = NOW_S + 3600) -> str:
    return json.dumps({"secrets": secrets, "until": until_s})


def test_both_secrets_of_a_rotation_are_accepted() -> None:
    for current in (SECRET, ROTATED):
        route = Route(current)
        route.aws.rotation = rotation(SECRET, ROTATED)
        for secret in (SECRET, ROTATED):
            assert route.answer(with_token(mint(secret)))["statusCode"] == 200
        assert (
            route.answer(with_token(mint("a-secret-of-no-stack-that-is-32-bytes-long")))["statusCode"] == 401
        )
        assert (route.aws.secret_reads, route.aws.rotation_reads) == (1, 1)


def test_expired_token_of_the_previous_secret_is_refused() -> None:
    route = Route(ROTATED)
    route.aws.rotation = rotation(SECRET, ROTATED)
    assert route.answer(with_token(mint(SECRET, exp=NOW_S - 1)))["statusCode"] == 401


@pytest.mark.parametrize(
    "document",
    [
        rotation(SECRET, ROTATED, until_s=NOW_S),
        # It is about other secrets: the current one was set in another way since.
        rotation(SECRET, "yet-another-secret-of-the-tests-32-bytes"),
    ],
)
def test_previous_secret_is_refused_when_its_rotation_has_ended(document: str) -> None:
    route = Route(ROTATED)
    route.aws.rotation = document
    assert route.answer(with_token(mint(SECRET)))["statusCode"] == 401
    assert route.answer(with_token(mint(ROTATED)))["statusCode"] == 200


def test_secret_that_was_replaced_is_refused_after_a_minute() -> None:
    route = Route()
    assert route.answer(with_token(mint()))["statusCode"] == 200
    route.aws.secret = ROTATED
    route.clock.now_s += 60
    assert route.answer(with_token(mint()))["statusCode"] == 401


@pytest.mark.parametrize("document", ["null", "text", "[]", "{}", '{"secrets": 1, "until": "soon"}'])
def test_rotation_that_cannot_be_read_is_our_failure_for_tokens_that_may_need_it(document: str) -> None:
    route = Route()
    route.aws.rotation = document
    assert route.answer(with_token(mint()))["statusCode"] == 200
    with pytest.raises(NotConfigured, match="rotation"):
        route.answer(with_token(mint(ROTATED)))


def test_secret_that_is_another_kind_of_key_is_our_failure() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"
    with pytest.raises(NotConfigured, match="another kind"):
        Route(secret=pem).answer(with_token(mint()))


MOMENTS_S = (0, 1, 30, 59)


@pytest.mark.parametrize(
    ("begun_s", "seen_s", "used_s"), [*product(MOMENTS_S, MOMENTS_S, (*MOMENTS_S, 60, 61))]
)
def test_no_valid_token_is_refused_when_a_rotation_waits_as_long_as_secrets_are_kept(
    begun_s: int, seen_s: int, used_s: int
) -> None:
    """Both parameters were read at any moment before each of the two writes: `-rotation`, and a minute later the secret."""
    route = Route()
    assert route.answer(with_token(mint("a-secret-of-no-stack-that-is-32-bytes-long")))["statusCode"] == 401
    route.clock.now_s += begun_s
    route.aws.rotation = rotation(SECRET, ROTATED)
    route.clock.now_s += seen_s
    assert route.answer(with_token(mint(SECRET)))["statusCode"] == 200
    route.clock.now_s += SECRET_KEPT_S - seen_s
    assert route.answer(with_token(mint(SECRET)))["statusCode"] == 200
    route.aws.secret = ROTATED
    for secret in (ROTATED, SECRET):
        assert route.answer(with_token(mint(secret)))["statusCode"] == 200
        route.clock.now_s += used_s
        assert route.answer(with_token(mint(secret)))["statusCode"] == 200


def test_failing_table_is_our_failure() -> None:
    route = Route()
    route.aws.failing = {"PutItem"}
    with pytest.raises(AwsCallFailed, match="PutItem"):
        route.answer(with_token(mint()))


def test_empty_secret_accepts_nobody() -> None:
    with pytest.raises(NotConfigured, match="empty"):
        Route(secret="").answer(with_token(mint()))


def test_time_of_the_handshake_is_ours_when_the_event_has_none() -> None:
    route = Route()
    route.answer({**with_token(mint()), "requestContext": {"connectionId": "c"}})
    assert route.aws.rows["c"]["connectedAt"] == {"S": "2027-01-15T08:00:00.500Z"}


texts = st.text(max_size=40) | st.from_regex(r"(Bearer )?eyJ[\w-]+\.[\w-]+\.[\w-]+", fullmatch=True)
fields = st.none() | st.dictionaries(
    st.sampled_from(["token", "Authorization", "Sec-WebSocket-Protocol"]), texts | st.lists(texts, max_size=2)
)


@given(headers=fields, many_headers=fields, query=fields, many_query=fields)
def test_any_headers_and_query_are_401(headers: Any, many_headers: Any, query: Any, many_query: Any) -> None:
    event = {
        "headers": headers,
        "multiValueHeaders": many_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": many_query,
    }
    route = Route()
    assert route.answer(event) == {"statusCode": 401}
    assert route.aws.rows == {}


def test_disconnect_deletes_the_row_and_can_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    aws = FakeAws()
    aws.rows = {"one": {"userId": {"S": "alice"}}, "two": {}}
    context = {"connectionId": "one", "disconnectStatusCode": 1001, "disconnectReason": "Going away"}
    event = {"requestContext": context}
    for outcome, user in (("deleted", {"userId": "alice"}), ("absent", {})):
        log = Log("disconnect", "request", "one")
        assert disconnect(event, ConnectionsTable(aws, "connections"), log) == {"statusCode": 200}
        assert list(aws.rows) == ["two"]
        log.write(9_000, cold_start=False)
        line = json.loads(capsys.readouterr().out)
        assert (line["outcome"], line["code"], line["reason"]) == (outcome, 1001, "Going away")
        assert {key: line[key] for key in line.keys() & {"userId"}} == user
