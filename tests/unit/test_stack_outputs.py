"""Where the stack is: the API of our name and tag, or the endpoint of the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.outputs import StackOutputs, read_outputs


@dataclass
class FakeAws:
    """API Gateway with some APIs, and an SSM that holds nothing."""

    apis: list[dict[str, Any]] = field(default_factory=list)
    region: str = "us-east-1"
    account_id: str = "123456789012"
    listed: int = 0

    def client(self, service: str) -> FakeAws:
        assert service in ("apigatewayv2", "ssm")
        return self

    def get_paginator(self, operation: str) -> FakeAws:
        assert operation == "get_apis"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        self.listed += 1
        return [{"Items": self.apis[:1]}, {"Items": self.apis[1:]}]

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:
        raise NotFound("GetParameter: not found", aws_code="ParameterNotFound", operation="GetParameter")

    def add(self, api_id: str, **tags: str) -> None:
        endpoint = f"wss://{api_id}.execute-api.us-east-1.amazonaws.com"
        self.apis.append(
            {"ApiId": api_id, "Name": "whatschat-websocket", "ApiEndpoint": endpoint, "Tags": tags}
        )


def outputs(aws: FakeAws, **websocket: Any) -> StackOutputs:
    return read_outputs(Settings.model_validate({"websocket": websocket}), aws)  # type: ignore[arg-type]


def test_only_an_api_with_our_tag_counts() -> None:
    aws = FakeAws()
    aws.add("foreign1")
    aws.add("foreign2", **{STACK_TAG: "somebody-else"})
    with pytest.raises(NotFound) as caught:
        outputs(aws)
    assert caught.value.hint == "whatschat-ops provision"
    aws.add("ours3", **{STACK_TAG: "whatschat-local"})
    found = outputs(aws)
    assert found.api_id == "ours3"
    assert found.websocket_url == "wss://ours3.execute-api.us-east-1.amazonaws.com/production"
    assert found.callback_url == "https://ours3.execute-api.us-east-1.amazonaws.com/production"
    assert found.function_names == ("websocket-connect", "websocket-disconnect", "websocket-default")


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


def test_missing_secret_names_the_parameter_and_the_way_out() -> None:
    with pytest.raises(NotFound, match="/whatschat-ops/whatschat-local/jwt-secret") as caught:
        read_jwt_secret(Settings(), FakeAws())  # type: ignore[arg-type]
    assert caught.value.hint == "whatschat-ops provision"
