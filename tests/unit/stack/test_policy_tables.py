"""The policies of the operator, of the worker and of the state machine: every action, on exactly these resources.

The resources are those that the Service Authorization Reference lets each action be limited to, "*" where it knows none.
Names come from the settings; everything else of an ARN is written out here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, trust_policy
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.broadcast import states_policy, worker_policy
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.resources import stack_resources

PLACE = Place("eu-west-1", "123456789012")
USUAL = Settings.of({"websocket": {"stage": "beta"}})
DISTRIBUTED = Settings.of(
    {"websocket": {"stage": "beta"}, "broadcast": {"distributed": {"enabled": True}}, "prefix": "blue-"}
)
Table = dict[tuple[str, str], set[str]]
"""(action, condition as JSON or "") -> resources."""


def table_of(document: Document) -> Table:
    found: Table = {}
    for statement in document["Statement"]:
        assert statement.keys() - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        condition = json.dumps(statement["Condition"]) if "Condition" in statement else ""
        resources = statement["Resource"]
        for action in statement["Action"]:
            named = [resources] if isinstance(resources, str) else resources
            found.setdefault((action, condition), set()).update(named)
    return found


def passed(resources: set[str], service: str) -> Table:
    """The roles that may be passed to a service, and to no other."""
    condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    return {("iam:PassRole", json.dumps(condition)): resources}


def on(resources: Iterable[str] | str, service: str, actions: str) -> Table:
    """The actions of a service, each on all of these resources."""
    named = {resources} if isinstance(resources, str) else set(resources)
    return {(f"{service}:{action}", ""): named for action in actions.split()}


def together(*tables: Table) -> Table:
    found: Table = {}
    for table in tables:
        for key, resources in table.items():
            found[key] = found.get(key, set()) | resources
    return found


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:eu-west-1:123456789012:{rest}"


def sockets(*methods: str) -> set[str]:
    return {arn("execute-api", f"abc123/beta/{method}/@connections/*") for method in methods}


def roles(settings: Settings) -> set[str]:
    names = Names(settings, PLACE.region)
    found = {names.lambda_role}
    if settings.broadcast.distributed.enabled:
        found |= {names.broadcast_worker_role, names.broadcast_states_role}
    return found


def in_path(path: str, names: Iterable[str]) -> set[str]:
    return {f"arn:aws:iam::123456789012:role{path}{name}" for name in names}


def shorts(settings: Settings) -> list[str]:
    worker = ["broadcast-worker"] if settings.broadcast.distributed.enabled else []
    return ["connect", "disconnect", "default", *worker]


LOG_ROLE = "whatschat-ops-apigateway-logs"
"""One for all APIs of an account."""


def usual_rights(settings: Settings) -> Table:
    """What an operator has with and without distributed broadcasts."""
    names = Names(settings, PLACE.region)
    connections, ledger, lock, audit = (
        arn("dynamodb", f"table/{name}")
        for name in (names.connections_table, names.ledger_table, names.lock_table, names.audit_table)
    )
    functions = {
        arn("lambda", f"function:{names.function(short)}{qualifier}")
        for short in shorts(settings)
        for qualifier in ("", ":*")
    }
    groups = {
        arn("logs", f"log-group:{group}{end}")
        for group in (
            *(names.function_log_group(short) for short in shorts(settings)),
            names.access_log_group,
        )
        for end in ("", ":*")
    }
    secrets = {
        arn("ssm", f"parameter{name}")
        for name in (names.jwt_secret_parameter, names.jwt_secret_rotation_parameter)
    }
    index = f"{connections}/index/userId-index"
    own_roles, log_role = in_path(names.iam_path, roles(settings)), in_path("/whatschat-ops/", [LOG_ROLE])
    # Those of version 0.1.0 are deleted once no Region uses them: read and deleted, nothing else.
    all_roles = own_roles | in_path(f"/whatschat-ops/{names.stack}/", names.earlier_roles)
    of_states = in_path(names.iam_path, {names.broadcast_states_role}) & own_roles
    gateway = "arn:aws:apigateway:eu-west-1::"
    api, tags = (
        {f"{gateway}/apis/abc123", f"{gateway}/apis/abc123/*"},
        f"{gateway}/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fabc123*",
    )
    return together(
        on(
            {connections, ledger, index},
            "dynamodb",
            "CreateTable DescribeTable UpdateTable DeleteTable DescribeTimeToLive UpdateTimeToLive "
            "DescribeContinuousBackups UpdateContinuousBackups TagResource ListTagsOfResource Scan GetItem DeleteItem",
        ),
        # The ledger's rows are never deleted by PartiQL or queried, but one statement for all saves a fifth of a policy's size.
        on({connections, ledger, index}, "dynamodb", "PartiQLDelete Query"),
        on(ledger, "dynamodb", "PutItem UpdateItem"),
        on(
            lock,
            "dynamodb",
            "CreateTable DescribeTable DeleteTable TagResource GetItem PutItem UpdateItem",
        ),
        # Rows are added and read: none is changed or deleted, nor the table.
        on(audit, "dynamodb", "CreateTable TagResource UpdateTimeToLive PutItem Query"),
        on(
            groups, "logs", "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource"
        ),
        on("*", "logs", "DescribeLogGroups"),
        # What the doctor asks about its own caller; the other actions are of roles only, none of a user.
        on(
            own_roles | {"arn:aws:iam::123456789012:user/${aws:username}"},
            "iam",
            "CreateRole UpdateAssumeRolePolicy TagRole SimulatePrincipalPolicy PutRolePolicy GetRolePolicy",
        ),
        on(
            all_roles,
            "iam",
            "GetRole DeleteRole ListRolePolicies DeleteRolePolicy ListAttachedRolePolicies DetachRolePolicy",
        ),
        on(log_role, "iam", "CreateRole GetRole AttachRolePolicy"),
        on(in_path("/", {*roles(settings), LOG_ROLE}), "iam", "GetRole"),
        passed(own_roles - of_states, "lambda"),
        passed(of_states, "states") if of_states else {},
        passed(log_role, "apigateway"),
        on("*", "iam", "ListRoles"),
        # Of these, API Gateway has no PATCH and DELETE of `/apis`, and no POST and DELETE of `/account`. Who may delete the
        # API may delete its tags.
        on(
            api | {f"{gateway}/account", f"{gateway}/apis", tags},
            "apigateway",
            "GET POST PATCH DELETE TagResource",
        ),
        on(secrets, "ssm", "PutParameter GetParameter DeleteParameter AddTagsToResource ListTagsForResource"),
        on(
            functions,
            "lambda",
            "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration "
            "DeleteFunction PublishVersion ListVersionsByFunction TagResource ListTags CreateAlias GetAlias ListAliases "
            "UpdateAlias AddPermission RemovePermission GetPolicy InvokeFunction",
        ),
        on("*", "chime", "CreateMeeting"),
        on("*", "servicequotas", "GetServiceQuota"),
        on("*", "cloudtrail", "LookupEvents"),
        # One statement for both services, which have none of each other's actions and resources.
        on(
            {"arn:aws:chime:us-east-1:123456789012:meeting/*", *sockets("*")},
            "chime",
            "GetMeeting DeleteMeeting CreateAttendee BatchCreateAttendee GetAttendee ListAttendees DeleteAttendee "
            "UpdateAttendeeCapabilities BatchUpdateAttendeeCapabilitiesExcept",
        ),
        on(
            {"arn:aws:chime:us-east-1:123456789012:meeting/*", *sockets("*")},
            "execute-api",
            "ManageConnections",
        ),
        on("*", "tag", "GetResources"),
        on("*", "lambda", "ListFunctions"),  # who still uses a role of version 0.1.0, in which Regions
        on("*", "ec2", "DescribeRegions"),
    )


def bucket(settings: Settings) -> str:
    return f"arn:aws:s3:::{Names(settings, PLACE.region).broadcast_bucket('123456789012')}"


def buckets(settings: Settings, end: str = "") -> set[str]:
    """That of today, and that of version 0.1.0 while it holds runs."""
    earlier = Names(settings, PLACE.region).earlier_broadcast_bucket("123456789012")
    return {f"{bucket(settings)}{end}", f"arn:aws:s3:::{earlier}{end}"}


def machine(settings: Settings, kind: str, rest: str = "") -> str:
    return arn("states", f"{kind}:{Names(settings, PLACE.region).broadcast_state_machine}{rest}")


def executions(settings: Settings) -> set[str]:
    """Those of the state machine, and of its map's items."""
    return {machine(settings, "execution", ":*"), machine(settings, "execution", "/Shards:*")}


def rights_of_distributed_broadcasts(settings: Settings) -> Table:
    """What `broadcast.distributed` adds to an operator's."""
    return together(
        on(
            buckets(settings),
            "s3",
            "CreateBucket DeleteBucket ListBucket TagResource GetBucketTagging PutBucketTagging "
            "GetBucketPublicAccessBlock PutBucketPublicAccessBlock GetEncryptionConfiguration "
            "PutEncryptionConfiguration GetLifecycleConfiguration PutLifecycleConfiguration "
            "GetBucketPolicy PutBucketPolicy",
        ),
        on(buckets(settings, "/runs/*"), "s3", "GetObject PutObject DeleteObject"),
        on(
            machine(settings, "stateMachine"),
            "states",
            "CreateStateMachine DescribeStateMachine UpdateStateMachine DeleteStateMachine TagResource "
            "ListTagsForResource StartExecution ListExecutions",
        ),
        on(executions(settings), "states", "DescribeExecution ListMapRuns RedriveExecution StopExecution"),
        on(machine(settings, "mapRun", "/Shards:*"), "states", "DescribeMapRun ListExecutions UpdateMapRun"),
        on(
            arn("lambda", f"function:{Names(settings, PLACE.region).function('broadcast-worker')}"),
            "lambda",
            "PutFunctionConcurrency DeleteFunctionConcurrency",
        ),
        on("*", "lambda", "GetAccountSettings"),
    )


def test_operator_may_do_exactly_this() -> None:
    assert table_of(policy_of("operator", USUAL, PLACE, "abc123")) == usual_rights(USUAL)


def test_operator_may_neither_change_nor_delete_what_is_in_the_audit_log() -> None:
    table = arn("dynamodb", f"table/{Names(USUAL, PLACE.region).audit_table}")
    found = table_of(policy_of("operator", USUAL, PLACE, "abc123"))
    allowed = {action for (action, _), resources in found.items() if table in resources}
    assert allowed == {
        f"dynamodb:{action}"
        for action in ["CreateTable", "TagResource", "UpdateTimeToLive", "PutItem", "Query"]
    }


def test_operator_of_distributed_broadcasts_may_do_exactly_this() -> None:
    expected = together(usual_rights(DISTRIBUTED), rights_of_distributed_broadcasts(DISTRIBUTED))
    assert table_of(policy_of("operator", DISTRIBUTED, PLACE, "abc123")) == expected


def test_operator_of_a_migration_may_do_exactly_this() -> None:
    names = Names(USUAL, PLACE.region)
    lock, audit = (arn("dynamodb", f"table/{name}") for name in (names.lock_table, names.audit_table))
    parameter = arn("ssm", f"parameter/whatschat-ops/{names.stack}/migration")
    counted = [arn("dynamodb", f"table/{name}") for name in (names.connections_table, names.ledger_table)]
    found = table_of(policy_of("operator-migration", USUAL, PLACE, "abc123"))
    expected = together(
        on(lock, "dynamodb", "CreateTable DescribeTable TagResource GetItem PutItem UpdateItem"),
        on(audit, "dynamodb", "CreateTable TagResource UpdateTimeToLive PutItem Query"),
        on(
            parameter,
            "ssm",
            "PutParameter GetParameter DeleteParameter AddTagsToResource ListTagsForResource",
        ),
        on(counted, "dynamodb", "Scan"),
    )
    assert {key: value for key, value in found.items() if key in expected} == expected
    assert {key: found[key] for key in found.keys() - expected.keys() if found[key] != {"*"}} == on(
        "arn:aws:apigateway:eu-west-1::/apis", "apigateway", "GET"
    )
    assert table_of(policy_of("backend-migration", USUAL, PLACE, "abc123")) == on(
        parameter, "ssm", "GetParameter"
    )


def test_reader_of_usage_may_do_exactly_this() -> None:
    names = Names(USUAL, PLACE.region)
    groups = {*(names.function_log_group(short) for short in names.functions), names.access_log_group}
    bucket = f"arn:aws:s3:::{names.stack}-*"
    glue = {
        arn("glue", "catalog"),
        arn("glue", "database/whatschat_ops_*"),
        arn("glue", "table/whatschat_ops_*/*"),
        arn("glue", "userDefinedFunction/whatschat_ops_*/*"),
    }
    assert table_of(policy_of("operator-usage", USUAL, PLACE, "abc123")) == together(
        on("*", "cloudwatch", "DescribeAlarms GetMetricData ListMetrics"),
        on(f"arn:aws:cloudwatch::123456789012:dashboard/{names.dashboard}", "cloudwatch", "GetDashboard"),
        on("arn:aws:apigateway:eu-west-1::/apis", "apigateway", "GET"),
        on({arn("lambda", f"function:{names.function(each)}") for each in names.functions}, "lambda", "ListVersionsByFunction"),
        on(arn("dynamodb", f"table/{names.ledger_table}"), "dynamodb", "Scan"),
        on({arn("logs", f"log-group:{each}{end}") for each in groups for end in ("", ":*")}, "logs", "FilterLogEvents"),
        on(bucket, "s3", "GetBucketLocation ListBucket"),
        on(f"{bucket}/*", "s3", "AbortMultipartUpload GetObject PutObject"),
        on(arn("athena", "workgroup/primary"), "athena", "GetQueryExecution GetQueryResults StartQueryExecution"),
        on(glue, "glue", "CreateDatabase CreateTable DeleteDatabase DeleteTable GetDatabase GetPartitions GetTable"),
    )  # fmt: skip


def test_functions_of_the_application_query_the_table_and_know_nothing_of_rotations() -> None:
    settings = Settings.of({"lambda": {"source": {"path": "/app/lambda"}}})
    names = Names(settings, PLACE.region)
    found = table_of(policy_of("lambda", settings, PLACE, "abc123"))
    connections = arn("dynamodb", f"table/{names.connections_table}")
    assert found["dynamodb:Query", ""] == {connections, f"{connections}/index/userId-index"}
    assert found["ssm:GetParameter", ""] == {arn("ssm", f"parameter{names.jwt_secret_parameter}")}


def test_worker_may_do_exactly_this() -> None:
    found = table_of(worker_policy(Blueprint(DISTRIBUTED, PLACE, api_id="abc123")))
    own_runs = json.dumps({"StringLike": {"s3:prefix": "runs/*"}})
    group = Names(DISTRIBUTED, PLACE.region).function_log_group("broadcast-worker")
    table = arn("dynamodb", f"table/{Names(DISTRIBUTED, PLACE.region).connections_table}")
    assert found == {
        **on(f"{bucket(DISTRIBUTED)}/runs/*", "s3", "GetObject PutObject"),
        ("s3:ListBucket", own_runs): {bucket(DISTRIBUTED)},
        **on(table, "dynamodb", "Scan PartiQLDelete"),
        **on(f"{table}/index/userId-index", "dynamodb", "Query"),
        **on(sockets("POST", "GET", "DELETE"), "execute-api", "ManageConnections"),
        **on(arn("logs", f"log-group:{group}:*"), "logs", "CreateLogStream PutLogEvents"),
    }


def test_worker_of_load_tests_may_do_exactly_this() -> None:
    group = Names(DISTRIBUTED, PLACE.region).function_log_group("load-worker")
    assert table_of(policy_of("load-worker", DISTRIBUTED, PLACE, "abc123")) == {
        **on(f"{bucket(DISTRIBUTED)}/runs/load-*", "s3", "GetObject PutObject"),
        **on(arn("logs", f"log-group:{group}:*"), "logs", "CreateLogStream PutLogEvents"),
    }


def test_operator_of_load_tests_may_do_exactly_this_with_their_worker() -> None:
    names = Names(DISTRIBUTED, PLACE.region)
    function, group = (
        arn("lambda", f"function:{names.function('load-worker')}"),
        names.function_log_group("load-worker"),
    )
    role = in_path(names.iam_path, {names.load_worker_role})
    assert table_of(policy_of("operator-load", DISTRIBUTED, PLACE, "abc123")) == together(
        on({arn("logs", f"log-group:{group}{end}") for end in ("", ":*")}, "logs", "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource"),
        on(
            role,
            "iam",
            "CreateRole UpdateAssumeRolePolicy TagRole SimulatePrincipalPolicy PutRolePolicy GetRolePolicy GetRole DeleteRole "
            "ListRolePolicies DeleteRolePolicy ListAttachedRolePolicies DetachRolePolicy",
        ),
        on(in_path("/", {names.load_worker_role}), "iam", "GetRole"),
        passed(role, "lambda"),
        on({function, f"{function}:*"}, "lambda", "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
           "UpdateFunctionConfiguration DeleteFunction PublishVersion ListVersionsByFunction TagResource ListTags"),
        on(function, "lambda", "InvokeFunction GetAlias"),
    )  # fmt: skip


def test_state_machine_may_do_exactly_this() -> None:
    worker = Names(DISTRIBUTED, PLACE.region).function("broadcast-worker")
    assert table_of(states_policy(Blueprint(DISTRIBUTED, PLACE, api_id="abc123"))) == {
        **on(f"{bucket(DISTRIBUTED)}/runs/*", "s3", "GetObject"),
        **on(arn("lambda", f"function:{worker}:live"), "lambda", "InvokeFunction"),
        **on(machine(DISTRIBUTED, "stateMachine"), "states", "StartExecution"),
        **on(executions(DISTRIBUTED), "states", "DescribeExecution StopExecution RedriveExecution"),
    }


@pytest.mark.parametrize(
    ("role", "service"),
    [
        ("lambda", "lambda.amazonaws.com"),
        ("broadcast-worker", "lambda.amazonaws.com"),
        ("broadcast-states", "states.amazonaws.com"),
    ],
)
def test_role_trusts_the_service_that_uses_it_and_has_the_policy_of_its_part(role: str, service: str) -> None:
    resources = {each.address: each for each in stack_resources(Blueprint(DISTRIBUTED, PLACE)).all}
    # Step Functions says for which account it assumes a role (Step Functions Developer Guide, "Prevent cross-service confused deputy").
    for_account = PLACE.account_id if service == "states.amazonaws.com" else None
    trusted = resources[f"role.{role}"].fields["trust_policy"]
    assert trusted == trust_policy(service, for_account)
    account = {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}
    assert trusted["Statement"][0].items() >= (account if for_account else {}).items()
    documents = {
        "lambda": policy_of("lambda", DISTRIBUTED, PLACE, "abc123"),
        "broadcast-worker": worker_policy(Blueprint(DISTRIBUTED, PLACE)),
        "broadcast-states": states_policy(Blueprint(DISTRIBUTED, PLACE)),
    }
    sids = [statement["Sid"] for statement in documents[role]["Statement"]]
    attached = resources[f"role_policy.{role}"].fields["document"]
    assert [statement["Sid"] for statement in attached["Statement"]] == sids
