"""Where the stack is: the API of our name and tag, or the endpoint of the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.housekeeping import disconnect, prune
from whatschat_ops.cli.ws.load import checked_url
from whatschat_ops.config import LoadedSettings, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound, NotProvisioned, UsageError
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.outputs import StackOutputs, endpoint_is_own, read_outputs


@dataclass
class FakeAws:
    """API Gateway with some APIs, and an SSM that holds nothing."""

    apis: list[dict[str, Any]] = field(default_factory=list)
    region: str = "us-east-1"
    account_id: str = "123456789012"
    listed: int = 0
    tagged_since: dict[str, dict[str, str]] = field(default_factory=dict)
    """API id -> tags that GetApis does not show yet."""

    def client(self, service: str) -> FakeAws:
        assert service in ("apigatewayv2", "ssm")
        return self

    def get_paginator(self, operation: str) -> FakeAws:
        assert operation == "get_apis"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        self.listed += 1
        return [{"Items": self.apis[:1]}, {"Items": self.apis[1:]}]

    def get_tags(self, ResourceArn: str) -> dict[str, Any]:
        api_id = ResourceArn.removeprefix("arn:aws:apigateway:us-east-1::/apis/")
        return {"Tags": self.tagged_since.get(api_id, {})}

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:
        raise NotFound("GetParameter: not found", aws_code="ParameterNotFound", operation="GetParameter")

    def add(self, api_id: str, **tags: str) -> None:
        endpoint = f"wss://{api_id}.execute-api.us-east-1.amazonaws.com"
        self.apis.append(
            {"ApiId": api_id, "Name": "whatschat-websocket", "ApiEndpoint": endpoint, "Tags": tags}
        )


def outputs(aws: FakeAws, **websocket: Any) -> StackOutputs:
    return read_outputs(Settings.of({"websocket": websocket}), aws)  # type: ignore[arg-type]


def test_only_an_api_with_our_tag_counts() -> None:
    aws = FakeAws()
    aws.add("foreign1")
    aws.add("foreign2", **{STACK_TAG: "somebody-else"})
    with pytest.raises(NotFound) as caught:
        outputs(aws)
    assert isinstance(caught.value, NotProvisioned)
    aws.add("ours3", **{STACK_TAG: "whatschat-local"})
    found = outputs(aws)
    assert found.api_id == "ours3"
    assert found.websocket_url == "wss://ours3.execute-api.us-east-1.amazonaws.com/production"
    assert found.callback_url == "https://ours3.execute-api.us-east-1.amazonaws.com/production"
    assert found.function_names == ("websocket-connect", "websocket-disconnect", "websocket-default")


def test_api_that_was_just_taken_over_counts_though_the_listing_lags() -> None:
    aws = FakeAws()
    aws.add("foreign1")
    aws.add("adopted2")
    aws.tagged_since = {"foreign1": {"team": "others"}, "adopted2": {STACK_TAG: "whatschat-local"}}
    assert outputs(aws).api_id == "adopted2"


def test_endpoint_of_the_settings_takes_the_place_of_the_apis() -> None:
    aws = FakeAws()
    custom = outputs(aws, endpoint="https://chat.example.com/live/")
    assert (custom.websocket_url, custom.callback_url, custom.api_id) == (
        "wss://chat.example.com/live",
        "https://chat.example.com/live",
        "",
    )
    aws.listed = 0
    named = outputs(aws, endpoint="wss://a1.execute-api.us-east-1.amazonaws.com/production")
    assert (named.api_id, aws.listed) == ("a1", 0)


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        (None, True),
        ("wss://ours3.execute-api.us-east-1.amazonaws.com/production", True),
        ("https://ours3.execute-api.us-east-1.amazonaws.com", True),
        ("https://ours3.execute-api.us-east-1.amazonaws.com/staging", False),
        ("https://foreign1.execute-api.us-east-1.amazonaws.com/production", False),
        ("https://chat.example.com/live", False),
    ],
)
def test_endpoint_is_own_only_when_it_names_the_api_and_stage_of_the_stack(
    endpoint: str | None, own: bool
) -> None:
    aws = FakeAws()
    aws.add("foreign1")
    aws.add("ours3", **{STACK_TAG: "whatschat-local"})
    settings = Settings.of({"websocket": {"endpoint": endpoint}})
    assert endpoint_is_own(settings, aws) is own  # type: ignore[arg-type]


def run_of(settings: Settings, aws: Any) -> Run:
    """A run of the command line with these settings on this AWS."""
    return Run(_loaded=LoadedSettings(settings, {}, None), _aws=aws)


@pytest.mark.parametrize(
    "command",
    [lambda run: prune(run, probe=True, yes=True), lambda run: disconnect(run, all_users=True, yes=True)],
)
def test_no_row_is_deleted_because_of_an_endpoint_that_may_be_another_api(
    command: Callable[[Any], None],
) -> None:
    settings = Settings.of({"websocket": {"endpoint": "https://chat.example.com/live"}})
    run = run_of(settings, FakeAws())
    with pytest.raises(UsageError, match="rows of live ones would be deleted") as caught:
        command(run)  # the fake knows no DynamoDB: nothing was read or deleted
    assert "--trust-endpoint" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://chat.example.com/live", False),
        ("https://foreign1.execute-api.us-east-1.amazonaws.com/production", False),
        ("https://ours3.execute-api.us-east-1.amazonaws.com/production", True),
        (None, True),
    ],
)
def test_load_is_put_on_the_endpoint_of_the_settings_only_if_it_is_our_own(
    endpoint: str | None, allowed: bool
) -> None:
    settings = Settings.of({"websocket": {"endpoint": endpoint}})
    aws = FakeAws()
    aws.add("ours3", **{STACK_TAG: "whatschat-local"})
    run = run_of(settings, aws)
    if allowed:
        assert "ours3" in checked_url(run, SocketMode.APIGATEWAY, None, own=False)
        return
    with pytest.raises(UsageError, match="is an attack"):
        checked_url(run, SocketMode.APIGATEWAY, None, own=False)
    assert checked_url(run, SocketMode.APIGATEWAY, None, own=True).startswith("wss://")


def test_missing_secret_names_the_parameter_and_the_way_out() -> None:
    with pytest.raises(NotFound, match="/whatschat-ops/whatschat-local/jwt-secret") as caught:
        read_jwt_secret(Settings(), FakeAws())  # type: ignore[arg-type]
    assert isinstance(caught.value, NotProvisioned)


def test_api_that_was_just_provisioned_is_not_read_again() -> None:
    aws = FakeAws()
    known = {"id": "abc", "endpoint": "wss://abc.execute-api.us-east-1.amazonaws.com", "api_name": "x"}
    found = read_outputs(Settings(), aws, known)  # type: ignore[arg-type]
    assert (found.api_id, aws.listed) == ("abc", 0)
    assert found.websocket_url == "wss://abc.execute-api.us-east-1.amazonaws.com/production"
