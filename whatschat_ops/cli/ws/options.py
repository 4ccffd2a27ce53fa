"""What the commands of `ws` share: their options, the message, the endpoint and the way to a socket."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.command import Run
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatschat_ops.endpoint import Endpoint
    from whatschat_ops.redaction import Secret
    from whatschat_ops.sockets.client import Opener


class TokenVia(StrEnum):
    """Where the token travels (as `websocket.handshake.TokenVia`, which takes longer to import)."""

    HEADER = "header"
    QUERY = "query"
    SUBPROTOCOL = "subprotocol"


UserOption = Annotated[
    str | None, typer.Option("--user", "-u", help="Connect as this user, with fresh tokens of the stack.")
]
TokenOption = Annotated[
    str | None, typer.Option("--token", envvar="WHATSCHAT_TOKEN", help="Connect with this token instead.")
]
TokenViaOption = Annotated[
    TokenVia, typer.Option("--token-via", help="Where the token travels; a header stays out of access logs.")
]
EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", help="Another endpoint than the stack's own, in any form.")
]
MessageArgument = Annotated[
    str | None, typer.Argument(help="The message, or - to read it from standard input.", show_default=False)
]
FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="Read the message from this file.")]


def stage_endpoint(run: Run, url: str | None) -> Endpoint:
    """The endpoint that `url` means, else the stack's. Raises UsageError, or NotFound before provisioning."""
    from dataclasses import replace

    from whatschat_ops.endpoint import normalise

    stage = run.settings.websocket.stage
    if url is not None:
        return normalise(url, stage=stage)
    from whatschat_ops.stack.outputs import read_outputs

    outputs = read_outputs(run.settings, run.aws)
    found = normalise(outputs.websocket_url, stage=outputs.stage)
    return replace(found, api_id=outputs.api_id or found.api_id, stage=found.stage or outputs.stage)


def opener(run: Run, user: str | None, token: str | None, via: str, url: str | None, example: str) -> Opener:
    """What opens sockets as `user` (a fresh token for each) or with `token`.

    Raises UsageError unless it is one of them; the hint is `example`.
    """
    from whatschat_ops.sockets.client import Opener
    from whatschat_ops.sockets.handshake import TokenVia as Via

    if (user is None) == (token is None):
        raise UsageError(
            "Say as whom to connect: either --user or --token (or WHATSCHAT_TOKEN).",
            hint=example,
        )
    make_token = _given_token(token) if token is not None else _fresh_tokens(run, str(user))
    return Opener(stage_endpoint(run, url).websocket_url, make_token, Via(via))


def _given_token(token: str) -> Callable[[], Secret]:
    from whatschat_ops.redaction import Secret

    secret = Secret(token.strip())
    return lambda: secret


def _fresh_tokens(run: Run, user: str) -> Callable[[], Secret]:
    import uuid
    from datetime import UTC, datetime, timedelta

    from whatschat_ops.sockets.tokens import mint
    from whatschat_ops.stack.jwt_secret import read_jwt_secret

    secret = read_jwt_secret(run.settings, run.aws)
    ttl = timedelta(minutes=run.settings.auth.token_ttl_minutes)
    return lambda: mint(user, secret, ttl=ttl, now=datetime.now(UTC), token_id=uuid.uuid4().hex).token


def read_message(message: str | None, file: Path | None, example: str) -> str:
    """The message of the command line, of a file or of standard input; one line end at its end is dropped.

    Raises UsageError, with `example` as its hint, when there is none, more than one, or one that is too big or not UTF-8
    text. No more is read than API Gateway would carry.
    """
    from whatschat_ops.connections.management import LARGEST_MESSAGE_BYTES, TOO_LARGE_HINT

    if (message is None) == (file is None):
        raise UsageError(
            "Give one message: as an argument, with --file, or - for standard input.",
            hint=example,
        )
    if file is None and message != "-":
        return _not_empty(str(message), example)
    try:
        most = LARGEST_MESSAGE_BYTES + len("\r\n")
        with nullcontext(sys.stdin.buffer) if file is None else file.open("rb") as source:
            data = source.read(most + 1)
        if len(data) > most:
            raise UsageError(
                f"The message has more than {LARGEST_MESSAGE_BYTES:,} bytes (128 KB), the most that API Gateway carries.",
                hint=TOO_LARGE_HINT,
            )
        text = data.decode()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"The message is not UTF-8 text ({error.reason}): API Gateway carries text."
        ) from error
    return _not_empty(text.removesuffix("\n").removesuffix("\r"), example)


def _not_empty(text: str, example: str) -> str:
    if not text:  # as a rule an unset shell variable
        raise UsageError("The message is empty.", hint=example)
    return text
