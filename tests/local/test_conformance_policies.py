"""Texts that are no policies are not stored as policies of resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

NAME = "policy-documents"


@pytest.fixture(scope="module")
def resources(embedded_aws: EmbeddedAws) -> Iterator[dict[str, Any]]:
    """The clients of the services, and the parameters that name a resource of each."""
    clients = {name: embedded_aws.client(name) for name in ("s3", "sqs", "kms", "logs")}
    clients["s3"].create_bucket(Bucket=NAME)
    url = clients["sqs"].create_queue(QueueName=NAME)["QueueUrl"]
    key = clients["kms"].create_key()["KeyMetadata"]["KeyId"]
    yield {**clients, "Bucket": NAME, "QueueUrl": url, "KeyId": key, "policyName": NAME}
    clients["s3"].delete_bucket(Bucket=NAME)
    clients["sqs"].delete_queue(QueueUrl=url)
    clients["kms"].schedule_key_deletion(KeyId=key)


@pytest.mark.parametrize("text", ["{", "[]", "allow", '"{}"'])
@pytest.mark.parametrize(
    ("service", "operation", "resource", "policy", "code"),
    [
        pytest.param("s3", "put_bucket_policy", "Bucket", "Policy", "MalformedPolicy",
            marks=pytest.mark.aws("https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: MalformedPolicy")),
        pytest.param("sqs", "set_queue_attributes", "QueueUrl", "Attributes", "InvalidAttributeValue",
            marks=pytest.mark.aws("https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html")),
        pytest.param("kms", "create_key", "", "Policy", "MalformedPolicyDocumentException",
            marks=pytest.mark.aws("https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html")),
        pytest.param("kms", "put_key_policy", "KeyId", "Policy", "MalformedPolicyDocumentException",
            marks=pytest.mark.aws("https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html")),
        pytest.param("logs", "put_resource_policy", "policyName", "policyDocument", "InvalidParameterException",
            marks=pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutResourcePolicy.html")),
    ],
)  # fmt: skip
def test_policy_that_is_not_a_json_object_is_rejected(
    resources: dict[str, Any], service: str, operation: str, resource: str, policy: str, code: str, text: str
) -> None:
    value: Any = {"Policy": text} if policy == "Attributes" else text
    with pytest.raises(ClientError) as caught:
        getattr(resources[service], operation)(
            **{policy: value}, **({resource: resources[resource]} if resource else {})
        )
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.aws("https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html")
def test_queue_with_a_policy_that_is_not_json_is_not_created(resources: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        resources["sqs"].create_queue(QueueName=f"{NAME}-2", Attributes={"Policy": "{"})
    assert caught.value.response["Error"]["Code"] == "InvalidAttributeValue"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"
)
def test_policies_of_a_bucket_and_a_queue_are_stored_and_an_empty_one_removes_it(
    resources: dict[str, Any],
) -> None:
    policy = '{"Version": "2012-10-17", "Statement": []}'
    resources["s3"].put_bucket_policy(Bucket=NAME, Policy=policy)
    assert resources["s3"].get_bucket_policy(Bucket=NAME)["Policy"] == policy
    queue = {"QueueUrl": resources["QueueUrl"]}
    for text in (policy, ""):
        resources["sqs"].set_queue_attributes(**queue, Attributes={"Policy": text})
        found = resources["sqs"].get_queue_attributes(**queue, AttributeNames=["Policy"])
        assert found.get("Attributes", {}).get("Policy", "") == text
