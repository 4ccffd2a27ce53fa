"""A WebSocket API in API Gateway. Its name is not unique in AWS: the stack's tag tells ours from others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import quote

from msgspec.structs import replace

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live, contains
from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.context import Context, GatewayKind, was_repeated
from whatschat_ops.stack.kinds.declaration import (
    ONE_OF_EACH,
    ArnPattern,
    AwsField,
    CloudFormationType,
    Granted,
    LogicalId,
    Properties,
    get_att,
    ref,
)


class Api(GatewayKind):
    """Outputs: `id`, and `callback_base`, the https (or http) URL that a stage's name is appended to.

    CreateApi is not idempotent: if its answer is lost and the call repeated, there are two. `surplus` names those of
    ours beside the oldest; it is wanted to be None.
    """

    name = "api"
    identity = ("api_name", "stack")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "api_name": AwsField(cfn="Name"),
        "stack": AwsField(left_out="the owner is the stack's tag, which is among the tags"),
        "protocol": AwsField(replaces="an API keeps the protocol it was created with", cfn="ProtocolType"),
        "route_selection_expression": AwsField(cfn="RouteSelectionExpression"),
        "tags": AwsField(matches=contains, cfn="Tags"),
        "surplus": AwsField(left_out=ONE_OF_EACH),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:apigateway:{region}::/apis/{name}")
    template = (CloudFormationType("AWS::ApiGatewayV2::Api"),)
    template_outputs: ClassVar = {
        "id": ref,
        "endpoint": get_att("ApiEndpoint"),
        "callback_base": lambda logical_id: _callback_base(logical_id),
    }

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """What is in an API, too. API Gateway's ARNs carry no account, and its actions are those of HTTP.

        One statement with the list of APIs and the account's settings, of which there is no POST, PATCH or DELETE more
        than they need (API Gateway V2 API Reference, `/v2/apis`; REST API Reference, `/account`), and with the tags of the
        API, of which there is DELETE more: who may delete the API may delete its tags.
        """
        api = cls.arn.of(granted.place, granted.api_id)
        apis = api.removesuffix(f"/{granted.api_id}")
        # The ARNs of the API and of its stages, as parts of a path (API Gateway developer guide, ARN reference).
        tags = f"{apis.removesuffix('apis')}tags/{quote(api, safe='*')}*"
        allowed = actions("apigateway", "GET POST PATCH DELETE TagResource")
        yield allow("Apis", allowed, [apis, api, f"{api}/*", tags])

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        found = list(find_apis(self._context, identity["api_name"]))
        ours = [live for live in found if live.owner == identity["stack"]]
        if len(ours) > 1:
            surplus = ", ".join(live.id for live in ours[1:])
            return replace(ours[0], fields={**ours[0].fields, "surplus": surplus})
        return next(iter([*ours, *found]), None)

    def create(self, desired: Mapping[str, Any]) -> Live:
        api = self._client.create_api(
            Name=desired["api_name"],
            ProtocolType=desired["protocol"],
            RouteSelectionExpression=desired["route_selection_expression"],
            Tags=desired["tags"],
        )
        live = _live(api, desired["tags"])
        if was_repeated(api):
            self._delete_twins(live)
        return live

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "surplus" in changed:
            self._delete_twins(live)
        if "tags" in changed:
            arn = self.arn.of(self._context.place, live.outputs["id"])
            self._client.tag_resource(ResourceArn=arn, Tags=desired["tags"])
        if "route_selection_expression" in changed:
            self._client.update_api(
                ApiId=live.outputs["id"], RouteSelectionExpression=desired["route_selection_expression"]
            )
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        """Deletes its stages, deployments, routes and integrations too, and every twin of ours."""
        if "surplus" in live.fields:
            self._delete_twins(live)
        self._delete(live.id)

    def _delete_twins(self, keep: Live) -> None:
        for api in list(find_apis(self._context, keep.fields["api_name"])):
            if api.owner == keep.owner and api.id != keep.id:
                self._delete(api.id)

    def _delete(self, api_id: str) -> None:
        with suppress(NotFound):
            self._client.delete_api(ApiId=api_id)


def find_apis(context: Context, name: str) -> Iterator[Live]:
    """Every API of that name, the oldest first."""
    gateway = context.client("apigatewayv2")
    pages = context.pages("apigatewayv2", "get_apis")
    found = [api for page in pages for api in page["Items"] if api["Name"] == name]
    for api in sorted(found, key=lambda api: (api["CreatedDate"], api["ApiId"])):
        tags = api.get("Tags", {})
        if STACK_TAG not in tags:  # GetApis may lag behind TagResource
            tags = gateway.get_tags(ResourceArn=Api.arn.of(context.place, api["ApiId"])).get("Tags", {})
        yield _live(api, tags)


def _callback_base(logical_id: LogicalId) -> Properties:
    """`wss://host` -> `https://host`, `ws://host` -> `http://host`, in CloudFormation's words."""
    halves = {"Fn::Split": ["://", get_att("ApiEndpoint")(logical_id)]}
    scheme = {"Fn::Join": ["http", {"Fn::Split": ["ws", {"Fn::Select": [0, halves]}]}]}
    return {"Fn::Join": ["://", [scheme, {"Fn::Select": [1, halves]}]]}


def _live(api: Mapping[str, Any], tags: Mapping[str, str]) -> Live:
    return Live(
        id=api["ApiId"],
        fields={
            "api_name": api["Name"],
            "protocol": api["ProtocolType"],
            "route_selection_expression": api["RouteSelectionExpression"],
            "tags": tags,
        },
        outputs={
            "id": api["ApiId"],
            "endpoint": api["ApiEndpoint"],
            "callback_base": api["ApiEndpoint"].replace("ws", "http", 1),  # wss -> https, ws -> http
        },
        owner=tags.get(STACK_TAG),
    )
