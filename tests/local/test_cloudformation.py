"""The exported template on the embedded AWS: deployed, used by a socket, updated, planned against, deleted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

STACK = "whatschat-local"
PARAMETER = "/whatschat-ops/whatschat-local/jwt-secret"
TAG = {"Key": "whatschat-ops:stack", "Value": STACK}
CHANGED = """\
lambda:
  memory_mb: 512
  environment: {FEATURE: "on", KEY: {parameter: /app/key}, DATABASE: {secret: prod/db}}
  policy_statements: [{sid: Images, actions: ["s3:GetObject"], resources: ["arn:aws:s3:::images/*"]}]
websocket: {integration_timeout_ms: 20000, throttling_rate_limit: 100}
connections: {point_in_time_recovery: true, ttl_hours: 2}
monitoring: {enabled: true, emails: [oncall@example.com]}
"""


def run(embedded: EmbeddedAws, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "whatschat_ops", *arguments],
        env=embedded.environment(),
        cwd=embedded.state_directory,  # where there is no configuration file
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def export(embedded: EmbeddedAws, file: Path, *options: str) -> str:
    run(embedded, *options, "export", "cloudformation", "-o", str(file), "--code-bucket", "code", "--upload")
    return file.read_text(encoding="utf-8")


def settled(embedded: EmbeddedAws, stack: str = STACK) -> str:
    """The stack's status once nothing is in progress."""
    client = embedded.client("cloudformation")
    deadline = time.monotonic() + 30
    while True:
        status = str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        if not status.endswith("IN_PROGRESS"):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def outputs(embedded: EmbeddedAws) -> dict[str, str]:
    (stack,) = embedded.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def plan(embedded: EmbeddedAws, *options: str) -> dict[str, Any]:
    steps = json.loads(run(embedded, *options, "plan", "--json"))["steps"]
    return {step["address"]: step["changes"] for step in steps if step["action"] != "no-op"}


def ping(embedded: EmbeddedAws, url: str) -> Any:
    token = run(embedded, "token", "mint", "--user", "alice").strip()
    with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, open_timeout=60) as socket:
        socket.send(json.dumps({"type": "ping"}))
        return json.loads(socket.recv(timeout=60))["type"]


@pytest.fixture
def deployed(own_aws: EmbeddedAws, tmp_path: Path) -> Iterator[EmbeddedAws]:
    """An embedded AWS with the stack made by CloudFormation, and the secret as the printed command makes it."""
    own_aws.client("s3").create_bucket(Bucket="code")
    own_aws.client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value="s" * 64, Tags=[TAG])
    own_aws.client("cloudformation").create_stack(
        StackName=STACK,
        TemplateBody=export(own_aws, tmp_path / "stack.yaml"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "SetApiGatewayLogRole", "ParameterValue": "true"}],
    )
    assert settled(own_aws) == "CREATE_COMPLETE"
    yield own_aws


def test_deployed_template_serves_sockets_and_leaves_nothing_to_plan(
    deployed: EmbeddedAws, tmp_path: Path
) -> None:
    made = outputs(deployed)
    assert made["WebSocketUrl"] == run(deployed, "ws", "endpoint").strip()
    assert made["CallbackUrl"].startswith("http://")
    assert ping(deployed, made["WebSocketUrl"]) == "pong"
    assert plan(deployed, "--env", "local") == {}
    assert "No changes" in run(deployed, "plan", "--adopt", "--detailed-exitcode")

    file = tmp_path / "changed.yaml"
    file.write_text(CHANGED)
    changed = ("--config", str(file))
    assert {
        "function.connect",
        "role_policy.lambda",
        "stage.websocket",
        "deployment.live",
        "table.connections",
    } <= (plan(deployed, *changed).keys())
    deployed.client("cloudformation").update_stack(
        StackName=STACK,
        TemplateBody=export(deployed, tmp_path / "changed-stack.yaml", *changed),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "SetApiGatewayLogRole", "UsePreviousValue": True}],
    )
    assert settled(deployed) == "UPDATE_COMPLETE"
    assert ping(deployed, made["WebSocketUrl"]) == "pong"
    assert plan(deployed, *changed) == {}  # takes longer than the log lines of the socket that was closed

    deployed.client("cloudformation").delete_stack(StackName=STACK)
    deadline = time.monotonic() + 30
    while deployed.client("cloudformation").describe_stacks()["Stacks"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    missing = plan(deployed, *changed).keys()
    everything = {step["address"] for step in json.loads(run(deployed, "plan", "--json"))["steps"]}
    assert everything - missing == {"secret.jwt", "api_gateway_log_role.region"}


def test_stack_without_our_tags_is_adopted_with_no_change_but_tags(own_aws: EmbeddedAws) -> None:
    own_aws.client("s3").create_bucket(Bucket="code")
    own_aws.client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value="s" * 64)
    arguments = ("export", "cloudformation", "--code-bucket", "code", "--upload", "--json")
    exported = json.loads(run(own_aws, *arguments))["template"]
    for body in exported["Resources"].values():
        body["Properties"].pop("Tags", None)
    own_aws.client("cloudformation").create_stack(
        StackName="theirs",
        TemplateBody=json.dumps(exported),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "SetApiGatewayLogRole", "ParameterValue": "true"}],
    )
    assert settled(own_aws, "theirs") == "CREATE_COMPLETE"
    assert "does not carry the tag" in run(own_aws, "plan", "--json")

    steps = json.loads(run(own_aws, "plan", "--adopt", "--json"))["steps"]
    fields = {change["field"] for step in steps for change in step["changes"]}
    assert fields == {"tags"}


@pytest.mark.aws("CloudFormation template reference, AWS::ApiGatewayV2::Deployment")
@pytest.mark.parametrize(
    ("properties", "reason"),
    [({"ApiId": "no-such-api"}, "no-such-api"), ({"ApiId": "x", "StageName": "beta"}, "x")],
)
def test_deployment_of_an_unknown_api_fails_its_stack(
    embedded_aws: EmbeddedAws, properties: dict[str, str], reason: str
) -> None:
    client = embedded_aws.client("cloudformation")
    body = {"Resources": {"Live": {"Type": "AWS::ApiGatewayV2::Deployment", "Properties": properties}}}
    name = f"unknown-{properties['ApiId']}"
    client.create_stack(StackName=name, TemplateBody=json.dumps(body))
    assert settled(embedded_aws, name) == "ROLLBACK_COMPLETE"
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert reason in failed[0]["ResourceStatusReason"]


@pytest.mark.aws("CloudFormation template reference, AWS::ApiGatewayV2::Deployment")
def test_deployment_of_a_template_moves_its_stage(embedded_aws: EmbeddedAws) -> None:
    """StageName, as AWS has it: the stage exists and is pointed to the deployment; a new description stays in place."""
    client, gateway = embedded_aws.client("cloudformation"), embedded_aws.client("apigatewayv2")
    api_id = gateway.create_api(
        Name="moving", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )["ApiId"]
    gateway.create_route(ApiId=api_id, RouteKey="$default")
    gateway.create_stage(ApiId=api_id, StageName="beta")

    def template(description: str) -> str:
        properties = {"ApiId": api_id, "StageName": "beta", "Description": description}
        return json.dumps(
            {"Resources": {"Live": {"Type": "AWS::ApiGatewayV2::Deployment", "Properties": properties}}}
        )

    client.create_stack(StackName="moving", TemplateBody=template("first"))
    assert settled(embedded_aws, "moving") == "CREATE_COMPLETE"
    (first,) = gateway.get_deployments(ApiId=api_id)["Items"]
    assert gateway.get_stage(ApiId=api_id, StageName="beta")["DeploymentId"] == first["DeploymentId"]
    client.update_stack(StackName="moving", TemplateBody=template("second"))
    assert settled(embedded_aws, "moving") == "UPDATE_COMPLETE"
    (second,) = gateway.get_deployments(ApiId=api_id)["Items"]
    assert (second["DeploymentId"], second["Description"]) == (first["DeploymentId"], "second")
    gateway.delete_api(ApiId=api_id)
