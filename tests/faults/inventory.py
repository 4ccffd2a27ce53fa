"""What is in an AWS, asked from it directly: ours by prefix, and what other owners put beside it.

Random ids are replaced by what they stand for, so that two stacks built the same way are equal.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.faults import monitoring

Client = Callable[[str], Any]
"""Service name -> a boto3 client of the operator, past the proxy."""
Things = dict[str, Any]
"""What a thing is called -> what it is like."""

LOG_ROLE = "whatschat-ops-apigateway-logs"


def ours(client: Client, prefix: str) -> Things:
    """Everything whose name starts with the prefix, except `foreign` things and the audit log, which outlives the stack."""
    found = {
        **_tables(client, prefix),
        **_apis(client, prefix),
        **_functions(client, prefix),
        **_log_groups(client, prefix),
        **_roles(client, prefix),
        **_parameters(client, prefix),
        **_buckets(client, prefix),
        **_state_machines(client, prefix),
        **monitoring.ours(client, prefix),
    }
    return {name: thing for name, thing in sorted(found.items()) if "foreign" not in name}


def _tables(client: Client, prefix: str) -> Things:
    """But the table of what operators did, which outlives the stack."""
    dynamodb = client("dynamodb")
    found = {}
    for name in dynamodb.list_tables()["TableNames"]:
        if name.startswith(prefix) and not name.endswith("-audit"):
            table = dynamodb.describe_table(TableName=name)["Table"]
            ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            found[f"table {name}"] = {
                "keys": table["KeySchema"],
                "types": {
                    each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]
                },
                "billing": table["BillingModeSummary"]["BillingMode"],
                "indexes": {
                    index["IndexName"]: (index["KeySchema"], index["Projection"]["ProjectionType"])
                    for index in table.get("GlobalSecondaryIndexes", [])
                },
                "protected": table.get("DeletionProtectionEnabled", False),
                "ttl": ttl.get("AttributeName") if ttl["TimeToLiveStatus"] == "ENABLED" else None,
                "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
                "tags": dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
            }
    return found


def _apis(client: Client, prefix: str) -> Things:
    gateway = client("apigatewayv2")
    named = [api for api in gateway.get_apis()["Items"] if api["Name"].startswith(prefix)]
    same = Counter[str]()
    found = {}
    for api in named:
        name = f"{api['Name']} {same[api['Name']]}"
        same[api["Name"]] += 1
        found[f"api {name}"] = _api(gateway, api)
        for stage in gateway.get_stages(ApiId=api["ApiId"])["Items"]:
            found[f"stage {stage['StageName']} of {name}"] = _stage(gateway, api, stage)
    return found


def _api(gateway: Any, api: Mapping[str, Any]) -> Things:
    place = {"ApiId": api["ApiId"]}
    integrations = {i["IntegrationId"]: i for i in gateway.get_integrations(**place)["Items"]}
    return {
        "selection": api["RouteSelectionExpression"],
        "tags": api.get("Tags"),
        "integrations": sorted((i["IntegrationUri"], i["TimeoutInMillis"]) for i in integrations.values()),
        "routes": sorted(
            (
                route["RouteKey"],
                route["AuthorizationType"],
                integrations[route["Target"].partition("/")[2]]["IntegrationUri"],
            )
            for route in gateway.get_routes(**place)["Items"]
        ),
        "deployments": len(gateway.get_deployments(**place)["Items"]),
    }


def _stage(gateway: Any, api: Mapping[str, Any], stage: Mapping[str, Any]) -> Things:
    deployment = gateway.get_deployment(ApiId=api["ApiId"], DeploymentId=stage["DeploymentId"])
    return {
        # The digest in the description holds random ids: only whether it is ours is compared.
        "deployment": deployment.get("Description", "").partition("=")[0],
        "settings": stage.get("DefaultRouteSettings"),
        "logs": stage.get("AccessLogSettings"),
        "tags": stage.get("Tags"),
    }


def _functions(client: Client, prefix: str) -> Things:
    lambda_ = client("lambda")
    found = {}
    for function in lambda_.list_functions()["Functions"]:
        name = function["FunctionName"]
        if name.startswith(prefix):
            versions = lambda_.list_versions_by_function(FunctionName=name)["Versions"]
            environment = dict(function["Environment"]["Variables"])
            environment.pop("API_GATEWAY_ENDPOINT", None)  # holds the API's random id
            found[f"function {name}"] = {
                **{
                    key: function[key]
                    for key in ("Runtime", "Handler", "MemorySize", "Timeout", "CodeSha256")
                },
                "architectures": function["Architectures"],
                "role": function["Role"],
                "environment": environment,
                "versions": [version["Version"] for version in versions],
                "aliases": {
                    alias["Name"]: alias["FunctionVersion"]
                    for alias in lambda_.list_aliases(FunctionName=name)["Aliases"]
                },
                "statements": without_ids(client, prefix, _statements(lambda_, name)),
                "tags": lambda_.list_tags(Resource=function["FunctionArn"])["Tags"],
            }
    return found


def _statements(lambda_: Any, name: str) -> list[Things]:
    """Those of the alias; none of the worker, which a state machine invokes with a role of its own."""
    try:
        policy = json.loads(lambda_.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    except lambda_.exceptions.ResourceNotFoundException:
        return []
    return [_allowed(each) for each in policy["Statement"]]


def _allowed(statement: Mapping[str, Any]) -> Things:
    """Who may do what, called from where, of one statement of a function's policy."""
    return {key: statement.get(key) for key in ("Sid", "Effect", "Principal", "Action", "Condition")}


def without_ids(client: Client, prefix: str, value: Any) -> Any:
    """`value` with the ids of our APIs replaced by API: they are random."""
    text = json.dumps(value)
    for api in client("apigatewayv2").get_apis()["Items"]:
        if api["Name"].startswith(prefix):
            text = text.replace(api["ApiId"], "API")
    return json.loads(text)


def _log_groups(client: Client, prefix: str) -> Things:
    logs = client("logs")
    return {
        f"log group {group['logGroupName']}": {
            "retention": group.get("retentionInDays"),
            "tags": logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"],
        }
        for group in logs.describe_log_groups()["logGroups"]
        if prefix in group["logGroupName"]
    }


def _roles(client: Client, prefix: str) -> Things:
    iam = client("iam")
    found = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        if name.startswith(prefix) or name == LOG_ROLE:
            found[f"role {name}"] = {
                "path": role["Path"],
                "trust": role["AssumeRolePolicyDocument"],
                "boundary": role.get("PermissionsBoundary"),
                "inline": {
                    policy: without_ids(
                        client,
                        prefix,
                        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"],
                    )
                    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
                },
                "attached": [
                    policy["PolicyName"]
                    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
                ],
                "tags": iam.list_role_tags(RoleName=name)["Tags"],
            }
    return found


def _parameters(client: Client, prefix: str) -> Things:
    """The value of a generated secret is random: its length is compared."""
    ssm = client("ssm")
    found = {}
    for parameter in ssm.describe_parameters()["Parameters"]:
        name = parameter["Name"]
        if prefix in name:
            value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
            tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
            found[f"parameter {name}"] = {"size": len(value), "type": parameter["Type"], "tags": tags}
    return found


def _buckets(client: Client, prefix: str) -> Things:
    s3 = client("s3")
    found = {}
    for name in (bucket["Name"] for bucket in s3.list_buckets()["Buckets"]):
        if name.startswith(prefix):
            encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
            found[f"bucket {name}"] = {
                "public": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
                "encryption": [
                    rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in encryption["Rules"]
                ],
                "lifecycle": [
                    (rule["Status"], rule["Filter"], rule["Expiration"])
                    for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
                ],
                "tls only": [
                    (each["Effect"], each["Action"], each["Resource"], each["Condition"])
                    for each in json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
                ],
                "tags": s3.get_bucket_tagging(Bucket=name)["TagSet"],
            }
    return found


def _state_machines(client: Client, prefix: str) -> Things:
    states = client("stepfunctions")
    found = {}
    for machine in states.list_state_machines()["stateMachines"]:
        if machine["name"].startswith(prefix):
            arn = machine["stateMachineArn"]
            described = states.describe_state_machine(stateMachineArn=arn)
            definition = json.loads(described["definition"])
            outer = definition["States"][definition["StartAt"]]
            found[f"state machine {machine['name']}"] = {
                "type": described["type"],
                "role": described["roleArn"],
                "definition": definition,
                "map": {
                    "MaxConcurrencyPath": outer["MaxConcurrencyPath"],
                    "ToleratedFailurePercentagePath": outer["ToleratedFailurePercentagePath"],
                    "Bucket": outer["ItemReader"]["Parameters"]["Bucket"],
                },
                "calls": set(re.findall(r'"(arn:[^"]+)"', described["definition"])),
                "tags": states.list_tags_for_resource(resourceArn=arn)["tags"],
            }
    return found


def place_foreign(client: Client, prefix: str) -> None:
    """Other owners' resources, with names as near to ours as they can be."""
    client("dynamodb").create_table(
        TableName=f"{prefix}websocket-connections-foreign",
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").put_item(
        TableName=f"{prefix}websocket-connections-foreign", Item={"connectionId": {"S": "theirs"}}
    )
    api = client("apigatewayv2").create_api(
        Name=f"{prefix}whatschat-websocket-foreign",
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.action",
    )
    client("apigatewayv2").create_integration(
        ApiId=api["ApiId"], IntegrationType="MOCK", TimeoutInMillis=1000
    )
    trust = {"Version": "2012-10-17", "Statement": []}
    client("iam").create_role(
        RoleName=f"{prefix}whatschat-websocket-lambda-local-us-east-1-foreign",
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    client("logs").create_log_group(logGroupName=f"/aws/lambda/{prefix}websocket-connect-foreign")
    client("ssm").put_parameter(
        Name=f"/whatschat-ops/{prefix}whatschat-local/jwt-secret-foreign", Type="String", Value="theirs"
    )


def foreign(client: Client, prefix: str) -> str:
    """Other owners' resources, whole, as one comparable text."""
    dynamodb, gateway, table = (
        client("dynamodb"),
        client("apigatewayv2"),
        f"{prefix}websocket-connections-foreign",
    )
    apis = [api for api in gateway.get_apis()["Items"] if api["Name"].endswith("-foreign")]
    parameter = f"/whatschat-ops/{prefix}whatschat-local/jwt-secret-foreign"
    group = f"/aws/lambda/{prefix}websocket-connect-foreign"
    things = {
        "table": dynamodb.describe_table(TableName=table)["Table"],
        "rows": dynamodb.scan(TableName=table)["Items"],
        "apis": apis,
        "integrations": [gateway.get_integrations(ApiId=api["ApiId"])["Items"] for api in apis],
        "role": client("iam").get_role(
            RoleName=f"{prefix}whatschat-websocket-lambda-local-us-east-1-foreign"
        )["Role"],
        "group": client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"],
        "parameter": client("ssm").get_parameter(Name=parameter)["Parameter"],
    }
    return json.dumps(things, sort_keys=True, default=str)
