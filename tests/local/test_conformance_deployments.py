"""Deployments of WebSocket APIs are snapshots, as AWS's are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.websocket_apis import STAGE, Api, error_of, new_api
from whatschat_ops.local import service

pytestmark = [
    pytest.mark.local,
    pytest.mark.aws(
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-set-up-websocket-deployment.html"
    ),
]


@pytest.fixture
def api(embedded_aws: EmbeddedAws) -> Iterator[Api]:
    """An API whose `$default` route is deployed. Its handshakes succeed until a `$connect` route is live."""
    made = new_api(embedded_aws)
    made.route("$default")
    made.deploy(STAGE)
    yield made
    made.gateway.delete_api(ApiId=made.id)


def test_route_made_after_the_deployment_is_live_when_the_stage_moves_to_a_new_one(api: Api) -> None:
    api.route("$connect", AuthorizationType="AWS_IAM")
    assert api.handshake() == 101
    deployment = api.deploy()
    assert api.handshake() == 101  # nothing points to it yet
    api.gateway.update_stage(ApiId=api.id, StageName=STAGE, DeploymentId=deployment)
    assert api.handshake() == 403


def test_route_changed_or_deleted_after_the_deployment_stays_as_it_was_deployed(api: Api) -> None:
    route_id = api.route("$connect", AuthorizationType="AWS_IAM")
    api.deploy(STAGE)
    api.gateway.update_route(ApiId=api.id, RouteId=route_id, AuthorizationType="NONE")
    assert api.handshake() == 403
    api.gateway.delete_route(ApiId=api.id, RouteId=route_id)
    assert api.handshake() == 403
    api.deploy(STAGE)
    assert api.handshake() == 101


def test_stage_moved_back_serves_the_earlier_deployment(api: Api) -> None:
    (earlier,) = api.gateway.get_deployments(ApiId=api.id)["Items"]
    api.route("$connect", AuthorizationType="AWS_IAM")
    api.deploy(STAGE)
    api.gateway.update_stage(ApiId=api.id, StageName=STAGE, DeploymentId=earlier["DeploymentId"])
    assert api.handshake() == 101


def test_stage_without_a_deployment_responds_with_403(api: Api) -> None:
    api.gateway.create_stage(ApiId=api.id, StageName="empty")
    assert api.handshake("empty") == 403
    management = api.aws.client("apigatewaymanagementapi", api.aws.stage_url(api.id, "empty"))
    assert error_of(management.get_connection, ConnectionId="L0SM9cOFvHcCIhw=")[0] == "ForbiddenException"


def test_create_deployment_with_a_stage_name_moves_that_stage(api: Api) -> None:
    api.route("$connect", AuthorizationType="AWS_IAM")
    made = api.gateway.create_deployment(ApiId=api.id, StageName=STAGE)
    assert api.gateway.get_stage(ApiId=api.id, StageName=STAGE)["DeploymentId"] == made["DeploymentId"]
    assert api.handshake() == 403
    assert error_of(api.gateway.create_deployment, ApiId=api.id, StageName="none")[0] == "NotFoundException"


@pytest.mark.aws("recorded: hashicorp/terraform-provider-aws, aws_apigatewayv2_deployment: this message")
def test_api_without_routes_cannot_be_deployed(embedded_aws: EmbeddedAws) -> None:
    empty = new_api(embedded_aws)
    code, message = error_of(empty.gateway.create_deployment, ApiId=empty.id)
    assert (code, message) == (
        "BadRequestException",
        "At least one route is required before deploying the Api.",
    )
    empty.gateway.create_stage(ApiId=empty.id, StageName="auto", AutoDeploy=True)
    stage = empty.gateway.get_stage(ApiId=empty.id, StageName="auto")
    assert "DeploymentId" not in stage
    assert stage["LastDeploymentStatusMessage"] == f"Deployment attempt failed: {message}"
    assert empty.handshake("auto") == 403


@pytest.mark.aws("recorded: getmoto/moto, test_apigateway_deployments.py, message of REST APIs")
def test_deployment_in_use_cannot_be_deleted(api: Api) -> None:
    (used,) = api.gateway.get_deployments(ApiId=api.id)["Items"]
    place = {"ApiId": api.id, "DeploymentId": used["DeploymentId"]}
    code, message = error_of(api.gateway.delete_deployment, **place)
    assert code == "BadRequestException"
    assert message == "Active stages pointing to this deployment must be moved or deleted"
    api.gateway.delete_stage(ApiId=api.id, StageName=STAGE)
    api.gateway.delete_deployment(**place)
    assert error_of(api.gateway.delete_deployment, **place)[0] == "NotFoundException"


@pytest.mark.aws("https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html")
class TestAutoDeploy:
    """A stage with auto-deploy."""

    @pytest.fixture
    def stage(self, api: Api) -> Api:
        api.gateway.create_stage(ApiId=api.id, StageName="auto", AutoDeploy=True)
        return api

    def test_every_change_is_live_and_is_a_new_deployment(self, stage: Api) -> None:
        before = stage.gateway.get_stage(ApiId=stage.id, StageName="auto")
        assert stage.handshake("auto") == 101
        stage.route("$connect", AuthorizationType="AWS_IAM")
        assert stage.handshake("auto") == 403
        after = stage.gateway.get_stage(ApiId=stage.id, StageName="auto")
        assert before["DeploymentId"] != after["DeploymentId"]
        deployment = stage.gateway.get_deployment(ApiId=stage.id, DeploymentId=after["DeploymentId"])
        assert deployment["AutoDeployed"]
        assert deployment["DeploymentStatus"] == "DEPLOYED"

    def test_other_stages_are_not_moved(self, stage: Api) -> None:
        stage.route("$connect", AuthorizationType="AWS_IAM")
        assert (stage.handshake("auto"), stage.handshake()) == (403, 101)

    def test_its_deployment_cannot_be_chosen(self, stage: Api) -> None:
        (manual,) = [
            each["DeploymentId"]
            for each in stage.gateway.get_deployments(ApiId=stage.id)["Items"]
            if not each["AutoDeployed"]
        ]
        place = {"ApiId": stage.id, "StageName": "auto"}
        assert error_of(stage.gateway.update_stage, **place, DeploymentId=manual)[0] == "BadRequestException"
        assert error_of(stage.gateway.create_deployment, **place)[0] == "BadRequestException"
        stage.gateway.update_stage(**place, Description="settings can")

    def test_turned_off_it_keeps_what_was_deployed(self, stage: Api) -> None:
        stage.gateway.update_stage(ApiId=stage.id, StageName="auto", AutoDeploy=False)
        stage.route("$connect", AuthorizationType="AWS_IAM")
        assert stage.handshake("auto") == 101

    @pytest.mark.difference(
        "API Gateway: automatic deployments",
        aws="an earlier one is kept",
        here="only the newest of each stage is kept",
    )
    def test_earlier_automatic_deployments_are_deleted(self, stage: Api) -> None:
        for key in ("one", "two", "three"):
            stage.route(key)
            stage.gateway.get_stage(ApiId=stage.id, StageName="auto")
        deployments = stage.gateway.get_deployments(ApiId=stage.id)["Items"]
        assert sum(each["AutoDeployed"] for each in deployments) == 1


@pytest.mark.aws("our decision: AWS has no state to upgrade")
def test_state_of_an_earlier_version_serves_what_its_deployments_stood_for(own_aws: EmbeddedAws) -> None:
    api = new_api(own_aws)
    api.route("$connect", AuthorizationType="AWS_IAM")
    api.deploy(STAGE)
    service.stop()
    file = own_aws.state_directory / "local" / "aws" / "apigateway.json"
    saved = json.loads(file.read_text())
    snapshots = [
        each for each in _dictionaries(saved["payload"]["deployments"]) if each.pop("snapshot", None)
    ]
    assert len(snapshots) == 1
    file.write_text(json.dumps(saved))

    service.ensure_running(port=own_aws.port, say=lambda _: None)
    assert api.handshake() == 403
    (route,) = api.gateway.get_routes(ApiId=api.id)["Items"]
    api.gateway.delete_route(ApiId=api.id, RouteId=route["RouteId"])
    assert api.handshake() == 403


def _dictionaries(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _dictionaries(item)
