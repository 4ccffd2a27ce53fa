"""The application's .env files: which variables, how they are quoted, and what happens to a file that exists."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.environment.dotenv import merge, quote, render
from whatschat_ops.environment.render import read_environment, to_text, write_environment
from whatschat_ops.environment.variables import Side, Variable
from whatschat_ops.errors import NotProvisioned, UsageError
from whatschat_ops.redaction import Secret

JWT = "a-jwt-secret-of-the-stack"
KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass
class FakeAws:
    """The parts of `Aws` that are asked here: one WebSocket API and one SSM parameter."""

    settings: Settings
    target: AwsTarget
    provisioned: bool = True
    region: str = "us-east-1"
    account_id: str = "123456789012"
    asked: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        self.asked.append(service)
        return self

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_apis"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        names = Names(self.settings)
        endpoint = (
            "ws://127.0.0.1:4566/_aws/execute-api/abc123"
            if self.target.endpoint_url
            else "wss://abc123.execute-api.us-east-1.amazonaws.com"
        )
        api = {"Name": names.api, "ApiId": "abc123", "ApiEndpoint": endpoint, "Tags": names.tags}
        return [{"Items": [api] if self.provisioned else []}]

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:
        assert WithDecryption
        assert Name == Names(self.settings).jwt_secret_parameter
        return {"Parameter": {"Value": JWT, "LastModifiedDate": datetime(2026, 11, 1, tzinfo=UTC)}}


def aws_of(settings: Settings, **options: Any) -> Aws:
    """An AWS account with the stack of `settings`."""
    return cast(Aws, FakeAws(settings, AwsTarget("us-east-1"), **options))


def embedded(settings: Settings) -> Aws:
    """The embedded AWS with the stack of `settings`."""
    target = AwsTarget(
        "us-east-1",
        endpoint_url="http://127.0.0.1:4566",
        access_key_id="AKIDLOCAL",
        secret_access_key=Secret(KEY),
    )
    return cast(Aws, FakeAws(settings, target))


def values_of(text: str) -> dict[str, str | None]:
    """What python-dotenv reads."""
    return dict(dotenv_values(stream=io.StringIO(text), interpolate=False))


def test_backend_has_the_guides_variables_and_no_secret() -> None:
    settings = Settings()
    text = to_text(read_environment(Side.BACKEND, settings, aws_of(settings)))
    assert values_of(text) == {
        "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "true",
        "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": "https://abc123.execute-api.us-east-1.amazonaws.com/production",
        "CONNECTIONS_TABLE": "websocket-connections",
        "AWS_CHIME_ENABLED": "true",
        "AWS_CHIME_REGION": "us-east-1",
        "AWS_CHIME_MEDIA_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "JWT_SECRET"):
        assert f"# {name}=\n" in text
    assert JWT not in text
    assert "AWS_ENDPOINT" not in text


def test_secrets_are_read_only_on_request() -> None:
    settings = Settings()
    fake = FakeAws(settings, AwsTarget("us-east-1"))
    read_environment(Side.BACKEND, settings, cast(Aws, fake))
    assert "ssm" not in fake.asked


def test_requested_secrets_are_shown_without_the_keys_of_an_account() -> None:
    settings = Settings()
    text = to_text(read_environment(Side.BACKEND, settings, aws_of(settings), with_secrets=True))
    assert values_of(text)["JWT_SECRET"] == JWT
    assert "# AWS_SECRET_ACCESS_KEY=\n" in text


def test_the_embedded_aws_gives_an_endpoint_that_works_there() -> None:
    settings = Settings()
    values = values_of(
        to_text(read_environment(Side.BACKEND, settings, embedded(settings), with_secrets=True))
    )
    assert (
        values["AWS_API_GATEWAY_WEBSOCKET_ENDPOINT"]
        == "http://127.0.0.1:4566/_aws/execute-api/abc123/production"
    )
    assert values["AWS_ENDPOINT_URL"] == values["AWS_ENDPOINT"] == "http://127.0.0.1:4566"
    assert "AWS_SESSION_TOKEN" not in values
    assert (values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"]) == ("AKIDLOCAL", KEY)


def test_the_embedded_keys_are_placeholders_without_secrets() -> None:
    settings = Settings()
    text = to_text(read_environment(Side.BACKEND, settings, embedded(settings)))
    assert KEY not in text
    assert "# AWS_ACCESS_KEY_ID=\n" in text


def test_disabled_services_are_false() -> None:
    settings = Settings.of({"chime": {"enabled": False}, "websocket": {"enabled": False}})
    values = values_of(to_text(read_environment(Side.BACKEND, settings, aws_of(settings))))
    assert values["AWS_CHIME_ENABLED"] == values["AWS_API_GATEWAY_WEBSOCKET_ENABLED"] == "false"


def test_frontend_has_the_guides_variables() -> None:
    settings = Settings()
    text = to_text(read_environment(Side.FRONTEND, settings, aws_of(settings)))
    assert values_of(text) == {
        "NEXT_PUBLIC_WEBSOCKET_MODE": "apigateway",
        "NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT": "wss://abc123.execute-api.us-east-1.amazonaws.com/production",
        "NEXT_PUBLIC_WEBRTC_MODE": "chime",
    }
    assert "# NEXT_PUBLIC_SOCKET_IO_URL=\n" in text
    assert "# NEXT_PUBLIC_API_URL=\n" in text


def test_frontend_has_the_urls_of_the_settings() -> None:
    urls = {"socket_io_url": "wss://chat.example", "api_url": "https://api.example/v1"}
    settings = Settings.of({"frontend": urls})
    values = values_of(to_text(read_environment(Side.FRONTEND, settings, aws_of(settings))))
    assert values["NEXT_PUBLIC_SOCKET_IO_URL"] == "wss://chat.example"
    assert values["NEXT_PUBLIC_API_URL"] == "https://api.example/v1"


def test_the_embedded_aws_gives_browsers_a_ws_url() -> None:
    settings = Settings()
    values = values_of(to_text(read_environment(Side.FRONTEND, settings, embedded(settings))))
    assert values["NEXT_PUBLIC_API_GATEWAY_WEBSOCKET_ENDPOINT"] == (
        "ws://127.0.0.1:4566/_aws/execute-api/abc123/production"
    )


def test_the_embedded_key_replaces_a_session_token() -> None:
    settings = Settings()
    file = read_environment(Side.BACKEND, settings, embedded(settings), with_secrets=True)
    merged = merge("AWS_ACCESS_KEY_ID=ASIAX\nAWS_SESSION_TOKEN=abc\n", file.variables)
    assert values_of(merged.text)["AWS_ACCESS_KEY_ID"] == "AKIDLOCAL"
    assert "AWS_SESSION_TOKEN" not in values_of(merged.text)


def test_a_stack_that_is_not_provisioned_is_not_found() -> None:
    settings = Settings()
    with pytest.raises(NotProvisioned, match="is not provisioned"):
        read_environment(Side.FRONTEND, settings, aws_of(settings, provisioned=False))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", ""),
        ("https://a.b/c?d=e", "'https://a.b/c?d=e'"),
        ("us-east-1", "us-east-1"),
        ("a b", "'a b'"),
        ("DOMAIN\\user", "DOMAIN\\user"),
        ("a#b", "'a#b'"),
        ("$HOME", "'$HOME'"),
        ("it's", '"it\'s"'),
    ],
)
def test_values_are_quoted_only_where_needed(value: str, written: str) -> None:
    assert quote(value) == written


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a \\ b", "both ' and \"", "it's $5"])
def test_a_value_that_parsers_read_differently_is_rejected(value: str) -> None:
    with pytest.raises(UsageError):
        quote(value)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_written_values_are_read_back_unchanged(value: str) -> None:
    try:
        text = render([Variable("NAME", value)])
    except UsageError:
        assert set(value) & set("'\\")
    else:
        assert values_of(text)["NAME"] == value


def test_merge_sets_the_variables_and_keeps_other_lines() -> None:
    existing = (
        "# my file\n"
        "DATABASE_URL=postgres://x\n"
        "export AWS_REGION = eu-west-1   # where\n"
        "CONNECTIONS_TABLE='old'\n"
        "AWS_SECRET_ACCESS_KEY=mine\n"
    )
    merged = merge(
        existing,
        [
            Variable("AWS_REGION", "us-east-1"),
            Variable("CONNECTIONS_TABLE", "new"),
            Variable("AWS_SECRET_ACCESS_KEY", None),
            Variable("AWS_CHIME_ENABLED", "true", "a comment", section="Chime"),
        ],
    )
    assert merged.text == (
        "# my file\n"
        "DATABASE_URL=postgres://x\n"
        "export AWS_REGION = us-east-1   # where\n"
        "CONNECTIONS_TABLE=new\n"
        "AWS_SECRET_ACCESS_KEY=mine\n"
        "\n"
        "# Chime\n"
        "# a comment\n"
        "AWS_CHIME_ENABLED=true\n"
    )
    assert merged.added == ("AWS_CHIME_ENABLED",)
    assert merged.changed == ("AWS_REGION", "CONNECTIONS_TABLE")
    assert merged.left_alone == ("DATABASE_URL", "AWS_SECRET_ACCESS_KEY")


def test_merging_twice_changes_nothing() -> None:
    variables = [Variable("A", "1", section="One"), Variable("B", None), Variable("C", None, absent=True)]
    once = merge("X=1", variables)
    twice = merge(once.text, variables)
    assert once.text == "X=1\n\n# One\nA=1\n# B=\n"
    assert twice.text == once.text
    assert (twice.added, twice.changed, twice.unchanged) == ((), (), ("A", "B"))


def test_a_placeholder_is_filled_in_where_it_stands() -> None:
    merged = merge("# JWT_SECRET=\nX=1\n", [Variable("JWT_SECRET", Secret("s"))])
    assert (merged.text, merged.changed) == ("JWT_SECRET=s\nX=1\n", ("JWT_SECRET",))


def test_a_commented_value_is_not_a_placeholder() -> None:
    assert merge("# A=old\n", [Variable("A", "new")]).text == "# A=old\n\nA=new\n"


def test_text_inside_a_multi_line_value_is_unchanged() -> None:
    existing = 'KEY="-----BEGIN\nA=inside\n-----END" # end\nA=1\n'
    merged = merge(existing, [Variable("A", "2")])
    assert merged.text == 'KEY="-----BEGIN\nA=inside\n-----END" # end\nA=2\n'


def test_every_assignment_of_a_variable_is_set() -> None:
    assert merge("A=1\nA=2\n", [Variable("A", "3")]).text == "A=3\nA=3\n"


def test_an_empty_value_is_filled_on_its_own_line() -> None:
    assert merge("A=\nB=1\n", [Variable("A", "x")]).text == "A=x\nB=1\n"


def test_an_absent_variable_is_commented_out() -> None:
    merged = merge("AWS_ENDPOINT_URL=http://x\n", [Variable("AWS_ENDPOINT_URL", None, absent=True)])
    assert (merged.text, merged.changed) == ("# AWS_ENDPOINT_URL=http://x\n", ("AWS_ENDPOINT_URL",))


def test_windows_line_ends_are_kept() -> None:
    merged = merge("X=1\r\nA=1\r\n", [Variable("A", "2"), Variable("B", "3")])
    assert merged.text == "X=1\r\nA=2\r\n\r\nB=3\r\n"


@given(st.text(alphabet="AB='\"#\n\r \\x$", max_size=40))
def test_merge_keeps_other_text(existing: str) -> None:
    assert merge(existing, [Variable("NOT_THERE", None, absent=True)]).text == existing
    merged = merge(existing, [Variable("NOT_THERE", "v")])
    assert merged.text.startswith(existing)
    assert merge(merged.text, [Variable("NOT_THERE", "v")]).text.count("NOT_THERE") == merged.text.count(
        "NOT_THERE"
    )


def test_a_new_file_is_for_its_owner_only_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    settings = Settings()
    file = read_environment(Side.BACKEND, settings, aws_of(settings))
    path = tmp_path / ".env"
    written = write_environment(file, path)
    assert path.read_text() == to_text(file)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "AWS_REGION" in written.added
    path.chmod(0o644)
    path.write_text("X=1\n")
    write_environment(file, path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text().startswith("X=1\n")
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_replace_overwrites_the_file_and_follows_links(tmp_path: Path) -> None:
    settings = Settings()
    file = read_environment(Side.FRONTEND, settings, aws_of(settings))
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("X=1\n")
    link.symlink_to(real)
    write_environment(file, link, overwrite=True)
    assert real.read_text() == to_text(file)
    assert link.is_symlink()


def test_a_path_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    settings = Settings()
    file = read_environment(Side.FRONTEND, settings, aws_of(settings))
    with pytest.raises(UsageError, match="No such file or directory"):
        write_environment(file, tmp_path / "absent" / ".env")
    with pytest.raises(UsageError, match="Is a directory"):
        write_environment(file, tmp_path)
    (tmp_path / "latin").write_bytes(b"X=caf\xe9\n")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        write_environment(file, tmp_path / "latin")
