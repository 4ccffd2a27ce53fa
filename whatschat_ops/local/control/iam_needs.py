"""The IAM actions and resources of a request, where ministack 1.5.33 differs from AWS.

ministack decides with them. Four differences are corrected (AWS: the Service Authorization Reference, one page per
service, columns "Resource types" and "Dependent actions"):

- a wrong action: ListAliases for GetAlias, UpdateAlias and DeleteAlias; none for GetAccountSettings; the operations of Budgets, whose
  actions are ViewBudget and ModifyBudget; an action that does not exist for PartiQL
  statements (AWS: PartiQLSelect, PartiQLDelete and so on, on the table);
- an unrecognised resource: CreateFunction (its name is in the body), the tag operations of DynamoDB and Step
  Functions (they have an ARN), Map Runs, IAM paths, rules of EventBridge, databases of Glue (and their catalog), workgroups of Athena, and the
  qualifier of an invocation;
- a policy variable: `${aws:username}` in a resource, which ministack takes literally;
- a second action, which ministack does not check: tags at creation, a role that is passed (`iam:PassedToService` says
  to which service), and `lambda:ListTags` to see tags in the response of GetFunction (API reference, GetFunction, "Tags").

API Gateway's page does not list `apigateway:TagResource`; public reports say that CreateStage with tags is denied
without it. That CreateApi is too, and that UpdateAccount requires `iam:PassRole`, is assumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote

from whatschat_ops.local.control.wire import MAX_FORM_BYTES, QUERY_SERVICES, operation

Lookup = Callable[[str, str], str | None]
"""`role`, `user` or `group` and a name -> its ARN, or None when it does not exist."""


@dataclass(frozen=True, slots=True)
class SignedCall:
    """One request to the control plane. `headers` have lower-case names."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Any]

    @property
    def operation(self) -> str:
        """The operation of a JSON or query protocol; "" of a REST one."""
        return operation(self.path, self.headers, self.body, self.query) or ""

    @property
    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty when it is not one (the service rejects it)."""
        try:
            found = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def form(self, name: str) -> str:
        """A parameter of the query protocol; "" when it is absent."""
        form = parse_qs(self.body[:MAX_FORM_BYTES].decode("utf-8", "replace"))
        return form[name][0] if name in form else self.query_value(name)

    def query_value(self, name: str) -> str:
        """A parameter of the query string; "" when it is absent."""
        found = self.query.get(name, "")
        return str(found[0] if isinstance(found, list) and found else found or "")

    @property
    def segments(self) -> list[str]:
        """The parts of the path."""
        return [unquote(part) for part in self.path.split("/") if part]


@dataclass(frozen=True, slots=True)
class Need:
    """An action on a resource. `passed_to`: the service that gets the role, of `iam:PassRole`."""

    action: str
    resource_arn: str
    passed_to: str = ""

    @property
    def context(self) -> Mapping[str, str]:
        """The condition keys of the request (Service Authorization Reference, IAM: "Condition keys")."""
        return {"iam:PassedToService": self.passed_to} if self.passed_to else {}


def corrected_action(call: SignedCall) -> str | None:
    """The IAM action where ministack uses another one, else None."""
    match call.service, call.segments[1:]:
        case "lambda", ["functions", _, "aliases", _]:
            verb = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}.get(call.method)
            return f"lambda:{verb}Alias" if verb else None
        case "lambda", ["functions", _, "concurrency"]:
            verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(call.method)
            return f"lambda:{verb}FunctionConcurrency" if verb else None
        case "lambda", ["account-settings"]:
            return "lambda:GetAccountSettings"
    if call.service == "budgets":
        reads = call.operation.startswith("Describe")
        return f"budgets:{'View' if reads else 'Modify'}Budget"
    if call.service == "dynamodb" and (statements := _partiql(call)):
        return statements[0][0]
    return None


def without_action(call: SignedCall) -> SignedCall:
    """The call without an `Action` in its URL or body, which services without the query protocol do not read.

    >>> without_action(SignedCall("s3", "DELETE", "/b/k", {}, b"", {"Action": ["GetObject"]})).query
    {}
    """
    if call.service in QUERY_SERVICES:
        return call
    headers = {name: value for name, value in call.headers.items() if name != "content-type"}
    query = {name: value for name, value in call.query.items() if name != "Action"}
    return replace(call, headers=headers, query=query)


def corrected_resource(call: SignedCall, region: str, account_id: str, lookup: Lookup) -> str | None:
    """The resource ARN where ministack does not recognise it, else None."""
    if of_service := _ARNS.get(call.service):
        return of_service(call, region, account_id)
    if call.service == "dynamodb":
        if statements := _partiql(call):
            return f"arn:aws:dynamodb:{region}:{account_id}:table/{statements[0][1]}"
        arn = call.json.get("ResourceArn")
        return arn if isinstance(arn, str) and arn else None
    if call.service == "budgets":
        budget = call.json.get("Budget") or call.json.get("NewBudget") or call.json
        name = budget.get("BudgetName") if isinstance(budget, dict) else None
        return f"arn:aws:budgets::{account_id}:budget/{name or '*'}"
    if call.service == "iam":
        return _identity_arn(call, account_id, lookup)
    if call.service == "events" and call.operation in _RULE_OPERATIONS:
        name, bus = call.json.get("Name") or call.json.get("Rule"), call.json.get("EventBusName", "default")
        of_bus = "" if bus == "default" else f"{str(bus).rpartition('/')[2]}/"
        arn = call.json.get("ResourceARN") or f"arn:aws:events:{region}:{account_id}:rule/{of_bus}{name}"
        return str(arn)
    if call.service == "sns":  # its tags
        return call.form("ResourceArn") or None
    if call.service == "states":
        arn = call.json.get("mapRunArn") or call.json.get("resourceArn")
        return str(arn) if arn else None
    return None


def _cloudwatch_arn(call: SignedCall, region: str, account_id: str) -> str | None:
    """Of an alarm or a dashboard, by its name or ARN. Requests that name several are checked on all that there can be."""
    kinds = {
        "Alarm": f"arn:aws:cloudwatch:{region}:{account_id}:alarm:",
        "Dashboard": f"arn:aws:cloudwatch::{account_id}:dashboard/",
    }
    given = call.json
    if arn := given.get("ResourceARN") or call.form("ResourceARN"):
        return str(arn)
    for kind, prefix in kinds.items():
        names = given.get(f"{kind}Names") or [given.get(f"{kind}Name") or call.form(f"{kind}Name")]
        names = [name for name in (*names, call.form(f"{kind}Names.member.1")) if name]
        if names and call.operation != "DescribeAlarms":
            several = len(names) > 1 or call.form(f"{kind}Names.member.2")
            return f"{prefix}{'*' if several else names[0]}"
    return None


_PARTIQL = re.compile(
    r'\s*(?:(SELECT).*?FROM|(INSERT)\s+INTO|(UPDATE)|(DELETE)\s+FROM)\s+"?([\w.-]+)', re.I | re.S
)


def _partiql(call: SignedCall) -> list[tuple[str, str]]:
    """The needs of PartiQL statements, each (action, table) once. IAM has no action BatchExecuteStatement."""
    if call.operation not in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
        return []
    of_many = call.json.get("Statements") or call.json.get("TransactStatements") or [call.json]
    found = (_PARTIQL.match(str(one.get("Statement"))) for one in of_many if isinstance(one, dict))
    matches = ([group for group in match.groups() if group] for match in found if match)
    return list(dict.fromkeys((f"dynamodb:PartiQL{verb.capitalize()}", table) for verb, table in matches))


def _function_arn(call: SignedCall, region: str, account_id: str) -> str | None:
    prefix = f"arn:aws:lambda:{region}:{account_id}:function:"
    match call.segments[1:]:
        case ["functions"] if call.method == "POST" and (name := call.json.get("FunctionName")):
            return str(name) if str(name).startswith("arn:") else f"{prefix}{name}"
        case ["functions", name, "invocations"] if qualifier := call.query_value("Qualifier"):
            return f"{name if name.startswith('arn:') else prefix + name}:{qualifier}"
    return None


def _database_arn(call: SignedCall, region: str, account_id: str) -> str | None:
    if call.operation not in _DATABASE_OPERATIONS:
        return None
    given = call.json.get("DatabaseInput")
    name = call.json.get("Name") or (given.get("Name") if isinstance(given, dict) else None)
    return f"arn:aws:glue:{region}:{account_id}:database/{name}"


def _workgroup_arn(call: SignedCall, region: str, account_id: str) -> str:
    """Of a query: that of the request, else the account's first. A request with the id of a query names none."""
    return f"arn:aws:athena:{region}:{account_id}:workgroup/{call.json.get('WorkGroup') or 'primary'}"


_ARNS: Mapping[str, Callable[[SignedCall, str, str], str | None]] = {
    "athena": _workgroup_arn,
    "glue": _database_arn,
    "lambda": _function_arn,
    "monitoring": _cloudwatch_arn,
}


def _identity_arn(call: SignedCall, account_id: str, lookup: Lookup) -> str | None:
    if call.operation == "SimulatePrincipalPolicy":
        return call.form("PolicySourceArn") or None
    for kind in ("role", "user", "group"):
        if name := call.form(f"{kind.capitalize()}Name"):
            if call.operation == f"Create{kind.capitalize()}":
                return f"arn:aws:iam::{account_id}:{kind}{call.form('Path') or '/'}{name}"
            return lookup(kind, name)
    return None


def dependent_needs(call: SignedCall, resource_arn: str) -> list[Need]:
    """The actions that AWS requires besides the operation's own; `resource_arn` is the operation's own resource."""
    if call.service == "lambda":
        return _needs_of_lambda(call, resource_arn)
    if call.service == "apigateway":
        return _needs_of_api_gateway(call, resource_arn)
    if call.service == "states":
        return _needs_of_states(call, resource_arn)
    if call.service == "dynamodb" and (statements := _partiql(call)):
        tables = resource_arn.rpartition("/")[0]
        return [Need(action, f"{tables}/{table}") for action, table in statements[1:]]
    if call.service == "s3":
        return _needs_of_s3(call, resource_arn)
    if call.service == "glue" and call.operation in _DATABASE_OPERATIONS:
        return [Need(f"glue:{call.operation}", f"{resource_arn.rpartition(':')[0]}:catalog")]
    action = _TAGGING.get((call.service, call.operation))
    tagged = call.form("Tags.member.1.Key") or call.json.get("Tags") or call.json.get("tags")
    return [Need(action, resource_arn)] if action and tagged else []


_DATABASE_OPERATIONS = frozenset({"CreateDatabase", "DeleteDatabase", "GetDatabase", "UpdateDatabase"})
_RULE_OPERATIONS = frozenset({
    "PutRule", "DescribeRule", "DeleteRule", "EnableRule", "DisableRule", "PutTargets", "RemoveTargets",
    "ListTargetsByRule", "TagResource", "UntagResource", "ListTagsForResource",
})  # fmt: skip

_TAGGING = {
    ("events", "PutRule"): "events:TagResource",
    ("dynamodb", "CreateTable"): "dynamodb:TagResource",
    ("logs", "CreateLogGroup"): "logs:TagResource",
    ("iam", "CreateRole"): "iam:TagRole",
    ("iam", "CreateUser"): "iam:TagUser",
    ("ssm", "PutParameter"): "ssm:AddTagsToResource",
}


def _needs_of_lambda(call: SignedCall, resource_arn: str) -> list[Need]:
    creates = call.method == "POST" and call.segments[1:] == ["functions"]
    configures = call.method == "PUT" and call.segments[3:] == ["configuration"]
    needs = []
    if (creates or configures) and (role := call.json.get("Role")):
        needs.append(Need("iam:PassRole", str(role), "lambda.amazonaws.com"))
    if creates and call.json.get("Tags"):
        needs.append(Need("lambda:TagResource", resource_arn))
    return needs


def _needs_of_states(call: SignedCall, resource_arn: str) -> list[Need]:
    needs = []
    if call.operation in ("CreateStateMachine", "UpdateStateMachine") and (role := call.json.get("roleArn")):
        needs.append(Need("iam:PassRole", str(role), "states.amazonaws.com"))
    if call.operation == "CreateStateMachine" and call.json.get("tags"):
        needs.append(Need("states:TagResource", resource_arn))
    return needs


def _needs_of_s3(call: SignedCall, resource_arn: str) -> list[Need]:
    """CreateBucket with tags (API reference, CreateBucketConfiguration, "Tags")."""
    creates = call.method == "PUT" and len(call.segments) == 1 and not call.query
    return [Need("s3:TagResource", resource_arn)] if creates and b"<Tag>" in call.body else []


def _needs_of_api_gateway(call: SignedCall, resource_arn: str) -> list[Need]:
    if call.method == "PATCH" and call.segments == ["account"]:
        operations = call.json.get("patchOperations") or []
        return [
            Need("iam:PassRole", str(operation["value"]), "apigateway.amazonaws.com")
            for operation in operations
            if operation.get("path") == "/cloudwatchRoleArn" and operation.get("value")
        ]
    creates = call.method == "POST" and call.segments[-1:] in (["apis"], ["stages"])
    return [Need("apigateway:TagResource", resource_arn)] if creates and call.json.get("tags") else []
