"""The mode `socketio` against a real Socket.IO server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.component.sockets.socket_io_server import SocketIoServer, socket_io_server
from whatschat_ops.errors import NotFound, PermissionDenied, Unavailable, UsageError
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.socket_io import SocketIo, event_of, normalised, open_socket_io

Talk = Callable[[SocketIoServer], Awaitable[Any]]
WAIT_S = 60


def with_server(talk: Talk, **options: Any) -> Any:
    async def run() -> Any:
        async with asyncio.timeout(WAIT_S), socket_io_server(**options) as server:
            return await talk(server)

    return asyncio.run(run())


def as_user(server: SocketIoServer, name: str) -> SocketIo:
    return SocketIo(server.url, lambda: Secret(f"user:{name}"))


async def say(connection: Socket, document: Any) -> None:
    await connection.send(json.dumps(document))


async def heard(connection: Socket) -> Any:
    return json.loads(await connection.recv())


def test_both_namespaces_get_the_token_in_the_handshake() -> None:
    async def talk(server: SocketIoServer) -> Any:
        async with as_user(server, "alice").opened():
            return sorted(server.auths)

    assert with_server(talk) == [("/", {"token": "user:alice"}), ("/chime", {"token": "user:alice"})]


def test_an_event_reaches_its_user_with_its_data() -> None:
    async def talk(server: SocketIoServer) -> Any:
        async with as_user(server, "alice").opened() as alice, as_user(server, "bob").opened() as bob:
            data = {"callId": "c", "targetUserId": "bob", "candidate": {"candidate": "é"}}
            await say(alice, {"type": "call:ice-candidate", **data})
            return await heard(bob)

    data = {"callId": "c", "targetUserId": "bob", "candidate": {"candidate": "é"}, "userId": "alice"}
    assert with_server(talk) == {"type": "call:ice-candidate", "data": data}


def test_a_chime_event_uses_the_namespace_chime() -> None:
    async def talk(server: SocketIoServer) -> Any:
        async with as_user(server, "alice").opened() as alice:
            await say(alice, {"type": "chime:create-meeting", "data": {"externalMeetingId": "call-1"}})
            return await heard(alice), server.heard

    answer, asked = with_server(talk)
    assert answer == {"type": "chime:meeting-created", "data": {"meeting": {}}}
    assert asked == [("/chime", "chime:create-meeting", {"externalMeetingId": "call-1"})]


def test_a_message_that_was_sent_just_before_the_close_arrives() -> None:
    async def talk(server: SocketIoServer) -> Any:
        async with as_user(server, "bob").opened() as bob:
            async with as_user(server, "alice").opened() as alice:
                for number in range(50):
                    await say(alice, {"type": "call:offer", "targetUserId": "bob", "callId": number})
            return [(await heard(bob))["data"]["callId"] for _ in range(50)]

    assert with_server(talk) == list(range(50))


def test_a_refused_namespace_is_named_with_the_reason_of_the_server() -> None:
    async def talk(server: SocketIoServer) -> None:
        with pytest.raises(PermissionDenied, match=r"namespace /.*: the token has expired"):
            await as_user(server, "alice")()

    with_server(talk, refuse="the token has expired")


def test_a_disconnect_of_the_server_ends_the_session_with_1000() -> None:
    async def talk(server: SocketIoServer) -> Any:
        alice = await as_user(server, "alice")()
        await server.io.disconnect(server.sids["/"])
        with pytest.raises(ConnectionClosed):
            await alice.recv()
        with pytest.raises(ConnectionClosed):
            await say(alice, {"type": "call:end", "participants": []})
        await alice.close()
        return alice.close_code, alice.close_reason

    code, reason = with_server(talk)
    assert code == 1000
    assert reason.startswith("disconnected the namespace /")


def test_a_lost_transport_is_1006() -> None:
    async def talk(server: SocketIoServer) -> Any:
        async with relay(server.url) as (url, cut):
            alice = await open_socket_io(url, Secret("user:alice"))
            cut()
            with pytest.raises(ConnectionClosed):
                await alice.recv()
            await alice.close()
        return alice.close_code

    assert with_server(talk) == 1006


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """A TCP port that leads to the server until the returned function cuts its connections."""
    writers: list[asyncio.StreamWriter] = []
    copying: list[asyncio.Task[None]] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writers.extend((writer, back))
        copying.extend(asyncio.create_task(copy(*pair)) for pair in ((reader, back), (there, writer)))

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        cut()
        for task in copying:
            task.cancel()
        await asyncio.gather(*copying, return_exceptions=True)
        server.close()


async def _plain(connection: ServerConnection) -> None:
    await connection.send("hello")
    await connection.wait_closed()


@pytest.mark.parametrize("path", ["socket", "http"])
def test_a_server_that_is_no_socket_io_server_is_named_so(path: str) -> None:
    async def run() -> None:
        async def refuse(connection: Any, _: Any) -> Any:
            return connection.respond(418, "") if path == "http" else None

        async with serve(_plain, "127.0.0.1", 0, process_request=refuse) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(NotFound, match=r"not a Socket\.IO server"):
                await open_socket_io(url, Secret("t"))

    asyncio.run(run())


def test_a_port_where_nothing_listens_is_named_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match="nothing listens there"):
            asyncio.run(open_socket_io(url, Secret("t")))


def test_a_server_that_never_answers_is_given_up() -> None:
    accepted: list[asyncio.StreamWriter] = []

    async def run() -> None:
        server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(Unavailable, match=r"timed out after 0.2 s"):
                await open_socket_io(url, Secret("t"), timeout_s=0.2)
            for writer in accepted:
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "JSON object with the event's name"),
        ('{"data": {}}', "JSON object with the event's name"),
        ('{"type": "ping"}', "no ping event"),
        ('{"type": "disconnect"}', "an event of Socket.IO itself"),
        ('{"type": "typing", "to": "bob"}', "message:typing"),
        ("[" * 100_000, "JSON object"),
    ],
)
def test_a_text_that_is_no_event_is_refused_in_words(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        event_of(text)


def test_data_of_an_event_may_have_a_type_of_its_own() -> None:
    data = {"chatId": "c", "content": "Hi", "type": "text"}
    assert event_of(json.dumps({"type": "message:send", "data": data})) == ("message:send", data)
    assert event_of('{"type": "status:create", "status": "x"}') == ("status:create", {"status": "x"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://localhost:3001", "http://localhost:3001"),
        ("wss://chat.example.com/", "https://chat.example.com"),
        ("localhost:3001", "http://localhost:3001"),
        ("https://chat.example.com", "https://chat.example.com"),
    ],
)
def test_the_url_of_a_server_is_accepted_in_any_form(url: str, expected: str) -> None:
    assert normalised(url) == expected


@pytest.mark.parametrize(
    "url", ["ftp://a", "ws://", "ws://a:99999", "ws://a/chime", "ws://a?token=x", "ws://me:pw@a"]
)
def test_a_url_that_is_none_of_a_socket_io_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        normalised(url)
