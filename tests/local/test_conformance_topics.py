"""Subscriptions of SNS in the embedded AWS: what AWS refuses, and what would get nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.names import own

pytestmark = pytest.mark.local

QUEUE = f"arn:aws:sqs:us-east-1:{'0' * 12}:topics"


@pytest.fixture(scope="module")
def sns(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("sns")


@pytest.fixture(scope="module")
def topic(sns: Any) -> Iterator[str]:
    arn: str = sns.create_topic(Name=own("conformance-topics"))["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def refusal(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameter"
    return str(error["Message"])


@pytest.mark.difference(
    "SNS: protocols",
    aws="text messages, mobile applications, Firehose and e-mail as JSON too",
    here="e-mail, HTTP, HTTPS, functions and queues; others are refused with InvalidParameter",
)
@pytest.mark.parametrize("protocol", ["email-json", "sms", "application", "firehose"])
def test_subscription_that_would_get_nothing_is_refused(sns: Any, topic: str, protocol: str) -> None:
    said = refusal(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint="alice@example.com")
    assert said == f"Protocol {protocol} is refused: the embedded AWS does not send messages by it."
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


@pytest.mark.aws("https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html")
@pytest.mark.difference(
    "SNS: e-mail",
    aws="a mail with a link goes to the address, and messages once it is followed",
    here="no mail is sent: the subscription stays PendingConfirmation and gets nothing",
)
def test_address_has_no_arn_before_it_is_confirmed(sns: Any, topic: str) -> None:
    asked = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="alice@example.com")
    assert asked["SubscriptionArn"] == "pending confirmation"
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Endpoint"]) == ("PendingConfirmation", "alice@example.com")
    everywhere = sns.list_subscriptions()["Subscriptions"]
    assert "PendingConfirmation" in {
        each["SubscriptionArn"] for each in everywhere if each["TopicArn"] == topic
    }
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    assert arn.startswith(f"{topic}:")  # a queue of the account needs no confirmation
    sns.unsubscribe(SubscriptionArn=arn)


@pytest.mark.aws("https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Protocol": "pigeon"}, "does not support this protocol string: pigeon"),
        ({"Attributes": {"FilterPolicy": "{bad"}}, "FilterPolicy: failed to parse JSON"),
        ({"Attributes": {"FilterPolicy": "[]"}}, "FilterPolicy: failed to parse JSON"),
        ({"Attributes": {"Colour": "red"}}, "Unknown attribute: Colour"),
    ],
)
def test_subscription_that_is_not_valid_is_refused(
    sns: Any, topic: str, changes: dict[str, Any], message: str
) -> None:
    request = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, **changes}
    assert message in refusal(sns.subscribe, **request)


@pytest.mark.aws("https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html")
def test_attribute_that_is_not_valid_is_refused(sns: Any, topic: str) -> None:
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    for name, value in (("FilterPolicy", "{bad"), ("Colour", "red")):
        refusal(
            sns.set_subscription_attributes, SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )
    policy = {"AttributeName": "FilterPolicy", "AttributeValue": '{"kind": ["call"]}'}
    sns.set_subscription_attributes(SubscriptionArn=arn, **policy)
    sns.unsubscribe(SubscriptionArn=arn)
