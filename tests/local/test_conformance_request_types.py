"""Values of the wrong type in requests that no SDK sends: AWS's errors, never 500."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

FORM = {"content-type": "application/x-www-form-urlencoded"}


def sent(
    aws: EmbeddedAws, service: str, method: str, path: str, headers: dict[str, str], body: str
) -> tuple[int, str, str]:
    """Status, error code and body of the response to a signed request."""
    keys = aws.client("sts")._request_signer._credentials
    request = AWSRequest(method, f"http://127.0.0.1:{aws.port}{path}", headers, body.encode())
    SigV4Auth(Credentials(keys.access_key, keys.secret_key), service, "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=60)
    try:
        connection.request(method, path, body, dict(request.headers.items()))
        response = connection.getresponse()
        return (
            response.status,
            response.getheader("x-amzn-errortype", "").partition(":")[0],
            response.read().decode(),
        )
    finally:
        connection.close()


@pytest.mark.aws(
    "recorded: SerializationException `STRING_VALUE can not be converted to a Long` of StartQuery "
    "(github.com/aws/aws-sdk-js-v3/issues/4080)"
)
@pytest.mark.parametrize(
    ("service", "prefix", "operation", "document"),
    [
        ("logs", "Logs_20140328", "PutLogEvents", {"logGroupName": 5}),
        ("logs", "Logs_20140328", "StartQuery", {"startTime": {}, "endTime": [], "queryString": 5}),
        ("events", "AWSEvents", "PutEvents", {"Entries": ["x"]}),
        ("events", "AWSEvents", "PutTargets", {"Rule": "r", "Targets": 5}),
        ("ssm", "AmazonSSM", "DescribeParameters", {"ParameterFilters": ["x"]}),
        ("sqs", "AmazonSQS", "SendMessageBatch", {"QueueUrl": "x", "Entries": ["x"]}),
        ("dynamodb", "DynamoDB_20120810", "BatchWriteItem", {"RequestItems": [1]}),
        ("logs", "Logs_20140328", "CreateLogGroup", [1]),
        ("logs", "Logs_20140328", "TagResource", {"resourceArn": 5, "tags": {"a": "b"}}),
        ("ssm", "AmazonSSM", "GetParameter", {"Name": {"a": 1}}),
        ("events", "AWSEvents", "ListRules", {"EventBusName": 5}),
    ],
)
def test_value_of_the_wrong_type_is_a_serialization_error(
    embedded_aws: EmbeddedAws, service: str, prefix: str, operation: str, document: Any
) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"{prefix}.{operation}"}
    status, code, body = sent(embedded_aws, service, "POST", "/", headers, json.dumps(document))
    assert (status, code) == (400, "SerializationException"), body


@pytest.mark.aws("EventBridge API reference, Tag: Key is required; Common Errors: ValidationException")
def test_required_member_that_is_absent_is_a_validation_error(embedded_aws: EmbeddedAws) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutRule"}
    document = {"Name": "r", "ScheduleExpression": "rate(1 day)", "Tags": [{"Value": "v"}]}
    status, code, body = sent(embedded_aws, "events", "POST", "/", headers, json.dumps(document))
    assert (status, code) == (400, "ValidationException"), body


@pytest.mark.aws(
    "recorded: SerializationException `TruncatingBigNumber can not be converted to an String` of PublishLayerVersion "
    "(github.com/async-aws/aws/issues/759)"
)
def test_wrong_type_in_a_request_of_lambda_is_a_serialization_error(embedded_aws: EmbeddedAws) -> None:
    headers = {"content-type": "application/json"}
    body = json.dumps({"FunctionName": "f", "Role": "r", "Code": "x", "Timeout": {}})
    status, code, text = sent(embedded_aws, "lambda", "POST", "/2015-03-31/functions", headers, body)
    assert (status, code) == (400, "SerializationException"), text


@pytest.mark.aws("CloudWatch API reference, Common Errors; recorded: MalformedInput of the query protocol")
def test_value_of_a_metric_that_is_no_number_is_malformed(embedded_aws: EmbeddedAws) -> None:
    body = (
        "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=M"
        "&MetricData.member.1.Value=many"
    )
    status, _, text = sent(embedded_aws, "monitoring", "POST", "/", FORM, body)
    assert status == 400
    assert "<Code>MalformedInput</Code>" in text


@pytest.mark.difference(
    "JSON protocols",
    aws="refuse every value of a wrong type with SerializationException",
    here='refused in requests that fail; a value that can be used, as "yes" for true, is accepted',
)
def test_value_of_the_wrong_type_that_can_be_used_is_accepted(embedded_aws: EmbeddedAws) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParametersByPath"}
    body = json.dumps({"Path": "/absent", "Recursive": "yes"})
    assert sent(embedded_aws, "ssm", "POST", "/", headers, body)[0] == 200


@pytest.mark.difference(
    "Operations of CloudWatch, Lambda and Logs that are not there",
    aws="carried out",
    here="refused with UnknownOperationException, of CloudWatch with InvalidAction",
)
@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("cloudwatch", "list_managed_insight_rules", {"ResourceARN": "arn"}, "InvalidAction"),
        ("lambda", "get_runtime_management_config", {"FunctionName": "f"}, "UnknownOperationException"),
        ("logs", "list_anomalies", {}, "UnknownOperationException"),
    ],
)
def test_operation_that_is_not_there_is_named(
    embedded_aws: EmbeddedAws, service: str, operation: str, arguments: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(embedded_aws.client(service), operation)(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert error["Message"].endswith(": the embedded AWS does not have this operation.")
