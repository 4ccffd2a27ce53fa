"""How a worker is started."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.component.local.executor_functions import CREDENTIALS, make_function
from whatschat_ops.handlers.aws_api import Endpoint, _open
from whatschat_ops.installation import extra_command
from whatschat_ops.local.executor import sandbox
from whatschat_ops.local.executor.failures import CannotStart
from whatschat_ops.local.interfaces import LambdaFunction

MODULES = {"awslambdaric": "/site", "boto3": "/site"}


def environment(function: LambdaFunction) -> dict[str, str]:
    launch = sandbox.launch(function, Path("/code"), "http://127.0.0.1:4566", MODULES)
    return sandbox.environment(launch, Path("/home/x"), "127.0.0.1:9", "stream")


@pytest.mark.aws("Lambda developer guide, configuration-envvars.html")
def test_environment_has_the_roles_credentials_and_lambdas_names() -> None:
    found = environment(make_function(version="7"))
    assert CREDENTIALS.items() <= found.items()
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert found["AWS_LAMBDA_FUNCTION_VERSION"] == "7"
    assert found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert found["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9"
    assert found["AWS_LAMBDA_LOG_STREAM_NAME"] == "stream"
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"
    assert found["LAMBDA_TASK_ROOT"] == str(Path("/code"))
    assert found["_HANDLER"] == "app.handler"


def test_environment_has_nothing_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    monkeypatch.setenv("AWS_PROFILE", "admin")
    found = environment(make_function())
    assert "MY_SECRET" not in found
    assert "AWS_PROFILE" not in found
    assert found["HOME"] == str(Path("/home/x"))


@pytest.mark.aws("Lambda developer guide, configuration-envvars.html")
def test_function_sets_defaults_but_not_reserved_names() -> None:
    found = environment(
        make_function(environment={"AWS_ENDPOINT_URL": "http://other", "AWS_REGION": "mars", "A": "1"})
    )
    assert found["AWS_ENDPOINT_URL"] == "http://other"
    assert found["AWS_REGION"] == "eu-central-1"
    assert found["A"] == "1"
    assert environment(make_function())["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"


def test_handlers_wait_for_a_busy_machine_until_their_own_time_out() -> None:
    found = environment(make_function())
    endpoint = Endpoint.parse(found["AWS_ENDPOINT_URL"])
    assert _open(endpoint, found).timeout == 900
    assert _open(endpoint, {}).timeout == 3


def test_python_runs_isolated_with_the_given_modules() -> None:
    launch = sandbox.launch(make_function(), Path("/code"), "", MODULES)
    assert launch.command[:3] == (sys.executable, "-I", "-S")
    assert json.loads(launch.command[-1]) == MODULES
    assert launch.runtime_version.startswith("python:3.")


def test_host_modules_are_what_aws_ships_and_nothing_else() -> None:
    found = sandbox.host_python_modules()
    assert {"awslambdaric", "boto3", "botocore", "six"} <= set(found) <= set(sandbox.PYTHON_RUNTIME_MODULES)
    assert (Path(found["boto3"]) / "boto3" / "__init__.py").exists()
    assert (Path(found["six"]) / "six.py").exists()


@pytest.mark.parametrize("runtime", ["java21", "provided.al2023", "ruby3.3"])
def test_runtime_that_does_not_run_here_is_reported(runtime: str) -> None:
    with pytest.raises(CannotStart, match=f"runtime {runtime} does not run locally"):
        sandbox.launch(make_function(runtime=runtime), Path("/code"), "", MODULES)


def test_missing_awslambdaric_is_reported_with_the_command_that_installs_it() -> None:
    with pytest.raises(CannotStart, match=re.escape(extra_command("local"))):
        sandbox.launch(make_function(), Path("/code"), "", {})


@pytest.mark.difference(
    "Lambda: language version", aws="the runtime's", here="Node functions run on this machine's `node`"
)
def test_missing_node_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotStart, match="needs `node` on PATH"):
        sandbox.launch(make_function(runtime="nodejs20.x"), Path("/code"), "", MODULES)
