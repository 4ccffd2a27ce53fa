"""The settings that choose the functions' code: paths, allowed values, and what follows from them in the stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whatschat_ops.config import Settings, load_settings
from whatschat_ops.errors import ConfigError
from whatschat_ops.packaging import build_packages
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.handlers import lambda_policy
from whatschat_ops.stack.resources import stack_resources

NODE = {"lambda": {"source": {"path": "/app", "runtime": "nodejs24.x"}}}
PLACE = Place(region="us-east-1", account_id="000000000000")


def loaded(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "local.yaml").write_text(text)
    return load_settings(path=tmp_path / "local.yaml", environ={}).settings


def test_paths_are_relative_to_the_configuration_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    text = "lambda: {requirements: more.txt, source: {path: ../app}}\n"
    lambda_ = loaded(tmp_path, text).lambda_
    assert lambda_.requirements == str(tmp_path / "more.txt")
    assert lambda_.source.path == str(tmp_path.parent / "app")


def test_absolute_path_stays(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"lambda: {{source: {{path: {tmp_path}}}}}\n").lambda_.source.path == str(
        tmp_path
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "runtime: nodejs18.x",
            r"'nodejs18\.x' is not allowed\. Allowed: 'nodejs20\.x', 'nodejs22\.x' or 'nodejs24\.x'",
        ),
        ("steps: [instal]", r"'instal' is not allowed\. Allowed: 'install', 'build' or 'package'"),
        ("dependencies: all", r"'all' is not allowed\. Allowed: 'auto', 'bundle' or 'runtime'"),
        ("handlers: {conect: a.b}", "unknown key. Did you mean connect?"),
        ("handlers: {connect: handler}", r"lambda\.source\.handlers\.connect: must match"),
    ],
)
def test_wrong_value_is_refused_with_what_is_allowed(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        loaded(tmp_path, f"lambda:\n  source:\n    {source}\n")
    assert caught.value.message.startswith(f"{tmp_path / 'local.yaml'}:3: lambda.source.")


def test_folder_and_requirements_together_are_refused() -> None:
    settings = Settings.of({"lambda": {"requirements": "/more.txt", "source": {"path": "/app"}}})
    with pytest.raises(ConfigError, match=r"lambda\.requirements is for the built-in handlers"):
        build_packages(settings.lambda_)


@pytest.mark.parametrize(("values", "runtime"), [({}, "python3.13"), (NODE, "nodejs24.x")])
def test_functions_get_the_runtime_of_their_code(values: dict[str, Any], runtime: str) -> None:
    resources = stack_resources(Blueprint(Settings.of(values), PLACE)).wanted
    runtimes = {each.fields["runtime"] for each in resources if each.kind == "function"}
    assert runtimes == {runtime}


@pytest.mark.parametrize(("values", "may_query"), [({}, False), (NODE, True)])
def test_only_the_applications_functions_may_query_the_table_itself(
    values: dict[str, Any], may_query: bool
) -> None:
    document = lambda_policy(Blueprint(Settings.of(values), PLACE, api_id="api"))
    actions = next(each["Action"] for each in document["Statement"] if each["Sid"] == "Connections")
    assert ("dynamodb:Query" in actions) is may_query
