"""An endpoint that is not AWS, in front of every command: it is named as that, and nothing is taken for absent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from tests.aws.identity_services import serving
from tests.aws.test_identities import COMMANDS
from whatschat_ops.cli.command_line import run_command_line

PAGE = "<!doctype html><html><head><title>Welcome</title></head></html>"
SKEWED = {
    "__type": "InvalidSignatureException",
    "message": "Signature expired: 20261128T120000Z is now earlier than 20261128T120830Z (20261128T121330Z - 5 min.)",
}


@dataclass(frozen=True)
class Rubbish:
    """What the endpoint answers to everything, and what the error says."""

    name: str
    says: str
    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = "unavailable"


EMPTY_OBJECT = Rubbish("{}", "it sent an empty JSON object (HTTP 200)", "{}")
WEB_PAGE = Rubbish("page", "it sent an HTML page (Welcome) (HTTP 200)", PAGE)
OTHERS = [
    Rubbish("null", "it sent the JSON value null (HTTP 200)", "null"),
    Rubbish("nothing", "it sent an empty answer (HTTP 200)"),
    Rubbish("half", "it sent JSON that ends early (HTTP 200)", '{"items": ['),
    Rubbish("xml", "it sent XML of another kind (HTTP 200)", "<?xml version='1.0'?><feed/>"),
    Rubbish("page not found", "it sent an HTML page (Welcome) (HTTP 404)", PAGE, 404),
    Rubbish("page forbidden", "it sent an HTML page (Welcome) (HTTP 403)", PAGE, 403),
    Rubbish("redirect", "it sent a redirection to http://other.invalid/login", "", 302, {"Location": "http://other.invalid/login?k=1"}),
    Rubbish("proxy login", "the proxy asks for a login (HTTP 407)", PAGE, 407),
    Rubbish("bad gateway", "it sent an HTML page (Welcome) (HTTP 502)", PAGE, 502),
    Rubbish("clock", "this machine's clock is", json.dumps(SKEWED), 403, code="credentials"),
]  # fmt: skip


@contextmanager
def answering(rubbish: Rubbish) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(rubbish.status)
            for name, value in rubbish.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(rubbish.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(rubbish.body.encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            """No access log."""

    with serving(Handler) as url:
        yield url


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr("time.sleep", lambda _: None)  # what botocore waits between attempts


def check(
    command: list[str], rubbish: Rubbish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(rubbish) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert run_command_line(["--json", *command]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    said = "text that is no JSON" if "invoke" in command else rubbish.says  # a stream, read by no one
    assert said in error["message"]
    assert error["code"] == rubbish.code
    assert error["hint"]


@pytest.mark.parametrize("rubbish", [EMPTY_OBJECT, WEB_PAGE], ids=lambda found: found.name)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_names_an_endpoint_that_is_not_aws(
    command: list[str], rubbish: Rubbish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(command, rubbish, capsys, monkeypatch)


@pytest.mark.parametrize("command", [["ws", "connections", "list"], ["lambda", "list"]], ids=" ".join)
@pytest.mark.parametrize("rubbish", OTHERS, ids=lambda found: found.name)
def test_answer_of_something_else_is_named(
    command: list[str], rubbish: Rubbish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(command, rubbish, capsys, monkeypatch)


def test_error_of_a_type_that_botocore_does_not_expect_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Rubbish("null refused", "does not answer as AWS does", "null", 400)
    check(["lambda", "list"], refusal, capsys, monkeypatch)
