"""TLS, proxies and addresses on the way to the endpoint."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.component.sender.recording_proxy import proxy
from tests.component.sender.sender_endpoint import (
    KEYS,
    MESSAGE,
    OK,
    POLICY,
    Authority,
    Feed,
    endpoint,
    listening,
    make_authority,
    read_request,
    reply,
    send,
)
from whatschat_ops.errors import ConfigError, NotFound, Unavailable
from whatschat_ops.sender.model import Outcome
from whatschat_ops.sender.route import ADDRESSES_GOOD_FOR_S, Address, Addresses, resolve, route_to
from whatschat_ops.sender.sender import Sender

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls"))


def test_tls_is_verified_and_sessions_are_resumed(authority: Authority) -> None:
    feed = Feed(40)
    with endpoint(lambda _: reply(200, close=True), tls=authority.server) as server:
        send(f"https://localhost:{server.port}/prod", feed, ca_bundle=str(authority.certificate))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert server.requests[0].headers["host"] == f"localhost:{server.port}"
    assert authority.server.session_stats()["hits"] > 20


def test_tls_carries_large_messages_and_answers_in_pieces(authority: Authority) -> None:
    message = bytes(range(256)) * 512
    feed = Feed(12)
    with endpoint(lambda _: reply(200, b"x" * 60_000), tls=authority.server) as server:
        send(
            f"https://localhost:{server.port}/p", feed, message=message, ca_bundle=str(authority.certificate)
        )
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert {request.body for request in server.requests} == {message}
    assert server.sockets <= POLICY.tcp_connections


def test_ca_bundle_of_the_environment_is_used(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    feed = Feed(1)
    with endpoint(tls=authority.server) as server:
        send(f"https://127.0.0.1:{server.port}/prod", feed)
    assert feed.only().outcome is Outcome.DELIVERED


def test_unknown_ca_is_refused_with_the_way_out(authority: Authority) -> None:
    with (
        endpoint(tls=authority.server) as server,
        pytest.raises(Unavailable, match="cannot be verified") as caught,
    ):
        send(f"https://localhost:{server.port}/prod", Feed(1))
    assert "AWS_CA_BUNDLE" in str(caught.value.hint)
    assert server.requests == []


def test_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    other = make_authority(tmp_path, "other.example")
    with endpoint(tls=other.server) as server, pytest.raises(Unavailable, match="cannot be verified"):
        send(f"https://localhost:{server.port}/prod", Feed(1), ca_bundle=str(other.certificate))
    assert server.requests == []


def test_endpoint_without_tls_is_told() -> None:
    def serve(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as port, pytest.raises(Unavailable, match="cannot be reached"):
        send(f"https://localhost:{port}/prod", Feed(1))


def test_ca_bundle_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for bundle in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        with pytest.raises(ConfigError, match="CA bundle"):
            Sender("https://h/p", "eu-west-1", MESSAGE, POLICY, lambda: KEYS, ca_bundle=str(bundle))


def test_proxy_tunnels_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, feed = make_authority(tmp_path, "api.invalid"), Feed(10)
    with endpoint(tls=authority.server) as server, proxy() as (port, heads):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{port}")
        send(f"https://api.invalid:{server.port}/prod", feed, ca_bundle=str(authority.certificate))
    assert set(feed.outcomes().values()) == {Outcome.DELIVERED}
    assert {head.split("\n")[0] for head in heads} == {f"CONNECT api.invalid:{server.port} HTTP/1.1"}
    assert all(
        f"proxy-authorization: Basic {base64.b64encode(b'user:p@ss').decode()}" in head for head in heads
    )
    assert all("proxy-authorization" not in request.headers for request in server.requests)


def test_web_page_is_no_delivery() -> None:
    page = reply(200, b"<!doctype html><title>Log in</title>")
    with endpoint(lambda _: page) as server, pytest.raises(NotFound, match="HTTP 200: a web page") as caught:
        send(server.url, Feed(1))
    assert "not the callback URL of a WebSocket API" in str(caught.value)
    feed = Feed(["a=", "b="])
    with endpoint(lambda request: page if request.connection_id == "b=" else OK) as server:
        send(server.url, feed, policy=replace(POLICY, tcp_connections=1))
    assert feed.outcomes() == {1: Outcome.DELIVERED, 2: Outcome.FAILED}


def test_proxy_without_tls_is_told_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(["a="])
    with proxy() as (port, heads):
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{port}")
        send("http://api.invalid:8080/prod", feed)
    assert feed.only().outcome is Outcome.DELIVERED
    assert heads[0].startswith(
        "POST http://api.invalid:8080/prod/@connections/a%3D HTTP/1.1\nhost: api.invalid:8080\n"
    )


def test_proxy_that_refuses_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (port, _):
        monkeypatch.setenv("https_proxy", f"http://user:hunter2@127.0.0.1:{port}")
        with pytest.raises(
            Unavailable, match=r"proxy 127\.0\.0\.1:.* refused the tunnel: HTTP/1.1 407"
        ) as caught:
            send("https://api.invalid/prod", Feed(1))
    assert "hunter2" not in str(caught.value)


def test_host_in_no_proxy_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    feed = Feed(1)
    with endpoint() as server:
        send(server.url, feed)
    assert feed.only().outcome is Outcome.DELIVERED


@pytest.mark.parametrize("url", ["socks5://h:1", "https://h:1", "http://"])
def test_proxy_of_another_kind_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(ConfigError, match="only http:// proxies"):
        route_to("https://h/p")


def test_address_that_does_not_answer_is_followed_by_the_next() -> None:
    addresses = Addresses("h", 1, lambda: 0.0, lambda *_: [Address(1, ("a",)), Address(1, ("b",))])
    assert [addresses.next().sockaddr[0] for _ in range(3)] == ["a", "b", "a"]
    addresses.failed(Address(1, ("a",)))
    assert {addresses.next().sockaddr[0] for _ in range(3)} == {"b"}
    addresses.failed(Address(1, ("b",)))
    assert {addresses.next().sockaddr[0] for _ in range(3)} == {"a", "b"}


def test_addresses_are_looked_up_again_in_the_background() -> None:
    now_s, looked_up = 0.0, threading.Event()
    answers: list[Callable[[], str]] = [lambda: "old", lambda: "new"]

    def look_up(host: str, port: int) -> list[Address]:
        name = answers.pop(0)()
        if name == "new":
            looked_up.set()
        return [Address(1, (name,))]

    addresses = Addresses("h", 1, lambda: now_s, look_up)
    assert addresses.next().sockaddr == ("old",)
    now_s = ADDRESSES_GOOD_FOR_S + 1
    addresses.next()
    assert looked_up.wait(60)
    for _ in range(500):
        if addresses.next().sockaddr == ("new",):
            return
        threading.Event().wait(0.01)
    pytest.fail("the new address was never given")


def test_families_take_turns() -> None:
    found = resolve("localhost", 80)
    assert len(set(found)) == len(found)
    assert all(address.family in (socket.AF_INET, socket.AF_INET6) for address in found)
    if len({address.family for address in found}) == 2:
        assert found[0].family != found[1].family


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_address_is_reached() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    feed = Feed(1)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            read_request(connection)
            connection.sendall(OK.pieces[0])

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        send(f"http://[::1]:{listener.getsockname()[1]}/prod", feed)
        thread.join(5)
    assert feed.only().outcome is Outcome.DELIVERED


def test_certificates_are_verified_by_default() -> None:
    from whatschat_ops.network import tls_context

    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("url", "host_header"),
    [
        ("https://example.com/p", "example.com"),
        ("https://example.com:443/p", "example.com"),
        ("https://example.com:80/p", "example.com:80"),
        ("http://example.com:80/p", "example.com"),
        ("http://example.com:443/p", "example.com:443"),
        ("https://[::1]:8443/p", "[::1]:8443"),
    ],
)
def test_host_header_leaves_out_the_default_port_of_its_scheme(url: str, host_header: str) -> None:
    assert route_to(url).host_header == host_header
