"""The exported template: complete, correct by cfn-lint, and saying the same as what `provision` would apply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint

from tests.unit.stack.exported import PACKAGES, of_type, package, template
from whatschat_ops.cli.main import main
from whatschat_ops.config import Names, Settings
from whatschat_ops.provision import Reference
from whatschat_ops.provision.values import resolve
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.cloudformation import template_text
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.log_role import SET_LOG_ROLE
from whatschat_ops.stack.kinds.stage import DESCRIPTION_PREFIX
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import stack_resources

ENDPOINT = "wss://a1b2c3.execute-api.eu-west-1.amazonaws.com"
PLACE = Place("eu-west-1", "123456789012")
PSEUDO = {
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "CodePrefix": "lambda/",
    "CodeBucket": "code",
    SET_LOG_ROLE: "true",
}
BOUNDARY = "arn:aws:iam::123456789012:policy/developers"
GIVEN = {
    f"{name}_role": f"arn:aws:iam::123456789012:role/teams/{name}"
    for name in ("lambda", "broadcast_worker", "broadcast_states")
}
DISTRIBUTED = {"distributed": {"enabled": True}}
VARIANTS: dict[str, Mapping[str, Any]] = {
    "boundary and path": {
        "iam": {"permissions_boundary": BOUNDARY, "role_path": "/teams/chat/"},
        "broadcast": DISTRIBUTED,
    },
    "given roles": {"iam": GIVEN, "broadcast": DISTRIBUTED},
    "default": {},
    "no access logs": {"websocket": {"access_logs": False}},
    "protected": {"connections": {"point_in_time_recovery": True, "deletion_protection": True}},
    "distributed broadcasts": {"broadcast": DISTRIBUTED},
    "events of Chime": {"chime": {"events": True}},
    "prefixed": {"prefix": "blue-", "websocket": {"route_selection_expression": "${request.body.action}"}},
}


# --- complete -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_has_a_property_or_a_reason(kind: str) -> None:
    declared = KINDS[kind]
    assert (declared.template == ()) == (declared.left_out is not None)
    parts = {type_.part for type_ in declared.template}
    for name, field in declared.fields.items():
        if declared.template:
            assert (field.cfn is None) == (field.left_out is not None), name
            assert field.part in parts, name
        else:
            assert field.cfn is None and field.left_out is None, name


def test_every_resource_of_the_stack_is_in_the_template() -> None:
    wanted = stack_resources(Blueprint(Settings(), PLACE, PACKAGES)).wanted
    expected = sum(len(KINDS[resource.kind].template) for resource in wanted)
    assert len(template()["Resources"]) == expected > 25


def test_every_role_has_the_boundary_and_the_path_of_the_settings() -> None:
    made = template(VARIANTS["boundary and path"])
    roles = [body["Properties"] for body in of_type(made, "AWS::IAM::Role").values()]
    assert [role["PermissionsBoundary"] for role in roles] == [BOUNDARY] * 4
    of_account = "/whatschat-ops/"  # the log role of API Gateway, which all stacks of a Region share
    path = json.dumps(roles[0]["Path"] if roles[0]["Path"] != of_account else roles[1]["Path"])
    assert [json.dumps(role["Path"]) for role in roles].count(path) == 3
    assert "/teams/chat/whatschat-local/" in path


def test_template_with_given_roles_makes_none_and_uses_these() -> None:
    made = template(VARIANTS["given roles"])
    (log_role,) = of_type(made, "AWS::IAM::Role").values()
    assert log_role["Condition"] == SET_LOG_ROLE
    assert of_type(made, "AWS::IAM::Policy") == {}
    functions = of_type(made, "AWS::Lambda::Function").values()
    assert sorted(body["Properties"]["Role"] for body in functions) == sorted(
        [GIVEN["lambda_role"]] * 3 + [GIVEN["broadcast_worker_role"]]
    )
    (machine,) = of_type(made, "AWS::StepFunctions::StateMachine").values()
    assert machine["Properties"]["RoleArn"] == GIVEN["broadcast_states_role"]


# --- correct ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_cfn_lint_finds_nothing(variant: str) -> None:
    found = lint(template_text(template(VARIANTS[variant]), "yaml"))
    assert [f"{match.rule.id} {match.message}" for match in found] == []


def test_cfn_lint_is_awake() -> None:
    broken = json.loads(json.dumps(template()))
    broken["Resources"]["TableConnections"]["Properties"]["TabelName"] = "typo"
    assert any("TabelName" in match.message for match in lint(template_text(broken, "yaml")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_name_leads_somewhere_and_there_is_no_cycle(variant: str) -> None:
    document = template(VARIANTS[variant])
    known = {*document["Resources"], *document["Parameters"]}
    graph = {}
    for name, body in document["Resources"].items():
        mentioned = {*mentions(body["Properties"]), *body.get("DependsOn", [])} - PSEUDO.keys()
        assert mentioned <= known, name
        graph[name] = mentioned & document["Resources"].keys()
    assert len(list(TopologicalSorter(graph).static_order())) == len(document["Resources"])


def test_no_account_no_region_and_no_secret_is_in_it() -> None:
    text = template_text(template(), "yaml")
    assert not re.search(r"us-east-1|\d{12}(?!\d)|SecureString", text.replace("2012-10-17", ""))
    assert text == template_text(template(), "yaml")
    assert yaml.safe_load(text) == json.loads(template_text(template(), "json"))


def mentions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        elif "Fn::Sub" in value:
            for name in re.findall(r"\$\{([^!}]+)\}", value["Fn::Sub"]):
                yield name.partition(".")[0]
        else:
            for item in value.values():
                yield from mentions(item)
    elif isinstance(value, list):
        for item in value:
            yield from mentions(item)


# --- the same as what provision applies ---------------------------------------------------------------------------


class CloudFormation:
    """Evaluates intrinsic functions, as CloudFormation's documentation describes them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def evaluate(self, value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            ((name, argument),) = value.items()
            functions: dict[str, Callable[[], Any]] = {
                "Ref": lambda: self.values[argument],
                "Fn::GetAtt": lambda: self.values[".".join(argument)],
                "Fn::Sub": lambda: self._sub(argument),
                "Fn::Join": lambda: argument[0].join(self.evaluate(argument[1])),
                "Fn::Split": lambda: self.evaluate(argument[1]).split(argument[0]),
                "Fn::Select": lambda: self.evaluate(argument[1])[argument[0]],
                "Fn::If": lambda: self.evaluate(argument[1 if self.values[argument[0]] == "true" else 2]),
            }
            if name in functions:
                return functions[name]()
        if isinstance(value, dict):
            return {key: self.evaluate(item) for key, item in value.items()}
        return [self.evaluate(item) for item in value] if isinstance(value, list) else value

    def _sub(self, text: str) -> str:
        filled = re.sub(r"\$\{([^!}]+)\}", lambda match: str(self.values[match[1]]), text)
        return filled.replace("${!", "${")


def physical(document: Mapping[str, Any]) -> dict[str, Any]:
    """Ids and attributes as AWS might give them."""
    values: dict[str, Any] = dict(PSEUDO)
    for name, body in document["Resources"].items():
        properties = body["Properties"]
        names = [properties.get(key) for key in ("TableName", "FunctionName", "RoleName", "LogGroupName")]
        values[name] = next((found for found in names if isinstance(found, str)), f"id-{name}")
        values[f"{name}.Arn"] = f"arn-{name}"
        values[f"{name}.Version"] = "7"
    values["ApiWebsocket"] = "a1b2c3"
    values["ApiWebsocket.ApiEndpoint"] = ENDPOINT
    return values


def desired(settings: Settings) -> dict[str, Mapping[str, Any]]:
    """Address -> fields as the engine would want them, given the same ids."""
    wanted = {r.address: r for r in stack_resources(Blueprint(settings, PLACE, PACKAGES)).wanted}

    def lookup(reference: Reference) -> Any:
        kind, _, name = reference.address.partition(".")
        outputs = {
            "api.id": "a1b2c3",
            "api.callback_base": ENDPOINT.replace("wss", "https"),
            "function.version": "7",
            "integration.id": f"id-Integration{name.title()}",
        }
        found = outputs.get(f"{kind}.{reference.attribute}")
        return found or resolve(wanted[reference.address].fields.get(reference.attribute, "deployed"), lookup)

    return {address: resolve(dict(resource.fields), lookup) for address, resource in wanted.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_evaluated_template_says_what_provision_would_apply(variant: str) -> None:
    settings = Settings.of(VARIANTS[variant])
    document = template(VARIANTS[variant])
    evaluated = CloudFormation(physical(document)).evaluate(document["Resources"])
    found = {name: body["Properties"] for name, body in evaluated.items()}
    fields = desired(settings)

    for short in PACKAGES:
        function, name = found[f"Function{short.title()}"], fields[f"function.{short}"]
        assert function["Environment"]["Variables"] == name["environment"]
        assert function["Role"] == name["role_arn"]
        permission = found[f"Permission{short.title()}"]
        assert permission["SourceArn"] == fields[f"permission.{short}"]["source_arn"]
        assert found[f"Integration{short.title()}"]["IntegrationUri"] == fields[f"integration.{short}"]["uri"]
        assert found[f"Route{short.title()}"]["Target"] == fields[f"route.{short}"]["target"]
        assert found[f"Alias{short.title()}"]["FunctionVersion"] == "7"
    policies = {name for name in fields if name.startswith("role_policy.")}
    assert policies or variant == "given roles"
    for address in policies:
        made = found["RolePolicy" + address.partition(".")[2].title().replace("-", "")]
        assert made["PolicyDocument"] == fields[address]["document"]
    assert (
        found["ApiWebsocket"]["RouteSelectionExpression"]
        == (fields["api.websocket"]["route_selection_expression"])
    )
    (deployment,) = of_type({"Resources": evaluated}, "AWS::ApiGatewayV2::Deployment").values()
    assert (
        deployment["Properties"]["Description"] == DESCRIPTION_PREFIX + fields["deployment.live"]["content"]
    )
    logs = found["StageWebsocket"].get("AccessLogSettings", {})
    assert logs.get("DestinationArn") == fields["stage.websocket"]["access_log_group_arn"]
    assert logs.get("Format") == fields["stage.websocket"]["access_log_format"]


@pytest.mark.parametrize(
    ("endpoint", "callback"),
    [
        (ENDPOINT, "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/production"),
        (
            "ws://127.0.0.1:4566/_aws/execute-api/wsws",
            "http://127.0.0.1:4566/_aws/execute-api/wsws/production",
        ),
    ],
)
def test_callback_url_is_the_endpoint_with_another_scheme(endpoint: str, callback: str) -> None:
    document = template()
    values = physical(document) | {"ApiWebsocket.ApiEndpoint": endpoint}
    assert CloudFormation(values).evaluate(document["Outputs"]["CallbackUrl"]["Value"]) == callback


# --- what replaces what -------------------------------------------------------------------------------------------


def ids_of_what_cannot_change(document: Mapping[str, Any]) -> dict[str, set[str]]:
    types = ("AWS::Lambda::Version", "AWS::ApiGatewayV2::Deployment")
    return {type_: set(of_type(document, type_)) for type_ in types}


@pytest.mark.parametrize(
    ("change", "renewed"),
    [
        ({"lambda": {"memory_mb": 512}}, {"AWS::Lambda::Version"}),
        ({"websocket": {"integration_timeout_ms": 1000}}, {"AWS::ApiGatewayV2::Deployment"}),
        ({"lambda": {"log_retention_days": 30}}, set()),
    ],
)
def test_versions_and_deployments_are_replaced_when_what_they_hold_changes(
    change: Mapping[str, Any], renewed: set[str]
) -> None:
    before, after = ids_of_what_cannot_change(template()), ids_of_what_cannot_change(template(change))
    assert {type_ for type_ in before if not before[type_] & after[type_]} == renewed
    assert {type_ for type_ in before if before[type_] == after[type_]} == before.keys() - renewed


def test_changed_code_renews_the_version_of_its_function_alone() -> None:
    changed = template(packages={**PACKAGES, "default": package("default", b"new")})
    before, after = (of_type(t, "AWS::Lambda::Version").keys() for t in (template(), changed))
    assert {name[: -len("01234567")] for name in before ^ after} == {"FunctionDefaultVersion"}


def test_protected_table_stays_when_its_stack_is_deleted() -> None:
    tables = of_type(template({"connections": {"deletion_protection": True}}), "AWS::DynamoDB::Table")
    assert {name: table["DeletionPolicy"] for name, table in tables.items()} == {
        "TableConnections": "Retain",
        "TableMeetings": "Delete",
    }


def test_region_wide_log_role_is_made_on_demand_only_and_never_deleted() -> None:
    document = template()
    assert document["Parameters"][SET_LOG_ROLE]["Default"] == "false"
    for name in ("ApiGatewayLogRoleRegion", "ApiGatewayLogRoleRegionAccount"):
        body = document["Resources"][name]
        assert (body["Condition"], body["DeletionPolicy"]) == (SET_LOG_ROLE, "Retain")
    without = template({"websocket": {"access_logs": False}})
    assert SET_LOG_ROLE not in without["Parameters"] and "Conditions" not in without


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def _in_an_empty_directory(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_in_an_empty_directory")
def test_command_prints_the_template_and_says_how_to_deploy_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "cloudformation", "--format", "json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["Resources"]["TableConnections"]["Type"] == "AWS::DynamoDB::Table"
    commands = [line.strip() for line in shown.err.splitlines()]
    assert "whatschat-ops lambda package --output build" in commands
    assert sum(line.startswith("aws s3 cp build/websocket-") for line in commands) == 3
    assert commands[-1].startswith("aws cloudformation deploy --stack-name whatschat-local")
    assert "CodeBucket=BUCKET" in commands[-1]


@pytest.mark.usefixtures("_in_an_empty_directory")
def test_command_writes_the_file_and_names_the_objects(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", "stack.yaml", "--code-bucket", "code", "--code-prefix", "v1/", "--json"]
    assert main(["export", "cloudformation", *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    written = yaml.safe_load(Path("stack.yaml").read_text(encoding="utf-8"))
    assert written == result["template"]
    assert written["Parameters"]["CodeBucket"]["Default"] == "code"
    assert {each["function"]: each["uploaded"] for each in result["code"]} == dict.fromkeys(
        Names(Settings()).function(short) for short in PACKAGES
    )
    assert all(re.fullmatch(r"v1/[0-9a-f]{64}\.zip", each["key"]) for each in result["code"])


@pytest.mark.usefixtures("_in_an_empty_directory")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--upload"], "--upload needs a bucket"),
        (["--output", "nowhere/stack.yaml"], "stack.yaml cannot be written"),
        (["--format", "toml"], "toml"),
    ],
)
def test_wrong_use_is_refused_in_words(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "cloudformation", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and "Traceback" not in shown.err and shown.out == ""
