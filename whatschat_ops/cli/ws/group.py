"""`ws`: the WebSocket side of the stack: endpoint, clients, broadcast."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.options import (
    EndpointOption,
    FileOption,
    MessageArgument,
    ModeOption,
    TokenOption,
    TokenViaOption,
    UserOption,
    adapter,
    read_message,
)
from whatschat_ops.errors import Gone, Hint, PartlyDone, UsageError
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.sockets.adapter import Adapter
    from whatschat_ops.sockets.sending import Receipt


@dataclasses.dataclass(frozen=True, slots=True)
class Posted:
    """A message that was posted to one connection."""

    connection_id: str
    size_bytes: int
    metered_messages: int


_CONNECT_EXAMPLE = Hint(("ws", "connect", "--user", "alice"))
_SEND_EXAMPLE = Hint(("ws", "send", "--user", "alice", "--to", "bob", "Hello"))


def endpoint(
    run: Run,
    url: Annotated[
        str | None,
        typer.Argument(help="Normalize this URL instead of asking the stack", show_default=False),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Explain how the URLs are derived")] = False,
) -> None:
    """Print the URL that clients connect to.

    Example:
        whatschat-ops ws endpoint
        whatschat-ops ws endpoint https://abc123.execute-api.us-east-1.amazonaws.com/production/@connections
    """
    from whatschat_ops.endpoint import explain as reasons

    found = run.endpoint(url)
    if run.out.as_json:
        run.out.result(found, str)
        return
    run.out.text(found.websocket_url)
    if explain:
        for sentence in reasons(found):
            run.out.note(sentence)


def connect(
    run: Run,
    user: UserOption = None,
    token: TokenOption = None,
    token_via: TokenViaOption = TokenVia.HEADER,
    url: EndpointOption = None,
    mode: ModeOption = SocketMode.APIGATEWAY,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="How long to listen after the end of piped input"
        ),
    ] = 2.0,
    reconnect: Annotated[
        bool, typer.Option("--reconnect/--no-reconnect", help="Reconnect when the connection is lost")
    ] = True,
) -> None:
    """Open an interactive connection.

    Each line that you type is sent as a message; received messages are printed. /ping sends a ping, /help lists the
    commands, /quit or Ctrl-D ends the session. Piped lines are sent one by one, then answers are printed for --wait seconds.

    With --mode socketio, {"type": "call:end", "data": {...}} is emitted as the event call:end; with --mode simulated, this process
    echoes messages and nothing leaves the machine.

    Example:
        whatschat-ops ws connect --user alice
        whatschat-ops ws connect --user alice --mode socketio --url ws://localhost:3001
        echo '{"type":"ping"}' | whatschat-ops ws connect --user alice --json
    """
    from whatschat_ops.cli.terminal.interrupts import run_coroutine
    from whatschat_ops.cli.ws.conversation import converse, require_sent

    make_socket = adapter(run, mode, user, token, token_via, url, _CONNECT_EXAMPLE)
    report = run_coroutine(converse(run.out, make_socket, wait_s=wait, reconnect=reconnect))
    run.out.detail(f"Sent {report.sent}, received {report.received}.")
    require_sent(report)


@audited(connection_id="connection")
def send(
    run: Run,
    message: MessageArgument = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="USER", help="Recipient; in the mode socketio, the chat"),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(
            "--connection", metavar="ID", help="Post to this connection instead, as the backend does"
        ),
    ] = None,
    file: FileOption = None,
    user: UserOption = None,
    token: TokenOption = None,
    token_via: TokenViaOption = TokenVia.HEADER,
    url: EndpointOption = None,
    mode: ModeOption = SocketMode.APIGATEWAY,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long to wait for the receipt")
    ] = 35.0,
) -> None:
    """Send a message to users.

    From one user to others, or with --connection from the backend to a connection. Recipients who are offline are counted;
    exit code 4 if a recipient who is online could not be reached.

    Example:
        whatschat-ops ws send --user alice --to bob "Hello"
        whatschat-ops ws send --connection L0SM9cOFvHcCIhw= '{"type":"notice"}'
    """
    text = read_message(message, file, _SEND_EXAMPLE)
    if connection is not None:
        if to or user or token:
            raise UsageError(
                "--connection posts as the backend: it cannot be combined with --user, --token or --to."
            )
        if mode is not SocketMode.APIGATEWAY:
            raise UsageError(
                f"--connection is for the mode apigateway: {mode.value} has no connection ids that a backend could post to."
            )
        _post(run, connection, text, url)
        return
    if not to:
        raise UsageError("Give a recipient with --to.", hint=_SEND_EXAMPLE)
    receipt = _send_as_user(
        adapter(run, mode, user, token, token_via, url, _SEND_EXAMPLE), to, text, timeout_s
    )
    run.out.result(receipt, render_receipt)
    if receipt.failed:
        raise PartlyDone(f"{receipt.failed} of {receipt.recipients} recipients could not be reached.")


def _send_as_user(make_socket: Adapter, to: list[str], text: str, timeout_s: float) -> Receipt:
    import uuid

    from whatschat_ops.cli.terminal.interrupts import run_coroutine
    from whatschat_ops.sockets.sending import send_message

    async def run_once() -> Receipt:
        async with make_socket.opened() as connection:
            return await send_message(
                connection,
                to,
                text,
                message_id=uuid.uuid4().hex,
                timeout_s=timeout_s,
                mode=make_socket.mode,
            )

    return run_coroutine(run_once())


def _post(run: Run, connection_id: str, text: str, url: str | None) -> None:
    from whatschat_ops.message_size import metered_messages

    data = text.encode()
    try:
        run.connections_api(url).post(connection_id, data)
    except Gone as error:
        raise Gone.of(
            error,
            f"The connection {connection_id} no longer exists.",
        ) from error
    posted = Posted(connection_id, len(data), metered_messages(len(data)))
    run.out.result(posted, lambda it: f"Posted {counted(it.size_bytes, 'byte')} to {it.connection_id}.")


def render_receipt(receipt: Receipt) -> str:
    if receipt.mode is SocketMode.SIMULATED:
        return f"Simulated: echoed for {counted(receipt.recipients or 0, 'user')}; nothing was sent."
    if receipt.delivered is None:
        return "Accepted; this handler does not say whether it was delivered."
    users, connections = (
        f"{receipt.delivered} of {receipt.recipients}",
        counted(receipt.connections or 0, "connection"),
    )
    words = f"Delivered to {users} users on {connections}."
    return words + (f" {receipt.offline} offline." if receipt.offline else "")
