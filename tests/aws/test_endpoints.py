"""Which endpoint a client talks to: as botocore resolves it, with the settings below the variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatschat_ops.aws import Aws, connect
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.target import aws_target
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.config import load_settings

REGIONAL = "https://dynamodb.eu-west-1.amazonaws.com"
PROFILES = """\
[profile plain]
[profile all]
endpoint_url = http://profile.invalid
[profile some]
services = mine
endpoint_url = http://profile.invalid
[services mine]
dynamodb =
  endpoint_url = http://dynamodb-of-profile.invalid
"""
ALL = {"AWS_ENDPOINT_URL": "http://all.invalid"}
ONE = {"AWS_ENDPOINT_URL_DYNAMODB": "http://one.invalid"}
IGNORE = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
FILE = "http://file.invalid"


@pytest.fixture(autouse=True)
def _user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.chdir(tmp_path)


def aws_of(tmp_path: Path, in_file: str | None) -> Aws:
    path = tmp_path / "settings.yaml"
    endpoint = f"  endpoint_url: {in_file}\n" if in_file else "  region: eu-west-1\n"
    path.write_text(f"environment: staging\naws:\n{endpoint}")
    return connect(aws_target(load_settings(None, path=path), Output()))


@pytest.mark.parametrize(
    ("variables", "profile", "in_file", "expected"),
    [
        ({}, "plain", None, REGIONAL),
        (ALL, "plain", None, "http://all.invalid"),
        (ONE, "plain", None, "http://one.invalid"),
        ({**ALL, **ONE}, "plain", None, "http://one.invalid"),
        ({"AWS_ENDPOINT_URL_LAMBDA": "http://other.invalid"}, "plain", None, REGIONAL),
        ({}, "all", None, "http://profile.invalid"),
        ({}, "some", None, "http://dynamodb-of-profile.invalid"),
        (ALL, "some", None, "http://all.invalid"),
        (ONE, "some", None, "http://one.invalid"),
        ({**ALL, **ONE, **IGNORE}, "some", None, REGIONAL),
        ({}, "some", FILE, FILE),
        (ALL, "plain", FILE, "http://all.invalid"),
        (ONE, "plain", FILE, "http://one.invalid"),
        ({**ALL, **ONE, **IGNORE}, "plain", FILE, FILE),
    ],
)
def test_endpoint_is_the_one_that_botocore_would_choose(
    variables: dict[str, str],
    profile: str,
    in_file: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert aws_of(tmp_path, in_file).client("dynamodb").meta.endpoint_url == expected


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("apigatewayv2", "AWS_ENDPOINT_URL_APIGATEWAYV2"),
        ("stepfunctions", "AWS_ENDPOINT_URL_SFN"),
        ("logs", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"),
        ("chime-sdk-meetings", "AWS_ENDPOINT_URL_CHIME_SDK_MEETINGS"),
        ("lambda", "AWS_ENDPOINT_URL_LAMBDA"),
        ("sts", "AWS_ENDPOINT_URL_STS"),
    ],
)
def test_variable_of_a_service_wins_over_the_file(
    service: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://one.invalid")
    assert aws_of(tmp_path, FILE).client(service).meta.endpoint_url == "http://one.invalid"


def test_ignored_endpoint_leaves_the_environment_local_to_the_embedded_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.invalid")
    assert not load_settings(None).settings.local.enabled
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert load_settings(None).settings.local.enabled


def test_keys_of_the_environment_win_over_an_exported_profile_but_not_over_a_given_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the AWS CLI does it (AWS CLI user guide, "Configuration and credential precedence")."""
    (tmp_path / "config").write_text(
        "[profile p]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.invalid")
    monkeypatch.setenv("AWS_PROFILE", "p")

    def key(profile: str | None) -> str:
        run = Run(CommonOptions(profile=profile))
        return str(run.aws.botocore_session().get_credentials().access_key)

    assert (key(None), key("p")) == ("AKIA", "AKIAPROFILE")
