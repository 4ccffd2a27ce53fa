"""Which tokens the doctor sends: none, one that is signed with another secret, and one that has expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.doctor.recorded import facts
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import sockets
from whatschat_ops.doctor.check import Status
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.handshake import Handshake, HandshakeAnswer
from whatschat_ops.sockets.tokens import inspect

SECRET = Secret("the-secret-of-the-stack-has-enough-bytes")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Handshake]:
    found: list[Handshake] = []

    def probe(handshake: Handshake, *, user_agent: str) -> HandshakeAnswer:
        assert user_agent == "whatschat-ops-doctor"
        found.append(handshake)
        return HandshakeAnswer(401)

    monkeypatch.setattr(sockets, "probe_handshake", probe)
    monkeypatch.setattr(sockets, "read_jwt_secret", lambda *_: SECRET)
    return found


def test_tokens_are_ones_that_must_be_rejected_and_each_for_its_own_reason(sent: list[Handshake]) -> None:
    settings = Settings.of({"websocket": {"endpoint": "wss://host/stage"}})

    found = facts(("apigatewayv2", "GetApis", {}, {"Items": []}), settings=settings)
    found.offline = False  # AWS as recorded, but handshakes as they are

    assert sockets.tokens(found).status is Status.OK

    nothing, foreign, expired = sent
    assert (nothing.url, nothing.headers, nothing.subprotocols) == ("wss://host/stage", {}, ())
    now = datetime.now(UTC)
    by_reason = [
        inspect(each.headers["Authorization"].removeprefix("Bearer "), now=now, secret=SECRET)
        for each in (foreign, expired)
    ]
    assert [each.signature_valid for each in by_reason] == [False, True]
    ends = [each.expires_at for each in by_reason]
    assert ends[0] is not None and ends[0] > now
    assert ends[1] is not None and ends[1] < now - timedelta(minutes=4)
