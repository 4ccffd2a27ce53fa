"""Lambda's API where AWS's answers are documented or were recorded, on the embedded AWS."""

from __future__ import annotations

import base64
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.names import PREFIX, own

pytestmark = pytest.mark.local


ANSWERS = "def handler(event, context): return {'event': event, 'id': context.aws_request_id}"
FAILS = "def handler(event, context): raise ValueError('intended')"


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def role(embedded_aws: EmbeddedAws) -> str:
    """The ARN of a role that may do everything; in an account, write logs."""
    iam, name = embedded_aws.client("iam"), own(f"conformance-{uuid.uuid4().hex[:8]}")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    managed = "service-role/AWSLambdaBasicExecutionRole" if PREFIX else "AdministratorAccess"
    iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{managed}")
    return str(created["Role"]["Arn"])


Create = Callable[..., str]


@pytest.fixture(scope="module")
def create(embedded_aws: EmbeddedAws, role: str) -> Create:
    """Creates a function of this source, and waits until it is active. Gives its name."""
    client = embedded_aws.client("lambda")

    def created(source: str = ANSWERS, **settings: Any) -> str:
        name = own(f"conformance-{uuid.uuid4().hex[:8]}")
        given = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped(source)},
            "Role": role,
            **settings,
        }
        client.create_function(**given)
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    return created


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str]:
    """Status, code and message of an error."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    error = answer["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


# Invoke


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and recorded: tests/aws/services/lambda_/*.snapshot.json of localstack/localstack, answers of AWS"
)
def test_one_request_id_is_in_answer_context_and_log(embedded_aws: EmbeddedAws, create: Create) -> None:
    answer = embedded_aws.client("lambda").invoke(FunctionName=create(), LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert json.loads(answer["Payload"].read())["id"] == request_id
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.count(f"RequestId: {request_id}") == 3  # START, END, REPORT
    assert log.count("RequestId: ") == 3


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html")
def test_answer_has_the_bytes_of_the_runtime(embedded_aws: EmbeddedAws, create: Create) -> None:
    name = create("def handler(event, context): return {'a': 1, 'text': 'ü'}")
    answer = embedded_aws.client("lambda").invoke(FunctionName=name)
    assert answer["Payload"].read() == '{"a": 1, "text": "ü"}'.encode()


@pytest.mark.aws("recorded: https://github.com/awsdocs/aws-lambda-developer-guide/issues/382")
@pytest.mark.parametrize("payload", [b"{", b"'text'", b"\x97", b"NaN"])
def test_body_that_is_not_json_is_refused(embedded_aws: EmbeddedAws, create: Create, payload: bytes) -> None:
    status, code, message = refusal(
        embedded_aws.client("lambda").invoke, FunctionName=create(), Payload=payload
    )
    assert (status, code) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json: Could not parse payload into json: ")


@pytest.mark.aws("recorded: https://github.com/pelmers/streetwarp-web/issues/14")
def test_event_over_6_mb_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, name = embedded_aws.client("lambda"), create("def handler(event, context): return len(event)")
    largest = 6 * 1024 * 1024
    fits = client.invoke(FunctionName=name, Payload=b'"' + b"x" * (largest - 2) + b'"')
    assert json.loads(fits["Payload"].read()) == largest - 2
    assert refusal(client.invoke, FunctionName=name, Payload=b'"' + b"x" * (largest - 1) + b'"') == (
        413,
        "RequestEntityTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    )


@pytest.mark.aws(
    "recorded: `2236568 byte payload is too large for the Event invocation type (limit 1048576 bytes)`"
)
def test_asynchronous_event_over_1_mb_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    payload = b'"' + b"x" * (1024 * 1024) + b'"'
    client = embedded_aws.client("lambda")
    assert refusal(client.invoke, FunctionName=create(), InvocationType="Event", Payload=payload) == (
        413,
        "RequestEntityTooLargeException",
        "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    )


@pytest.mark.aws(
    "https://github.com/aws/aws-lambda-runtime-interface-emulator (Function.ResponseSizeTooLarge)"
)
def test_answer_over_6_mb_is_an_error_of_the_function(embedded_aws: EmbeddedAws, create: Create) -> None:
    name = create("def handler(event, context): return 'x' * (6 * 1024 * 1024 + 100)")
    answer = embedded_aws.client("lambda").invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html")
def test_client_context_reaches_the_context_of_a_synchronous_invocation(
    embedded_aws: EmbeddedAws, create: Create
) -> None:
    name = create("def handler(event, context): return context.client_context.custom")
    given = base64.b64encode(json.dumps({"custom": {"text": "grün"}}).encode()).decode()
    answer = embedded_aws.client("lambda").invoke(FunctionName=name, ClientContext=given)
    assert json.loads(answer["Payload"].read()) == {"text": "grün"}


@pytest.mark.aws("recorded: https://github.com/boto/boto3/issues/2153")
@pytest.mark.parametrize("given", ["string", base64.b64encode(b"[1]").decode(), "e30!"])
def test_malformed_client_context_is_refused(embedded_aws: EmbeddedAws, create: Create, given: str) -> None:
    client = embedded_aws.client("lambda")
    assert refusal(client.invoke, FunctionName=create(), ClientContext=given) == (
        400,
        "InvalidRequestContentException",
        "Client context must be a valid Base64-encoded JSON object.",
    )


# What a function may be


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html and recorded messages of AWS"
)
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({}, "Please provide a source for function code."),
        ({"ZipFile": b""}, "Uploaded file must be a non-empty zip"),
        (
            {"S3Bucket": "conformance-absent", "S3Key": "code.zip"},
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
            "S3 Error Message: The specified key does not exist.",
        ),
    ],
)
def test_function_without_code_is_refused(
    embedded_aws: EmbeddedAws, create: Create, code: Mapping[str, Any], message: str
) -> None:
    client = embedded_aws.client("lambda")
    expected = (400, "InvalidParameterValueException", message)
    assert refusal(create, Code=code) == expected
    assert refusal(client.update_function_code, FunctionName=create(), **code) == expected


@pytest.mark.difference(
    "Lambda",
    aws="runs container images and every runtime",
    here="an image, and a runtime besides Python, Node.js and `provided`, is created and not run: "
    "Invoke is refused with InvalidParameterValueException",
)
def test_function_that_cannot_be_run_is_an_error_of_invoke(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, name = embedded_aws.client("lambda"), create(Runtime="java21")
    status, code, message = refusal(client.invoke, FunctionName=name)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "was not run: the embedded AWS does not run it" in message


RESERVED = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
)
REFUSED_SETTINGS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"Environment": {"Variables": {"AWS_REGION": "x", "MINE": "y"}}},
        "InvalidParameterValueException",
        f"{RESERVED}AWS_REGION",
    ),
    (
        {"Environment": {"Variables": {"AA": "x" * 4088}}},
        "InvalidParameterValueException",
        "exceeded the 4KB limit. String measured: {",
    ),
    (
        {"Timeout": 901},
        "ValidationException",
        "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
        "Member must have value less than or equal to 900",
    ),
    (
        {"Runtime": "python9"},
        "InvalidParameterValueException",
        "Value python9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [",
    ),
    (
        {"MemorySize": 10_241},
        "ValidationException",
        "Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240",
    ),
    (
        {"LoggingConfig": {"LogFormat": "Text", "ApplicationLogLevel": "ERROR"}},
        "InvalidParameterValueException",
        'LogLevel is not supported when LogFormat is set to "Text".',
    ),
    (
        {"LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "ERROR"}},
        "ValidationException",
        "Value 'ERROR' at 'loggingConfig.systemLogLevel' failed to satisfy constraint: Member must satisfy enum value set: [",
    ),
]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html, https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and recorded messages"
)
@pytest.mark.parametrize(
    ("settings", "code", "message"),
    REFUSED_SETTINGS,
    ids=["reserved", "4 KB", "900 s", "runtime", "memory", "levels of text", "level"],
)
def test_setting_beyond_lambdas_limits_is_refused(
    embedded_aws: EmbeddedAws, create: Create, settings: dict[str, Any], code: str, message: str
) -> None:
    client = embedded_aws.client("lambda")
    name = create(Environment={"Variables": {"AA": "x" * 4087}}, Timeout=900)
    for answer in (
        refusal(create, **settings),
        refusal(client.update_function_configuration, FunctionName=name, **settings),
    ):
        assert answer[:2] == (400, code)
        assert message in answer[2]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html"
)
@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        *((settings, message) for settings, _, message in REFUSED_SETTINGS),
        ({"Code": {"S3Bucket": "conformance-absent", "S3Key": "x"}}, "S3 Error Code: NoSuchKey."),
    ],
    ids=["reserved", "4 KB", "900 s", "runtime", "memory", "levels of text", "level", "no code"],
)
def test_stack_with_a_function_that_lambda_refuses_fails(
    embedded_aws: EmbeddedAws, role: str, properties: dict[str, Any], reason: str
) -> None:
    reasons = failed_stack(embedded_aws, {**INLINE, "Role": role, **properties})
    assert any(reason in each for each in reasons)


INLINE = {
    "Runtime": "python3.12",
    "Handler": "index.handler",
    "Code": {"ZipFile": "def handler(event, context): raise ValueError('intended')"},
}


def deploy(embedded_aws: EmbeddedAws, properties: Mapping[str, Any]) -> str:
    """Create a stack of one function, and wait for its end. Gives its name."""
    client, name = embedded_aws.client("cloudformation"), own(f"conformance-{uuid.uuid4().hex[:8]}")
    resources = {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    eventually(
        lambda: not client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"].endswith("PROGRESS")
    )
    return name


def failed_stack(embedded_aws: EmbeddedAws, properties: Mapping[str, Any]) -> list[str]:
    """Why the resources of a stack failed."""
    name = deploy(embedded_aws, properties)
    events = embedded_aws.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [each.get("ResourceStatusReason", "") for each in events]


# The log


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html")
def test_function_with_the_json_format_logs_in_json(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, name = embedded_aws.client("lambda"), create(LoggingConfig={"LogFormat": "JSON"})
    assert client.get_function_configuration(FunctionName=name)["LoggingConfig"].items() >= {
        ("LogFormat", "JSON"),
        ("ApplicationLogLevel", "INFO"),
        ("SystemLogLevel", "INFO"),
    }
    answer = client.invoke(FunctionName=name)
    logs = embedded_aws.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    documents = [json.loads(each["message"]) for each in events]
    assert [each["type"] for each in documents] == ["platform.initStart", "platform.start", "platform.report"]
    assert documents[-1]["record"]["requestId"] == answer["ResponseMetadata"]["RequestId"]


# Asynchronous invocations


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: with a reserved concurrency of zero, events go to the dead-letter queue without retries"
)
def test_event_of_a_function_without_concurrency_is_a_dead_letter(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    client, name = embedded_aws.client("lambda"), create(DeadLetterConfig={"TargetArn": queue[1]})
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = client.invoke_async(FunctionName=name, InvokeArgs=b'{"number": 4}')
    assert answer["Status"] == 202
    assert json.loads(received(embedded_aws, queue[0])["Body"]) == {"number": 4}


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html")
def test_more_concurrency_than_the_account_has_cannot_be_reserved(
    embedded_aws: EmbeddedAws, create: Create
) -> None:
    client, name = embedded_aws.client("lambda"), create()
    limit = client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    wanted = {"FunctionName": name, "ReservedConcurrentExecutions": limit}
    status, code, message = refusal(client.put_function_concurrency, **wanted)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "UnreservedConcurrentExecution below its minimum value of [" in message
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html")
def test_unknown_invocation_type_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    client = embedded_aws.client("lambda")
    status, code, _ = refusal(client.invoke, FunctionName=create(), InvocationType="Other")
    assert (status, code) == (400, "ValidationException")


@pytest.fixture
def queue(embedded_aws: EmbeddedAws) -> tuple[str, str]:
    """URL and ARN of an empty queue to which every service may send."""
    client = embedded_aws.client("sqs")
    services = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
    statement = {"Effect": "Allow", "Principal": services, "Action": "sqs:SendMessage", "Resource": "*"}
    url = client.create_queue(
        QueueName=own(f"conformance-{uuid.uuid4().hex[:8]}"),
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})},
    )["QueueUrl"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, attributes["Attributes"]["QueueArn"]


def received(embedded_aws: EmbeddedAws, queue_url: str) -> dict[str, Any]:
    """The next message."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        answer = embedded_aws.client("sqs").receive_message(
            QueueUrl=queue_url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
        )
        found.extend(answer.get("Messages", []))
        return bool(found)

    eventually(look)
    return found[0]


def sent(embedded_aws: EmbeddedAws, name: str, event: Any) -> str:
    """Invoke asynchronously; the request id."""
    answer = embedded_aws.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode()
    )
    assert answer["StatusCode"] == 202
    return str(answer["ResponseMetadata"]["RequestId"])


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and recorded: tests/aws/services/lambda_/*.snapshot.json of localstack/localstack, answers of AWS"
)
def test_record_of_a_success_reaches_a_queue(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    name, client = create(), embedded_aws.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue[1]}}
    )
    request_id = sent(embedded_aws, name, {"number": 1})
    record = json.loads(received(embedded_aws, queue[0])["Body"])
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"number": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"event": {"number": 1}, "id": request_id},
    }


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and recorded: tests/aws/services/lambda_/*.snapshot.json of localstack/localstack, answers of AWS"
)
def test_dead_letter_is_the_event_with_three_attributes(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    name = create(FAILS, DeadLetterConfig={"TargetArn": queue[1]})
    embedded_aws.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    request_id = sent(embedded_aws, name, {"number": 2})
    message = received(embedded_aws, queue[0])
    assert json.loads(message["Body"]) == {"number": 2}
    assert message["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "intended"},
    }


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html (AsyncEventsDropped)"
)
def test_event_that_is_given_up_is_counted_once(embedded_aws: EmbeddedAws, create: Create) -> None:
    name = create(FAILS)
    embedded_aws.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    sent(embedded_aws, name, {"number": 3})

    def dropped() -> list[Any]:
        points: list[Any] = embedded_aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="AsyncEventsDropped",
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        return points

    assert sum(point["Sum"] for point in eventually(dropped)) == 1


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and recorded: tests/aws/services/lambda_/*.snapshot.json of localstack/localstack, answers of AWS"
)
def test_record_of_a_failed_version_reaches_a_topic(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    client, sns = embedded_aws.client("lambda"), embedded_aws.client("sns")
    topic = sns.create_topic(Name=own(f"conformance-{uuid.uuid4().hex[:8]}"))["TopicArn"]
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=raw)
    name = create(FAILS)
    version = client.publish_version(FunctionName=name)["Version"]
    client.put_function_event_invoke_config(
        FunctionName=name,
        Qualifier=version,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": topic}},
    )
    sent(embedded_aws, f"{name}:{version}", {})
    record = json.loads(received(embedded_aws, queue[0])["Body"])
    assert record["requestContext"]["functionArn"].endswith(f"{name}:{version}")
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": version,
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorMessage"] == "intended"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html (EventBridge)"
)
def test_record_reaches_an_event_bus(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    events, name = embedded_aws.client("events"), create()
    bus = own(f"conformance-{uuid.uuid4().hex[:8]}")
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue[1]}])
    embedded_aws.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": bus_arn}}
    )
    request_id = sent(embedded_aws, name, {})
    event = json.loads(received(embedded_aws, queue[0])["Body"])
    assert (event["source"], event["detail-type"]) == (
        "lambda",
        "Lambda Function Invocation Result - Success",
    )
    assert event["resources"][0] == bus_arn
    assert event["resources"][1].endswith(f"{name}:$LATEST")
    assert event["detail"]["requestContext"]["requestId"] == request_id


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html")
def test_record_is_the_event_of_another_function(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    client, first, second = embedded_aws.client("lambda"), create(), create()
    arn = client.get_function_configuration(FunctionName=second)["FunctionArn"]
    client.put_function_event_invoke_config(
        FunctionName=first, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    client.put_function_event_invoke_config(
        FunctionName=second, DestinationConfig={"OnSuccess": {"Destination": queue[1]}}
    )
    request_id = sent(embedded_aws, first, {})
    record = json.loads(received(embedded_aws, queue[0])["Body"])
    assert record["requestPayload"]["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["requestId"] != request_id


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html (SNS invokes asynchronously)")
def test_failed_event_of_a_topic_is_a_dead_letter(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    client, sns = embedded_aws.client("lambda"), embedded_aws.client("sns")
    topic = sns.create_topic(Name=own(f"conformance-{uuid.uuid4().hex[:8]}"))["TopicArn"]
    name = create(FAILS, DeadLetterConfig={"TargetArn": queue[1]})
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.add_permission(
        FunctionName=name, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="published")
    [record] = json.loads(received(embedded_aws, queue[0])["Body"])["Records"]
    assert record["Sns"]["Message"] == "published"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html (Lambda: asynchronously)"
)
def test_failed_event_of_a_rule_is_a_dead_letter(
    embedded_aws: EmbeddedAws, create: Create, queue: tuple[str, str]
) -> None:
    client, events = embedded_aws.client("lambda"), embedded_aws.client("events")
    name = create(FAILS, DeadLetterConfig={"TargetArn": queue[1]})
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.add_permission(
        FunctionName=name,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
    )
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": arn}])
    events.put_events(Entries=[{"Source": name, "DetailType": "test", "Detail": "{}"}])
    assert json.loads(received(embedded_aws, queue[0])["Body"])["source"] == name


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html"
)
def test_dead_letters_and_reserved_concurrency_of_a_template_count(
    embedded_aws: EmbeddedAws, role: str, queue: tuple[str, str]
) -> None:
    settings = {"DeadLetterConfig": {"TargetArn": queue[1]}, "ReservedConcurrentExecutions": 3}
    stack = deploy(embedded_aws, {**INLINE, "Role": role, **settings})
    resource = embedded_aws.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId="Function"
    )
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    client = embedded_aws.client("lambda")
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 3
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    sent(embedded_aws, name, {"number": 3})
    assert json.loads(received(embedded_aws, queue[0])["Body"]) == {"number": 3}


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html")
@pytest.mark.parametrize(
    ("settings", "member"),
    [
        ({"MaximumRetryAttempts": 3}, "maximumRetryAttempts"),
        ({"MaximumEventAgeInSeconds": 21_601}, "maximumEventAgeInSeconds"),
    ],
)
def test_event_setting_out_of_range_is_refused(
    embedded_aws: EmbeddedAws, create: Create, settings: dict[str, int], member: str
) -> None:
    client = embedded_aws.client("lambda")
    status, code, message = refusal(
        client.put_function_event_invoke_config, FunctionName=create(), **settings
    )
    assert (status, code) == (400, "ValidationException")
    assert f"at '{member}' failed to satisfy constraint" in message


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionEventInvokeConfig.html")
def test_update_of_event_settings_leaves_the_others(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, name = embedded_aws.client("lambda"), create()
    _, code, _ = refusal(
        client.update_function_event_invoke_config, FunctionName=name, MaximumRetryAttempts=1
    )
    assert code == "ResourceNotFoundException"
    client.put_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=100)
    client.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    settings = client.get_function_event_invoke_config(FunctionName=name)
    assert (settings["MaximumRetryAttempts"], settings["MaximumEventAgeInSeconds"]) == (1, 100)


@pytest.mark.difference(
    "Lambda",
    aws="sends the records of failed events to S3 too",
    here="refused with InvalidParameterValueException by PutFunctionEventInvokeConfig",
)
def test_bucket_as_destination_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    status, code, message = refusal(
        embedded_aws.client("lambda").put_function_event_invoke_config,
        FunctionName=create(),
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::records"}},
    )
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "the embedded AWS does not send records to S3" in message


# Inputs


BROKEN = "1 validation error detected: Value"


@pytest.mark.aws(
    "the service model of Lambda: the constraints of CreateFunction; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (names of functions have 64 characters)"
)
@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"FunctionName": "a b"}, "ValidationException", f"{BROKEN} 'a b' at 'functionName' failed"),
        ({"FunctionName": "a" * 65}, "ValidationException", "length less than or equal to 64"),
        ({"Description": "x" * 257}, "ValidationException", "length less than or equal to 256"),
        ({"Architectures": ["x86_64", "arm64"]}, "ValidationException", "length less than or equal to 1"),
        (
            {"Environment": {"Variables": {"1A": "x"}}},
            "ValidationException",
            f"{BROKEN} at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [",
        ),
        ({"Runtime": "python3.6"}, "InvalidParameterValueException", "python3.6 is no longer supported"),
    ],
    ids=["name", "65", "description", "architectures", "variable", "runtime"],
)
def test_function_outside_the_constraints_is_not_created(
    create: Create, settings: dict[str, Any], code: str, message: str
) -> None:
    status, *answer = refusal(create, **settings)
    assert (status, answer[0]) == (400, code)
    assert message in answer[1]


@pytest.mark.difference(
    "Lambda: durable functions, tenants and capacity providers",
    aws="run functions that are suspended and resumed, in an environment for each tenant, on the user's instances",
    here="DurableConfig, TenancyConfig, CapacityProviderConfig and DurableExecutionName are refused with InvalidParameterValueException",
)
def test_parameter_of_a_durable_function_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, name = embedded_aws.client("lambda"), create()
    durable = {"DurableConfig": {"ExecutionTimeout": 60, "RetentionPeriodInDays": 1}}
    capacity = f"arn:aws:lambda:us-east-1:{'0' * 12}:capacity-provider:x"
    provider = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": capacity}}
    for call, arguments in (
        (create, durable),
        (create, {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}),
        (create, {"CapacityProviderConfig": provider}),
        (client.update_function_configuration, {"FunctionName": name, **durable}),
        (client.invoke, {"FunctionName": name, "DurableExecutionName": "x"}),
    ):
        status, code, message = refusal(call, **arguments)
        assert (status, code) == (400, "InvalidParameterValueException")
        assert message.endswith(": the embedded AWS does not support this parameter.")


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html, API_AddPermission and the service model"
)
def test_alias_and_permission_outside_the_constraints_are_refused(
    embedded_aws: EmbeddedAws, create: Create
) -> None:
    client, name = embedded_aws.client("lambda"), create()
    alias = {"FunctionName": name, "Name": "live", "FunctionVersion": "$LATEST"}
    client.create_alias(**alias)
    for call, changes in ((client.create_alias, {"Name": "next"}), (client.update_alias, {})):
        answer = refusal(call, **{**alias, **changes, "FunctionVersion": "7"})
        assert answer[:2] == (404, "ResourceNotFoundException")
        assert answer[2].endswith(f"{name}:7")
    assert refusal(client.create_alias, **{**alias, "Name": "1"})[:2] == (400, "ValidationException")
    permission = {
        "FunctionName": name,
        "StatementId": "a",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
    }
    for changes in ({"Action": "s3:Get"}, {"StatementId": "a b"}):
        assert refusal(client.add_permission, **{**permission, **changes})[1] == "ValidationException"
    assert refusal(client.add_permission, **{**permission, "Principal": "x"}) == (
        400,
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
    )
    client.add_permission(**permission)


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html")
def test_mapping_of_a_queue_that_does_not_exist_is_refused(embedded_aws: EmbeddedAws, create: Create) -> None:
    client, arn = embedded_aws.client("lambda"), f"arn:aws:sqs:us-east-1:{'0' * 12}:conformance-absent"
    answer = refusal(client.create_event_source_mapping, FunctionName=create(), EventSourceArn=arn)
    assert answer[:2] == (400, "InvalidParameterValueException")
    assert "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue." in answer[2]
