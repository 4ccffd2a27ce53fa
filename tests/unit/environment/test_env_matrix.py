"""The matrix: which file has which variable, and what in the application reads it (whatschat at 03620be)."""

from __future__ import annotations

from typing import Final

import pytest

from tests.unit.environment.test_env_render import aws_of, embedded, values_of
from whatschat_ops.config import Settings
from whatschat_ops.environment.render import read_environment, to_text
from whatschat_ops.environment.variables import Side

B, F = Side.BACKEND, Side.FRONTEND
READERS: Final = {
    (B, "AWS_API_GATEWAY_WEBSOCKET_ENABLED"): "ApiGatewayWebSocketService",
    (B, "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT"): "ApiGatewayWebSocketService",
    (B, "CONNECTIONS_TABLE"): "functions",
    (B, "AWS_CHIME_ENABLED"): "ChimeService",
    (B, "AWS_CHIME_REGION"): "nothing",
    (B, "AWS_CHIME_MEDIA_REGION"): "ChimeService",
    (B, "AWS_REGION"): "ChimeService",
    (B, "AWS_ENDPOINT_URL"): "the AWS SDK",
    (B, "AWS_ENDPOINT"): "wrapper",
    (B, "AWS_ACCESS_KEY_ID"): "the AWS SDK",
    (B, "AWS_SECRET_ACCESS_KEY"): "the AWS SDK",
    (B, "AWS_SESSION_TOKEN"): "the AWS SDK",
    (B, "JWT_SECRET"): "sign-in",
    (F, "NEXT_PUBLIC_WEBSOCKET_MODE"): "WebSocket adapter",
    (F, "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT"): "WebSocket adapter",
    (F, "NEXT_PUBLIC_SOCKET_IO_URL"): "WebSocket adapter",
    (F, "NEXT_PUBLIC_WEBRTC_MODE"): "WebRTC adapter",
    (F, "NEXT_PUBLIC_API_URL"): "HTTP client",
}
"""File and variable -> its reader, as app-contract and guide name it."""
URLS: Final = {"frontend": {"socket_io_url": "wss://chat.example", "api_url": "https://api.example"}}


def test_the_files_have_these_variables_and_no_others() -> None:
    settings = Settings()
    written = [
        (side, variable.name)
        for side in Side
        for variable in read_environment(side, settings, aws_of(settings)).variables
    ]
    assert written == list(READERS)


@pytest.mark.parametrize(("side", "name"), READERS, ids=lambda part: str(part))
def test_a_variable_says_who_reads_it(side: Side, name: str) -> None:
    settings = Settings()
    variables = read_environment(side, settings, aws_of(settings)).variables
    assert READERS[side, name] in next(each.read_by for each in variables if each.name == name)


@pytest.mark.parametrize(("side", "name"), READERS, ids=lambda part: str(part))
def test_a_variable_is_written_where_its_value_is_known(side: Side, name: str) -> None:
    settings = Settings.of(URLS)
    text = to_text(read_environment(side, settings, embedded(settings), with_secrets=True))
    # The embedded AWS's key is permanent: a session token beside it is refused.
    assert (name in values_of(text)) == (name != "AWS_SESSION_TOKEN")


def test_no_variable_of_the_backend_reaches_the_browser() -> None:
    settings = Settings()
    for variable in read_environment(F, settings, embedded(settings), with_secrets=True).variables:
        assert variable.name.startswith("NEXT_PUBLIC_")
