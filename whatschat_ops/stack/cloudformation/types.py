"""Which CloudFormation types a kind of resource becomes, and which property every field of it sets. Data.

Each entry of `fields` takes the field's value (with `Reference`s and `Text`s still in it) and gives properties;
properties of the same name are joined when they are lists or mappings. A field stands in `fields` of at least one type
of its kind or in `LEFT_OUT` with the reason; a test holds that for every kind. The properties are those of the
CloudFormation resource reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.provision import Reference, text
from whatschat_ops.provision.kind import NOTHING
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.bucket import LIFECYCLE_RULE, PUBLIC_ACCESS_BLOCKS
from whatschat_ops.stack.kinds.context import tag_list
from whatschat_ops.stack.kinds.log_role import MANAGED_POLICY, ROLE_PATH
from whatschat_ops.stack.kinds.stage import DESCRIPTION_PREFIX
from whatschat_ops.stack.parts.broadcast_policies import RUNS

Properties = Mapping[str, Any]

SET_LOG_ROLE: Final = "SetApiGatewayLogRole"
"""Name of the parameter, and of the condition made of it."""


@dataclass(frozen=True, slots=True)
class TemplatePlace(Place):
    """Where a stack is when that is not known yet: CloudFormation's pseudo parameters."""

    region: str = "${AWS::Region}"
    account_id: str = "${AWS::AccountId}"

    @property
    def partition(self) -> str:
        """Also a pseudo parameter."""
        return "${AWS::Partition}"


@dataclass(frozen=True, slots=True)
class CloudFormationType:
    """One resource of a template.

    `part` tells the several that one resource of ours becomes apart. `own` are properties that come from no field;
    it is given the address. `renewed`: CloudFormation cannot change it in place, or a change would not do what it
    says, so a digest in the logical id replaces it whenever anything in its kind's properties changes.
    `attributes` (DeletionPolicy and such) is given the fields. `waits_in` is the path of the property that carries the
    order after a resource with a condition, which DependsOn may not name.
    """

    type: str
    fields: Mapping[str, Callable[[Any], Properties]] = field(default_factory=lambda: NOTHING)
    part: str = ""
    own: Callable[[str], Properties] = lambda _address: NOTHING
    renewed: bool = False
    attributes: Callable[[Properties], Properties] = lambda _fields: NOTHING
    waits_in: tuple[str, str] | None = None


def _as(name: str) -> Callable[[Any], Properties]:
    return lambda value: {} if value is None else {name: value}


def _tag_list(tags: Mapping[str, str]) -> Properties:
    return {"Tags": tag_list(tags)}


def _key_schema(name: str) -> list[Properties]:
    return [{"AttributeName": name, "KeyType": "HASH"}]


def _attributes(*names: str) -> list[Properties]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in dict.fromkeys(names)]


def _indexes(indexes: Mapping[str, str]) -> Properties:
    if not indexes:
        return {}
    return {
        "AttributeDefinitions": _attributes(*indexes.values()),
        "GlobalSecondaryIndexes": [
            {"IndexName": name, "KeySchema": _key_schema(key), "Projection": {"ProjectionType": "ALL"}}
            for name, key in indexes.items()
        ],
    }


def _protection(fields: Properties) -> Properties:
    """A table that may not be deleted stays when its stack goes."""
    policy = "Retain" if fields["deletion_protection"] else "Delete"
    return {"DeletionPolicy": policy, "UpdateReplacePolicy": policy}


def _access_logs(name: str) -> Callable[[Any], Properties]:
    return lambda value: {} if value is None else {"AccessLogSettings": {name: value}}


def _throttling(name: str) -> Callable[[Any], Properties]:
    return lambda value: {"DefaultRouteSettings": {name: value}}


def _region_wide(_fields: Properties) -> Properties:
    """Others may use it: it is made on demand only, and never deleted."""
    return {"Condition": SET_LOG_ROLE, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


_TABLE = CloudFormationType(
    "AWS::DynamoDB::Table",
    {
        "table_name": _as("TableName"),
        "key": lambda key: {"KeySchema": _key_schema(key), "AttributeDefinitions": _attributes(key)},
        "indexes": _indexes,
        "billing_mode": _as("BillingMode"),
        "ttl_attribute": lambda name: {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": True}},
        "point_in_time_recovery": lambda enabled: {
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}
        },
        "deletion_protection": _as("DeletionProtectionEnabled"),
        "tags": _tag_list,
    },
    attributes=_protection,
)
_LOG_GROUP = CloudFormationType(
    "AWS::Logs::LogGroup",
    {"group_name": _as("LogGroupName"), "retention_days": _as("RetentionInDays"), "tags": _tag_list},
    attributes=lambda _fields: {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"},
)
_ROLE = CloudFormationType(
    "AWS::IAM::Role",
    {
        "role_name": _as("RoleName"),
        "path": _as("Path"),
        "trust_policy": _as("AssumeRolePolicyDocument"),
        "tags": _tag_list,
    },
)
_ROLE_POLICY = CloudFormationType(
    "AWS::IAM::Policy",
    {
        "role_name": lambda name: {"Roles": [name]},
        "policy_name": _as("PolicyName"),
        "document": _as("PolicyDocument"),
    },
)
_API = CloudFormationType(
    "AWS::ApiGatewayV2::Api",
    {
        "api_name": _as("Name"),
        "protocol": _as("ProtocolType"),
        "route_selection_expression": _as("RouteSelectionExpression"),
        "tags": _as("Tags"),
    },
)
_FUNCTION = CloudFormationType(
    "AWS::Lambda::Function",
    {
        "function_name": _as("FunctionName"),
        "runtime": _as("Runtime"),
        "handler": _as("Handler"),
        "architecture": lambda name: {"Architectures": [name]},
        "memory_mb": _as("MemorySize"),
        "timeout_s": _as("Timeout"),
        "role_arn": _as("Role"),
        "environment": lambda variables: {"Environment": {"Variables": variables}},
        "zip": _as("Code"),
        "tags": _tag_list,
    },
)
_VERSION = CloudFormationType(
    "AWS::Lambda::Version",
    {"code_sha256": _as("CodeSha256")},
    part="Version",
    own=lambda address: {"FunctionName": Reference(address, "function_name")},
    renewed=True,
    # An older version is what a rollback goes back to. It is deleted with its function.
    attributes=lambda _fields: {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"},
)
_ALIAS = CloudFormationType(
    "AWS::Lambda::Alias",
    {
        "function_name": _as("FunctionName"),
        "alias_name": _as("Name"),
        "version": _as("FunctionVersion"),
    },
)
_PERMISSION = CloudFormationType(
    "AWS::Lambda::Permission",
    {
        "qualifier": lambda alias: {"FunctionName": Reference(alias.address, "arn")},
        "action": _as("Action"),
        "principal": _as("Principal"),
        "source_arn": _as("SourceArn"),
    },
)
_INTEGRATION = CloudFormationType(
    "AWS::ApiGatewayV2::Integration",
    {
        "api_id": _as("ApiId"),
        "uri": _as("IntegrationUri"),
        "type": _as("IntegrationType"),
        "timeout_ms": _as("TimeoutInMillis"),
    },
    own=lambda _address: {"IntegrationMethod": "POST"},
)
_ROUTE = CloudFormationType(
    "AWS::ApiGatewayV2::Route",
    {
        "api_id": _as("ApiId"),
        "route_key": _as("RouteKey"),
        "target": _as("Target"),
        "authorization_type": _as("AuthorizationType"),
    },
)
_DEPLOYMENT = CloudFormationType(
    "AWS::ApiGatewayV2::Deployment",
    {
        "api_id": _as("ApiId"),
        "content": lambda content: {"Description": text(DESCRIPTION_PREFIX, *content.parts)},
    },
    renewed=True,
)
_STAGE = CloudFormationType(
    "AWS::ApiGatewayV2::Stage",
    {
        "api_id": _as("ApiId"),
        "stage_name": _as("StageName"),
        "deployment_id": _as("DeploymentId"),
        "throttling_rate_limit": _throttling("ThrottlingRateLimit"),
        "throttling_burst_limit": _throttling("ThrottlingBurstLimit"),
        "access_log_group_arn": _access_logs("DestinationArn"),
        "access_log_format": _access_logs("Format"),
        "tags": _as("Tags"),
    },
    waits_in=("AccessLogSettings", "DestinationArn"),
)
_LOG_ROLE = CloudFormationType(
    "AWS::IAM::Role",
    {"role_name": _as("RoleName"), "trust_policy": _as("AssumeRolePolicyDocument")},
    own=lambda _address: {
        "Path": ROLE_PATH,
        "ManagedPolicyArns": [TemplatePlace().managed_policy(MANAGED_POLICY)],
    },
    attributes=_region_wide,
)
_ACCOUNT = CloudFormationType(
    "AWS::ApiGateway::Account",
    part="Account",
    own=lambda address: {"CloudWatchRoleArn": Reference(address, "arn")},
    attributes=_region_wide,
)

_BUCKET = CloudFormationType(
    "AWS::S3::Bucket",
    {
        "bucket_name": _as("BucketName"),
        "public_access_blocked": lambda blocked: {
            "PublicAccessBlockConfiguration": dict.fromkeys(PUBLIC_ACCESS_BLOCKS, blocked)
        },
        "encryption": lambda algorithm: {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
                ]
            }
        },
        "expiration_days": lambda days: {
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": LIFECYCLE_RULE,
                        "Status": "Enabled",
                        "Prefix": f"{RUNS}/",
                        "ExpirationInDays": days,
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    }
                ]
            }
        },
        "tags": _tag_list,
    },
    # CloudFormation deletes an empty bucket only: it stays when runs are in it.
    attributes=lambda _fields: {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"},
)
_STATE_MACHINE = CloudFormationType(
    "AWS::StepFunctions::StateMachine",
    {
        "state_machine_name": _as("StateMachineName"),
        "type": _as("StateMachineType"),
        "role_arn": _as("RoleArn"),
        "definition": _as("Definition"),
        "tags": _tag_list,
    },
)

TYPES: Final[Mapping[str, tuple[CloudFormationType, ...]]] = {
    "table": (_TABLE,),
    "log_group": (_LOG_GROUP,),
    "role": (_ROLE,),
    "role_policy": (_ROLE_POLICY,),
    "api": (_API,),
    "function": (_FUNCTION, _VERSION),
    "alias": (_ALIAS,),
    "permission": (_PERMISSION,),
    "integration": (_INTEGRATION,),
    "route": (_ROUTE,),
    "deployment": (_DEPLOYMENT,),
    "api_gateway_log_role": (_LOG_ROLE, _ACCOUNT),
    "stage": (_STAGE,),
    "bucket": (_BUCKET,),
    "state_machine": (_STATE_MACHINE,),
}
"""Kind -> the types that it becomes; the first one is what other resources depend on."""

_TWINS: Final = "CloudFormation makes one of each and knows its id"

LEFT_OUT: Final[Mapping[str, str]] = {
    "secret": "CloudFormation cannot make a SecureString parameter; the functions only need its name",
    "api.stack": "the owner is the stack's tag, which is among the tags",
    "function.published": "the Version resource is what publishes",
    "api.surplus": _TWINS,
    "integration.surplus": _TWINS,
    "deployment.surplus": _TWINS,
    "alias.content": "a note for the next plan; without it one more read tells the same",
    "alias.keep_versions": "versions of older templates are retained; `whatschat-ops provision` prunes them",
    "permission.function_name": "the ARN of the alias names its function, too",
    "permission.statement_id": "CloudFormation makes one up; AddPermission's statements are known by what they allow",
}
"""A kind, or a field of one (`kind.field`), that no template has -> why."""
