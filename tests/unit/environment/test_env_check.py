"""`env check`: each mismatch of a file with the stack is named with its fix, and no secret is shown."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.environment.test_env_render import JWT, FakeAws, aws_of, embedded
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.environment.check import CHIME_ADAPTER, FileCheck, check_files, sides_of
from whatschat_ops.environment.comparing import Status
from whatschat_ops.environment.dotenv import quote, read_values
from whatschat_ops.environment.render import read_environment, to_text
from whatschat_ops.environment.variables import Side
from whatschat_ops.errors import NotFound, NotProvisioned, PermissionDenied, UsageError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
API = "abc123.execute-api.us-east-1.amazonaws.com/production"
OTHER_SECRET = "a-secret-of-the-application-alone"
PREVIOUS = "the-previous-secret-of-a-rotation"


@dataclass
class WithSecret(FakeAws):
    """An account whose SSM has the secret, and a rotation or an error."""

    rotation: str | None = None
    denied: bool = False

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:
        if self.denied:
            raise PermissionDenied("not authorized to perform: ssm:GetParameter")
        if Name != Names(self.settings).jwt_secret_rotation_parameter:
            return super().get_parameter(Name=Name, WithDecryption=WithDecryption)
        if self.rotation is None:
            raise NotFound("no such parameter")
        return {"Parameter": {"Value": self.rotation}}


def account(settings: Settings, **options: Any) -> Aws:
    return cast(Aws, WithSecret(settings, AwsTarget("us-east-1"), **options))


def checked(path: Path, text: str, settings: Settings | None = None, aws: Aws | None = None) -> FileCheck:
    """The one check of a file with this text."""
    settings = settings or Settings()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (found,) = check_files([path], settings, aws or account(settings), NOW)
    return found


def said(found: FileCheck) -> dict[str, str]:
    """Variable -> status and detail."""
    return {each.variable: f"{each.status}: {each.detail}" for each in found.mismatches}


def backend(**changes: str | None) -> str:
    """A backend's file that fits, with changes (None: without the variable)."""
    settings = Settings()
    values: dict[str, str | None] = {
        **read_values(to_text(read_environment(Side.BACKEND, settings, aws_of(settings)))),
        "JWT_SECRET": JWT,
        **changes,
    }
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items() if value is not None)


def frontend(**changes: str | None) -> str:
    """A frontend's file that fits, with changes to `NEXT_PUBLIC_*`."""
    values: dict[str, str | None] = {
        "WEBSOCKET_MODE": "apigateway",
        "API_GATEWAY_WEBSOCKET_ENDPOINT": f"wss://{API}",
        "WEBRTC_MODE": "chime",
        **changes,
    }
    return "".join(f"NEXT_PUBLIC_{name}={value}\n" for name, value in values.items() if value is not None)


def test_files_as_rendered_fit_the_stack(tmp_path: Path) -> None:
    assert said(checked(tmp_path / ".env", backend(DATABASE_URL="postgres://x"))) == {}
    assert said(checked(tmp_path / ".env.local", frontend(SOCKET_IO_URL="ws://anything"))) == {}


@pytest.mark.parametrize("side", list(Side))
def test_files_rendered_for_the_embedded_aws_fit_it(tmp_path: Path, side: Side) -> None:
    settings = Settings()
    fake = WithSecret(settings, embedded(settings).target)
    text = to_text(read_environment(side, settings, cast(Aws, fake), with_secrets=True))
    assert said(checked(tmp_path / ".env", text, aws=cast(Aws, fake))) == {}


@pytest.mark.parametrize(
    ("changes", "variable", "words"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_CHIME_REGION": None}, "AWS_REGION", "is eu-west-1; the stack's is us-east-1"),
        ({"AWS_REGION": None}, "AWS_REGION", "is not set; the stack's is us-east-1"),
        ({"CONNECTIONS_TABLE": "other"}, "CONNECTIONS_TABLE", "the stack's is websocket-connections"),
        ({"AWS_CHIME_ENABLED": "false"}, "AWS_CHIME_ENABLED", "is false; the stack's is true"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "AWS_ENDPOINT_URL", "the stack is in an AWS account"),
        ({"AWS_ENDPOINT": "http://127.0.0.1:4566"}, "AWS_ENDPOINT", "the stack is in an AWS account"),
        (
            {"AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": f"wss://{API}"},
            "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT",
            "begins with wss where https is needed",
        ),
        (
            {"AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": f"https://{API.replace('abc', 'xyz')}"},
            "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT",
            "another API or stage",
        ),
        (
            {"AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": "your-endpoint"},
            "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT",
            "is not a WebSocket endpoint",
        ),
        ({"AWS_ACCESS_KEY_ID": "AKIAX"}, "AWS_SECRET_ACCESS_KEY", "the other half of the access key"),
        ({"AWS_SECRET_ACCESS_KEY": "x"}, "AWS_ACCESS_KEY_ID", "the other half of the access key"),
        ({"AWS_ACCESS_KEY_ID": "ASIAX", "AWS_SECRET_ACCESS_KEY": "x"}, "AWS_SESSION_TOKEN", "a temporary one"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y"},
            "AWS_SESSION_TOKEN",
            "a permanent one",
        ),
        ({"JWT_SECRET": OTHER_SECRET}, "JWT_SECRET", "is not the stack's"),
    ],
)  # fmt: skip
def test_a_backend_that_does_not_fit_fails_with_the_reason(
    tmp_path: Path, changes: dict[str, str | None], variable: str, words: str
) -> None:
    found = checked(tmp_path / ".env", backend(**changes))
    (mismatch,) = [each for each in found.mismatches if each.variable == variable]
    assert mismatch.status is Status.FAIL
    assert words in mismatch.detail
    assert str(mismatch.fix)


@pytest.mark.parametrize(
    ("changes", "variable", "words"),
    [
        (
            {"API_GATEWAY_WEBSOCKET_ENDPOINT": f"https://{API}"},
            "API_GATEWAY_WEBSOCKET_ENDPOINT",
            "begins with https where wss is needed",
        ),
        (
            {"API_GATEWAY_WEBSOCKET_ENDPOINT": f"wss://{API}/"},
            "API_GATEWAY_WEBSOCKET_ENDPOINT",
            "uses it as it stands",
        ),
        ({"API_GATEWAY_WEBSOCKET_ENDPOINT": None}, "API_GATEWAY_WEBSOCKET_ENDPOINT", "is not set"),
        ({"WEBSOCKET_MODE": "socketio"}, "WEBSOCKET_MODE", "speaks no Socket.IO"),
        ({"WEBSOCKET_MODE": "ApiGateway"}, "WEBSOCKET_MODE", "the stack's is apigateway"),
        ({"WEBRTC_MODE": "native"}, "WEBRTC_MODE", "the stack's is chime"),
    ],
)  # fmt: skip
def test_a_frontend_that_does_not_fit_fails_with_the_reason(
    tmp_path: Path, changes: dict[str, str | None], variable: str, words: str
) -> None:
    found = checked(tmp_path / ".env.local", frontend(**changes))
    (mismatch,) = found.mismatches
    assert (mismatch.variable, mismatch.status) == (f"NEXT_PUBLIC_{variable}", Status.FAIL)
    assert words in mismatch.detail
    assert mismatch.fix.argv == ("env", "render", "frontend", "--output", str(tmp_path / ".env.local"))


@pytest.mark.parametrize(
    ("mode", "disabled", "setting"),
    [
        ("NEXT_PUBLIC_WEBSOCKET_MODE", "websocket", "websocket.enabled"),
        ("NEXT_PUBLIC_WEBRTC_MODE", "chime", "chime.enabled"),
    ],
)
def test_a_mode_without_its_service_fails(tmp_path: Path, mode: str, disabled: str, setting: str) -> None:
    settings = Settings.of({disabled: {"enabled": False}})
    assert setting in said(checked(tmp_path / ".env.local", frontend(), settings))[mode]


@pytest.mark.parametrize(
    ("package", "fits"),
    [
        ({"dependencies": {"next": "15"}}, False),
        ({}, False),
        ({"dependencies": {"amazon-chime-sdk-js": "3"}}, True),
        ({"devDependencies": {"amazon-chime-sdk-js": "3"}}, True),
    ],
)
def test_chime_needs_its_package_in_the_web_application(
    tmp_path: Path, package: dict[str, Any], fits: bool
) -> None:
    (tmp_path / "package.json").write_text(json.dumps(package))
    found = checked(tmp_path / ".env.local", frontend())
    assert (not found.mismatches) == fits
    assert fits or "pnpm add amazon-chime-sdk-js" in str(found.mismatches[0].fix)
    native = Settings.of({"frontend": {"webrtc_mode": "native"}})
    assert said(checked(tmp_path / ".env.local", frontend(WEBRTC_MODE="native"), native)) == {}


@pytest.mark.parametrize(
    ("handler", "fits"),
    [
        ("const { meeting, attendee } = data;", False),
        ("const {meeting,attendee}=data ;", False),
        ("const { meeting, attendee } = data.data;", True),
    ],
)
def test_adapter_that_reads_the_wrapped_event_cannot_start_a_call(
    tmp_path: Path, handler: str, fits: bool
) -> None:
    adapter = tmp_path / CHIME_ADAPTER
    adapter.parent.mkdir(parents=True)
    adapter.write_text(f"private async handleMeetingCreated(data: any) {{\n  {handler}\n}}\n")
    found = checked(tmp_path / ".env.local", frontend())
    assert (not found.mismatches) == fits
    assert fits or "no server can start a Chime call" in found.mismatches[0].detail
    settings = Settings.of({"frontend": {"webrtc_mode": "native"}})
    native = checked(tmp_path / ".env.local", frontend(WEBRTC_MODE="native"), settings)
    assert native.mismatches == ()


def test_chime_in_another_region_than_the_backends_is_a_warning(tmp_path: Path) -> None:
    settings = Settings.of({"chime": {"region": "eu-central-1"}})
    found = checked(tmp_path / ".env", backend(AWS_CHIME_REGION="eu-central-1"), settings)
    assert said(found)["AWS_CHIME_REGION"].startswith(
        "warn: is eu-central-1, but ChimeService calls AWS_REGION"
    )
    found = checked(tmp_path / ".env", backend(AWS_REGION="eu-north-1"), settings)
    assert said(found)["AWS_CHIME_REGION"].startswith("fail: ")


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    text = backend(JWT_SECRET=OTHER_SECRET, AWS_ACCESS_KEY_ID="AKIAX", AWS_SESSION_TOKEN="session")
    shown = str(checked(tmp_path / ".env", text))
    assert "JWT_SECRET" in shown
    assert not [secret for secret in (OTHER_SECRET, JWT, "AKIAX", "session'") if secret in shown]


def test_the_other_secret_of_a_rotation_is_a_warning(tmp_path: Path) -> None:
    rotation = json.dumps({"secrets": [PREVIOUS, JWT], "until": NOW.timestamp() + 60})
    aws = account(Settings(), rotation=rotation)
    found = checked(tmp_path / ".env", backend(JWT_SECRET=PREVIOUS), aws=aws)
    assert said(found)["JWT_SECRET"].startswith("warn: is the other secret of a rotation")


def test_a_secret_that_may_not_be_read_is_not_compared(tmp_path: Path) -> None:
    found = checked(tmp_path / ".env", backend(), aws=account(Settings(), denied=True))
    assert said(found)["JWT_SECRET"].startswith("warn: cannot be compared with the stack's: not authorized")
    found = checked(tmp_path / ".env", backend(JWT_SECRET=None), aws=account(Settings(), denied=True))
    assert said(found)["JWT_SECRET"].startswith("warn: is not set here")


def test_the_files_of_a_folder_are_found(tmp_path: Path) -> None:
    settings = Settings()
    for name, text in {"apps/server/.env": backend(), "apps/web/.env.local": frontend()}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    found = check_files([tmp_path], settings, account(settings), NOW)
    assert [(each.path.name, each.side) for each in found] == [
        (".env", "backend"),
        (".env.local", "frontend"),
    ]


@pytest.mark.parametrize(
    ("path", "names", "sides"),
    [
        (".env", ["NEXT_PUBLIC_WEBRTC_MODE", "AWS_REGION"], (Side.FRONTEND,)),
        (".env", ["NEXT_PUBLIC_WEBRTC_MODE", "AWS_CHIME_ENABLED"], (Side.BACKEND, Side.FRONTEND)),
        (".env.local", ["AWS_CHIME_ENABLED"], (Side.BACKEND,)),
        (".env", [], (Side.BACKEND,)),
        ("apps/web/.env", [], (Side.FRONTEND,)),
        (".env.local", ["X"], (Side.FRONTEND,)),
    ],
)
def test_a_file_is_for_the_side_whose_variables_it_has(
    path: str, names: list[str], sides: tuple[Side, ...]
) -> None:
    assert sides_of(Path(path), names) == sides


def test_what_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    settings = Settings()
    aws = account(settings)
    with pytest.raises(UsageError, match="No such file"):
        check_files([tmp_path / "absent"], settings, aws, NOW)
    with pytest.raises(UsageError, match="has none of"):
        check_files([tmp_path], settings, aws, NOW)
    (tmp_path / ".env").write_bytes(b"X=caf\xe9\n")
    with pytest.raises(UsageError, match="is not UTF-8"):
        check_files([tmp_path / ".env"], settings, aws, NOW)
    (tmp_path / "package.json").write_text("{")
    (tmp_path / ".env").write_text("")
    with pytest.raises(UsageError, match="is not valid JSON"):
        check_files([tmp_path / ".env"], settings, aws, NOW)


def test_without_a_stack_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(NotProvisioned):
        checked(tmp_path / ".env", backend(), aws=account(Settings(), provisioned=False))


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_values_are_read_as_python_dotenv_reads_what_we_write(value: str) -> None:
    try:
        text = f"A=1\nNAME={quote(value)} # why\nexport B = x\n"
    except UsageError:
        return
    assert read_values(text) == dotenv_values(stream=io.StringIO(text), interpolate=False)
