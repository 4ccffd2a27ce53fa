"""WebSocket APIs for conformance tests of the gateway, made with plain AWS calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.names import own

STAGE = "production"


@dataclass(frozen=True)
class Api:
    """A WebSocket API."""

    aws: EmbeddedAws
    id: str

    @property
    def gateway(self) -> Any:
        """The client of its control plane."""
        return self.aws.client("apigatewayv2")

    def route(self, key: str, integration: dict[str, Any] | None = None, **options: Any) -> str:
        """A route, by default to a MOCK integration. Returns its id."""
        made = self.gateway.create_integration(
            ApiId=self.id,
            **(integration or {"IntegrationType": "MOCK", "RequestTemplates": {"$default": OK}}),
        )
        target = f"integrations/{made['IntegrationId']}"
        return str(
            self.gateway.create_route(ApiId=self.id, RouteKey=key, Target=target, **options)["RouteId"]
        )

    def deploy(self, stage: str | None = None) -> str:
        """A deployment; with a stage, that is created or moved to it. Returns its id."""
        made = str(self.gateway.create_deployment(ApiId=self.id)["DeploymentId"])
        if stage is not None:
            names = [each["StageName"] for each in self.gateway.get_stages(ApiId=self.id)["Items"]]
            move = self.gateway.update_stage if stage in names else self.gateway.create_stage
            move(ApiId=self.id, StageName=stage, DeploymentId=made)
            self.aws.settle()
        return made

    def url(self, rest: str = STAGE) -> str:
        """The WebSocket URL of a stage."""
        return self.aws.stage_url(self.id, rest).replace("http", "ws", 1)

    @contextmanager
    def client(self, rest: str = STAGE, **options: Any) -> Iterator[ClientConnection]:
        """A connected client."""
        with connect(
            self.url(rest), proxy=None, compression=None, ping_interval=None, **options
        ) as connected:
            yield connected

    def handshake(self, rest: str = STAGE, **options: Any) -> int:
        """The status of a handshake."""
        try:
            with self.client(rest, **options):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


OK = '{"statusCode": 200}'
"""The request template of a MOCK integration that succeeds."""


def new_api(aws: EmbeddedAws, **options: Any) -> Api:
    """An API without routes."""
    options = {"RouteSelectionExpression": "$request.body.type", **options}
    made = aws.client("apigatewayv2").create_api(Name=own(uuid4().hex), ProtocolType="WEBSOCKET", **options)
    return Api(aws, str(made["ApiId"]))


def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of a rejected call."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]
