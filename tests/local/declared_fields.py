"""For every field of every kind: where AWS shows it, how it is changed there by hand, and another value to want.

Everything is read and changed with plain boto3: nothing of the program's own readers is used.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.local import monitoring_fields
from tests.local.program import eventually
from whatschat_ops.config import Names
from whatschat_ops.redaction import Secret

Client = Callable[[str], Any]


@dataclass(frozen=True)
class There:
    """The stack as AWS shows it to the operator."""

    client: Client
    names: Names
    account_id: str = "000000000000"

    def arn(self, service: str, rest: str) -> str:
        region = "" if service == "iam" else "us-east-1"
        return f"arn:aws:{service}:{region}:{self.account_id}:{rest}"

    @property
    def api(self) -> dict[str, Any]:
        return min(self.apis, key=lambda api: (api["CreatedDate"], api["ApiId"]))

    @property
    def apis(self) -> list[dict[str, Any]]:
        apis = self.client("apigatewayv2").get_apis()["Items"]
        return [api for api in apis if api["Name"] == self.names.api]

    @property
    def place(self) -> dict[str, str]:
        return {"ApiId": self.api["ApiId"]}

    def items(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = getattr(self.client("apigatewayv2"), f"get_{what}")(**self.place)[
            "Items"
        ]
        return found

    @property
    def stage(self) -> dict[str, Any]:
        (stage,) = self.items("stages")
        return stage

    @property
    def route(self) -> dict[str, Any]:
        (route,) = (route for route in self.items("routes") if route["RouteKey"] == "$connect")
        return route

    @property
    def integration(self) -> dict[str, Any]:
        """The one of `connect` that its route uses."""
        target = self.route["Target"].partition("/")[2]
        (found,) = (each for each in self.items("integrations") if each["IntegrationId"] == target)
        return found

    @property
    def table(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("dynamodb").describe_table(TableName=self.table_name)["Table"]
        return found

    @property
    def table_name(self) -> str:
        return self.names.connections_table

    @property
    def function_name(self) -> str:
        return self.names.function("connect")

    @property
    def function(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_function(FunctionName=self.function_name)
        return found

    @property
    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.function["Configuration"]
        return found

    @property
    def alias(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_alias(FunctionName=self.function_name, Name="live")
        return found

    @property
    def versions(self) -> list[dict[str, Any]]:
        listed = self.client("lambda").list_versions_by_function(FunctionName=self.function_name)["Versions"]
        return sorted((v for v in listed if v["Version"].isdigit()), key=lambda v: int(v["Version"]))

    @property
    def statement(self) -> dict[str, Any]:
        policy = self.client("lambda").get_policy(FunctionName=self.function_name, Qualifier="live")["Policy"]
        (found,) = json.loads(policy)["Statement"]
        return dict(found)

    @property
    def role(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("iam").get_role(RoleName=self.names.lambda_role)["Role"]
        return found

    @property
    def role_policy(self) -> Any:
        iam = self.client("iam")
        (name,) = iam.list_role_policies(RoleName=self.names.lambda_role)["PolicyNames"]
        return iam.get_role_policy(RoleName=self.names.lambda_role, PolicyName=name)

    @property
    def group(self) -> dict[str, Any]:
        name = self.names.chime_event_log_group
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        (found,) = (group for group in groups if group["logGroupName"] == name)
        return dict(found)

    @property
    def group_arn(self) -> str:
        return str(self.group["arn"]).removesuffix(":*")

    @property
    def group_policy(self) -> dict[str, Any]:
        """The log group's own resource policy."""
        (found,) = self.client("logs").describe_resource_policies(
            resourceArn=self.group_arn, policyScope="RESOURCE"
        )["resourcePolicies"]
        return dict(found)

    @property
    def rule(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("events").describe_rule(Name=self.names.chime_event_rule)
        return found

    @property
    def rule_target(self) -> str | None:
        targets = self.client("events").list_targets_by_rule(Rule=self.names.chime_event_rule)["Targets"]
        return next((target["Arn"] for target in targets), None)

    @property
    def parameter(self) -> dict[str, Any]:
        name = self.names.jwt_secret_parameter
        found: dict[str, Any] = self.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
        return found

    @property
    def bucket(self) -> str:
        return self.names.broadcast_bucket(self.account_id)

    @property
    def machine_arn(self) -> str:
        return self.arn("states", f"stateMachine:{self.names.broadcast_state_machine}")

    @property
    def machine(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("stepfunctions").describe_state_machine(
            stateMachineArn=self.machine_arn
        )
        return found

    @property
    def log_role(self) -> str:
        """The name of the Region's log role."""
        arn: str = self.client("apigateway").get_account()["cloudwatchRoleArn"]
        return arn.rpartition("/")[2]

    def configure(self, **changes: Any) -> None:
        self.client("lambda").update_function_configuration(FunctionName=self.function_name, **changes)
        eventually(lambda: self.configuration.get("LastUpdateStatus") == "Successful")

    def update_stage(self, **changes: Any) -> None:
        stage = self.stage["StageName"]
        self.client("apigatewayv2").update_stage(**self.place, StageName=stage, **changes)

    def update_table(self, **changes: Any) -> None:
        self.client("dynamodb").update_table(TableName=self.table_name, **changes)

    def lifecycle(self) -> dict[str, Any]:
        answer = self.client("s3").get_bucket_lifecycle_configuration(Bucket=self.bucket)
        (rule,) = answer["Rules"]
        return dict(rule)

    def add_statement(self, **changes: str) -> None:
        """The statement of the permission, with something of it changed."""
        old = self.statement
        place = {"FunctionName": self.function_name, "Qualifier": "live", "StatementId": old["Sid"]}
        self.client("lambda").remove_permission(**place)
        arn = next(value for test in old["Condition"].values() for value in test.values())
        fields = {"Action": old["Action"], "Principal": old["Principal"]["Service"], "SourceArn": arn}
        self.client("lambda").add_permission(**place, **{**fields, **changes})


@dataclass(frozen=True)
class Row:
    """One field. `read`: what AWS shows, in the words of the field. `drift`: change it there by hand.

    `other` is another value to want: by `settings` that give it, or as a field of the resource, with `also` other fields that
    change with it. `besides` differ, too, after a drift. `dependents` are made again, too, when the resource is replaced. `of` is another resource of
    the kind than usual. `fixed` says why there is no `drift` or no
    `other`.
    """

    read: Callable[[There], Any]
    drift: Callable[[There], None] | None = None
    other: Any = None
    settings: Mapping[str, Any] | None = None
    also: Mapping[str, Any] | None = None
    besides: frozenset[str] = frozenset()
    dependents: tuple[str, ...] = ()
    of: str | None = None
    fixed: str | None = None


IDENTITY: Final = "it is what the resource is found by"


def found_by(read: Callable[[There], Any]) -> Row:
    return Row(read, fixed=IDENTITY)


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), text)
    return file.getvalue()


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


OTHER_ZIP: Final = zipped("def handler(event, context): return {}")
OTHER_FORMAT: Final = '{"requestId":"$context.requestId"}'
ANYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def trusting(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def shown_key(table: Mapping[str, Any]) -> Any:
    """The key as the field has it; with its type if that is not a string, or all of the schema if it is not one attribute."""
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    schema = table["KeySchema"]
    name = schema[0]["AttributeName"]
    simple = schema == [{"AttributeName": name, "KeyType": "HASH"}] and types[name] == "S"
    return name if simple else (schema, types)


def shown_indexes(table: Mapping[str, Any]) -> Any:
    whole = {"ProjectionType": "ALL"}
    return {
        index["IndexName"]: shown_key({**table, "KeySchema": index["KeySchema"]})
        if index["Projection"] == whole
        else index["Projection"]
        for index in table.get("GlobalSecondaryIndexes", [])
    }


def recreate_table(there: There, key_type: str) -> None:
    """The same table, with a key of another type."""
    dynamodb, old = there.client("dynamodb"), there.table
    tags = dynamodb.list_tags_of_resource(ResourceArn=old["TableArn"])["Tags"]
    dynamodb.delete_table(TableName=there.table_name)
    index = old["GlobalSecondaryIndexes"][0]
    dynamodb.create_table(
        TableName=there.table_name,
        KeySchema=old["KeySchema"],
        AttributeDefinitions=[
            {"AttributeName": "connectionId", "AttributeType": key_type},
            {"AttributeName": "userId", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[{key: index[key] for key in ("IndexName", "KeySchema", "Projection")}],
        Tags=tags,
    )
    set_ttl(there, on=True)


def narrow_index(there: There) -> None:
    """The same index, with its keys only."""
    (index,) = there.table["GlobalSecondaryIndexes"]
    name = index["IndexName"]
    there.update_table(GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
    made = {"IndexName": name, "KeySchema": index["KeySchema"], "Projection": {"ProjectionType": "KEYS_ONLY"}}
    there.update_table(
        AttributeDefinitions=[{"AttributeName": "userId", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": made}],
    )


def set_ttl(there: There, *, on: bool) -> None:
    there.client("dynamodb").update_time_to_live(
        TableName=there.table_name, TimeToLiveSpecification={"Enabled": on, "AttributeName": "ttl"}
    )


def shown_ttl(there: There) -> str | None:
    ttl = there.client("dynamodb").describe_time_to_live(TableName=there.table_name)["TimeToLiveDescription"]
    return str(ttl["AttributeName"]) if ttl["TimeToLiveStatus"] == "ENABLED" else None


def set_recovery(there: There, *, on: bool) -> None:
    there.client("dynamodb").update_continuous_backups(
        TableName=there.table_name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


def shown_recovery(there: There) -> bool:
    answer = there.client("dynamodb").describe_continuous_backups(TableName=there.table_name)
    description = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    return bool(description["PointInTimeRecoveryStatus"] == "ENABLED")


def move_role(there: There) -> None:
    """The same role under another path."""
    iam, old = there.client("iam"), there.role
    iam.delete_role_policy(RoleName=old["RoleName"], PolicyName=there.role_policy["PolicyName"])
    iam.delete_role(RoleName=old["RoleName"])
    trust = json.dumps(old["AssumeRolePolicyDocument"])
    limit = old["PermissionsBoundary"]["PermissionsBoundaryArn"]
    name, tags = old["RoleName"], old["Tags"]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=tags, PermissionsBoundary=limit)


def publish_other(there: There) -> None:
    """The newest version is not what runs next."""
    memory_mb = there.configuration["MemorySize"]
    there.configure(MemorySize=memory_mb + 1)
    there.client("lambda").publish_version(FunctionName=there.function_name)
    there.configure(MemorySize=memory_mb)


def put_parameter(there: There, value: str, type_: str = "SecureString") -> None:
    name = there.names.jwt_secret_parameter
    there.client("ssm").put_parameter(Name=name, Value=value, Type=type_, Overwrite=True)


def recreate_parameter(there: There) -> None:
    ssm, name, value = there.client("ssm"), there.names.jwt_secret_parameter, there.parameter["Value"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    ssm.delete_parameter(Name=name)
    ssm.put_parameter(Name=name, Value=value, Type="String", Tags=tags)


def create_twin_api(there: There) -> None:
    api = there.api
    there.client("apigatewayv2").create_api(
        Name=api["Name"],
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression=api["RouteSelectionExpression"],
        Tags=api["Tags"],
    )


def create_twin_integration(there: There) -> None:
    kept = ("IntegrationType", "IntegrationMethod", "IntegrationUri", "TimeoutInMillis")
    fields = {key: there.integration[key] for key in kept}
    there.client("apigatewayv2").create_integration(**there.place, **fields)


def update_integration(there: There, **changes: Any) -> None:
    place = {**there.place, "IntegrationId": there.integration["IntegrationId"]}
    there.client("apigatewayv2").update_integration(**place, **changes)


def update_route(there: There, **changes: Any) -> None:
    place = {**there.place, "RouteId": there.route["RouteId"]}
    there.client("apigatewayv2").update_route(**place, **changes)


def other_target(there: There) -> str:
    used = there.integration["IntegrationId"]
    other = next(i for i in there.items("integrations") if i["IntegrationId"] != used)
    return f"integrations/{other['IntegrationId']}"


def used_deployment(there: There) -> dict[str, Any]:
    used = there.stage["DeploymentId"]
    (found,) = (each for each in there.items("deployments") if each["DeploymentId"] == used)
    return found


def create_two_deployments(there: There) -> None:
    """The first of them is surplus: the second is the newest, and the stage uses the one before."""
    description = used_deployment(there)["Description"]
    for _ in range(2):
        there.client("apigatewayv2").create_deployment(**there.place, Description=description)


def deploy_other(there: There) -> None:
    description = f"{newest_content(there)[0]} and more"
    there.client("apigatewayv2").create_deployment(**there.place, Description=description)


def newest_content(there: There) -> tuple[str, str]:
    """The description of the deployment that the program made last, and the content that it names."""
    ours = [each for each in there.items("deployments") if "=" in each.get("Description", "")]
    description = str(sorted(ours, key=lambda each: each["CreatedDate"])[-1]["Description"])
    return description, description.partition("=")[2]


def throttle(there: There, **limit: Any) -> None:
    there.update_stage(DefaultRouteSettings={**there.stage["DefaultRouteSettings"], **limit})


def log_to(there: There, **changes: str) -> None:
    there.update_stage(AccessLogSettings={**there.stage["AccessLogSettings"], **changes})


def shown_public_access(there: There) -> Any:
    blocks = there.client("s3").get_public_access_block(Bucket=there.bucket)["PublicAccessBlockConfiguration"]
    return set(blocks.values()) == {True} and len(blocks) == 4


def encrypt(there: There, algorithm: str) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    there.client("s3").put_bucket_encryption(
        Bucket=there.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def shown_encryption(there: There) -> Any:
    answer = there.client("s3").get_bucket_encryption(Bucket=there.bucket)
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]


def expire(there: There, days: int) -> None:
    rule = {**there.lifecycle(), "Expiration": {"Days": days}}
    there.client("s3").put_bucket_lifecycle_configuration(
        Bucket=there.bucket, LifecycleConfiguration={"Rules": [rule]}
    )


def shown_tls_statement(there: There) -> Any:
    s3 = there.client("s3")
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=there.bucket)["Policy"])
    except s3.exceptions.ClientError:  # there is none
        return None
    return policy["Statement"][0]


def reserved_for_workers(there: There) -> int | str:
    found = there.client("lambda").get_function_concurrency(
        FunctionName=there.names.function("broadcast-worker")
    )
    limit: int | str = found.get("ReservedConcurrentExecutions", "none")
    return limit


def reserve_for_workers(there: There, limit: int) -> None:
    there.client("lambda").put_function_concurrency(
        FunctionName=there.names.function("broadcast-worker"), ReservedConcurrentExecutions=limit
    )


def update_machine(there: There, **changes: Any) -> None:
    there.client("stepfunctions").update_state_machine(stateMachineArn=there.machine_arn, **changes)


def with_workers(there: There, workers: int) -> str:
    definition = json.loads(there.machine["definition"])
    definition["States"]["Shards"]["MaxConcurrency"] = workers
    return json.dumps(definition)


def recreate_machine(there: There, type_: str) -> None:
    sfn, old = there.client("stepfunctions"), there.machine
    tags = sfn.list_tags_for_resource(resourceArn=there.machine_arn)["tags"]
    sfn.delete_state_machine(stateMachineArn=there.machine_arn)
    fields = {key: old[key] for key in ("name", "definition", "roleArn")}
    sfn.create_state_machine(**fields, type=type_, tags=tags)


def put_group_policy(there: There, document: Mapping[str, Any]) -> None:
    there.client("logs").put_resource_policy(
        resourceArn=there.group_arn,
        policyDocument=json.dumps(document),
        expectedRevisionId=there.group_policy["revisionId"],
    )


def put_rule(there: There, **changes: Any) -> None:
    old = there.rule
    kept = {key: old[key] for key in ("Name", "EventPattern", "State")}
    there.client("events").put_rule(**{**kept, **changes})


def worker_role(there: There) -> str:
    arn: str = there.client("iam").get_role(RoleName=there.names.broadcast_worker_role)["Role"]["Arn"]
    return arn


def first_version(there: There) -> None:
    there.client("lambda").update_alias(
        FunctionName=there.function_name, Name="live", FunctionVersion=there.versions[0]["Version"]
    )


def environment_without(there: There, name: str) -> dict[str, str]:
    variables = there.configuration["Environment"]["Variables"]
    return {key: value for key, value in variables.items() if key != name}


def boundary(name: str) -> str:
    return f"arn:aws:iam::aws:policy/{name}"


NOT_PUBLISHED: Final = frozenset({"published"})
"""The version that was published last is not what a function has now."""

ROWS: Final[Mapping[tuple[str, str], Row]] = {
    ("table", "table_name"): found_by(lambda there: there.table["TableName"]),
    ("table", "key"): Row(lambda there: shown_key(there.table), lambda there: recreate_table(there, "N"), "otherId"),
    ("table", "indexes"): Row(
        lambda there: shown_indexes(there.table), narrow_index, {"userId-index": "connectedAt"}
    ),
    ("table", "billing_mode"): Row(
        lambda there: there.table["BillingModeSummary"]["BillingMode"],
        lambda there: there.update_table(
            BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
        ),
        fixed="the stack's tables are on demand",
    ),
    ("table", "ttl_attribute"): Row(
        shown_ttl, lambda there: set_ttl(there, on=False), fixed="it moves in two steps: test_table_changes"
    ),
    ("table", "point_in_time_recovery"): Row(
        shown_recovery, lambda there: set_recovery(there, on=True), True,
        {"connections": {"point_in_time_recovery": True}},
    ),
    ("table", "deletion_protection"): Row(
        lambda there: there.table["DeletionProtectionEnabled"],
        lambda there: there.update_table(DeletionProtectionEnabled=True), True,
        {"connections": {"deletion_protection": True}},
    ),
    ("log_group", "group_name"): found_by(lambda there: there.group["logGroupName"]),
    ("log_group", "retention_days"): Row(
        lambda there: there.group.get("retentionInDays"),
        lambda there: there.client("logs").put_retention_policy(
            logGroupName=there.group["logGroupName"], retentionInDays=3
        ),
        30, {"lambda": {"log_retention_days": 30}},
    ),
    ("api_gateway_log_role", "role_name"): Row(
        lambda there: there.log_role, fixed="any role of the account will do, whoever set it"
    ),
    ("api_gateway_log_role", "trust_policy"): Row(
        lambda there: there.client("iam").get_role(RoleName=there.log_role)["Role"]["AssumeRolePolicyDocument"],
        fixed="it is written once, and is the account's from then on",
    ),
    ("role", "role_name"): found_by(lambda there: there.role["RoleName"]),
    ("role", "path"): Row(
        lambda there: there.role["Path"], move_role, "/elsewhere/", dependents=("role_policy.lambda",)
    ),
    ("role", "trust_policy"): Row(
        lambda there: there.role["AssumeRolePolicyDocument"],
        lambda there: there.client("iam").update_assume_role_policy(
            RoleName=there.names.lambda_role, PolicyDocument=json.dumps(trusting("edgelambda.amazonaws.com"))
        ),
        trusting("states.amazonaws.com"),
    ),
    ("role", "permissions_boundary"): Row(
        lambda there: there.role["PermissionsBoundary"]["PermissionsBoundaryArn"],
        lambda there: there.client("iam").put_role_permissions_boundary(
            RoleName=there.names.lambda_role, PermissionsBoundary=boundary("AdministratorAccess")
        ),
        boundary("PowerUserAccess"), {"iam": {"permissions_boundary": boundary("PowerUserAccess")}},
    ),
    ("api_gateway_log_role", "permissions_boundary"): Row(
        lambda there: None, fixed="it is written once: test_log_role_is_made_with_the_boundary"
    ),
    ("role_policy", "role_name"): found_by(lambda there: there.role_policy["RoleName"]),
    ("role_policy", "policy_name"): found_by(lambda there: there.role_policy["PolicyName"]),
    ("role_policy", "document"): Row(
        lambda there: there.role_policy["PolicyDocument"],
        lambda there: there.client("iam").put_role_policy(
            RoleName=there.names.lambda_role,
            PolicyName=there.role_policy["PolicyName"],
            PolicyDocument=json.dumps(ANYTHING),
        ),
        ANYTHING,
    ),
    ("secret", "parameter_name"): found_by(lambda there: there.parameter["Name"]),
    ("secret", "type"): Row(lambda there: there.parameter["Type"], recreate_parameter, "String"),
    ("secret", "value"): Row(
        lambda there: Secret(there.parameter["Value"]), lambda there: put_parameter(there, "d" * 64), Secret("e" * 64)
    ),
    ("api", "api_name"): found_by(lambda there: there.api["Name"]),
    ("api", "stack"): found_by(lambda there: there.api["Tags"]["whatschat-ops:stack"]),
    ("api", "protocol"): Row(
        lambda there: there.api["ProtocolType"], fixed="UpdateApi cannot change it, and HTTP APIs have no sockets"
    ),
    ("api", "route_selection_expression"): Row(
        lambda there: there.api["RouteSelectionExpression"],
        lambda there: there.client("apigatewayv2").update_api(
            **there.place, RouteSelectionExpression="$request.body.drift"
        ),
        "$request.body.action", {"websocket": {"route_selection_expression": "$request.body.action"}},
    ),
    ("api", "surplus"): Row(
        lambda there: None if len(there.apis) == 1 else len(there.apis), create_twin_api, fixed="none is ever wanted"
    ),
    ("function", "function_name"): found_by(lambda there: there.configuration["FunctionName"]),
    ("function", "runtime"): Row(
        lambda there: there.configuration["Runtime"], lambda there: there.configure(Runtime="python3.11"),
        "python3.12", {"lambda": {"runtime": "python3.12"}},
        besides=NOT_PUBLISHED,
    ),
    ("function", "handler"): Row(
        lambda there: there.configuration["Handler"], lambda there: there.configure(Handler="drifted.handler"),
        "index.handler",
        besides=NOT_PUBLISHED,
    ),
    ("function", "architecture"): Row(
        lambda there: there.configuration["Architectures"][0],
        lambda there: there.client("lambda").update_function_code(
            FunctionName=there.function_name, ZipFile=there_zip(there), Architectures=["x86_64"]
        ),
        "x86_64", {"lambda": {"architecture": "x86_64"}},
        besides=NOT_PUBLISHED,
    ),
    ("function", "memory_mb"): Row(
        lambda there: there.configuration["MemorySize"], lambda there: there.configure(MemorySize=1024),
        512, {"lambda": {"memory_mb": 512}},
        besides=NOT_PUBLISHED,
    ),
    ("function", "timeout_s"): Row(
        lambda there: there.configuration["Timeout"], lambda there: there.configure(Timeout=3),
        20, {"lambda": {"timeout_s": 20}},
        besides=NOT_PUBLISHED,
    ),
    ("function", "role_arn"): Row(
        lambda there: there.configuration["Role"], lambda there: there.configure(Role=worker_role(there)),
        "arn:aws:iam::000000000000:role/another",
        besides=NOT_PUBLISHED,
    ),
    ("function", "environment"): Row(
        lambda there: there.configuration["Environment"]["Variables"],
        lambda there: there.configure(Environment={"Variables": environment_without(there, "LOG_LEVEL")}),
        {"ONE": "1"},
        besides=NOT_PUBLISHED,
    ),
    ("function", "reserved_concurrency"): Row(
        reserved_for_workers, lambda there: reserve_for_workers(there, 3),
        20, {"broadcast": {"distributed": {"enabled": True, "reserved_concurrency": 20}}},
        of="function.broadcast-worker",
    ),
    ("function", "code_sha256"): Row(
        lambda there: there.configuration["CodeSha256"],
        lambda there: there.client("lambda").update_function_code(
            FunctionName=there.function_name, ZipFile=zipped("drift = True")
        ),
        sha256(OTHER_ZIP), also={"zip": OTHER_ZIP},
        besides=NOT_PUBLISHED,
    ),
    ("function", "zip"): Row(
        lambda there: there_zip(there), fixed="its hash is compared in its place"
    ),
    ("function", "published"): Row(
        lambda there: there.versions[-1]["MemorySize"] == there.configuration["MemorySize"], publish_other,
        fixed="it is always wanted",
    ),
    ("alias", "function_name"): found_by(lambda there: there.alias["AliasArn"].split(":")[6]),
    ("alias", "alias_name"): found_by(lambda there: there.alias["Name"]),
    ("alias", "version"): Row(
        lambda there: there.alias["FunctionVersion"], first_version, fixed="it is the version that was published last"
    ),
    ("alias", "content"): Row(
        lambda there: there.alias["Description"], fixed="a note for the next plan, not compared"
    ),
    ("alias", "keep_versions"): Row(
        lambda there: len(there.versions), fixed="how many stay after a deployment: test_lambda_lifecycle"
    ),
    ("permission", "function_name"): found_by(lambda there: there.statement["Resource"].split(":")[6]),
    ("permission", "qualifier"): found_by(lambda there: there.statement["Resource"].split(":")[7]),
    ("permission", "source_arn"): found_by(
        lambda there: next(value for test in there.statement["Condition"].values() for value in test.values())
    ),
    ("permission", "statement_id"): Row(
        lambda there: there.statement["Sid"], fixed="a statement is known by what it allows, whatever its id"
    ),
    ("permission", "principal"): Row(
        lambda there: there.statement["Principal"]["Service"],
        lambda there: there.add_statement(Principal="events.amazonaws.com"), "sns.amazonaws.com",
    ),
    ("permission", "action"): Row(
        lambda there: there.statement["Action"],
        lambda there: there.add_statement(Action="lambda:GetFunction"), "lambda:InvokeFunctionUrl",
    ),
    ("integration", "api_id"): found_by(lambda there: there.api["ApiId"]),
    ("integration", "uri"): found_by(lambda there: there.integration["IntegrationUri"]),
    ("integration", "type"): Row(
        lambda there: there.integration["IntegrationType"],
        lambda there: update_integration(there, IntegrationType="MOCK"), "MOCK",
    ),
    ("integration", "timeout_ms"): Row(
        lambda there: there.integration["TimeoutInMillis"],
        lambda there: update_integration(there, TimeoutInMillis=1000), 20_000,
        {"websocket": {"integration_timeout_ms": 20_000}},
    ),
    ("integration", "surplus"): Row(
        lambda there: None if len(there.items("integrations")) == 3 else len(there.items("integrations")),
        create_twin_integration, fixed="none is ever wanted",
    ),
    ("route", "api_id"): found_by(lambda there: there.api["ApiId"]),
    ("route", "route_key"): found_by(lambda there: there.route["RouteKey"]),
    ("route", "target"): Row(
        lambda there: there.route["Target"], lambda there: update_route(there, Target=other_target(there)),
        fixed="it is the integration of the route's function",
    ),
    ("route", "authorization_type"): Row(
        lambda there: there.route["AuthorizationType"],
        lambda there: update_route(there, AuthorizationType="AWS_IAM"), "AWS_IAM",
    ),
    ("deployment", "api_id"): found_by(lambda there: there.api["ApiId"]),
    ("deployment", "content"): Row(
        lambda there: newest_content(there)[1], deploy_other, "another content",
        dependents=("stage.websocket",),
    ),
    ("deployment", "surplus"): Row(
        lambda there: None if len(there.items("deployments")) <= 2 else len(there.items("deployments")),
        create_two_deployments,
        fixed="none is ever wanted",
    ),
    ("stage", "api_id"): found_by(lambda there: there.api["ApiId"]),
    ("stage", "stage_name"): found_by(lambda there: there.stage["StageName"]),
    ("stage", "deployment_id"): Row(
        lambda there: there.stage["DeploymentId"],
        lambda there: there.update_stage(DeploymentId=create_foreign_deployment(there)),
        fixed="it is the deployment that was made last",
    ),
    ("stage", "throttling_rate_limit"): Row(
        lambda there: there.stage["DefaultRouteSettings"]["ThrottlingRateLimit"],
        lambda there: throttle(there, ThrottlingRateLimit=7.0), 100.0,
        {"websocket": {"throttling_rate_limit": 100}},
    ),
    ("stage", "throttling_burst_limit"): Row(
        lambda there: there.stage["DefaultRouteSettings"]["ThrottlingBurstLimit"],
        lambda there: throttle(there, ThrottlingBurstLimit=7), 50,
        {"websocket": {"throttling_burst_limit": 50}},
    ),
    ("stage", "access_log_group_arn"): Row(
        lambda there: there.stage["AccessLogSettings"]["DestinationArn"].removesuffix(":*"),
        lambda there: log_to(there, DestinationArn=there.group["arn"].removesuffix(":*")),
        "arn:aws:logs:us-east-1:000000000000:log-group:another",
    ),
    ("stage", "access_log_format"): Row(
        lambda there: there.stage["AccessLogSettings"]["Format"],
        lambda there: log_to(there, Format='{"ip":"$context.identity.sourceIp","requestId":"$context.requestId"}'),
        OTHER_FORMAT,
    ),
    ("bucket", "bucket_name"): found_by(
        lambda there: there.client("s3").head_bucket(Bucket=there.bucket) and there.bucket
    ),
    ("bucket", "public_access_blocked"): Row(
        shown_public_access,
        lambda there: there.client("s3").put_public_access_block(
            Bucket=there.bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        ),
        fixed="it is always blocked",
    ),
    ("bucket", "encryption"): Row(shown_encryption, lambda there: encrypt(there, "aws:kms"), "aws:kms"),
    ("bucket", "tls_statement"): Row(
        shown_tls_statement,
        lambda there: there.client("s3").delete_bucket_policy(Bucket=there.bucket),
        fixed="everything without TLS is always denied",
    ),
    ("bucket", "expiration_days"): Row(
        lambda there: there.lifecycle()["Expiration"]["Days"], lambda there: expire(there, 365), 7
    ),
    ("state_machine", "state_machine_name"): found_by(lambda there: there.machine["name"]),
    ("state_machine", "type"): Row(
        lambda there: there.machine["type"], lambda there: recreate_machine(there, "EXPRESS"), "EXPRESS"
    ),
    ("state_machine", "role_arn"): Row(
        lambda there: there.machine["roleArn"],
        lambda there: update_machine(there, roleArn=worker_role(there)),
        "arn:aws:iam::000000000000:role/another",
    ),
    ("state_machine", "definition"): Row(
        lambda there: json.loads(there.machine["definition"]),
        lambda there: update_machine(there, definition=with_workers(there, 3)),
        {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}},
    ),
    ("log_group", "resource_policy"): Row(
        lambda there: json.loads(there.group_policy["policyDocument"]),
        lambda there: put_group_policy(there, ANYTHING),
        trusting("delivery.logs.amazonaws.com"),
    ),
    ("event_rule", "rule_name"): found_by(lambda there: there.rule["Name"]),
    ("event_rule", "event_pattern"): Row(
        lambda there: json.loads(there.rule["EventPattern"]),
        lambda there: put_rule(there, EventPattern='{"source": ["aws.ec2"]}'),
        {"source": ["aws.chime"]},
    ),
    ("event_rule", "schedule"): Row(
        lambda there: there.rule.get("ScheduleExpression") or None,
        lambda there: put_rule(there, ScheduleExpression="rate(1 hour)"),
        "rate(2 hours)",
    ),
    ("event_rule", "state"): Row(
        lambda there: there.rule["State"], lambda there: put_rule(there, State="DISABLED"), "DISABLED"
    ),
    ("event_rule", "target_arn"): Row(
        lambda there: there.rule_target,
        lambda there: there.client("events").remove_targets(
            Rule=there.names.chime_event_rule, Ids=["whatschat-ops"]
        ),
        "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/another",
    ),
    **monitoring_fields.rows(Row, found_by),
}  # fmt: skip
"""(kind, field) -> its row. Tags have a test of their own."""


def there_zip(there: There) -> bytes:
    """The code of the function, from where Lambda says that it is."""
    from urllib.request import urlopen

    with urlopen(there.function["Code"]["Location"]) as answer:
        content: bytes = answer.read()
    return content


def gateway_tags(there: There, path: str) -> dict[str, str]:
    arn = f"arn:aws:apigateway:us-east-1::{path}"
    found: dict[str, str] = there.client("apigatewayv2").get_tags(ResourceArn=arn)["Tags"]
    return found


def create_foreign_deployment(there: There) -> str:
    made = there.client("apigatewayv2").create_deployment(**there.place, Description="by hand")
    return str(made["DeploymentId"])


TAGGED: Final[Mapping[str, tuple[Callable[[There, str], None], Callable[[There], Mapping[str, str]]]]] = {
    "table": (
        lambda there, value: there.client("dynamodb").tag_resource(
            ResourceArn=there.table["TableArn"], Tags=[{"Key": "team", "Value": value}]
        ),
        lambda there: pairs(
            there.client("dynamodb").list_tags_of_resource(ResourceArn=there.table["TableArn"])["Tags"]
        ),
    ),
    "log_group": (
        lambda there, value: there.client("logs").tag_resource(
            resourceArn=there.group["arn"].removesuffix(":*"), tags={"team": value}
        ),
        lambda there: there.client("logs").list_tags_for_resource(
            resourceArn=there.group["arn"].removesuffix(":*")
        )["tags"],
    ),
    "role": (
        lambda there, value: there.client("iam").tag_role(
            RoleName=there.names.lambda_role, Tags=[{"Key": "team", "Value": value}]
        ),
        lambda there: pairs(there.client("iam").list_role_tags(RoleName=there.names.lambda_role)["Tags"]),
    ),
    "secret": (
        lambda there, value: there.client("ssm").add_tags_to_resource(
            ResourceType="Parameter",
            ResourceId=there.names.jwt_secret_parameter,
            Tags=[{"Key": "team", "Value": value}],
        ),
        lambda there: pairs(
            there.client("ssm").list_tags_for_resource(
                ResourceType="Parameter", ResourceId=there.names.jwt_secret_parameter
            )["TagList"]
        ),
    ),
    "api": (
        lambda there, value: there.client("apigatewayv2").tag_resource(
            ResourceArn=f"arn:aws:apigateway:us-east-1::/apis/{there.api['ApiId']}", Tags={"team": value}
        ),
        lambda there: gateway_tags(there, f"/apis/{there.api['ApiId']}"),
    ),
    "function": (
        lambda there, value: there.client("lambda").tag_resource(
            Resource=there.configuration["FunctionArn"], Tags={"team": value}
        ),
        lambda there: there.client("lambda").list_tags(Resource=there.configuration["FunctionArn"])["Tags"],
    ),
    "stage": (
        lambda there, value: there.client("apigatewayv2").tag_resource(
            ResourceArn=f"arn:aws:apigateway:us-east-1::/apis/{there.api['ApiId']}/stages/{there.stage['StageName']}",
            Tags={"team": value},
        ),
        lambda there: gateway_tags(there, f"/apis/{there.api['ApiId']}/stages/{there.stage['StageName']}"),
    ),
    "bucket": (
        lambda there, value: there.client("s3").put_bucket_tagging(
            Bucket=there.bucket,
            Tagging={
                "TagSet": [{"Key": k, "Value": v} for k, v in {**there.names.tags, "team": value}.items()]
            },
        ),
        lambda there: pairs(there.client("s3").get_bucket_tagging(Bucket=there.bucket)["TagSet"]),
    ),
    "state_machine": (
        lambda there, value: there.client("stepfunctions").tag_resource(
            resourceArn=there.machine_arn, tags=[{"key": "team", "value": value}]
        ),
        lambda there: {
            tag["key"]: tag["value"]
            for tag in there.client("stepfunctions").list_tags_for_resource(resourceArn=there.machine_arn)[
                "tags"
            ]
        },
    ),
    "event_rule": (
        lambda there, value: there.client("events").tag_resource(
            ResourceARN=there.rule["Arn"], Tags=[{"Key": "team", "Value": value}]
        ),
        lambda there: pairs(
            there.client("events").list_tags_for_resource(ResourceARN=there.rule["Arn"])["Tags"]
        ),
    ),
    "topic": (monitoring_fields.tag_topic, monitoring_fields.tags_of_topic),
    "alarm": (monitoring_fields.tag_alarm, monitoring_fields.tags_of_alarm),
}
"""Kind -> how the tag `team` is set by hand, and how its tags are read."""


def pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
