"""`ws chat` and `ws listen`: a conversation in words, and the messages that a user gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.options import (
    EndpointOption,
    ModeOption,
    TokenOption,
    TokenViaOption,
    UserOption,
    adapter,
)
from whatschat_ops.errors import Hint, TimedOut
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.output import Output
    from whatschat_ops.cli.terminal.terminal_lines import TerminalLines
    from whatschat_ops.cli.ws.conversation import Screen

_CHAT_EXAMPLE = Hint(("ws", "chat", "--as", "alice", "--to", "bob"))
_LISTEN_EXAMPLE = Hint(("ws", "listen", "--user", "alice"))


def chat(
    run: Run,
    to: Annotated[
        list[str], typer.Option("--to", metavar="USER", help="Who gets it; in the mode socketio, the chat")
    ],
    user: Annotated[
        str | None,
        typer.Option(
            "--as", "--user", "-u", metavar="USER", help="Who you are, with new tokens of the stack"
        ),
    ] = None,
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
) -> None:
    """Talk with other users.

    Each line that you type is a message; what they say is printed with their names, and you are told who is offline. /quit or
    Ctrl-D ends the conversation. It reconnects when the connection is lost.

    Example:
        whatschat-ops ws chat --as alice --to bob
        whatschat-ops ws chat --as alice --to bob --to carol
    """
    from whatschat_ops.cli.terminal.interrupts import run_coroutine
    from whatschat_ops.cli.ws.conversation import converse, require_sent
    from whatschat_ops.cli.ws.talking import ChatScreen, Receipts
    from whatschat_ops.sockets.sending import message_text

    make_socket = adapter(run, mode, user, token, token_via, url, _CHAT_EXAMPLE)
    message_text(to, "", message_id="", mode=mode)  # refuses users that the mode cannot send to
    receipts = Receipts(waits=mode is SocketMode.APIGATEWAY)

    def message(line: str) -> str:
        return message_text(to, line, message_id=receipts.expected(), mode=mode)

    def view(out: Output, lines: TerminalLines) -> Screen:
        return ChatScreen(out, lines, receipts)

    talk = converse(
        run.out,
        make_socket,
        wait_s=wait,
        reconnect=True,
        view=view,
        message_of=message,
        answered=receipts.answered,
    )
    require_sent(run_coroutine(talk))


def listen(
    run: Run,
    user: UserOption = None,
    token: TokenOption = None,
    token_via: TokenViaOption = TokenVia.HEADER,
    url: EndpointOption = None,
    mode: ModeOption = SocketMode.APIGATEWAY,
    kind: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only messages of this type")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N messages")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.1,
            help="End after this time; exit code 1 if --count is missed",
        ),
    ] = None,
) -> None:
    """Print the messages that a user gets.

    Sends nothing but pings, and reconnects when the connection is lost, until Ctrl-C. With --json, each message is an object on
    a line.

    Example:
        whatschat-ops ws listen --user alice
        whatschat-ops ws listen --user alice --type message:received --count 1 --timeout 30 --json
    """
    from whatschat_ops.cli.terminal.interrupts import run_coroutine, until_interrupted
    from whatschat_ops.cli.ws.talking import Listener

    make_socket = adapter(run, mode, user, token, token_via, url, _LISTEN_EXAMPLE)
    listener = Listener(run.out, frozenset(kind or ()), count)
    with until_interrupted():
        run_coroutine(listener.run(make_socket, timeout))
    run.out.detail(f"{counted(listener.shown, 'message')}.")
    if count is not None and listener.shown < count and timeout is not None:
        raise TimedOut(
            f"{listener.shown} of {counted(count, 'message')} arrived within {timeout:g} s.",
            hint="A larger --timeout waits longer.",
        )
