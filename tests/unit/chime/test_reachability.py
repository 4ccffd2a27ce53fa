"""Probes of media servers, against real sockets of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from whatschat_ops.chime.reachability import (
    TCP_CHECK,
    UDP_CHECK,
    MediaEndpoint,
    Outcome,
    media_endpoints,
    probe,
    probe_all,
)
from whatschat_ops.local.chime.rules import media_placement

HERE = "127.0.0.1"


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 0))
        server.settimeout(60)
        yield server


def endpoint(check: str, server: socket.socket) -> MediaEndpoint:
    return MediaEndpoint(check, "AudioHostUrl", HERE, server.getsockname()[1])


def test_endpoints_of_a_meeting_have_the_checkers_names_and_ports() -> None:
    found = media_endpoints(media_placement("11111111-2222-3333-4444-555555555555", "eu-central-1"))
    assert [(item.field, item.check, item.protocol, item.port) for item in found] == [
        ("AudioHostUrl", UDP_CHECK, "udp", 3478),
        ("SignalingUrl", TCP_CHECK, "tcp", 443),
        ("AudioFallbackUrl", TCP_CHECK, "tcp", 443),
        ("TurnControlUrl", TCP_CHECK, "tcp", 443),
        ("EventIngestionUrl", TCP_CHECK, "tcp", 443),
    ]
    assert all(item.host.endswith(".chime.aws") for item in found)


def test_placement_without_urls_has_no_endpoints() -> None:
    assert media_endpoints({"AudioHostUrl": "", "SignalingUrl": "nonsense"}) == []
    assert probe_all([]) == []


def test_udp_server_that_answers_is_reachable(udp: socket.socket) -> None:
    received: list[bytes] = []

    def answer() -> None:
        data, sender = udp.recvfrom(2048)
        received.append(data)
        udp.sendto(b"\x01\x01" + data[2:], sender)

    server = threading.Thread(target=answer)
    server.start()
    [reach] = probe_all([endpoint(UDP_CHECK, udp)], within_s=60)
    server.join()
    assert (reach.outcome, reach.address) == (Outcome.REACHABLE, HERE)
    [request] = received
    assert request[:8] == bytes.fromhex("000100002112a442"), "a STUN binding request (RFC 8489)"
    assert len(request) == 20


def test_udp_server_that_is_silent_gives_no_answer(udp: socket.socket) -> None:
    reach = probe(endpoint(UDP_CHECK, udp), within_s=0.3)
    assert reach.outcome is Outcome.NO_ANSWER
    assert reach.detail == "no answer within 0.3 s"


def test_closed_udp_port_is_refused(udp: socket.socket) -> None:
    udp.connect(
        (HERE, 9)
    )  # from then on the kernel takes datagrams of that peer only, and refuses all others
    reach = probe(endpoint(UDP_CHECK, udp), within_s=60)
    assert (reach.outcome, reach.detail) == (Outcome.REFUSED, "Connection refused")


def test_tcp_server_is_reachable_and_closed_port_is_refused() -> None:
    with socket.create_server((HERE, 0)) as listening, socket.socket() as bound:
        bound.bind((HERE, 0))  # not listening
        found = probe_all([endpoint(TCP_CHECK, listening), endpoint(TCP_CHECK, bound)], within_s=60)
    assert [reach.outcome for reach in found] == [Outcome.REACHABLE, Outcome.REFUSED]


def test_name_without_address_is_unresolved() -> None:
    reach = probe(MediaEndpoint(TCP_CHECK, "SignalingUrl", "a..b", 443))
    assert reach.outcome is Outcome.UNRESOLVED
    assert "does not resolve" in reach.detail
