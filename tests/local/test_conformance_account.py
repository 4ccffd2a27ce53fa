"""The services of the account on the embedded AWS: Service Quotas and what Lambda says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

MEETINGS = {"ServiceCode": "chime", "QuotaCode": "L-9F286451"}
CONCURRENCY = {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384"}


@pytest.fixture(scope="module")
def quotas(embedded_aws: EmbeddedAws) -> Any:
    """A client of Service Quotas."""
    return embedded_aws.client("service-quotas")


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    """Code and message of an error response."""
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.aws("https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html")
@pytest.mark.parametrize(
    ("service", "code", "name", "value", "adjustable"),
    [
        ("apigateway", "L-8A5B8E43", "Throttle rate", 10_000, True),
        ("apigateway", "L-9ED1E49A", "WebSocket new connections rate", 500, True),
        ("apigateway", "L-FD0EB744", "WebSocket message payload size", 128, False),
        ("chime", "L-9F286451", "Amazon Chime SDK meetings - Concurrent meeting quota", 250, True),
        (
            "chime",
            "L-A5C73716",
            "Amazon Chime SDK meetings (legacy endpoint) - Concurrent meeting quota",
            250,
            False,
        ),
        (
            "chime",
            "L-F147F728",
            "Amazon Chime SDK meetings - All meeting management API rate in requests per second",
            10,
            False,
        ),
        (
            "chime",
            "L-63907FE3",
            "Amazon Chime SDK meetings - All meeting management API burst rate in requests per second",
            20,
            False,
        ),
        (
            "chime",
            "L-398B2BD6",
            "Amazon Chime SDK meetings - DeleteAttendee API burst rate in requests per second",
            20,
            False,
        ),
        (
            "chime",
            "L-B103920E",
            "Amazon Chime SDK meetings - ListTagsForResource API rate in requests per second",
            10,
            False,
        ),
        (
            "chime",
            "L-E79A53C7",
            "Amazon Chime SDK meetings - ListTagsForResource API burst rate in requests per second",
            20,
            False,
        ),
        ("logs", "L-D6990B80", "Live Tail concurrent sessions limit", 15, True),
        ("logs", "L-C7B9AAAB", "Log groups", 1_000_000, True),
        ("dynamodb", "L-F98FE922", "Maximum number of tables", 2_500, True),
        ("lambda", "L-B99A9384", "Concurrent executions", 1_000, True),
    ],
)
def test_quota_has_the_code_name_and_value_of_aws(
    quotas: Any, service: str, code: str, name: str, value: float, adjustable: bool
) -> None:
    for get in (quotas.get_service_quota, quotas.get_aws_default_service_quota):
        quota = get(ServiceCode=service, QuotaCode=code)["Quota"]
        assert (quota["QuotaName"], quota["Value"], quota["Adjustable"]) == (name, value, adjustable)
        assert quota["QuotaArn"] == f"arn:aws:servicequotas:us-east-1:000000000000:{service}/{code}"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html"
)
def test_quotas_are_listed_in_pages(quotas: Any) -> None:
    pages = list(
        quotas.get_paginator("list_service_quotas").paginate(
            ServiceCode="chime", PaginationConfig={"PageSize": 10}
        )
    )
    codes = [quota["QuotaCode"] for page in pages for quota in page["Quotas"]]
    assert [len(page["Quotas"]) for page in pages] == [10, 10, 10]
    assert len(set(codes)) == 30
    assert {"L-9F286451", "L-8A6E3C7B", "L-FE9F896D"} <= set(codes)
    with pytest.raises(ClientError) as caught:
        quotas.list_service_quotas(ServiceCode="chime", NextToken="x")
    assert refusal(caught)[0] == "InvalidPaginationTokenException"


@pytest.mark.difference(
    "Service Quotas",
    aws="has the quotas of every service",
    here="has those that bound WebSocket APIs, Chime meetings, functions and tables; others are refused with NoSuchResourceException",
)
@pytest.mark.parametrize(("service", "code"), [("lambda", "L-9FEE3D26"), ("ec2", "L-1216C47A")])
def test_other_quotas_are_not_found(quotas: Any, service: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
    assert refusal(caught)[0] == "NoSuchResourceException"
    assert "the embedded AWS does not have" in refusal(caught)[1]


@pytest.mark.difference(
    "Service Quotas",
    aws="decides about an increase later, and takes no lower value",
    here="grants RequestServiceQuotaIncrease for Lambda's concurrent executions and Chime's concurrent meetings at once, lower values too, and does not adapt the rates of Chime's operations; other quotas and operations are refused with IllegalArgumentException",
)
def test_only_concurrent_executions_and_meetings_can_be_changed(quotas: Any) -> None:
    for service, code in (
        ("apigateway", "L-8A5B8E43"),
        ("apigateway", "L-379E48B0"),
        ("logs", "L-D6990B80"),
    ):
        with pytest.raises(ClientError) as caught:
            quotas.request_service_quota_increase(ServiceCode=service, QuotaCode=code, DesiredValue=1)
        assert refusal(caught) == (
            "IllegalArgumentException",
            f"{code}: the embedded AWS does not change this quota.",
        )
    with pytest.raises(ClientError) as caught:
        quotas.list_services()
    assert refusal(caught) == (
        "IllegalArgumentException",
        "ListServices: the embedded AWS does not have this operation.",
    )
    with pytest.raises(ClientError) as caught:
        quotas.request_service_quota_increase(
            ServiceCode="apigateway", QuotaCode="L-E11F7D5D", DesiredValue=64
        )
    assert refusal(caught)[0] == "InvalidResourceStateException"


@pytest.fixture
def ten_executions(quotas: Any) -> Iterator[None]:
    """The account may run ten functions at once, as a new one of AWS."""
    asked = quotas.request_service_quota_increase(**CONCURRENCY, DesiredValue=10)["RequestedQuota"]
    assert (asked["Status"], asked["DesiredValue"]) == ("APPROVED", 10)
    yield
    quotas.request_service_quota_increase(**CONCURRENCY, DesiredValue=1_000)


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html")
def test_account_settings_of_lambda_agree_with_the_quota(
    embedded_aws: EmbeddedAws, quotas: Any, ten_executions: None
) -> None:
    limits = embedded_aws.client("lambda").get_account_settings()["AccountLimit"]
    assert limits["ConcurrentExecutions"] == 10
    assert quotas.get_service_quota(**CONCURRENCY)["Quota"]["Value"] == 10
    assert quotas.get_aws_default_service_quota(**CONCURRENCY)["Quota"]["Value"] == 1_000
    assert limits["UnreservedConcurrentExecutions"] <= 10
    assert limits["TotalCodeSize"] == 75 * 1024**3


@pytest.fixture
def one_meeting(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    """A client of Chime in a Region where the account may have one meeting at once."""
    elsewhere = replace(embedded_aws, region="eu-central-1", _clients={})
    quotas = elsewhere.client("service-quotas")
    quotas.request_service_quota_increase(**MEETINGS, DesiredValue=1)
    yield elsewhere.client("chime-sdk-meetings")
    quotas.request_service_quota_increase(**MEETINGS, DesiredValue=250)


@pytest.mark.aws("https://docs.aws.amazon.com/chime-sdk/latest/dg/service-quotas.html: L-9F286451")
def test_changed_quota_of_meetings_is_applied(one_meeting: Any) -> None:
    meeting = {"MediaRegion": "eu-central-1", "ExternalMeetingId": "quota"}
    created = one_meeting.create_meeting(ClientRequestToken="one", **meeting)["Meeting"]
    with pytest.raises(ClientError) as caught:
        one_meeting.create_meeting(ClientRequestToken="two", **meeting)
    assert refusal(caught)[0] == "LimitExceededException"
    one_meeting.delete_meeting(MeetingId=created["MeetingId"])


@pytest.mark.aws("https://docs.aws.amazon.com/service-authorization/latest/reference/list_servicequotas.html")
def test_user_without_permission_reads_no_quota(embedded_aws: EmbeddedAws) -> None:
    iam = embedded_aws.client("iam")
    iam.create_user(UserName="no-quotas")
    key = iam.create_access_key(UserName="no-quotas")["AccessKey"]
    client = embedded_aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], "service-quotas")
    with pytest.raises(ClientError) as caught:
        client.get_service_quota(**CONCURRENCY)
    assert refusal(caught)[0] == "AccessDeniedException"
    assert "servicequotas:GetServiceQuota" in refusal(caught)[1]
    iam.delete_access_key(UserName="no-quotas", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="no-quotas")
