"""The lines that `local logs` has for what failed in the gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from websockets.exceptions import InvalidStatus

from tests.component.local.gateway_api import API_ID, STAGE, lambda_route, source_arn, websocket_api
from tests.component.local.gateway_functions import answering, failing
from tests.component.local.gateway_harness import Harness, asynchronous, serving
from whatschat_ops.local.interfaces import Denial, Route, Stage, Throttle

CONNECT, DEFAULT = lambda_route("$connect", "connect"), lambda_route("$default", "default")


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whatschat_ops.local.gateway")


async def rejected(harness: Harness) -> int:
    """The status of a handshake that fails."""
    with pytest.raises(InvalidStatus) as caught:
        await harness.client()
    return caught.value.response.status_code


def denies(harness: Harness) -> None:
    harness.control_plane.denial = Denial("AccessDeniedException", "User is not authorized")


def has_no_permission(harness: Harness) -> None:
    harness.control_plane.forbidden_sources = {source_arn("$connect")}


def has_no_function(harness: Harness) -> None:
    harness.control_plane.deleted = {"connect"}


def nothing(harness: Harness) -> None:
    return None


@pytest.mark.parametrize(
    ("route", "prepare", "cause"),
    [
        (
            replace(CONNECT, authorization_type="AWS_IAM"),
            denies,
            "403, ACCESS_DENIED: User is not authorized",
        ),
        (CONNECT, has_no_permission, f"its policy has no permission for {source_arn('$connect')}"),
        (CONNECT, has_no_function, "Function not found, function arn:"),
        (lambda_route("$connect", "failing"), nothing, "function:failing, Exception: boom"),
        (lambda_route("$connect", "no"), nothing, "401, the function of $connect rejected the connection"),
    ],
)
@asynchronous
async def test_rejected_handshake_is_logged_with_its_cause(
    route: Route, prepare: Callable[[Harness], None], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(
        websocket_api(route), connect=answering(), failing=failing, no=answering({"statusCode": 401})
    ) as harness:
        prepare(harness)
        status = await rejected(harness)
    (line,) = caplog.messages
    assert f"$connect of {API_ID}/{STAGE}: {status}, " in line
    assert cause in line


@asynchronous
async def test_throttled_and_failed_messages_are_logged_and_others_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(STAGE, route_throttles={"$default": Throttle(0.001, 1)})
    api = websocket_api(DEFAULT, lambda_route("fail", "failing"), stage=stage)
    async with serving(api, default=answering(), failing=failing) as harness:
        client = await harness.client()
        connection_id = harness.connection_id()
        await client.send("first")
        await harness.settled()
        assert caplog.messages == []
        await client.send("second")
        await client.recv()
        await client.send('{"type": "fail"}')
        await client.recv()
    throttled, failed = caplog.messages
    assert "$default" in throttled and "429, THROTTLED" in throttled and connection_id in throttled
    assert "fail of" in failed and "Lambda execution failed" in failed and "boom" in failed


@asynchronous
async def test_refused_callback_and_unknown_stage_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(websocket_api(DEFAULT), default=answering()) as harness:
        denies(harness)
        await harness.manage("POST", "R0oXAdfD0kwCH6w=", b"x")
        await harness.manage("POST", "R0oXAdfD0kwCH6w=", b"x", stage="absent")
    denied, absent = caplog.messages
    assert denied.endswith("POST/@connections/R0oXAdfD0kwCH6w=: 403, User is not authorized")
    assert "/absent/@connections" in absent
