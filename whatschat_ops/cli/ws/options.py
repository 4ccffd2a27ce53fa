"""What the commands of `ws` share: their options, the message, and how to open a connection."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import TokenVia
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from whatschat_ops.redaction import Secret
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
    typer.Option("--endpoint", metavar="URL", help="Another endpoint than the stack's, in any form"),
]
MessageArgument = Annotated[
    str | None, typer.Argument(help="The message, or - for standard input", show_default=False)
]
FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="Read the message from this file")]


def opener(
    run: Run, user: str | None, token: str | None, via: TokenVia, url: str | None, example: Hint
) -> Opener:
    """Opens connections as `user` (with a new token each) or with `token`.

    Raises UsageError, with `example` as its hint, unless exactly one of them is given.
    """
    from whatschat_ops.sockets.client import Opener

    if (user is None) == (token is None):
        raise UsageError(
            "Give either --user or --token (or WHATSCHAT_TOKEN).",
            hint=example,
        )
    make_token = _given_token(token) if token is not None else partial(run.tokens(), str(user))
    knows_secrets = token is None or url is None  # of another endpoint and token the stack is not asked
    secrets = partial(_accepted_secrets, run) if knows_secrets else _no_secrets
    return Opener(run.endpoint(url).websocket_url, make_token, via, secrets=secrets)


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
