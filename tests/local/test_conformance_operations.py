"""One request is one operation: what is authorized and checked is what is carried out, wherever its name stands."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local.conftest import EmbeddedAws

pytestmark = [
    pytest.mark.local,
    pytest.mark.aws("IAM user guide, Making query requests; Service Authorization Reference: actions"),
]

NAME: Final = "one-operation"
READS: Final = {
    "Effect": "Allow",
    "Action": ["iam:GetUser", "dynamodb:GetItem", "s3:GetObject", "lambda:ListFunctions"],
    "Resource": "*",
}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Reader:
    """A user who may read."""

    port: int
    credentials: Credentials

    def send(
        self, service: str, method: str, path: str, headers: Mapping[str, str] = FORM, body: bytes = b""
    ) -> tuple[int, str]:
        """Status and body of the response to a signed request."""
        request = AWSRequest(method, f"http://127.0.0.1:{self.port}{path}", dict(headers), body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(self.credentials, service, "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(request.headers.items()))
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()


@pytest.fixture(scope="module")
def reader(embedded_aws: EmbeddedAws) -> Iterator[Reader]:
    """With a bucket and a table of the name of the user."""
    iam, s3, tables = (embedded_aws.client(name) for name in ("iam", "s3", "dynamodb"))
    iam.create_user(UserName=NAME)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [READS]})
    iam.put_user_policy(UserName=NAME, PolicyName=NAME, PolicyDocument=policy)
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    s3.create_bucket(Bucket=NAME)
    s3.put_object(Bucket=NAME, Key="key", Body=b"kept")
    tables.create_table(
        TableName=NAME,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield Reader(embedded_aws.port, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    tables.delete_table(TableName=NAME)
    s3.delete_object(Bucket=NAME, Key="key")
    s3.delete_bucket(Bucket=NAME)
    iam.delete_access_key(UserName=NAME, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=NAME, PolicyName=NAME)
    iam.delete_user(UserName=NAME)


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/?Action=GetUser", FORM, b"Action=CreateUser&UserName=other"),
        ("/?Action=GetUser&UserName=one-operation", FORM, b"Action=GetUser&UserName=other"),
        ("/", {**FORM, "x-amz-target": "IAMService.CreateUser"}, b"Action=GetUser&UserName=other"),
        ("/", {**FORM, "x-amz-target": "any.GetUser"}, b""),
    ],
)
def test_query_request_that_says_two_things_is_rejected(
    reader: Reader, embedded_aws: EmbeddedAws, path: str, headers: Mapping[str, str], body: bytes
) -> None:
    status, text = reader.send("iam", "POST", path, headers, body)
    assert (status, "InvalidParameterCombination" in text) == (400, True)
    assert "other" not in {user["UserName"] for user in embedded_aws.client("iam").list_users()["Users"]}


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    [
        ("iam", "POST", "/?Action=CreateUser&UserName=other&Version=2010-05-08", FORM, b""),
        ("iam", "GET", "/?Action=CreateUser&UserName=other&Version=2010-05-08", {}, b""),
        (
            "dynamodb",
            "POST",
            "/?Action=GetItem",
            {"x-amz-target": "DynamoDB_20120810.DeleteTable"},
            b'{"TableName": "one-operation"}',
        ),
        (
            "dynamodb",
            "POST",
            "/",
            {**FORM, "x-amz-target": "DynamoDB_20120810.DeleteTable"},
            b'{"TableName": "one-operation", "x": "&Action=GetItem"}',
        ),
        ("s3", "DELETE", f"/{NAME}/key?Action=GetObject", {}, b""),
        ("lambda", "POST", "/2015-03-31/functions?Action=ListFunctions", {}, b"{}"),
        ("lambda", "POST", "/2015-03-31/functions", FORM, b"Action=ListFunctions"),
    ],
)
def test_operation_is_authorized_by_its_own_protocol(
    reader: Reader,
    embedded_aws: EmbeddedAws,
    service: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    status, text = reader.send(service, method, path, headers, body)
    assert (400 <= status < 404, "AccessDenied" in text) == (True, True), text
    assert embedded_aws.client("s3").get_object(Bucket=NAME, Key="key")["Body"].read() == b"kept"
    assert NAME in embedded_aws.client("dynamodb").list_tables()["TableNames"]


def test_parameters_in_the_url_are_checked_as_those_in_the_form(embedded_aws: EmbeddedAws) -> None:
    secret = embedded_aws.secret_access_key.reveal()
    operator = Reader(embedded_aws.port, Credentials(embedded_aws.access_key_id, secret))
    given = "Action=CreateUser&UserName=not%2Fa%2Fname&Version=2010-05-08"
    in_form = operator.send("iam", "POST", "/", FORM, given.encode())
    assert (in_form[0], "ValidationError" in in_form[1]) == (400, True)
    assert operator.send("iam", "POST", f"/?{given}")[0] == 400
    assert operator.send("iam", "GET", f"/?{given}")[0] == 400
