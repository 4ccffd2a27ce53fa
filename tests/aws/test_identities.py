"""Who the user is, against a stand-in for STS and SSO: every failure is one sentence with the profile and the command to run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import SSOProvider
from botocore.exceptions import RefreshWithMFAUnsupportedError
from botocore.tokens import SSOTokenProvider

from tests.aws.identity_services import GOOD_CODE, IdentityServices, identity_services
from tests.terminal import Terminal
from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.aws.identity import identity_of, no_credentials
from whatschat_ops.cli.command_line import run_command_line

START_URL = "https://corp.awsapps.com/start"
SSO = {"sso_region": "eu-west-1", "sso_start_url": START_URL}
ROLE_OF_SSO = {"sso_account_id": "123456789012", "sso_role_name": "dev"}
BASE = {"aws_access_key_id": "AKIABASE", "aws_secret_access_key": "s"}
MFA = "arn:aws:iam::123456789012:mfa/me"
ROLE = "arn:aws:iam::123456789012:role/dev"
ALTERNATE_SCREEN = "\x1b[?1049h"  # xterm's, which Textual draws on
DENIED = "arn:aws:iam::123456789012:role/denied"


@pytest.fixture(scope="module")
def services() -> Iterator[IdentityServices]:
    with identity_services() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, services: IdentityServices, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user without credentials, in front of the stand-in."""
    services.asked.clear()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", services.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.chdir(tmp_path)
    # botocore looks for the home when it is imported.
    for provider in (SSOProvider, SSOTokenProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path / ".aws/sso/cache"))
    return tmp_path


@dataclass(frozen=True)
class Case:
    """An identity. `sections` are those of the profile file; `says` and `hint` what the error holds."""

    name: str
    says: str
    hint: str
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    """SSO: name of a session or start URL -> what the CLI has kept of its login."""
    files: dict[str, str] = field(default_factory=dict)
    profile: str | None = "dev"


def write_config(home: Path, sections: dict[str, dict[str, str]]) -> None:
    lines = [
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    (home / "config").write_text("\n".join(lines))


def prepare(case: Case, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the machine of the case."""
    write_config(home, case.sections)
    cache = home / ".aws/sso/cache"
    cache.mkdir(parents=True)
    for name, token in case.tokens.items():
        (cache / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(token))
    for name, content in case.files.items():
        (home / name).write_text(content)
        (home / name).chmod(0o755)
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value.replace("HOME", str(home)))


def token(access: str = "good", expires: str = "2099-01-01T00:00:00Z", **more: str) -> dict[str, str]:
    return {"accessToken": access, "expiresAt": expires, "startUrl": START_URL, "region": "eu-west-1", **more}


def process(content: str) -> dict[str, Any]:
    """A profile whose credential_process is this shell script."""
    return {
        "sections": {"profile dev": {"credential_process": "./keys --secret hunter2"}},
        "files": {"keys": f"#!/bin/sh\n{content}\n"},
    }


LEGACY = {"profile dev": {**SSO, **ROLE_OF_SSO}}
SESSION = {"profile dev": {"sso_session": "corp", **ROLE_OF_SSO}, "sso-session corp": SSO}
RENEWABLE = {
    "refreshToken": "r",
    "clientId": "c",
    "clientSecret": "s",
    "registrationExpiresAt": "2099-01-01T00:00:00Z",
}
OLD = "2020-01-01T00:00:00Z"
WEB = {"profile dev": {"role_arn": ROLE, "web_identity_token_file": "token"}}
LOGIN = "aws sso login --profile dev"
NOT_LOGGED_IN = "you are not logged in to IAM Identity Center (SSO) on this machine."
LOGIN_EXPIRED = "the login to IAM Identity Center (SSO) has expired."
EXPIRED_KEYS = '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"2020-01-01T00:00:00Z"}'


def assuming(role: str, source: dict[str, str] = BASE, **more: str) -> dict[str, dict[str, str]]:
    return {"profile dev": {"role_arn": role, "source_profile": "base", **more}, "profile base": source}


CASES = [
    Case("sso, legacy, never logged in", NOT_LOGGED_IN, LOGIN, LEGACY),
    Case("sso, legacy, expired", LOGIN_EXPIRED, LOGIN, LEGACY, tokens={START_URL: token(expires=OLD)}),
    Case("sso, legacy, revoked", LOGIN_EXPIRED, LOGIN, LEGACY, tokens={START_URL: token("revoked")}),
    Case("sso, session, never logged in", NOT_LOGGED_IN, LOGIN, SESSION),
    Case("sso, session, expired", LOGIN_EXPIRED, LOGIN, SESSION, tokens={"corp": token(expires=OLD)}),
    Case(
        "sso, session, renewal refused",
        LOGIN_EXPIRED,
        LOGIN,
        SESSION,
        tokens={"corp": token(expires=OLD, **RENEWABLE)},
    ),
    Case("sso, session, revoked", LOGIN_EXPIRED, LOGIN, SESSION, tokens={"corp": token("revoked")}),
    Case(
        "sso, no such role",
        "does not give the role forbidden of account 123456789012: No access.",
        "aws configure sso --profile dev",
        {"profile dev": {**SSO, **ROLE_OF_SSO, "sso_role_name": "forbidden"}},
        tokens={START_URL: token()},
    ),
    Case(
        "sso, no such session",
        'The specified sso-session does not exist: "corp"',
        "aws configure list --profile dev",
        {"profile dev": SESSION["profile dev"]},
    ),
    Case(
        "sso behind a role",
        NOT_LOGGED_IN,
        "aws sso login --profile base",
        assuming(ROLE, LEGACY["profile dev"]),
    ),
    Case(
        "role denied",
        f"the role {DENIED} cannot be assumed: User: arn:aws:iam::123456789012:user/me is not authorized",
        "aws sts get-caller-identity --profile base",
        assuming(DENIED),
    ),
    Case(
        "role, wrong keys",
        "AssumeRole: The security token included in the request is invalid",
        "aws configure --profile base",
        assuming(ROLE, {**BASE, "aws_access_key_id": "AKIAWRONG"}),
    ),
    Case(
        "role with MFA, no terminal",
        f"its role needs a code of the MFA device {MFA}, and there is no terminal to ask for it.",
        "aws sts get-caller-identity --profile dev",
        assuming(ROLE, mfa_serial=MFA),
    ),
    Case(
        "role, loop",
        "Infinite loop in credential configuration detected",
        "aws configure list --profile dev",
        {
            "profile dev": {"role_arn": ROLE, "source_profile": "base"},
            "profile base": {"role_arn": ROLE, "source_profile": "dev"},
        },
    ),
    Case(
        "role, no source",
        "it has no source_profile or credential_source.",
        "aws configure --profile dev",
        {"profile dev": {"role_arn": ROLE}},
    ),
    Case(
        "role, source not there",
        'The source_profile "base" referenced in the profile "dev" does not exist.',
        "aws configure list --profile dev",
        {"profile dev": {"role_arn": ROLE, "source_profile": "base"}},
    ),
    Case(
        "role of the instance, no instance",
        "the metadata service of the machine or container gives none",
        "aws sts get-caller-identity --profile dev",
        {"profile dev": {"role_arn": ROLE, "credential_source": "Ec2InstanceMetadata"}},
    ),
    Case(
        "web identity, no file",
        "the web identity token file token cannot be read: No such file or directory.",
        "aws sts get-caller-identity --profile dev",
        WEB,
    ),
    Case(
        "web identity, no file, by variables",
        "/absent cannot be read: No such file or directory.",
        "aws sts get-caller-identity",
        environ={"AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/absent", "AWS_ROLE_ARN": ROLE},
        profile=None,
    ),
    Case(
        "web identity, expired",
        "does not accept the web identity token of token: Token expired",
        "aws sts get-caller-identity --profile dev",
        WEB,
        files={"token": "expired\n"},
    ),
    Case(
        "process not there",
        "its credential_process './absent' cannot be run: No such file or directory.",
        "aws configure get credential_process --profile dev",
        {"profile dev": {"credential_process": "./absent --secret hunter2"}},
    ),
    Case(
        "process fails",
        "its credential_process './keys' failed: you are not logged in to okta.",
        "aws configure get credential_process --profile dev",
        **process("echo you are not logged in to okta. >&2; exit 3"),
    ),
    *(
        Case(
            f"process prints {what}",
            f"its credential_process './keys' {says}.",
            "aws configure get credential_process --profile dev",
            **process(script),
        )
        for what, script, says in (
            ("no JSON", "echo hello", "prints something else than JSON as AWS defines it"),
            ("a list", "echo '[]'", "prints something else than JSON as AWS defines it"),
            ("nothing", "exit 0", "prints something else than JSON as AWS defines it"),
            ("half", "echo '{\"Version\":1}'", "failed: Missing required key in response: 'AccessKeyId'"),
            ("expired keys", f"echo '{EXPIRED_KEYS}'", "gives keys that have expired"),
        )
    ),
    Case(
        "container not reachable",
        "the metadata service of the machine or container gives none",
        "aws sts get-caller-identity",
        environ={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/keys"},
        profile=None,
    ),
    Case(
        "container, host that may not be asked",
        "the container's credentials cannot be used: ValueError: Unsupported host 'example.invalid'",
        "aws sts get-caller-identity",
        environ={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.invalid/keys"},
        profile=None,
    ),
    Case("no profile", "/config has no such profile.", "aws configure list-profiles"),
    Case(
        "half a key, in the environment",
        "AWS_SECRET_ACCESS_KEY is not set.",
        "Set it beside AWS_ACCESS_KEY_ID",
        environ={"AWS_ACCESS_KEY_ID": "AKIAX"},
        profile=None,
    ),
    Case(
        "half a key, in the profile",
        "it has no aws_secret_access_key.",
        "aws configure --profile dev",
        {"profile dev": {"aws_access_key_id": "AKIAX"}},
    ),
    Case("nothing", "No AWS credentials were found", "aws configure sso", profile=None),
    Case(
        "wrong keys",
        "AWS does not accept the keys of the profile 'dev': GetCallerIdentity: The security token included",
        "aws configure --profile dev",
        {"profile dev": {**BASE, "aws_access_key_id": "AKIAWRONG"}},
    ),
    Case(
        "wrong keys, in the environment",
        "AWS does not accept the keys of the variable AWS_ACCESS_KEY_ID: GetCallerIdentity",
        "aws sts get-caller-identity",
        environ={"AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "s"},
        profile=None,
    ),
]
COMMANDS = [
    ["status"],
    ["plan"],
    ["provision", "--yes"],
    ["destroy", "--yes"],
    ["unlock", "--yes"],
    ["table", "create"],
    ["table", "describe"],
    ["lambda", "list"],
    ["lambda", "deploy"],
    ["lambda", "promote", "connect"],
    ["lambda", "invoke", "connect"],
    ["iam", "check", "operator"],
    ["iam", "attach", "operator", "--user", "me"],
    ["token", "mint", "--user", "me"],
    ["token", "secret", "rotate"],
    ["ws", "endpoint"],
    ["ws", "connect", "--user", "me"],
    ["ws", "send", "--user", "me", "--to", "you", "hello"],
    ["ws", "broadcast", "hello", "--text", "--yes"],
    ["ws", "connections", "list"],
    ["ws", "connections", "stats"],
    ["ws", "prune"],
    ["ws", "disconnect", "--user", "me", "--yes"],
    ["ws", "load", "--sockets", "1"],
    ["chime", "meeting", "list"],
    ["chime", "meeting", "create", "--user", "me"],
    ["chime", "attendee", "list", "MEETING"],
    ["env", "render", "backend"],
]
EAGER, DEFERRED = (
    next(case for case in CASES if case.name == name)
    for name in ("process prints no JSON", "sso, session, expired")
)


def failure_of(arguments: list[str], case: Case, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The error that a command ends with."""
    place = ["--json", *(["--profile", case.profile] if case.profile else [])]
    assert run_command_line([*place, *arguments]) == 1
    error: dict[str, str] = json.loads(capsys.readouterr().out)["error"]
    return error


def check(error: dict[str, str], case: Case, home: Path) -> None:
    assert error["code"] == "credentials"
    assert case.says.replace("HOME", str(home)) in error["message"]
    assert case.profile is None or re.search(r"profile 'dev'", error["message"])
    assert error["message"].endswith(".") and "\n" not in error["message"]
    assert case.hint in error["hint"]
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_identity_that_does_not_work_is_one_sentence_with_the_command_to_run(
    case: Case, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(case, home, monkeypatch)
    check(failure_of(["iam", "check", "operator"], case, capsys), case, home)


@pytest.mark.parametrize("case", [EAGER, DEFERRED], ids=lambda case: case.name)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_says_so(
    command: list[str],
    case: Case,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(case, home, monkeypatch)
    check(failure_of(command, case, capsys), case, home)


def test_role_is_assumed_once_for_many_commands_and_kept_where_the_aws_cli_keeps_it(
    home: Path,
    services: IdentityServices,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_config(home, assuming(ROLE))
    for _ in range(2):
        run_command_line(["--profile", "dev", "iam", "check", "operator"])
    assert services.count("GetCallerIdentity") == 2
    assert services.count("AssumeRole") == 1
    # The name that the AWS CLI gives it: the SHA-1 of the call's arguments (botocore, AssumeRoleCredentialFetcher).
    name = hashlib.sha1(json.dumps({"RoleArn": ROLE}, sort_keys=True).encode()).hexdigest()
    kept = home / f".aws/cli/cache/{name}.json"
    assert json.loads(kept.read_text())["Credentials"]["AccessKeyId"] == "ASIAROLE"
    assert kept.stat().st_mode & 0o077 == 0


def test_home_that_cannot_be_written_to_costs_the_cache_only(
    home: Path,
    services: IdentityServices,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_config(home, assuming(ROLE))
    (home / ".aws").write_text("a file where the folder should be")
    for _ in range(2):
        run_command_line(["--profile", "dev", "iam", "check", "operator"])
    assert services.count("AssumeRole") == 2


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "whatschat_ops", "--profile", "dev", *arguments]


def wait_for(terminal: Terminal, text: str) -> None:
    terminal.wait_for(lambda _: text in terminal.written, 60)


def test_mfa_code_is_asked_for_once_on_a_terminal(home: Path, services: IdentityServices) -> None:
    write_config(home, assuming(ROLE, mfa_serial=MFA))
    with Terminal(program("iam", "check", "operator"), os.environ) as terminal:
        wait_for(terminal, f"Enter MFA code for {MFA}:")
        terminal.type(f"{GOOD_CODE}\n")
        wait_for(terminal, "Checking what operator needs")
        assert GOOD_CODE not in terminal.written
    done = subprocess.run(
        program("iam", "check", "operator"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "MFA" not in done.stderr
    assert services.asked[:2] == ["AssumeRole", "GetCallerIdentity"]
    assert services.count("AssumeRole") == 1


def test_mfa_code_of_watch_is_asked_for_before_its_screen(home: Path, services: IdentityServices) -> None:
    write_config(home, assuming(ROLE, mfa_serial=MFA))
    with Terminal(program("watch"), os.environ) as terminal:
        wait_for(terminal, f"Enter MFA code for {MFA}:")
        assert ALTERNATE_SCREEN not in terminal.written
        terminal.type("000000\n")
        wait_for(terminal, "did not accept the MFA code")
        assert terminal.process.wait(60) == 1
        assert ALTERNATE_SCREEN not in terminal.written


def test_session_with_mfa_that_ended_asks_no_one_and_says_so(home: Path) -> None:
    write_config(home, assuming(ROLE, mfa_serial=MFA))
    identity = identity_of(connect(AwsTarget("eu-west-1", profile="dev")).botocore_session())
    error = no_credentials(RefreshWithMFAUnsupportedError(), identity)
    assert f"its session has ended, and a new one needs a code of the MFA device {MFA}" in error.message
    assert "run it again" in str(error.hint)


def test_mfa_code_without_a_terminal_takes_nothing_from_standard_input(
    home: Path, services: IdentityServices
) -> None:
    write_config(home, assuming(ROLE, mfa_serial=MFA))
    done = subprocess.run(
        program("ws", "broadcast", "-", "--text", "--yes"),
        input=f"{GOOD_CODE}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no terminal to ask for it" in done.stderr
    assert "Traceback" not in done.stderr
    assert services.count("AssumeRole") == 0


def test_wrong_mfa_code_is_said_once(home: Path, services: IdentityServices) -> None:
    write_config(home, assuming(ROLE, mfa_serial=MFA))
    with Terminal(program("doctor"), os.environ) as terminal:
        wait_for(terminal, "Enter MFA code")
        terminal.type("000000\n")
        wait_for(terminal, "did not accept the MFA code")
    assert services.count("AssumeRole") == 1  # though doctor's checks run side by side
