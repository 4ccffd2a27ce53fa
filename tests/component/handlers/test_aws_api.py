"""The HTTP client of the handlers against a scripted server on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from whatschat_ops.handlers import aws_api
from whatschat_ops.handlers.aws_api import AwsApi, AwsCallFailed, Endpoint, NotConfigured
from whatschat_ops.handlers.limits import MAX_MESSAGE_BYTES
from whatschat_ops.handlers.log import Log
from whatschat_ops.handlers.management_api import ManagementApi, PostOutcome, endpoint_url

LOG = Log("default", "request", "sender")
DROP, HANG = -1, -2
"""Script entries that close the connection without an answer, and that never answer."""


class AwsServer(ThreadingHTTPServer):
    """Answers with the statuses (and JSON bodies) of its script, then with 200; remembers what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, Any]]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.clients: set[tuple[str, int]] = set()
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def will_answer(self, *statuses: int, **body: Any) -> None:
        self.script = [(status, body) for status in statuses]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AwsServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.requests.append((self.path, headers, body))
            self.server.clients.add(self.client_address)
            status, answer = self.server.script.pop(0) if self.server.script else (200, {})
        if status == HANG:
            self.server.released.wait(5)
        if status < 0:
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[AwsServer]:
    server = AwsServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Sleeps(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def api_for(server: AwsServer, sleeps: Sleeps | None = None, **environ: str) -> AwsApi:
    variables = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "session",
        "AWS_ENDPOINT_URL": server.url,
    }
    return AwsApi({**variables, **environ}, sleep=sleeps if sleeps is not None else Sleeps())


def get_item(api: AwsApi) -> dict[str, Any]:
    return api.call("dynamodb", "DynamoDB_20120810.GetItem", {"TableName": "t"})


def close_idle_connections(api: AwsApi) -> None:
    """Leave no socket to the garbage collector, which would warn."""
    for idle in api._idle.values():
        for connection in idle:
            connection.close()


def test_call_is_signed_json(server: AwsServer) -> None:
    server.will_answer(200, Item={"a": {"S": "b"}})
    api = api_for(server)
    assert get_item(api) == {"Item": {"a": {"S": "b"}}}
    path, headers, body = server.requests[0]
    assert (path, json.loads(body)) == ("/", {"TableName": "t"})
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["x-amz-security-token"] == "session"
    assert headers["host"] == server.url.removeprefix("http://")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-central-1/dynamodb/aws4_request" in headers["authorization"]
    close_idle_connections(api)


def test_endpoint_of_one_service_wins(server: AwsServer) -> None:
    api = api_for(server, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ENDPOINT_URL_DYNAMODB=server.url)
    assert get_item(api) == {}
    close_idle_connections(api)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "dynamodb.eu-central-1.amazonaws.com"),
        ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_without_a_variable_the_endpoint_is_the_regions(region: str, host: str) -> None:
    environ = {"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert AwsApi(environ).endpoint("dynamodb") == Endpoint(True, host, "")


def test_connection_is_kept_open(server: AwsServer) -> None:
    api = api_for(server)
    for _ in range(5):
        get_item(api)
    assert len(server.clients) == 1
    close_idle_connections(api)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_throttling_and_server_errors_are_retried_with_growing_random_waits(
    server: AwsServer, status: int
) -> None:
    server.will_answer(status, status)
    sleeps = Sleeps()
    api = api_for(server, sleeps)
    assert get_item(api) == {}
    assert len(server.requests) == 3
    assert 0 <= sleeps[0] <= 0.1
    assert 0 <= sleeps[1] <= 0.2
    close_idle_connections(api)


@pytest.mark.parametrize("code", ["ThrottlingException", "TransactionConflictException"])
def test_error_that_passes_with_status_400_is_retried(server: AwsServer, code: str) -> None:
    server.will_answer(400, __type=f"com.amazonaws.dynamodb.v20120810#{code}")
    api = api_for(server)
    assert get_item(api) == {}
    close_idle_connections(api)


def test_refusal_is_not_retried_and_has_awss_code(server: AwsServer) -> None:
    server.will_answer(400, __type="com.amazonaws.dynamodb.v20120810#ResourceNotFoundException")
    api = api_for(server)
    with pytest.raises(AwsCallFailed) as caught:
        get_item(api)
    assert str(caught.value) == "GetItem: ResourceNotFoundException"
    assert len(server.requests) == 1
    close_idle_connections(api)


def test_three_failures_are_a_failure(server: AwsServer) -> None:
    server.will_answer(500, 500, 500)
    api = api_for(server)
    with pytest.raises(AwsCallFailed, match="GetItem: HTTP 500"):
        get_item(api)
    assert len(server.requests) == 3
    close_idle_connections(api)


def test_dropped_connection_is_retried_on_a_new_one(server: AwsServer) -> None:
    api = api_for(server)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: get_item(api), range(8)))
    server.will_answer(DROP)
    assert get_item(api) == {}
    assert sum(len(idle) for idle in api._idle.values()) == 1, "the other connections were as old"
    close_idle_connections(api)


def test_nobody_listening_is_a_failure() -> None:
    server = AwsServer()
    server.server_close()
    with pytest.raises(AwsCallFailed, match="GetItem: ConnectionRefusedError"):
        get_item(api_for(server))


def test_time_out_is_not_retried(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_api, "TIMEOUT_S", 0.05)
    server.will_answer(HANG)
    with pytest.raises(AwsCallFailed, match="GetItem: TimeoutError"):
        get_item(api_for(server))
    assert len(server.requests) == 1


def test_threads_share_the_client(server: AwsServer) -> None:
    api = api_for(server)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: get_item(api), range(64)))
    assert answers == [{}] * 64
    assert len(server.clients) <= 8
    close_idle_connections(api)


@pytest.mark.parametrize("missing", ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_variable_is_named(missing: str) -> None:
    environ = {"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(NotConfigured, match=missing):
        AwsApi({**environ, missing: ""})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, PostOutcome.DELIVERED),
        (410, PostOutcome.GONE),
        (413, PostOutcome.TOO_LARGE),
        (403, PostOutcome.FAILED),
        (DROP, PostOutcome.FAILED),
    ],
)
def test_post_to_a_connection_has_an_outcome(
    server: AwsServer, status: int, outcome: PostOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    server.will_answer(status, status, status)
    api = api_for(server)
    management = ManagementApi(api, f"{server.url}/_aws/execute-api/abc/production/")
    log = Log("default", "request", "sender")
    assert management.post("R0oXAdfD0kwCH6w=", b"{}", log) is outcome
    log.write(9_000, cold_start=False)
    path, headers, body = server.requests[0]
    assert path == "/_aws/execute-api/abc/production/@connections/R0oXAdfD0kwCH6w%3D"
    assert "/execute-api/aws4_request" in headers["authorization"]
    assert body == b"{}"
    logged = capsys.readouterr().out
    assert ('"outcome": "failed"' in logged) is (outcome is PostOutcome.FAILED)
    close_idle_connections(api)


def test_post_of_a_message_over_the_limit_is_not_sent(server: AwsServer) -> None:
    management = ManagementApi(api_for(server), server.url)
    assert management.post("c", b"x" * (MAX_MESSAGE_BYTES + 1), LOG) is PostOutcome.TOO_LARGE
    assert server.requests == []


@pytest.mark.parametrize(
    ("environ", "domain_name", "url"),
    [
        ({"API_GATEWAY_ENDPOINT": "https://x/prod"}, "ignored.example.com", "https://x/prod"),
        (
            {},
            "abc.execute-api.eu-central-1.amazonaws.com",
            "https://abc.execute-api.eu-central-1.amazonaws.com/production",
        ),
        ({"API_GATEWAY_ENDPOINT": ""}, "chat.example.com", "https://chat.example.com"),
    ],
)
def test_endpoint_is_the_configured_one_else_that_of_the_event(
    environ: dict[str, str], domain_name: str, url: str
) -> None:
    assert endpoint_url(environ, {"domainName": domain_name, "stage": "production"}) == url


@pytest.mark.parametrize("url", ["wss://h/production/", "https://h/production"])
def test_websocket_url_is_an_endpoint_too(url: str) -> None:
    assert Endpoint.parse(url) == Endpoint(True, "h", "/production")


@pytest.mark.parametrize("url", ["", "h/production", "ftp://h", "https://"])
def test_other_text_is_no_endpoint(url: str) -> None:
    with pytest.raises(NotConfigured, match="not the URL of an endpoint"):
        Endpoint.parse(url)
