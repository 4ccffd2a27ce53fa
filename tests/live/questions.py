"""A question for each difference that one request, or a few, can settle: AWS's answer, and that of the embedded AWS.

Answers are words: `answered`, an error code, a state. Both sides are regular expressions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.live.site import Site, outcome, policy


@dataclass(frozen=True)
class Question:
    """What is asked about a row of docs/embedded-aws.md."""

    subject: str
    begins: str
    """How the column "AWS" of the row begins."""
    ask: Callable[[Site], str]
    here: str
    aws: str = "answered"

    @property
    def name(self) -> str:
        """Unique; also the name of its recording."""
        return f"{self.subject}: {self.begins}"

    def verdict(self, answer: str) -> str:
        """`as AWS`, `as the embedded AWS` or `neither`; the first where the page leaves room for both."""
        if re.fullmatch(self.aws, answer):
            return "as AWS"
        return "as the embedded AWS" if re.fullmatch(self.here, answer) else "neither"


def request(
    service: str, operation: str, parameters: Callable[[Site], dict[str, Any]]
) -> Callable[[Site], str]:
    """The answer to one request."""
    return lambda site: site.answer(service, operation, **parameters(site))


def _deployments_kept(site: Site) -> str:
    gateway, place = site.aws.client("apigatewayv2"), {"ApiId": site.api}
    gateway.create_stage(**place, StageName="auto", AutoDeploy=True)
    for key in ("one", "two"):
        gateway.create_route(**place, RouteKey=key)
        site.aws.settle()
    automatic = [each for each in gateway.get_deployments(**place)["Items"] if each.get("AutoDeployed")]
    return "kept" if len(automatic) > 1 else "the newest"


def _tagged_api(site: Site) -> str:
    condition = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    reader = site.user("reads-api", policy("apigateway:GET", **condition), "apigatewayv2")
    return outcome(reader, "get_api", ApiId=site.api)


def _tagged_meeting(site: Site) -> str:
    condition = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    reader = site.user("reads-meeting", policy("chime:GetMeeting", **condition), "chime-sdk-meetings")
    return outcome(reader, "get_meeting", MeetingId=site.meeting)


def _leading_keys(site: Site) -> str:
    own = {"Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}}}
    reader = site.user("reads-keys", policy("dynamodb:PartiQLSelect", **own), "dynamodb")
    return outcome(
        reader, "execute_statement", Statement=f"SELECT id FROM \"{site.active_table}\" WHERE id = 'mine'"
    )


def _second_ttl(site: Site) -> str:
    answers = [
        site.answer(
            "dynamodb",
            "update_time_to_live",
            TableName=site.active_table,
            TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": enabled},
        )
        for enabled in (True, False)
    ]
    return answers[-1]


def _new_table(site: Site) -> str:
    client = site.aws.client("dynamodb")
    return str(client.describe_table(TableName=site.table)["Table"]["TableStatus"])


def _event_of_change(site: Site) -> str:
    site.aws.client("logs").put_retention_policy(logGroupName=site.log_group, retentionInDays=1)
    found = site.aws.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutRetentionPolicy"}]
    )["Events"]
    return "at once" if any(site.log_group in each["CloudTrailEvent"] for each in found) else "later"


def _tagged(site: Site) -> str:
    client, deadline = site.aws.client("resourcegroupstaggingapi"), time.monotonic() + 60
    wanted = [{"Key": "team", "Values": ["a"]}]
    while site.aws.endpoint_url is None and time.monotonic() < deadline:
        if any(site.api in each["ResourceARN"] for each in _resources(client, wanted)):
            return "found"
        time.sleep(5)
    return (
        "found"
        if any(site.api in each["ResourceARN"] for each in _resources(client, wanted))
        else "not found"
    )


def _resources(client: Any, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(client.get_resources(TagFilters=wanted)["ResourceTagMappingList"])


def _wrong_type(site: Site) -> str:
    client = site.aws.client("ssm")
    client.meta.events.register_last("before-call.ssm.GetParametersByPath", _say_yes)
    try:
        return outcome(client, "get_parameters_by_path", Path="/absent", Recursive=True)
    finally:
        client.meta.events.unregister("before-call.ssm.GetParametersByPath", _say_yes)


def _say_yes(params: dict[str, Any], **_: Any) -> None:
    params["body"] = params["body"].replace(b": true", b': "yes"')


def _handshake_without_permission(site: Site) -> str:
    gateway, place = site.aws.client("apigatewayv2"), {"ApiId": site.api}
    arn = f"arn:aws:lambda:{site.aws.region}:{site.aws.account_id}:function:{site.looking}"
    uri = f"arn:aws:apigateway:{site.aws.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    made = gateway.create_integration(**place, IntegrationType="AWS_PROXY", IntegrationUri=uri)
    (route,) = (each for each in gateway.get_routes(**place)["Items"] if each["RouteKey"] == "$connect")
    change = {**place, "RouteId": route["RouteId"]}
    gateway.update_route(**change, Target=f"integrations/{made['IntegrationId']}")
    stage = {**place, "StageName": "s"}
    gateway.update_stage(**stage, DeploymentId=gateway.create_deployment(**place)["DeploymentId"])
    site.aws.settle()
    try:
        return site.handshake()
    finally:
        gateway.update_route(**change, Target=route["Target"])
        gateway.update_stage(**stage, DeploymentId=gateway.create_deployment(**place)["DeploymentId"])
        site.aws.settle()


def _targets(**target: Any) -> Callable[[Site], str]:
    def ask(site: Site) -> str:
        given = {"Id": "1", "Arn": site.queue, "RoleArn": site.role}
        given |= {key: value(site) for key, value in target.items()}
        if given["Arn"] == site.queue:
            del given["RoleArn"]
        return site.answer("events", "put_targets", Rule=site.rule, Targets=[given])

    return ask


def _ruby(site: Site) -> str:
    name = site.function("ruby", Runtime="ruby3.4")
    return site.answer("lambda", "invoke", FunctionName=name)


def _map(site: Site) -> dict[str, Any]:
    inner = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    states = {
        "Map": {
            "Type": "Map",
            "End": True,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **inner,
            },
            "ItemBatcher": {"MaxItemsPerBatch": 2},
        }
    }
    import json

    return {
        "name": site.name("batches"),
        "roleArn": site.role,
        "definition": json.dumps({"StartAt": "Map", "States": states}),
    }


def _expression(expression: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "MetricDataQueries": [{"Id": "e", "Expression": expression, "Period": 60}],
        "StartTime": now - 600,
        "EndTime": now,
    }


def _trimmed() -> dict[str, Any]:
    now = int(time.time())
    return {
        "Namespace": "AWS/Lambda",
        "MetricName": "Duration",
        "StartTime": now - 600,
        "EndTime": now,
        "Period": 60,
        "ExtendedStatistics": ["tm90"],
    }


def _insights(site: Site) -> dict[str, Any]:
    now = int(time.time())
    times = {"startTime": now - 600, "endTime": now}
    return {"logGroupName": site.log_group, **times, "queryString": "stats count(*)"}


def _api(**parameters: Any) -> Callable[[Site], dict[str, Any]]:
    return lambda site: {"ApiId": site.api, **parameters}


def _function(name: str, **settings: Any) -> Callable[[Site], dict[str, Any]]:
    return lambda site: {
        "FunctionName": site.name(name),
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": site.role,
        "Code": {"ZipFile": make_code()},
        **settings,
    }


def make_code() -> bytes:
    """The code of a function that is not invoked."""
    from tests.component.local.executor_functions import make_zip

    return make_zip({"app.py": "def handler(*_): return 1"})


def _new_api(site: Site) -> dict[str, Any]:
    name = {"Name": site.name("expression"), "ProtocolType": "WEBSOCKET"}
    return {**name, "RouteSelectionExpression": "$request.header.a"}


def _alarm(site: Site) -> dict[str, Any]:
    return {
        "AlarmName": site.name("math"),
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        "Metrics": [
            {"Id": "e", "Expression": "m * 2", "ReturnData": True},
            {"Id": "m", "ReturnData": False, "MetricStat": {
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}},
        ],
    }  # fmt: skip


def _none(_: Site) -> dict[str, Any]:
    return {}


BAD_REQUEST, VALIDATION = "BadRequestException", "ValidationException"
UNKNOWN, INVALID = "UnknownOperationException", "InvalidParameterValueException"
Q = Question
QUESTIONS: Final = (
    # The first asks about a table that has just been created.
    Q("DynamoDB: tables", "CREATING for some seconds", _new_table, "ACTIVE", "CREATING"),
    Q("DynamoDB: TTL", "a second UpdateTimeToLive", _second_ttl, "answered", VALIDATION),
    Q("DynamoDB: IAM", "`dynamodb:LeadingKeys` has", _leading_keys, "AccessDeniedException"),
    Q("DynamoDB", "pages the items", request("dynamodb", "execute_statement",
        lambda s: {"Statement": f'SELECT id FROM "{s.active_table}"', "Limit": 1}), VALIDATION),
    Q("API Gateway", "limits the request line and headers", lambda s: s.handshake(
        additional_headers={"X-Long": "x" * 10_300}), "101", r"4\d\d"),
    Q("API Gateway", "documents no limit on frames without content", lambda s: s.closed_by([""] * 130), "1008", "open|1008"),
    Q("API Gateway", "ImportApi, ReimportApi", request("apigatewayv2", "get_models", _api()), BAD_REQUEST),
    Q("API Gateway V2", "VPC links", request("apigatewayv2", "get_vpc_links", _none), BAD_REQUEST),
    Q("API Gateway: automatic deployments", "an earlier one", _deployments_kept, "the newest", "kept"),
    Q("API Gateway: IAM", "condition keys on the tags", _tagged_api, "AccessDeniedException"),
    Q("API Gateway: not documented by AWS", "a handshake that cannot invoke", _handshake_without_permission, "500", r"5\d\d"),
    Q("API Gateway: not documented by AWS", "the quota is documented", lambda s: s.handshake(
        "?a=" + "x" * 4096), "403", r"[45]\d\d"),
    Q("API Gateway: WebSocket APIs", "API keys, models", request("apigatewayv2", "create_route",
        _api(RouteKey="with-key", ApiKeyRequired=True)), BAD_REQUEST),
    Q("API Gateway: WebSocket APIs", "domain names", request("apigatewayv2", "create_api", _new_api), BAD_REQUEST),
    Q("API Gateway: WebSocket APIs", "mapping templates", request("apigatewayv2", "create_integration",
        _api(IntegrationType="MOCK", RequestTemplates={"$default": '#set($a = 1){"statusCode": 200}'})), BAD_REQUEST),
    Q("Chime SDK meetings: IAM", "condition keys on tags", _tagged_meeting, "ForbiddenException"),
    Q("CloudTrail", "delivers trails", request("cloudtrail", "list_event_data_stores", _none), "UnsupportedOperationException"),
    Q("CloudTrail", "has an event after minutes", _event_of_change, "at once", "later"),
    Q("CloudWatch", "suppresses actions", request("cloudwatch", "describe_alarms",
        lambda _: {"ActionPrefix": "arn:aws:sns"}), "ValidationError"),
    Q("CloudWatch Logs", "delivers the logs", request("logs", "put_metric_filter", lambda s: {
        "logGroupName": s.log_group, "filterName": "f", "filterPattern": "x",
        "metricTransformations": [{"metricName": "m", "metricNamespace": s.name("n"), "metricValue": "1"}],
        "fieldSelectionCriteria": '@aws.region = "us-east-1"'}), "InvalidParameterException"),
    Q("CloudWatch Logs: Insights", "stats, parse", request("logs", "start_query", _insights), "MalformedQueryException"),
    Q("CloudWatch: alarms on metric math", "evaluated", request("cloudwatch", "put_metric_alarm", _alarm), "ValidationError"),
    Q("CloudWatch: metric math", "expressions", request("cloudwatch", "get_metric_data",
        lambda _: _expression("SEARCH('{AWS/Lambda} x', 'Sum', 60)")), "ValidationError"),
    Q("CloudWatch: trimmed statistics", "tm, wm", request("cloudwatch", "get_metric_statistics",
        lambda _: _trimmed()), "InvalidParameterValue"),
    Q("EventBridge", "has global endpoints", request("events", "create_event_bus",
        lambda s: {"Name": s.name("logged"), "LogConfig": {"Level": "INFO"}}), VALIDATION),
    Q("EventBridge: dead-letter queues", "get the events", _targets(
        DeadLetterConfig=lambda s: {"Arn": s.queue}), VALIDATION),
    Q("EventBridge: targets", "AppSync, Batch", _targets(
        Arn=lambda s: f"arn:aws:firehose:{s.aws.region}:{s.aws.account_id}:deliverystream/absent"), VALIDATION),
    Q("Every other service", "answers", request("redshift", "describe_clusters", lambda _: {"MaxRecords": 20}), UNKNOWN),
    Q("IAM", "has more than a thousand", request("iam", "get_policy",
        lambda _: {"PolicyArn": "arn:aws:iam::aws:policy/AmazonRedshiftFullAccess"}), "NoSuchEntity"),
    Q("JSON protocols", "refuse every value", _wrong_type, "answered", "SerializationException"),
    Q("Lambda", "runs container images", _ruby, INVALID),
    Q("Lambda", "has VPCs", request("lambda", "create_function", _function(
        "traced", TracingConfig={"Mode": "Active"})), INVALID),
    Q("Lambda: durable functions", "run functions", request("lambda", "create_function", _function(
        "durable", DurableConfig={"ExecutionTimeout": 60, "RetentionPeriodInDays": 1})), INVALID),
    Q("Lambda: ephemeral storage", "/tmp has", lambda s: "512 MB" if s.looks[2] < 2**30 else "more", "more", "512 MB"),
    Q("Lambda: file system", "`/var/task`", lambda s: s.looks[1], "writable", "read-only"),
    Q("Lambda: language version", "that of the runtime", lambda s: s.looks[0], r"3\.\d+", r"3\.12"),
    Q("Lambda: memory", "a function that needs more", lambda s:
        "failed" if s.invoke(s.looking, mb=160) == "failed" else "ran", "ran", "failed"),
    Q("Operations of CloudWatch", "carried out", request("logs", "list_anomalies", _none), UNKNOWN),
    Q("Parameter Store", "applies parameter policies", request("ssm", "put_parameter", lambda s: {
        "Name": s.name("image"), "Value": "ami-0123456789abcdef0", "Type": "String", "DataType": "aws:ec2:image"}), VALIDATION),
    Q("Pricing", "answers", request("pricing", "describe_services", lambda _: {"MaxResults": 1}), UNKNOWN),
    Q("Resource Groups Tagging API", "finds the APIs", _tagged, "not found", "found"),
    Q("Secrets Manager", "rotates later", request("secretsmanager", "list_secrets",
        lambda _: {"SortBy": "created-date", "MaxResults": 1}), "InvalidParameterException"),
    Q("Service Quotas", "has the quotas", request("service-quotas", "get_service_quota",
        lambda _: {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}), "NoSuchResourceException"),
    Q("Step Functions: Distributed Map", "ItemBatcher", request("stepfunctions", "create_state_machine", _map), "InvalidDefinition"),
    Q("STS", "has sessions with MFA", request("sts", "assume_role", lambda s: {
        "RoleArn": s.role, "RoleSessionName": "session", "SourceIdentity": "alice"}), "ValidationError"),
    Q("X-Ray", "answers", request("xray", "get_groups", _none), UNKNOWN),
)  # fmt: skip
