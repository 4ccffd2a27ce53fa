"""Parameters and expressions that ministack would accept and not carry out: done, or rejected as AWS does."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from whatschat_ops.local.control import lambda_validation

pytestmark = pytest.mark.local

TABLE = "parameters"
KEY = {"k": {"S": "1"}}
VALUES = {":a": {"N": "1"}, ":b": {"N": "2"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of the error response of a call."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def items(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    """A DynamoDB client, with a table and an index of one item."""
    client = embedded_aws.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("k", "u")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-u",
                "KeySchema": [{"AttributeName": "u", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName=TABLE, Item={**KEY, "u": {"S": "alice"}})
    yield client
    client.delete_table(TableName=TABLE)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html"
)
@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("SET a = :a SET b = :b", 'The "SET" section can only be used once in an update expression;'),
        ("SET a = :a, a = :b", "Two document paths overlap with each other;"),
        ("SET m.x = :a, m[0] = :b", "Two document paths conflict with each other;"),
        ("SET a = :a b = :b", 'Syntax error; token: "b"'),
    ],
)
def test_update_that_would_be_lost_is_rejected_and_changes_nothing(
    items: Any, expression: str, message: str
) -> None:
    update = {
        "TableName": TABLE,
        "Key": KEY,
        "UpdateExpression": expression,
        "ExpressionAttributeValues": VALUES,
    }
    for call, parameters in (
        (items.update_item, update),
        (items.transact_write_items, {"TransactItems": [{"Update": update}]}),
    ):
        code, said = refusal(call, **parameters)
        assert code == "ValidationException"
        assert said.startswith(f"Invalid UpdateExpression: {message}")
    assert items.get_item(TableName=TABLE, Key=KEY)["Item"] == {**KEY, "u": {"S": "alice"}}


@pytest.mark.aws("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html")
def test_projection_and_function_that_would_be_ignored_are_rejected(items: Any) -> None:
    said = refusal(items.get_item, TableName=TABLE, Key=KEY, ProjectionExpression="k u")
    assert said == (
        "ValidationException",
        'Invalid ProjectionExpression: Syntax error; token: "u", near: "k u"',
    )
    said = refusal(items.scan, TableName=TABLE, FilterExpression="exists(u)")
    assert said == (
        "ValidationException",
        "Invalid FilterExpression: Invalid function name; function: exists",
    )


@pytest.mark.aws("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.select.html")
def test_partiql_reads_an_index_and_rejects_what_it_does_not_have(items: Any) -> None:
    found = items.execute_statement(
        Statement=f'SELECT k FROM "{TABLE}"."by-u" WHERE u = ?', Parameters=[{"S": "alice"}]
    )
    assert found["Items"] == [KEY]
    assert items.execute_statement(Statement=f"SELECT k FROM {TABLE} WHERE k = '1' ORDER BY k")["Items"]
    for statement, message in (
        (f"SELECT COUNT(*) FROM {TABLE}", "Statement wasn't well formed, can't be processed"),
        (f"SELECT k FROM {TABLE} ORDER BY k", "Must have WHERE clause"),
        (f"SELECT k FROM {TABLE} WHERE k = '1' ORDER BY u", "Variable reference u in ORDER BY clause"),
        (
            f'UPDATE "{TABLE}"."by-u" SET z = 1 WHERE u = \'alice\'',
            "This operation is not supported on an index",
        ),
    ):
        code, said = refusal(items.execute_statement, Statement=statement)
        assert code == "ValidationException"
        assert said.startswith(message)


@pytest.mark.difference(
    "DynamoDB",
    aws="pages the items of a table in PartiQL, sorts those of an index, and has resource policies and global tables",
    here="refused with ValidationException",
)
def test_partiql_pages_of_a_table_and_sorting_of_an_index_are_refused(items: Any) -> None:
    said = refusal(items.execute_statement, Statement=f"SELECT k FROM {TABLE}", Limit=1)
    assert said == (
        "ValidationException",
        "Limit: the embedded AWS does not page the items of a table in PartiQL.",
    )
    statement = f'SELECT k FROM "{TABLE}"."by-u" WHERE u = \'alice\' ORDER BY u DESC'
    assert refusal(items.execute_statement, Statement=statement) == (
        "ValidationException",
        "ORDER BY: the embedded AWS does not sort the items of an index in PartiQL.",
    )
    table = items.describe_table(TableName=TABLE)["Table"]
    said = refusal(
        items.create_table,
        TableName="with-policy",
        KeySchema=table["KeySchema"],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        ResourcePolicy="{}",
    )
    assert said == (
        "ValidationException",
        "ResourcePolicy: the embedded AWS does not support this parameter.",
    )


@pytest.fixture
def published(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """The name of a function with one published version."""
    iam, functions, name = embedded_aws.client("iam"), embedded_aws.client("lambda"), "listed-with-versions"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.py", "def handle(event, context):\n    return event\n")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="main.handle",
        Code={"ZipFile": content.getvalue()},
        Publish=True,
    )
    for state in ("function_active_v2", "function_updated_v2"):
        functions.get_waiter(state).wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    yield name
    functions.delete_function(FunctionName=name)
    iam.delete_role(RoleName=name)


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html")
def test_functions_are_listed_with_their_versions_and_in_pages(
    embedded_aws: EmbeddedAws, published: str
) -> None:
    functions = embedded_aws.client("lambda")

    def versions(**parameters: Any) -> list[tuple[str, str]]:
        pages = functions.get_paginator("list_functions").paginate(**parameters)
        return [
            (each["Version"], each["FunctionArn"].rpartition(published)[2])
            for page in pages
            for each in page["Functions"]
            if each["FunctionName"] == published
        ]

    assert versions() == [("$LATEST", "")]
    both = [("$LATEST", ":$LATEST"), ("1", ":1")]
    assert versions(FunctionVersion="ALL") == both
    assert versions(FunctionVersion="ALL", PaginationConfig={"PageSize": 1}) == both
    listed = functions.list_versions_by_function(FunctionName=published)["Versions"]
    assert [each["FunctionArn"].rpartition(published)[2] for each in listed] == ["", ":1"]
    assert refusal(functions.list_functions, Marker="x")[0] == "InvalidParameterValueException"


@pytest.mark.difference(
    "Lambda",
    aws="publishes to a tenant's version, and polls Kafka, DocumentDB and tumbling windows",
    here="PublishTo, TenantId, MasterRegion and the parameters of those event sources are refused with InvalidParameterValueException",
)
def test_parameters_of_lambda_without_effect_are_refused(embedded_aws: EmbeddedAws) -> None:
    functions = embedded_aws.client("lambda")
    for call, parameters, name in (
        (functions.publish_version, {"FunctionName": "absent", "PublishTo": "LATEST_PUBLISHED"}, "PublishTo"),
        (functions.invoke, {"FunctionName": "absent", "TenantId": "t"}, "TenantId"),
        (
            functions.create_event_source_mapping,
            {"FunctionName": "absent", "TumblingWindowInSeconds": 1},
            "TumblingWindowInSeconds",
        ),
    ):
        assert refusal(call, **parameters) == (
            "InvalidParameterValueException",
            f"{name}: the embedded AWS does not support this parameter.",
        )
    assert refusal(functions.list_functions, MasterRegion="us-east-1") == (
        "InvalidParameterValueException",
        "MasterRegion: the embedded AWS does not have Lambda@Edge.",
    )


@pytest.mark.difference(
    "Lambda",
    aws="has VPCs, file systems, X-Ray tracing and code signing; CloudFormation has durable and tenant functions",
    here="refused with InvalidParameterValueException, and in templates, by the name of the parameter",
)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VpcConfig", {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}),
        (
            "FileSystemConfigs",
            [
                {
                    "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                    "LocalMountPath": "/mnt/a",
                }
            ],
        ),
        ("TracingConfig", {"Mode": "Active"}),
    ],
)
def test_setting_of_a_function_without_effect_is_refused(
    embedded_aws: EmbeddedAws, name: str, value: Any
) -> None:
    functions = embedded_aws.client("lambda")
    refused = (
        "InvalidParameterValueException",
        f"{name}: the embedded AWS does not support this parameter.",
    )
    role = f"arn:aws:iam::{embedded_aws.account_id}:role/absent"
    function = {"FunctionName": "absent", "Role": role, name: value}
    assert refusal(functions.create_function, Code={"ZipFile": b"x"}, **function) == refused
    assert refusal(functions.update_function_configuration, **function) == refused


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html")
def test_bucket_of_another_owner_is_denied(embedded_aws: EmbeddedAws) -> None:
    buckets = embedded_aws.client("s3")
    buckets.create_bucket(Bucket="expected-owner")
    owner = {"Bucket": "expected-owner", "ExpectedBucketOwner": embedded_aws.account_id}
    assert buckets.list_objects_v2(**owner)["KeyCount"] == 0
    other = {**owner, "ExpectedBucketOwner": "111111111111"}
    assert refusal(buckets.put_object, Key="k", Body=b"x", **other)[0] == "AccessDenied"
    assert refusal(buckets.list_objects_v2, **other)[0] == "AccessDenied"
    buckets.delete_bucket(**owner)


@pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html")
def test_names_trust_and_attached_policies_are_checked_and_errors_are_xml(embedded_aws: EmbeddedAws) -> None:
    iam = embedded_aws.client("iam")
    trust = json.dumps(TRUST)
    assert refusal(iam.get_role, RoleName="a&b<c") == ("NoSuchEntity", "Role a&b<c not found.")
    assert refusal(iam.create_role, RoleName="a&b", AssumeRolePolicyDocument=trust)[0] == "ValidationError"
    for document in ("{}", "no JSON", '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}'):
        code, _ = refusal(iam.create_role, RoleName="untrusted", AssumeRolePolicyDocument=document)
        assert code == "MalformedPolicyDocument"
    role = iam.create_role(RoleName="checked", AssumeRolePolicyDocument=trust, Description="you & me")["Role"]
    assert role["Description"] == iam.get_role(RoleName="checked")["Role"]["Description"] == "you & me"
    own = f"arn:aws:iam::{embedded_aws.account_id}:policy/absent"
    assert refusal(iam.attach_role_policy, RoleName="checked", PolicyArn=own)[0] == "NoSuchEntity"
    iam.attach_role_policy(
        RoleName="checked", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    )
    iam.detach_role_policy(
        RoleName="checked", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    )
    iam.delete_role(RoleName="checked")


@pytest.mark.difference(
    "IAM",
    aws="has more than a thousand AWS managed policies, and simulates permissions boundaries, resource policies and callers",
    here="has some thirty; attaching another is refused with NoSuchEntity, those parameters of a simulation with InvalidInput; lists have one page",
)
def test_other_managed_policies_and_simulation_parameters_are_refused(embedded_aws: EmbeddedAws) -> None:
    iam = embedded_aws.client("iam")
    iam.create_user(UserName="unattached")
    arn = "arn:aws:iam::aws:policy/AmazonChimeFullAccess"
    assert refusal(iam.attach_user_policy, UserName="unattached", PolicyArn=arn) == (
        "NoSuchEntity",
        f"Policy {arn}: the embedded AWS does not have this AWS managed policy.",
    )
    iam.delete_user(UserName="unattached")
    allow = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    deny = allow.replace("Allow", "Deny")
    assert refusal(
        iam.simulate_custom_policy,
        PolicyInputList=[allow],
        PermissionsBoundaryPolicyInputList=[deny],
        ActionNames=["s3:GetObject"],
    ) == (
        "InvalidInput",
        "PermissionsBoundaryPolicyInputList: the embedded AWS does not support this parameter.",
    )
    iam.create_user(UserName="listed-1")
    assert iam.list_users(MaxItems=1)["IsTruncated"] is False
    iam.delete_user(UserName="listed-1")


@pytest.mark.aws("https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html")
def test_pattern_size_and_filters_of_parameters_are_checked(embedded_aws: EmbeddedAws) -> None:
    parameters = embedded_aws.client("ssm")
    text = {"Name": "checked", "Type": "String"}
    code, _ = refusal(parameters.put_parameter, Value="abc", AllowedPattern="[0-9]+", **text)
    assert code == "ParameterPatternMismatchException"
    code, _ = refusal(parameters.put_parameter, Value="1", AllowedPattern="[", **text)
    assert code == "InvalidAllowedPatternException"
    assert refusal(parameters.put_parameter, Value="x" * 4097, **text)[0] == "ValidationException"
    unknown = [{"Key": "Owner", "Values": ["x"]}]
    assert refusal(parameters.describe_parameters, ParameterFilters=unknown)[0] == "InvalidFilterKey"
    parameters.put_parameter(Value="1234", AllowedPattern="[0-9]+", **text)
    parameters.delete_parameter(Name="checked")


@pytest.mark.difference(
    "Parameter Store",
    aws="applies parameter policies and validates the data type aws:ec2:image",
    here="refused with InvalidPolicyTypeException and ValidationException",
)
def test_policies_and_data_types_of_parameters_are_refused(embedded_aws: EmbeddedAws) -> None:
    parameters = embedded_aws.client("ssm")
    text = {"Name": "refused", "Type": "String", "Value": "x"}
    assert refusal(parameters.put_parameter, Tier="Advanced", Policies="[]", **text) == (
        "InvalidPolicyTypeException",
        "Policies: the embedded AWS does not support this parameter.",
    )
    assert refusal(parameters.put_parameter, DataType="aws:ec2:image", **text) == (
        "ValidationException",
        "DataType aws:ec2:image: the embedded AWS does not validate it.",
    )


@pytest.mark.aws("https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html")
def test_encrypted_parameter_is_a_ciphertext_without_decryption(embedded_aws: EmbeddedAws) -> None:
    parameters = embedded_aws.client("ssm")
    parameters.put_parameter(Name="/encrypted/token", Type="SecureString", Value="token")
    read = parameters.get_parameter(Name="/encrypted/token")["Parameter"]["Value"]
    assert "dG9rZW4" not in read and not read.startswith("ENCRYPTED")
    assert parameters.get_parameters_by_path(Path="/encrypted")["Parameters"][0]["Value"] == read
    decrypted = parameters.get_parameter(Name="/encrypted/token", WithDecryption=True)["Parameter"]
    assert decrypted["Value"] == "token"
    parameters.delete_parameter(Name="/encrypted/token")


@pytest.mark.difference(
    "Secrets Manager",
    aws="rotates later with RotateImmediately=false, and sorts lists",
    here="refused with InvalidParameterException",
)
def test_later_rotation_and_sorted_secrets_are_refused(embedded_aws: EmbeddedAws) -> None:
    secrets = embedded_aws.client("secretsmanager")
    assert refusal(secrets.rotate_secret, SecretId="absent", RotateImmediately=False) == (
        "InvalidParameterException",
        "RotateImmediately: the embedded AWS does not support this parameter.",
    )
    assert refusal(secrets.list_secrets, SortOrder="asc")[0] == "InvalidParameterException"


@pytest.fixture
def alice(embedded_aws: EmbeddedAws, items: Any) -> Iterator[Any]:
    """A DynamoDB client of a user who may read and write the items whose partition key is `alice`."""
    iam = embedded_aws.client("iam")
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["alice"]}}
    statement = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition}
    iam.create_user(UserName="alice")
    iam.put_user_policy(
        UserName="alice", PolicyName="own", PolicyDocument=json.dumps({"Statement": [statement]})
    )
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    yield embedded_aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], "dynamodb")
    iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="alice", PolicyName="own")
    iam.delete_user(UserName="alice")


@pytest.mark.aws(
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html"
)
def test_leading_keys_limit_the_items_of_every_request(alice: Any) -> None:
    def requests(name: str) -> list[tuple[Callable[..., Any], dict[str, Any]]]:
        key, value = {"k": {"S": name}}, {"S": name}
        put, get = {"Put": {"TableName": TABLE, "Item": key}}, {"Get": {"TableName": TABLE, "Key": key}}
        by_u = {"IndexName": "by-u", "KeyConditionExpression": "u = :u"}
        return [
            (alice.put_item, {"TableName": TABLE, "Item": key}),
            (alice.get_item, {"TableName": TABLE, "Key": key}),
            (alice.batch_get_item, {"RequestItems": {TABLE: {"Keys": [key]}}}),
            (alice.batch_write_item, {"RequestItems": {TABLE: [{"PutRequest": {"Item": key}}]}}),
            (alice.transact_write_items, {"TransactItems": [put]}),
            (alice.transact_get_items, {"TransactItems": [get]}),
            (alice.query, {"TableName": TABLE, **by_u, "ExpressionAttributeValues": {":u": value}}),
            (
                alice.query,
                {
                    "TableName": TABLE,
                    "KeyConditionExpression": "#k = :k",
                    "ExpressionAttributeNames": {"#k": "k"},
                    "ExpressionAttributeValues": {":k": value},
                },
            ),
            (
                alice.query,
                {
                    "TableName": TABLE,
                    "KeyConditions": {"k": {"ComparisonOperator": "EQ", "AttributeValueList": [value]}},
                },
            ),
            (alice.delete_item, {"TableName": TABLE, "Key": key}),
        ]

    for call, parameters in requests("alice"):
        call(**parameters)
    for call, parameters in requests("bob"):
        assert refusal(call, **parameters)[0] == "AccessDeniedException", parameters


@pytest.mark.difference(
    "CloudWatch",
    aws="suppresses actions of composite alarms, filters alarms by action and composite alarm, and has entities and cross-account views",
    here="those parameters are refused with ValidationError",
)
def test_parameters_of_cloudwatch_without_effect_are_refused(embedded_aws: EmbeddedAws) -> None:
    metrics = embedded_aws.client("cloudwatch")
    assert refusal(metrics.describe_alarms, ActionPrefix="arn:aws:sns") == (
        "ValidationError",
        "ActionPrefix: the embedded AWS does not support this parameter.",
    )
    code, message = refusal(
        metrics.put_composite_alarm,
        AlarmName="a",
        AlarmRule="TRUE",
        ActionsSuppressor="b",
        ActionsSuppressorWaitPeriod=1,
        ActionsSuppressorExtensionPeriod=1,
    )
    assert (code, message.partition(":")[0]) == ("ValidationError", "ActionsSuppressor")


@pytest.mark.difference(
    "EventBridge",
    aws="has global endpoints, partner event sources, logs of event buses and private connections",
    here="refused with ValidationException",
)
def test_endpoints_and_partners_of_eventbridge_are_refused(embedded_aws: EmbeddedAws) -> None:
    events = embedded_aws.client("events")
    assert refusal(events.put_partner_events, Entries=[{"Source": "s"}]) == (
        "ValidationException",
        "PutPartnerEvents: the embedded AWS does not carry out this operation.",
    )
    bus = embedded_aws.client("events").describe_event_bus()["Arn"]
    said = refusal(
        events.create_endpoint,
        Name="e",
        RoutingConfig={
            "FailoverConfig": {"Primary": {"HealthCheck": "arn:x"}, "Secondary": {"Route": "us-west-2"}}
        },
        EventBuses=[{"EventBusArn": bus}, {"EventBusArn": bus}],
    )
    assert said == (
        "ValidationException",
        "CreateEndpoint: the embedded AWS does not carry out this operation.",
    )
    said = refusal(events.create_event_bus, Name="logged", LogConfig={"Level": "INFO"})
    assert said == ("ValidationException", "LogConfig: the embedded AWS does not support this parameter.")


@pytest.mark.difference(
    "CloudWatch Logs",
    aws="delivers the logs of other services, protects log groups from deletion, and filters by system fields",
    here="CreateDelivery and those parameters are refused with ValidationException",
)
def test_deliveries_and_protection_of_logs_are_refused(embedded_aws: EmbeddedAws) -> None:
    logs = embedded_aws.client("logs")
    said = refusal(logs.create_delivery, deliverySourceName="s", deliveryDestinationArn="arn:aws:logs:x")
    assert said == (
        "ValidationException",
        "CreateDelivery: the embedded AWS does not carry out this operation.",
    )
    said = refusal(logs.create_log_group, logGroupName="protected", deletionProtectionEnabled=True)
    assert said == (
        "ValidationException",
        "deletionProtectionEnabled: the embedded AWS does not support this parameter.",
    )


@pytest.mark.difference(
    "STS",
    aws="has sessions with MFA, a source identity, transitive tags and contexts",
    here="those parameters of AssumeRole and GetSessionToken are refused with ValidationError",
)
def test_parameters_of_sessions_without_effect_are_refused(embedded_aws: EmbeddedAws) -> None:
    sts, role = embedded_aws.client("sts"), f"arn:aws:iam::{embedded_aws.account_id}:role/absent"
    said = refusal(sts.assume_role, RoleArn=role, RoleSessionName="session", SourceIdentity="alice")
    assert said == ("ValidationError", "SourceIdentity: the embedded AWS does not support this parameter.")
    assert (
        refusal(sts.get_session_token, SerialNumber="arn:aws:iam::000000000000:mfa/x", TokenCode="123456")[0]
        == "ValidationError"
    )


@pytest.mark.difference(
    "Lambda: provisioned concurrency, SnapStart",
    aws="environments are initialized before they are invoked",
    here="accepted, and READY or On at once; the first invocation initializes an environment",
)
def test_provisioned_concurrency_and_snapshots_are_accepted_and_ready(
    embedded_aws: EmbeddedAws, published: str
) -> None:
    functions = embedded_aws.client("lambda")
    config = functions.put_provisioned_concurrency_config(
        FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert (config["Status"], config["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    functions.update_function_configuration(
        FunctionName=published, SnapStart={"ApplyOn": "PublishedVersions"}
    )
    functions.get_waiter("function_updated_v2").wait(FunctionName=published, WaiterConfig={"Delay": 0.1})
    functions.publish_version(FunctionName=published)
    version = functions.get_function_configuration(FunctionName=published, Qualifier="2")
    assert (version["State"], version["SnapStart"]["OptimizationStatus"]) == ("Active", "On")
    result = functions.invoke(FunctionName=published, Qualifier="2", Payload=b'"ran"')
    assert result["Payload"].read() == b'"ran"'


@pytest.mark.difference(
    "Lambda: ephemeral storage",
    aws="/tmp has the size of EphemeralStorage",
    here="the size is stored; /tmp is that of this machine",
)
@pytest.mark.difference(
    "Encryption keys",
    aws="KMSKeyArn of functions and kmsKeyId of log groups name a key that encrypts",
    here="stored and returned; nothing is encrypted",
)
def test_sizes_of_storage_and_keys_are_stored(embedded_aws: EmbeddedAws, published: str) -> None:
    functions, logs = embedded_aws.client("lambda"), embedded_aws.client("logs")
    key = f"arn:aws:kms:us-east-1:{embedded_aws.account_id}:key/absent"
    config = functions.update_function_configuration(
        FunctionName=published, EphemeralStorage={"Size": 10_240}, KMSKeyArn=key
    )
    assert (config["EphemeralStorage"], config["KMSKeyArn"]) == ({"Size": 10_240}, key)
    logs.create_log_group(logGroupName="encrypted", kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix="encrypted")["logGroups"][0]["kmsKeyId"] == key
    logs.delete_log_group(logGroupName="encrypted")


@pytest.mark.difference(
    "EventBridge: retry policies of targets",
    aws="an event is delivered again for up to 24 hours, 185 times",
    here="stored; an event is delivered once",
)
def test_retry_policy_of_a_target_is_stored(embedded_aws: EmbeddedAws) -> None:
    events, queues = embedded_aws.client("events"), embedded_aws.client("sqs")
    url = queues.create_queue(QueueName="retried")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="retried", ScheduleExpression="rate(1 day)", State="DISABLED")
    policy = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
    answer = events.put_targets(Rule="retried", Targets=[{"Id": "1", "Arn": arn, "RetryPolicy": policy}])
    assert answer["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="retried")["Targets"][0]["RetryPolicy"] == policy
    events.remove_targets(Rule="retried", Ids=["1"])
    events.delete_rule(Name="retried")
    queues.delete_queue(QueueUrl=url)


@pytest.mark.difference(
    "Lambda: runtime updates",
    aws="a template may hold a function at a version of its runtime, or update it with the function only",
    here="RuntimeManagementConfig other than Auto in a template is refused with InvalidParameterValueException",
)
@pytest.mark.parametrize("policy", ["Manual", "FunctionUpdate"])
def test_runtime_that_is_not_updated_automatically_is_refused_in_a_template(policy: str) -> None:
    given = {"UpdateRuntimeOn": "Auto"}
    assert lambda_validation.of_configuration({"RuntimeManagementConfig": given}) is None
    refused = lambda_validation.of_configuration({"RuntimeManagementConfig": {"UpdateRuntimeOn": policy}})
    assert refused == (
        "InvalidParameterValueException",
        "RuntimeManagementConfig: the embedded AWS does not support this parameter.",
    )


@pytest.mark.difference(
    "Lambda: recursive loops",
    aws="a function may be exempted from the detection by its template",
    here="RecursiveLoop: Allow in a template is refused with InvalidParameterValueException",
)
def test_exemption_from_loop_detection_in_a_template_is_refused() -> None:
    assert lambda_validation.of_configuration({"RecursiveLoop": "Terminate"}) is None
    refused = lambda_validation.of_configuration({"RecursiveLoop": "Allow"})
    assert refused == (
        "InvalidParameterValueException",
        "RecursiveLoop: the embedded AWS does not support this parameter.",
    )
