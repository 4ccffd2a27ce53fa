"""`env render` and `env check` on a provisioned stack: rendered files fit, and each change to one is found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from whatschat_ops.environment.dotenv import read_values

pytestmark = pytest.mark.local

OWN_SECRET = "the-secret-that-the-application-had"


class Operator:
    """Runs the program in the application's folder, against a stack of its own."""

    def __init__(self, aws: EmbeddedAws, folder: Path) -> None:
        self._environment = {**aws.environment(), "WHATSCHAT_PREFIX": "vars-"}
        self.folder = folder

    def run(self, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "whatschat_ops", *arguments],
            env={**self._environment, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    def findings(self, *paths: str, code: int, **variables: str) -> dict[str, Any]:
        """Variable -> what `env check --json` says of it."""
        checks = json.loads(self.run("env", "check", *paths, "--json", code=code, **variables).stdout)
        return {each["variable"]: each for check in checks for each in check["mismatches"]}


@pytest.fixture(scope="module")
def operator(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("application")
    for application in ("server", "web"):
        (folder / "apps" / application).mkdir(parents=True)
    operator = Operator(embedded_aws, folder)
    operator.run("provision", "--yes")
    yield operator
    operator.run("destroy", "--delete-data", "--yes")


@pytest.fixture
def backend(operator: Operator) -> Path:
    """The backend's file, as rendered with its secrets."""
    path = operator.folder / "apps" / "server" / ".env"
    operator.run("env", "render", "backend", "--output", str(path), "--replace", "--show-secrets")
    return path


@pytest.fixture
def frontend(operator: Operator) -> Path:
    """The frontend's file, as rendered, beside a package.json that has Chime's package."""
    path = operator.folder / "apps" / "web" / ".env.local"
    (path.parent / "package.json").write_text('{"dependencies": {"amazon-chime-sdk-js": "^3.0.0"}}')
    operator.run("env", "render", "frontend", "--output", str(path), "--replace")
    return path


def test_rendered_files_fit_the_stack(operator: Operator, backend: Path, frontend: Path) -> None:
    assert operator.findings(".", code=0) == {}
    endpoint = read_values(frontend.read_text(encoding="utf-8"))["NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT"]
    assert endpoint == operator.run("ws", "endpoint").stdout.strip()
    assert endpoint.startswith("ws://")


def test_every_change_is_found_and_rendering_again_undoes_it(
    operator: Operator, backend: Path, frontend: Path
) -> None:
    backend.write_text(
        backend.read_text(encoding="utf-8").replace("AWS_REGION=us-east-1", "AWS_REGION=eu-west-1"),
        encoding="utf-8",
    )
    frontend.write_text(
        frontend.read_text(encoding="utf-8")
        .replace("ws://", "http://")
        .replace("MODE=apigateway", "MODE=socketio"),
        encoding="utf-8",
    )
    (frontend.parent / "package.json").write_text("{}")

    found = operator.findings(str(backend), str(frontend), code=3)

    assert set(found) == {
        "AWS_REGION",
        "AWS_CHIME_REGION",
        "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT",
        "NEXT_PUBLIC_WEBSOCKET_MODE",
        "NEXT_PUBLIC_WEBRTC_MODE",
    }
    assert found["AWS_REGION"]["fix"] == f"whatschat-ops env render backend --output {backend}"
    assert "pnpm add amazon-chime-sdk-js" in found["NEXT_PUBLIC_WEBRTC_MODE"]["fix"]
    operator.run("env", "render", "backend", "--output", str(backend))
    operator.run("env", "render", "frontend", "--output", str(frontend))
    assert set(operator.findings(".", code=3)) == {"NEXT_PUBLIC_WEBRTC_MODE"}


def test_the_applications_own_secret_is_kept_and_named_and_never_shown(
    operator: Operator, backend: Path
) -> None:
    stacks = read_values(backend.read_text(encoding="utf-8"))["JWT_SECRET"]
    backend.write_text(f"DATABASE_URL=postgres://x\nJWT_SECRET={OWN_SECRET}\n", encoding="utf-8")

    done = operator.run("env", "render", "backend", "--output", str(backend))
    checked = operator.run("env", "check", str(backend), code=3)

    assert "Left alone: DATABASE_URL, JWT_SECRET." in done.stdout
    assert "JWT_SECRET is not the stack's" in done.stderr
    assert "JWT_SECRET is not the stack's" in " ".join(checked.stdout.split())
    assert "1 variable does not fit the stack: JWT_SECRET." in checked.stderr
    shown = done.stdout + done.stderr + checked.stdout + checked.stderr
    assert OWN_SECRET not in shown and stacks not in shown
    assert read_values(backend.read_text(encoding="utf-8"))["JWT_SECRET"] == OWN_SECRET


def test_contradictory_settings_are_refused(operator: Operator) -> None:
    done = operator.run(
        "config",
        "validate",
        code=2,
        AWS_API_GATEWAY_WEBSOCKET_ENABLED="false",
        NEXT_PUBLIC_WEBSOCKET_MODE="apigateway",
    )
    assert "frontend.websocket_mode: apigateway needs websocket.enabled: true" in done.stderr


def test_a_service_that_was_disabled_since_is_named(operator: Operator, frontend: Path) -> None:
    found = operator.findings(str(frontend), code=3, AWS_CHIME_ENABLED="false")
    assert "Chime SDK is disabled" in found["NEXT_PUBLIC_WEBRTC_MODE"]["detail"]


def test_caller_is_shown_with_where_each_fact_came_from(
    operator: Operator, embedded_aws: EmbeddedAws
) -> None:
    (operator.folder / "qa.yaml").write_text(f"aws:\n  endpoint_url: {embedded_aws.endpoint_url}\n")
    keys: dict[str, Any] = {
        "AWS_ACCESS_KEY_ID": embedded_aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": embedded_aws.secret_access_key.reveal(),
    }
    shown = json.loads(
        operator.run(
            "whoami", "-e", "qa", "--config", "qa.yaml", "--region", "eu-west-1", "--json", **keys
        ).stdout
    )
    assert (shown["account"], shown["arn"], shown["role"]) == (
        "000000000000", "arn:aws:iam::000000000000:user/operator", None,
    )  # fmt: skip
    assert (shown["region"], shown["stack"]) == ("eu-west-1", "vars-whatschat-qa")
    assert shown["origins"] == {
        "account": "the variable AWS_ACCESS_KEY_ID",
        "arn": "the variable AWS_ACCESS_KEY_ID",
        "region": "flag --region",
        "endpoint": "qa.yaml:2",
        "environment": "flag --env",
        "stack": "environment WHATSCHAT_PREFIX, default, flag --env",
    }
    assert operator.run("whoami").stdout.startswith("Account      000000000000")
