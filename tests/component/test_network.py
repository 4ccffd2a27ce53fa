"""Every client of ours, one table: proxies, this machine, and the authorities that are trusted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError

from tests.component.sender.recording_proxy import proxy
from tests.component.sender.sender_endpoint import (
    Authority,
    Feed,
    endpoint,
    make_authority,
    reply,
    send,
)
from tests.component.sender.test_route import PROXY_VARIABLES
from tests.unit.load.load_reports import PLAN
from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.choices import TokenVia
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.errors import AwsError, ConfigError, Unavailable
from whatschat_ops.handlers.aws_api import AwsApi, AwsCallFailed
from whatschat_ops.load.sockets import opener
from whatschat_ops.network import CA_VARIABLES, ca_bundle, is_loopback, proxy_for
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.client import open_socket
from whatschat_ops.sockets.handshake import Handshake, probe_handshake

KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
TABLES = reply(200, b'{"TableNames":[]}')
ANSWER = lambda request: TABLES if "x-amz-target" in request.headers else reply(200)  # noqa: E731


def through_botocore(url: str) -> None:
    target = AwsTarget("eu-west-1", None, url, "A", Secret("s"))
    connect(target).client("dynamodb").list_tables()


def through_sts_of_a_role(url: str) -> None:
    """A client that botocore makes for itself."""
    session = connect(AwsTarget("eu-west-1")).botocore_session()
    session.create_client(
        "dynamodb", "eu-west-1", endpoint_url=url, aws_access_key_id="A", aws_secret_access_key="s"
    ).list_tables()


def through_a_socket(url: str) -> None:
    with pytest.raises(AwsError) as caught:
        asyncio.run(open_socket(Handshake(url.replace("http", "ws", 1), {}, ())))
    assert caught.value.aws_code == "200", caught.value.message


def through_sockets_of_a_load_test(url: str) -> None:
    with pytest.raises(AwsError) as caught:
        plan = replace(PLAN, url=url.replace("http", "ws", 1))
        asyncio.run(opener(plan, lambda _: Secret("t"), str, TokenVia.HEADER)(1))  # type: ignore[arg-type]
    assert caught.value.aws_code == "200", caught.value.message


def through_the_probe(url: str) -> None:
    found = probe_handshake(Handshake(url.replace("http", "ws", 1), {}, ()))
    assert found.status == 200, found.error


def through_the_sender(url: str) -> None:
    send(f"{url}/production", Feed(1))


def through_a_function(url: str) -> None:
    api = AwsApi({**os.environ, **KEYS, "AWS_ENDPOINT_URL": url})
    try:
        api.call("dynamodb", "DynamoDB_20120810.ListTables", {})
    finally:
        for connection in chain(*api._idle.values()):
            connection.close()


CLIENTS = [
    through_botocore,
    through_sts_of_a_role,
    through_a_socket,
    through_sockets_of_a_load_test,
    through_the_probe,
    through_the_sender,
    through_a_function,
]
FAILURES = (AwsError, AwsCallFailed, AssertionError, BotoCoreError, ssl.SSLError)
Client = Callable[[str], None]
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls"), "api.invalid")


FILES = tuple(name for name in CA_VARIABLES if name != "SSL_CERT_DIR")


@each_client
@pytest.mark.parametrize("variable", FILES)
def test_proxy_is_used_and_the_authority_of_the_variable_is_trusted(
    client: Client, variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(ANSWER, tls=authority.server) as server, proxy() as (port, heads):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{port}")
        monkeypatch.setenv(variable, str(authority.certificate))
        client(f"https://api.invalid:{server.port}")
    assert [head.split(" HTTP")[0] for head in heads] == [f"CONNECT api.invalid:{server.port}"]
    assert "Basic bWU6cEBzcw==" in heads[0]
    assert server.requests[0].headers["host"] == f"api.invalid:{server.port}"


@each_client
def test_authorities_of_the_folder_of_openssl_are_trusted(
    client: Client, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder as `c_rehash` makes it: OpenSSL, which a function uses, finds a certificate by the hash of its subject."""
    name = "x"
    if openssl := shutil.which("openssl"):
        command = [openssl, "x509", "-noout", "-hash", "-in", str(authority.certificate)]
        name = f"{subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}.0"
    elif client is through_a_function:
        pytest.skip("only openssl knows the name of the file")
    (tmp_path / name).write_bytes(authority.certificate.read_bytes())
    (tmp_path / "README").write_text("no certificate")
    with endpoint(ANSWER, tls=authority.server) as server, proxy() as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}{os.pathsep}{tmp_path}")
        client(f"https://api.invalid:{server.port}")
    assert len(server.requests) == 1


@each_client
def test_authorities_of_the_profile_are_trusted(
    client: Client, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if client is through_a_function:
        pytest.skip("a function has no profile")
    (tmp_path / "config").write_text(
        f"[profile own]\nregion = eu-west-1\nca_bundle = {authority.certificate}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    assert Run(CommonOptions("staging", _staging(tmp_path), "own")).loaded
    with endpoint(ANSWER, tls=authority.server) as server, proxy() as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        client(f"https://api.invalid:{server.port}")
    assert len(server.requests) == 1


def test_variable_wins_over_the_authorities_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile own]\nca_bundle = /of/the/profile.pem\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for given, used in (("/of/the/variable.pem",) * 2, ("", "/of/the/profile.pem")):
        monkeypatch.setenv("AWS_CA_BUNDLE", given)
        assert Run(CommonOptions("staging", _staging(tmp_path), "own")).loaded
        assert os.environ["AWS_CA_BUNDLE"] == used


def _staging(directory: Path) -> Path:
    (directory / "staging.yaml").write_text("environment: staging\n")
    return directory / "staging.yaml"


METADATA = {
    "/latest/api/token": b"a-token",
    "/latest/meta-data/iam/security-credentials/": b"backend",
    "/latest/meta-data/iam/security-credentials/backend": json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": "AKIAINSTANCE",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    ).encode(),
}


def test_metadata_of_the_instance_is_asked_for_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        endpoint(lambda request: reply(200, METADATA[request.line.split(" ")[1]])) as server,
        proxy() as (
            port,
            heads,
        ),
    ):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.port}/")
        found = connect(AwsTarget("eu-west-1")).botocore_session().get_credentials()
        assert found.get_frozen_credentials().access_key == "AKIAINSTANCE"
    assert heads == []


@each_client
def test_authority_that_is_not_named_is_not_trusted(
    client: Client, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(ANSWER, tls=authority.server) as server, proxy() as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(FAILURES):
            client(f"https://api.invalid:{server.port}")
    assert not server.requests


@each_client
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_request_to_this_machine_goes_to_no_proxy(
    client: Client, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(ANSWER) as server, proxy() as (port, heads):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        client(f"http://{host}:{server.port}")
    assert heads == []
    assert len(server.requests) == 1


@each_client
def test_host_in_no_proxy_is_not_asked_of_the_proxy(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as (port, heads):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "other.example,.invalid")
        with pytest.raises(FAILURES):  # there is no such host
            client("https://api.invalid:1")
    assert heads == []


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        ("407 Proxy Authentication Required", "asks for a login (HTTP 407)", "USER:PASSWORD"),
        ("403 Forbidden", "refused the connection: HTTP 403", "NO_PROXY"),
    ],
)
def test_proxy_that_refuses_a_socket_is_named_as_the_proxy(
    status: str, says: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with proxy(answer) as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{port}")
        with pytest.raises(Unavailable, match=re.escape(says)) as caught:
            asyncio.run(open_socket(Handshake("wss://api.invalid/production", {}, ())))
    assert hint in str(caught.value.hint)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://127.9.9.9", True),
        ("ws://[::1]:80/x", True),
        ("https://localhost", True),
        ("https://LOCALHOST.:1/", True),
        ("http://api.localhost:4566", True),
        ("http://[::ffff:127.0.0.1]:4566", True),
        ("http://127.1:4566", True),
        ("http://2130706433", True),
        ("http://[::ffff:10.0.0.1]", False),
        ("http://10.1", False),
        ("http://", False),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("http://169.254.169.254", False),
    ],
)
def test_this_machine_is_known_by_its_names(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_first_variable_that_is_set_names_the_authorities(tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in FILES}
    for file in files.values():
        Path(file).write_text("", encoding="utf-8")
    assert ca_bundle(files) == files["AWS_CA_BUNDLE"]
    assert ca_bundle({**files, "AWS_CA_BUNDLE": " "}) == files["REQUESTS_CA_BUNDLE"]
    assert ca_bundle({}) is None


@each_client
@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_authorities_that_cannot_be_read_are_named_with_the_variable(
    client: Client, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if client is through_a_function:
        pytest.skip("a function has logs, not hints")
    monkeypatch.setenv(variable, "/absent/ca.pem")
    with pytest.raises(ConfigError, match=r"/absent/ca\.pem cannot be read: No such file") as caught:
        client("https://api.invalid:1")
    assert variable in str(caught.value.hint)


def test_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert proxy_for("wss://api.example/x") == "http://proxy.example:3128"
    assert proxy_for("http://api.example/x") is None
