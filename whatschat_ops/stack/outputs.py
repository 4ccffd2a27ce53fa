"""What a provisioned stack tells the rest of the program: its endpoint, ids and names. Only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import ROUTE_FUNCTIONS, STACK_TAG
from whatschat_ops.endpoint import normalise
from whatschat_ops.errors import NotProvisioned


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """A provisioned stack.

    `websocket_url` is for clients (wss or ws), `callback_url` for @connections (https or http); neither ends in a
    slash. `api_id` is "" when `websocket.endpoint` names an API that is not ours and not in the URL.
    """

    api_id: str
    stage: str
    websocket_url: str
    callback_url: str
    connections_table: str
    ledger_table: str
    function_names: tuple[str, ...]
    region: str
    account_id: str


def read_outputs(settings: Settings, aws: Aws, known: Mapping[str, Any] | None = None) -> StackOutputs:
    """The outputs of the stack of `settings`, found by the API's name and our tag.

    `known` are the outputs of `api.websocket`, when it was just provisioned: then nothing is read.
    `websocket.endpoint` takes the place of the API's own URLs. Raises NotFound when the API does not exist.
    """
    names = Names(settings)
    found = {"ApiId": known["id"], "ApiEndpoint": known["endpoint"]} if known else None
    endpoint = settings.websocket.endpoint
    if endpoint:
        urls = normalise(endpoint, stage=settings.websocket.stage)
        api_id = urls.api_id or str((found or _find_api(names, aws) or {}).get("ApiId", ""))
    else:
        api = found or _find_api(names, aws)
        if api is None:
            raise NotProvisioned(
                f"The stack {names.stack} is not provisioned: there is no WebSocket API {names.api} "
                f"with its tag in {aws.region}.",
            )
        urls = normalise(api["ApiEndpoint"], stage=settings.websocket.stage)
        api_id = api["ApiId"]
    return StackOutputs(
        api_id=api_id,
        stage=settings.websocket.stage,
        websocket_url=urls.websocket_url,
        callback_url=urls.callback_url,
        connections_table=names.connections_table,
        ledger_table=names.ledger_table,
        function_names=tuple(names.function(short) for short in ROUTE_FUNCTIONS.values()),
        region=aws.region,
        account_id=aws.account_id,
    )


def endpoint_is_own(settings: Settings, aws: Aws) -> bool:
    """Whether the endpoint of the stack is known to be its own API's.

    Another API says of every connection of ours that it is gone. What a custom domain leads to is not known.
    """
    endpoint = settings.websocket.endpoint
    if not endpoint:
        return True
    named = normalise(endpoint, stage=settings.websocket.stage)
    own = _find_api(Names(settings), aws) if named.api_id else None
    return own is not None and own["ApiId"] == named.api_id and named.stage == settings.websocket.stage


def _find_api(names: Names, aws: Aws) -> Mapping[str, Any] | None:
    """The API with our name and tag; the tag of one that was taken over may be missing in the listing."""
    gateway = aws.client("apigatewayv2")
    pages = gateway.get_paginator("get_apis").paginate()
    named: list[Mapping[str, Any]] = [
        api for page in pages for api in page["Items"] if api["Name"] == names.api
    ]
    for api in named:
        if api.get("Tags", {}).get(STACK_TAG) == names.stack:
            return api
    untagged = [api for api in named if STACK_TAG not in api.get("Tags", {})]
    for api in untagged:
        from whatschat_ops.stack.arns import Place  # most commands do without them
        from whatschat_ops.stack.kinds.api import Api

        arn = Api.arn.of(Place(aws.region, aws.account_id), api["ApiId"])
        if gateway.get_tags(ResourceArn=arn).get("Tags", {}).get(STACK_TAG) == names.stack:
            return api
    return None
