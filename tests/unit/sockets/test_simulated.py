"""The echo of the mode `simulated`."""

from __future__ import annotations

import asyncio
import json
from typing import Any, get_args, get_type_hints

import pytest
from websockets.exceptions import ConnectionClosedOK

from whatschat_ops.choices import SocketMode
from whatschat_ops.config.settings import FrontendSettings
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.sending import send_message
from whatschat_ops.sockets.simulated import Simulated, Simulation

STAMP = {"timestamp": 7, "simulated": True}


def answers(*documents: Any, also: tuple[str, ...] = ()) -> list[list[Any]]:
    """What alice, and the users in `also`, receive after alice has sent these messages."""

    async def run() -> list[list[Any]]:
        simulation = Simulation(lambda: 7)
        sockets = [simulation.connect(user) for user in ("alice", *also)]
        for document in documents:
            await sockets[0].send(document if isinstance(document, str) else json.dumps(document))
        for each in sockets:
            await each.close()
        return [await everything(each) for each in sockets]

    return asyncio.run(run())


async def everything(socket: Socket) -> list[Any]:
    found = []
    try:
        while True:
            found.append(json.loads(await socket.recv()))
    except ConnectionClosedOK:
        return found


def test_a_ping_gets_a_pong_with_its_id() -> None:
    assert answers({"type": "ping", "id": 3}) == [[{"type": "pong", "id": 3, **STAMP}]]


@pytest.mark.parametrize(
    "kind",
    ["message", "message_read", "typing", "call_offer", "call_answer", "call_ice_candidate", "call_end"],
)
def test_a_message_to_a_user_who_is_not_there_comes_back_from_them(kind: str) -> None:
    sent = {"type": kind, "to": "bob", "data": {"text": "Hi"}}
    assert answers(sent) == [[{**sent, "from": "bob", "userId": "bob", **STAMP}]]


def test_a_message_to_a_user_who_is_there_is_delivered_to_them_alone() -> None:
    sent = {"type": "call:offer", "targetUserId": "bob", "offer": {"sdp": "v=0"}}
    assert answers(sent, also=("bob", "carol")) == [
        [],
        [{**sent, "from": "alice", "userId": "alice", **STAMP}],
        [],
    ]


def test_message_send_gives_a_receipt_and_hides_the_recipients() -> None:
    sent = {"type": "message:send", "id": "m", "recipients": ["bob"], "content": "Hi"}
    (alice, bob) = answers(sent, also=("bob",))
    assert bob == [
        {"type": "message:received", "id": "m", "content": "Hi", "from": "alice", "userId": "alice", **STAMP}
    ]
    assert [(answer["type"], answer["id"], answer["delivered"]) for answer in alice] == [
        ("message:sent", "m", 1)
    ]


def test_a_participant_does_not_get_the_own_message() -> None:
    sent = {"type": "call:end", "callId": "c", "participants": ["alice", "bob"]}
    (alice, bob) = answers(sent, also=("bob",))
    assert (alice, [answer["from"] for answer in bob]) == ([], ["alice"])


def test_chime_requests_get_a_meeting_that_exists_nowhere() -> None:
    create = {"type": "chime:create-meeting", "to": "server", "data": {"externalMeetingId": "call-1"}}
    ((made,),) = answers(create)
    assert (made["type"], made["simulated"]) == ("chime:meeting-created", True)
    meeting = made["data"]["meeting"]
    assert (meeting["externalMeetingId"], made["meetingId"]) == ("call-1", meeting["meetingId"])
    assert made["data"]["attendee"]["externalUserId"] == "alice"


def test_meeting_is_joined_and_left_with_the_answers_of_the_functions() -> None:
    ids = {"meetingId": "m", "attendeeId": "a"}
    ((joined, left),) = answers(
        {"type": "chime:join-meeting", "id": 1, "data": {"meetingId": "m"}},
        {"type": "chime:leave-meeting", "id": 2, "data": ids},
    )
    assert (joined["type"], joined["id"]) == ("chime:attendee-created", 1)
    assert (joined["data"]["meeting"], joined["attendee"]["joinToken"]) == ({"meetingId": "m"}, "simulated")
    assert left == {"type": "chime:left-meeting", "id": 2, "data": ids, **ids, **STAMP}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("hello", "bad_json"),
        ("[]", "bad_message"),
        ({"type": "chime:end-meeting"}, "not_simulated"),
        ({"type": "chime:attendee-joined", "to": "bob"}, "reserved_type"),
        ({"type": "user_status"}, "undeliverable"),
    ],
)
def test_what_cannot_be_answered_gets_an_error(sent: Any, code: str) -> None:
    ((error,),) = answers(sent)
    assert (error["type"], error["code"], error["simulated"]) == ("error", code, True)


def test_a_message_without_a_user_is_sent_back_as_echo() -> None:
    sent = {"type": "news", "data": {"status": "online"}}
    assert answers(sent) == [[{"type": "echo", "original": sent, **STAMP}]]


def test_a_closed_socket_gets_nothing_more() -> None:
    async def run() -> None:
        simulation = Simulation()
        alice, bob = simulation.connect("alice"), simulation.connect("bob")
        await bob.close()
        with pytest.raises(ConnectionClosedOK):
            await bob.send("{}")
        await alice.send('{"type": "typing", "to": "bob"}')
        assert json.loads(await alice.recv())["from"] == "bob"
        assert await everything(bob) == []

    asyncio.run(run())


def test_a_receipt_of_the_simulation_says_so() -> None:
    async def run() -> Any:
        async with Simulated("alice").opened() as socket:
            return await send_message(
                socket, ["bob"], "Hi", message_id="m", timeout_s=60, mode=SocketMode.SIMULATED
            )

    receipt = asyncio.run(run())
    assert (receipt.mode, receipt.delivered) == (SocketMode.SIMULATED, 1)


def test_modes_have_the_names_of_the_settings() -> None:
    hint = get_type_hints(FrontendSettings, include_extras=False)["websocket_mode"]
    assert set(get_args(hint)) == {mode.value for mode in SocketMode}
