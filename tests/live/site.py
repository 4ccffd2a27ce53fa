"""What questions share: one API, function, table and so on of the run, each created when a question first needs it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.component.local.executor_functions import make_zip
from tests.live.account import LiveAws

HASH_KEY: Final[Mapping[str, Any]] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ROLE_MAY: Final = (
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments"),
    "xray:PutTelemetryRecords",
)
LOOKS: Final = """
import pathlib, shutil, sys
def handler(event, context):
    if event.get("mb"):
        bytearray(event["mb"] << 20)
    try:
        pathlib.Path(__file__).with_name("written").write_text("x")
    except OSError:
        return [f"{sys.version_info.major}.{sys.version_info.minor}", "read-only", shutil.disk_usage("/tmp").total]
    return [f"{sys.version_info.major}.{sys.version_info.minor}", "writable", shutil.disk_usage("/tmp").total]
"""


def policy(*actions: str, **condition: Any) -> str:
    """A policy document."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Site:
    """The resources of the questions of one run."""

    def __init__(self, aws: LiveAws) -> None:
        self.aws = aws

    def name(self, rest: str) -> str:
        """A name of this run."""
        return f"{self.aws.run}{rest}"

    def answer(self, service: str, operation: str, **parameters: Any) -> str:
        """`answered`, or the code of the error."""
        return outcome(self.aws.client(service), operation, **parameters)

    @cached_property
    def api(self) -> str:
        """Id of a WebSocket API whose `$connect` is a MOCK, deployed to the stage `s`."""
        gateway = self.aws.client("apigatewayv2")
        place = {
            "ApiId": gateway.create_api(
                Name=self.name("questions"),
                ProtocolType="WEBSOCKET",
                RouteSelectionExpression="$request.body.type",
                Tags={"team": "a"},
            )["ApiId"]
        }
        mock = gateway.create_integration(
            **place, IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'}
        )
        for key in ("$connect", "$default"):
            gateway.create_route(**place, RouteKey=key, Target=f"integrations/{mock['IntegrationId']}")
        deployment = gateway.create_deployment(**place)["DeploymentId"]
        gateway.create_stage(**place, StageName="s", DeploymentId=deployment)
        self.aws.settle()
        return str(place["ApiId"])

    @property
    def socket(self) -> str:
        """WebSocket URL of that stage."""
        return self.aws.stage_url(self.api, "s").replace("http", "ws", 1)

    def handshake(self, query: str = "", **options: Any) -> str:
        """The status of a handshake."""
        try:
            with connect(self.socket + query, proxy=None, compression=None, **options):
                return "101"
        except InvalidStatus as refused:
            return str(refused.response.status_code)

    def closed_by(self, frames: list[str]) -> str:
        """The close code after one message of these frames, or `open`."""
        with connect(self.socket, proxy=None, compression=None) as client:
            try:
                client.send(frames)
                client.recv(timeout=60)
            except TimeoutError:
                return "open"
            except ConnectionClosed as closed:
                return str(closed.rcvd.code) if closed.rcvd else "1006"
        return "open"

    @cached_property
    def role(self) -> str:
        """ARN of a role of Lambda, Step Functions, EventBridge and the account, which may write logs and traces."""
        iam, name = self.aws.client("iam"), self.name("questions")
        services = {"Service": [f"{each}.amazonaws.com" for each in ("lambda", "states", "events")]}
        trusted = [services, {"AWS": self.aws.account_id}]
        statements = [
            {"Effect": "Allow", "Principal": each, "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]}
            for each in trusted
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="questions", PolicyDocument=policy(*ROLE_MAY))
        self.aws.settle()
        return str(role)

    @cached_property
    def table(self) -> str:
        """Name of a table whose creation has been answered; `test_table` waits for it itself."""
        name = self.name("questions")
        self.aws.client("dynamodb").create_table(TableName=name, **HASH_KEY)
        return name

    @property
    def active_table(self) -> str:
        """The same, when it can be used."""
        self.aws.client("dynamodb").get_waiter("table_exists").wait(TableName=self.table)
        return self.table

    @cached_property
    def topic(self) -> str:
        """ARN of a topic."""
        return str(self.aws.client("sns").create_topic(Name=self.name("questions"))["TopicArn"])

    @cached_property
    def queue(self) -> str:
        """ARN of a queue."""
        sqs = self.aws.client("sqs")
        url = sqs.create_queue(QueueName=self.name("questions"))["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])

    @cached_property
    def rule(self) -> str:
        """Name of a rule that is disabled."""
        name = self.name("questions")
        self.aws.client("events").put_rule(Name=name, ScheduleExpression="rate(1 day)", State="DISABLED")
        return name

    @cached_property
    def log_group(self) -> str:
        """Name of an empty log group."""
        name = self.name("questions")
        self.aws.client("logs").create_log_group(logGroupName=name)
        return name

    @cached_property
    def meeting(self) -> str:
        """Id of a meeting without attendees."""
        made = self.aws.client("chime-sdk-meetings").create_meeting(
            ClientRequestToken=self.name("questions"),
            MediaRegion="us-east-1",
            ExternalMeetingId=self.name("questions"),
            Tags=[{"Key": "team", "Value": "a"}],
        )
        return str(made["Meeting"]["MeetingId"])

    def function(self, name: str, **settings: Any) -> str:
        """Create a function. Its name."""
        given = {
            "FunctionName": self.name(name),
            "Runtime": "python3.12",
            "Handler": "app.handler",
            "Role": self.role,
            "Code": {"ZipFile": make_zip({"app.py": LOOKS, "app.rb": "def handler(**) = 'ran'"})},
            **settings,
        }
        client = self.aws.client("lambda")
        client.create_function(**given)
        client.get_waiter("function_active_v2").wait(FunctionName=given["FunctionName"])
        return str(given["FunctionName"])

    @cached_property
    def looks(self) -> list[Any]:
        """What a function of python3.12 sees: its version, whether its code can be written, the bytes of /tmp."""
        return list(self.invoke(self.looking))

    @cached_property
    def looking(self) -> str:
        """Name of that function, which has 128 MB."""
        return self.function("looks")

    def invoke(self, name: str, **event: Any) -> Any:
        """What a function returns, or that it `failed`."""
        done = self.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return "failed" if "FunctionError" in done else json.loads(done["Payload"].read())

    def user(self, name: str, document: str, service: str) -> Any:
        """A client of a new user with that policy."""
        iam, name = self.aws.client("iam"), self.name(name)
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], service)


def outcome(client: Any, operation: str, **parameters: Any) -> str:
    """`answered`, or the code of the error."""
    with contextlib.suppress(AttributeError):
        try:
            getattr(client, operation)(**parameters)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
    return "answered"
