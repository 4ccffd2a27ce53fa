"""The policies are enough, and no action of them can be spared. The whole table: `python -m tests.minimality`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from tests.minimality.backend import BackendScenario
from tests.minimality.functions import FunctionsScenario
from tests.minimality.meetings import attempt_meeting
from tests.minimality.operator import OperatorScenario
from tests.minimality.removal import Broken, Document, Removed, User, removals, without
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import allow, document
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

SETTINGS = Settings.of({"prefix": "least-"})
LAMBDA = dict(
    zip(
        map(str, removals(policy_of("lambda", SETTINGS, Place("us-east-1", "000000000000"), "a"))),
        (
            "connect",  # PutItem
            "message:send",  # GetItem
            "gone connection",  # DeleteItem
            "message:send",  # Query
            "ping",  # ManageConnections
            "logs",  # CreateLogStream
            "logs",  # PutLogEvents
            "connect",  # GetParameter
        ),
        strict=True,
    )
)
"""An action of the functions' policy -> the step that breaks first without it."""
CHIME_POLICY = policy_of("chime", SETTINGS, Place("us-east-1", "000000000000"), "a")


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    made = Stack(SETTINGS, aws_of(embedded_aws))
    made.apply(made.plan())
    yield made
    made.apply(made.plan_destroy(delete_data=True))


@pytest.fixture(scope="module")
def functions(embedded_aws: EmbeddedAws, stack: Stack) -> FunctionsScenario:
    return FunctionsScenario(embedded_aws.client, SETTINGS, read_outputs(SETTINGS, stack.aws).websocket_url)


@pytest.fixture(scope="module")
def lambda_document(functions: FunctionsScenario) -> Document:
    return functions.document


@pytest.fixture(scope="module")
def application(embedded_aws: EmbeddedAws) -> User:
    return User(embedded_aws.client, "least-application")


def test_functions_need_no_more_than_their_policy(
    functions: FunctionsScenario, lambda_document: Document
) -> None:
    functions.attempt(lambda_document)


@pytest.mark.parametrize(("removed", "step"), LAMBDA.items())
def test_without_this_action_the_functions_fail_there(
    functions: FunctionsScenario, lambda_document: Document, removed: str, step: str
) -> None:
    with pytest.raises(Broken) as caught:
        functions.attempt(without(lambda_document, Removed(*removed.split("/"))))
    functions.clear()
    assert caught.value.step == step


@pytest.mark.parametrize("short", ["connect", "disconnect", "default"])
def test_without_its_invoke_permission_the_route_fails(
    embedded_aws: EmbeddedAws,
    stack: Stack,
    functions: FunctionsScenario,
    lambda_document: Document,
    short: str,
) -> None:
    embedded_aws.client("lambda").remove_permission(
        FunctionName=Names(SETTINGS).function(short),
        Qualifier=LIVE_ALIAS,
        StatementId="whatschat-ops-apigateway",
    )
    step = {"connect": "connect", "disconnect": "disconnect", "default": "ping"}[short]
    with pytest.raises(Broken) as caught:
        functions.attempt(lambda_document)
    assert caught.value.step == step
    functions.clear()
    stack.apply(stack.plan_only({f"permission.{short}"}))


def test_application_needs_no_more_than_its_policy(embedded_aws: EmbeddedAws, application: User) -> None:
    application.may(CHIME_POLICY)
    attempt_meeting(chime_of(embedded_aws, application))


@pytest.mark.parametrize("removed", removals(CHIME_POLICY), ids=str)
def test_without_this_action_the_application_fails_there(
    embedded_aws: EmbeddedAws, application: User, removed: Removed
) -> None:
    application.may(without(CHIME_POLICY, removed))
    with pytest.raises(Broken) as caught:
        attempt_meeting(chime_of(embedded_aws, application))
    assert caught.value.step == removed.action.removeprefix("chime:")
    assert caught.value.seen.startswith("HTTP 403")


class Backend:
    """A backend with a user and clients of its own, and what it does."""

    def __init__(self, aws: EmbeddedAws, stack: Stack) -> None:
        outputs = read_outputs(SETTINGS, stack.aws)
        self.user = User(aws.client, "least-backend")
        key = self.user.access_key_id, self.user.secret_access_key
        self._management = aws.client_as(*key, "apigatewaymanagementapi", outputs.callback_url)
        self._chime = aws.client_as(*key, "chime-sdk-meetings")
        self._scenario = BackendScenario(aws.client, SETTINGS, outputs.websocket_url)
        self.policy = policy_of("backend", SETTINGS, Place(aws.region, aws.account_id), outputs.api_id)

    def attempt(self) -> None:
        self._scenario.attempt(self._management, self._chime)


@pytest.fixture(scope="module")
def backend(embedded_aws: EmbeddedAws, stack: Stack) -> Backend:
    return Backend(embedded_aws, stack)


BACKEND = dict(
    zip(
        removals(policy_of("backend", SETTINGS, Place("us-east-1", "000000000000"), "a")),
        (
            "PostToConnection",
            "GetConnection",
            "DeleteConnection",
            "CreateMeeting",
            "GetMeeting",
            "DeleteMeeting",
            "CreateAttendee",
            "BatchCreateAttendee",
            "ListAttendees",
            "DeleteAttendee",
        ),
        strict=True,
    )
)
"""An action of the backend's policy -> the operation that is refused without it."""


@pytest.mark.parametrize(("removed", "operation"), BACKEND.items(), ids=str)
def test_without_this_action_the_backend_fails_there(
    backend: Backend, removed: Removed, operation: str
) -> None:
    backend.user.may(without(backend.policy, removed))
    with pytest.raises(Broken) as caught:
        backend.attempt()
    assert caught.value.step == operation
    assert caught.value.seen.startswith("HTTP 403")


def test_the_attached_policy_is_all_that_the_backend_needs(
    embedded_aws: EmbeddedAws, backend: Backend
) -> None:
    backend.user.may(document(allow("Nothing", ["s3:ListAllMyBuckets"], "*")))
    user = ("backend", "--user", backend.user.name)
    with pytest.raises(Broken, match="PostToConnection"):
        backend.attempt()
    lacking = iam(embedded_aws, "check", *user, code=3)[0]
    assert len(lacking["missing"]) == len(BACKEND)

    assert iam(embedded_aws, "attach", *user, "--yes")["changed"]
    backend.attempt()
    assert iam(embedded_aws, "check", *user)[0]["missing"] == []

    assert iam(embedded_aws, "detach", *user, "--yes")["changed"]
    with pytest.raises(Broken, match="PostToConnection"):
        backend.attempt()


@pytest.mark.parametrize(
    ("sid", "action"),
    [
        ("Tables", "dynamodb:TagResource"),
        ("PassToLambda", "iam:PassRole"),
        ("Apis", "apigateway:TagResource"),
    ],
)
def test_without_this_action_the_operator_cannot_provision(
    own_aws: EmbeddedAws, sid: str, action: str
) -> None:
    operator = User(own_aws.client, "limited")
    place = Place(own_aws.region, own_aws.account_id)
    operator.may(without(policy_of("operator", Settings(), place, "*"), Removed(sid, action)))
    scenario = OperatorScenario(own_aws.client, aws_of(own_aws))
    with pytest.raises(Broken, match=f"not authorized to perform: {action}") as caught:
        scenario.attempt(aws_of(own_aws, operator))
    assert caught.value.step == "provision"


def test_check_names_missing_and_superfluous_and_exits_with_3(
    embedded_aws: EmbeddedAws, stack: Stack, functions: FunctionsScenario, lambda_document: Document
) -> None:
    functions.put(lambda_document)
    stack.apply(stack.plan_only({"role_policy.lambda"}))
    complete = check(embedded_aws, code=0)
    assert (complete["missing"], complete["superfluous"], complete["decided_by"]) == ([], [], "iam")

    changed = without(lambda_document, Removed("Connections", "dynamodb:GetItem"))
    changed["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    functions.put(changed)
    found = check(embedded_aws, code=3)
    assert [item["action"] for item in found["missing"]] == ["dynamodb:GetItem"]
    assert [item["action"] for item in found["superfluous"]] == ["s3:*"]
    functions.put(lambda_document)


def check(aws: EmbeddedAws, *, code: int) -> Any:
    return iam(aws, "check", "lambda", code=code)[0]


def iam(aws: EmbeddedAws, *arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "whatschat_ops", "iam", *arguments, "--json"],
        env={**aws.environment(), "WHATSCHAT_PREFIX": SETTINGS.prefix},
        cwd=aws.state_directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def aws_of(embedded: EmbeddedAws, user: User | None = None) -> Aws:
    """Our clients, as the administrator or as a user."""
    secret = Secret(user.secret_access_key) if user else embedded.secret_access_key
    return Aws(
        AwsTarget(
            embedded.region,
            endpoint_url=embedded.endpoint_url,
            access_key_id=user.access_key_id if user else embedded.access_key_id,
            secret_access_key=secret,
        )
    )


def chime_of(aws: EmbeddedAws, user: User) -> object:
    return aws.client_as(user.access_key_id, user.secret_access_key, "chime-sdk-meetings")
