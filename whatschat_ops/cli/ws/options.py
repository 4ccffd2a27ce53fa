"""What the commands of `ws` share: their options, the message, and how to open a connection."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from whatschat_ops.redaction import Secret
    from whatschat_ops.sockets.adapter import Adapter
    from whatschat_ops.sockets.client import Opener


UserOption = Annotated[
    str | None,
    typer.Option("--user", "-u", metavar="USER", help="Connect as this user, with new tokens of the stack"),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="TOKEN", envvar="WHATSCHAT_TOKEN", help="Connect with this token instead"
    ),
]
TokenViaOption = Annotated[
    TokenVia, typer.Option("--token-via", help="Where to send the token; access logs do not contain headers")
]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", "--url", metavar="URL", help="Another endpoint than the stack's, in any form"),
]
ModeOption = Annotated[
    SocketMode,
    typer.Option(
        "--mode", help="API Gateway, the application server's Socket.IO, or an echo in this process"
    ),
]
MessageArgument = Annotated[
    str | None, typer.Argument(help="The message, or - for standard input", show_default=False)
]
FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="Read the message from this file")]


def adapter(
    run: Run,
    mode: SocketMode,
    user: str | None,
    token: str | None,
    via: TokenVia,
    url: str | None,
    example: Hint,
) -> Adapter:
    """Opens connections in one of the modes, as `user` or with `token`.

    Raises UsageError as `opener` does, and for an option that the mode does not have.
    """
    check_mode(mode, via, url)
    if mode is SocketMode.APIGATEWAY:
        return opener(run, user, token, via, url, example)
    if mode is SocketMode.SIMULATED:
        return _simulated(run, user, token)
    from whatschat_ops.sockets.socket_io import SocketIo

    _check_identity(user, token, example)
    make_token = _given_token(token) if token is not None else partial(socket_io_tokens(run), str(user))
    return SocketIo(socket_io_url(run, url), make_token)


def opener(
    run: Run, user: str | None, token: str | None, via: TokenVia, url: str | None, example: Hint
) -> Opener:
    """Opens connections to API Gateway as `user` (with a new token each) or with `token`.

    Raises UsageError, with `example` as its hint, unless exactly one of them is given.
    """
    from whatschat_ops.sockets.client import Opener

    _check_identity(user, token, example)
    make_token = _given_token(token) if token is not None else partial(run.tokens(), str(user))
    knows_secrets = token is None or url is None  # of another endpoint and token the stack is not asked
    secrets = partial(_accepted_secrets, run) if knows_secrets else _no_secrets
    return Opener(run.endpoint(url).websocket_url, make_token, via, secrets=secrets)


def _check_identity(user: str | None, token: str | None, example: Hint) -> None:
    if (user is None) == (token is None):
        raise UsageError(
            "Give either --user or --token (or WHATSCHAT_TOKEN).",
            hint=example,
        )


def check_mode(mode: SocketMode, via: TokenVia, url: str | None) -> None:
    """Raise UsageError for an option that the mode does not have."""
    if mode is not SocketMode.APIGATEWAY and via is not TokenVia.HEADER:
        raise UsageError(
            "--token-via is for the mode apigateway: Socket.IO sends the token in its own handshake (auth: {token}), "
            "and simulated needs none."
        )
    if mode is SocketMode.SIMULATED and url is not None:
        raise UsageError("The mode simulated has no endpoint: messages do not leave this process.")


def socket_io_url(run: Run, url: str | None) -> str:
    """The address of the Socket.IO server: as given, else of the settings, else the web client's default."""
    from whatschat_ops.sockets.socket_io import DEFAULT_URL, normalised

    return normalised(url or run.settings.frontend.socket_io_url or DEFAULT_URL)


def socket_io_tokens(run: Run) -> Callable[[str], Secret]:
    """New tokens for the Socket.IO server: signed with JWT_SECRET, which is the server's own variable, else with the stack's secret."""
    import os

    from whatschat_ops.stack.given_secret import given_secret

    return run.tokens(given_secret(os.environ.get("JWT_SECRET", ""), run.out.warn))


def _simulated(run: Run, user: str | None, token: str | None) -> Adapter:
    from whatschat_ops.sockets.simulated import NOTE, Simulated

    if token is not None:
        raise UsageError("The mode simulated needs no token.", hint="Unset --token and WHATSCHAT_TOKEN.")
    run.out.note(NOTE)
    return Simulated(user) if user is not None else Simulated()


def _accepted_secrets(run: Run, now: datetime) -> Sequence[Secret]:
    """None when they cannot be read: a client needs no right to read them."""
    try:
        return run.accepted_secrets(now)
    except OpsError:
        return ()


def _no_secrets(_now: datetime) -> Sequence[Secret]:
    return ()


def _given_token(token: str) -> Callable[[], Secret]:
    from whatschat_ops.redaction import Secret

    secret = Secret(token.strip())
    return lambda: secret


def read_message(message: str | None, file: Path | None, example: Hint) -> str:
    """The message of the command line, of a file or of standard input; one line end at its end is dropped.

    Raises UsageError, with `example` as its hint, when there is none, more than one, or one that is too big or not UTF-8
    text. No more is read than API Gateway accepts.
    """
    from whatschat_ops.files import PIPE, read_bytes, text_of
    from whatschat_ops.message_size import TOO_LARGE_HINT
    from whatschat_ops.quotas import MAX_MESSAGE_BYTES

    if (message is None) == (file is None):
        raise UsageError(
            "Give one message: as an argument, with --file, or - for standard input.",
            hint=example,
        )
    if file is None and message != "-":
        return _not_empty(str(message), example)
    data = read_bytes(file or PIPE, flag="--file", most_bytes=MAX_MESSAGE_BYTES, hint=TOO_LARGE_HINT)
    text = text_of(data, "The message")
    return _not_empty(text.removesuffix("\n").removesuffix("\r"), example)


def _not_empty(text: str, example: Hint) -> str:
    if not text:  # usually an unset shell variable
        raise UsageError("The message is empty.", hint=example)
    return text
