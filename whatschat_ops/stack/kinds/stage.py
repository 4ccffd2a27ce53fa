"""Deployments and stages. A change of routes is live only in a new deployment that the stage points to.

A deployment's description carries a digest of the routes and integrations that it is a snapshot of, so that a
forgotten redeployment shows in the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound, Unusable
from whatschat_ops.provision import Live, contains, text
from whatschat_ops.stack.kinds.api import Api
from whatschat_ops.stack.kinds.context import GatewayKind, was_repeated
from whatschat_ops.stack.kinds.declaration import ONE_OF_EACH, AwsField, CloudFormationType, Properties, ref

DESCRIPTION_PREFIX = "whatschat-ops content="


class _InStages(GatewayKind):
    """What knows an API's deployments and the stages that point to them."""

    def _ours(self, api_id: str) -> list[Mapping[str, Any]]:
        """Our deployments, the oldest first."""
        ours = [
            deployment
            for deployment in self._items("get_deployments", api_id)
            if deployment.get("Description", "").startswith(DESCRIPTION_PREFIX)
        ]
        return sorted(ours, key=lambda deployment: deployment["CreatedDate"])

    def _unused(self, api_id: str, deployments: Sequence[Mapping[str, Any]]) -> list[str]:
        """The ids of those that no stage points to."""
        used = {stage.get("DeploymentId") for stage in self._items("get_stages", api_id)}
        return [str(each["DeploymentId"]) for each in deployments if each["DeploymentId"] not in used]

    def _delete_unused(self, api_id: str, *, keep: str) -> None:
        """Delete our deployments, except `keep` and those that a stage points to."""
        for deployment_id in self._unused(api_id, self._ours(api_id)):
            if deployment_id != keep:
                with suppress(NotFound):
                    self._client.delete_deployment(ApiId=api_id, DeploymentId=deployment_id)


class Deployment(_InStages):
    """The newest deployment of ours. A change of `content` makes a new one; the stage that moves to it deletes the old.

    `surplus` names those that no stage uses, left by a lost answer or a kill; it is wanted to be None.
    """

    name = "deployment"
    identity = ("api_id",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "api_id": AwsField(cfn="ApiId"),
        "content": AwsField(cfn=lambda content: {"Description": text(DESCRIPTION_PREFIX, *content.parts)}),
        "surplus": AwsField(steady=True, left_out=ONE_OF_EACH),
    }
    template = (CloudFormationType("AWS::ApiGatewayV2::Deployment", renewed=True),)
    template_outputs: ClassVar = {"id": ref}
    volatile = frozenset({"id"})
    tagged = False
    goes_with = "api"

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id = identity["api_id"]
        try:
            ours = self._ours(api_id)
            unused = self._unused(api_id, ours[:-1]) if len(ours) > 1 else []
        except NotFound:
            return None
        return _live_deployment(api_id, ours[-1], unused) if ours else None

    def create(self, desired: Mapping[str, Any]) -> Live:
        """API Gateway allows one CreateDeployment in 5 seconds; the client repeats a throttled call by itself."""
        api_id = desired["api_id"]
        made = self._client.create_deployment(
            ApiId=api_id, Description=f"{DESCRIPTION_PREFIX}{desired['content']}"
        )
        if made.get("DeploymentStatus") != "DEPLOYED":
            self._until_deployed(api_id, made["DeploymentId"])
        if was_repeated(made):  # CreateDeployment is not idempotent
            self._delete_unused(api_id, keep=made["DeploymentId"])
        return _live_deployment(api_id, made)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        made = self.create(desired) if "content" in changed else live
        if "surplus" in changed:
            self._delete_unused(desired["api_id"], keep=made.outputs["id"])
        return Live(made.id, {**made.fields, "surplus": None}, made.outputs)

    def delete(self, live: Live) -> None:
        with suppress(NotFound):
            self._client.delete_deployment(ApiId=live.fields["api_id"], DeploymentId=live.outputs["id"])

    def _until_deployed(self, api_id: str, deployment_id: str) -> None:
        def probe() -> bool | None:
            deployment = self._client.get_deployment(ApiId=api_id, DeploymentId=deployment_id)
            status = deployment.get("DeploymentStatus", "DEPLOYED")
            if status == "FAILED":
                raise Unusable(
                    f"The deployment of {api_id} failed: {deployment.get('DeploymentStatusMessage')}"
                )
            return True if status == "DEPLOYED" else None

        self._context.waiting.until(f"{api_id} is not deployed", probe, timeout_s=120)


class Stage(_InStages):
    """A stage. It depends on all that its traffic needs, so that it comes last and is deleted first.

    `access_log_group_arn` and `access_log_format` are None when it writes no access logs.
    """

    name = "stage"
    identity = ("api_id", "stage_name")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "api_id": AwsField(cfn="ApiId"),
        "stage_name": AwsField(cfn="StageName"),
        "deployment_id": AwsField(cfn="DeploymentId"),
        "throttling_rate_limit": AwsField(
            cfn=lambda rate: {"DefaultRouteSettings": {"ThrottlingRateLimit": rate}}
        ),
        "throttling_burst_limit": AwsField(
            cfn=lambda burst: {"DefaultRouteSettings": {"ThrottlingBurstLimit": burst}}
        ),
        "access_log_group_arn": AwsField(cfn=lambda arn: _access_log_property("DestinationArn", arn)),
        "access_log_format": AwsField(cfn=lambda format_: _access_log_property("Format", format_)),
        "tags": AwsField(matches=contains, cfn="Tags"),
    }
    template = (
        CloudFormationType("AWS::ApiGatewayV2::Stage", waits_in=("AccessLogSettings", "DestinationArn")),
    )
    tagged = False

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        api_id, name = identity["api_id"], identity["stage_name"]
        try:
            stages = self._items("get_stages", api_id)
        except NotFound:
            return None
        stage = next((stage for stage in stages if stage["StageName"] == name), None)
        if stage is not None and STACK_TAG not in stage.get(
            "Tags", {}
        ):  # GetStages may lag behind TagResource
            stage = {**stage, "Tags": self._client.get_tags(ResourceArn=self._arn(identity)).get("Tags", {})}
        return _live_stage(api_id, stage) if stage else None

    def _arn(self, identity: Mapping[str, Any]) -> str:
        return f"{Api.arn.of(self._context.place, identity['api_id'])}/stages/{identity['stage_name']}"

    def create(self, desired: Mapping[str, Any]) -> Live:
        stage = self._client.create_stage(
            ApiId=desired["api_id"],
            StageName=desired["stage_name"],
            DeploymentId=desired["deployment_id"],
            DefaultRouteSettings=_throttling(desired),
            Tags=desired["tags"],
            **_access_logs(desired),
        )
        return _live_stage(desired["api_id"], stage)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        api_id, name = desired["api_id"], desired["stage_name"]
        place = {"ApiId": api_id, "StageName": name}
        if "tags" in changed:
            self._client.tag_resource(ResourceArn=self._arn(desired), Tags=desired["tags"])
        if "access_log_group_arn" in changed and desired["access_log_group_arn"] is None:
            with suppress(NotFound):  # a repeated call finds nothing to delete
                self._client.delete_access_log_settings(**place)
        try:
            moved = self._change(live, desired, changed)
        except NotFound:  # it went with the deployment that it pointed to, or by another hand
            moved = self.create(desired)
        if "deployment_id" in changed:
            self._delete_unused(api_id, keep=desired["deployment_id"])
        return moved

    def _change(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        place = {"ApiId": desired["api_id"], "StageName": desired["stage_name"]}
        changes: dict[str, Any] = {}
        if "deployment_id" in changed:
            changes["DeploymentId"] = desired["deployment_id"]
        if changed & {"throttling_rate_limit", "throttling_burst_limit"}:
            # Whether keys that are not sent are kept is not documented: send those that are there, too.
            changes["DefaultRouteSettings"] = {**live.outputs["route_settings"], **_throttling(desired)}
        if changed & {"access_log_group_arn", "access_log_format"}:
            changes |= _access_logs(desired)
        if not changes:
            return _live_stage(desired["api_id"], self._client.get_stage(**place))
        tags = {**live.fields["tags"], **desired["tags"]}
        return _live_stage(desired["api_id"], {"Tags": tags, **self._client.update_stage(**place, **changes)})

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_stage(ApiId=live.fields["api_id"], StageName=live.fields["stage_name"])
        except NotFound:
            return


def _throttling(desired: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ThrottlingRateLimit": desired["throttling_rate_limit"],
        "ThrottlingBurstLimit": desired["throttling_burst_limit"],
    }


def _access_logs(desired: Mapping[str, Any]) -> dict[str, Any]:
    arn = desired["access_log_group_arn"]
    if arn is None:
        return {}
    return {"AccessLogSettings": {"DestinationArn": arn, "Format": desired["access_log_format"]}}


def _access_log_property(name: str, value: Any) -> Properties:
    return {} if value is None else {"AccessLogSettings": {name: value}}


def _live_deployment(api_id: str, deployment: Mapping[str, Any], surplus: Sequence[str] = ()) -> Live:
    return Live(
        id=f"{api_id}/deployments/{deployment['DeploymentId']}",
        fields={
            "api_id": api_id,
            "content": deployment.get("Description", "").removeprefix(DESCRIPTION_PREFIX),
            "surplus": ", ".join(surplus) or None,
        },
        outputs={"id": deployment["DeploymentId"]},
    )


def _live_stage(api_id: str, stage: Mapping[str, Any]) -> Live:
    settings = stage.get("DefaultRouteSettings", {})
    logs = stage.get("AccessLogSettings", {})
    return Live(
        id=f"{api_id}/stages/{stage['StageName']}",
        fields={
            "api_id": api_id,
            "stage_name": stage["StageName"],
            "deployment_id": stage.get("DeploymentId"),
            "throttling_rate_limit": settings.get("ThrottlingRateLimit"),
            "throttling_burst_limit": settings.get("ThrottlingBurstLimit"),
            "access_log_group_arn": logs["DestinationArn"].removesuffix(":*")
            if "DestinationArn" in logs
            else None,
            "access_log_format": logs.get("Format"),
            "tags": stage.get("Tags", {}),
        },
        outputs={"route_settings": settings},
    )
