"""`token`: make the tokens that the WebSocket API accepts, and look into them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import command
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import ExitCode, Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.sockets.tokens import Inspection


MAX_TTL_MINUTES = 10 * 365 * 24 * 60


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make and inspect connection tokens.")
    command(group)(mint)
    command(group, "inspect")(inspect_token)
    app.add_typer(group, name="token")


def mint(
    run: Run,
    user: Annotated[str, typer.Option("--user", "-u", help="Id of the user who connects.")],
    ttl_minutes: Annotated[
        float | None,
        typer.Option(
            "--ttl-minutes",
            min=-MAX_TTL_MINUTES,
            max=MAX_TTL_MINUTES,
            help="Life of the token; negative for one that has expired (default: auth.token_ttl_minutes).",
        ),
    ] = None,
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="Another claim, KEY=VALUE; the value may be JSON.")
    ] = None,
) -> None:
    """Make a token for a user, signed with the secret of the stack, and print it.

    Example: wscat -c "$(whatschat-ops ws endpoint)?token=$(whatschat-ops token mint --user alice)"
    """
    import uuid

    from whatschat_ops.sockets import tokens

    now = datetime.now(UTC)
    minutes = run.settings.auth.token_ttl_minutes if ttl_minutes is None else ttl_minutes
    claims = _claims(claim or [])
    minted = tokens.mint(
        user,
        run.jwt_secret(),
        ttl=timedelta(minutes=minutes),
        now=now,
        token_id=uuid.uuid4().hex,
        claims=claims,
    )
    for problem in tokens.inspect(minted.token.reveal(), now=now).problems:
        run.out.warn(f"The API will refuse this token. {problem}")
    if run.out.as_json:
        run.out.show_secrets = True  # printing the token is what this command is for
        run.out.result(minted, str)
    else:
        run.out.text(minted.token.reveal())


def inspect_token(
    run: Run,
    token: Annotated[
        str | None, typer.Argument(help="The token, or - to read it from standard input.", show_default=False)
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the signature with the secret of the stack.")
    ] = False,
) -> None:
    """Show what a token says, when it expires, and why the API would refuse it.

    With --verify, exit code 3 means that the API would refuse it.

    Example: whatschat-ops token mint --user alice | whatschat-ops token inspect --verify
    """
    from whatschat_ops.sockets import tokens

    text = _token_text(token)
    secret = run.jwt_secret() if verify else None
    inspection = tokens.inspect(text, now=datetime.now(UTC), secret=secret)
    run.out.result(inspection, _render)
    if verify and inspection.problems:
        raise typer.Exit(ExitCode.CHANGES)


def _claims(pairs: list[str]) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(
                f"--claim takes KEY=VALUE, not {pair!r}.",
                hint=Hint(("token", "mint", "--user", "alice", "--claim", "role=admin")),
            )
        try:
            claims[key] = json.loads(value, parse_constant=_not_json)
        except ValueError:
            claims[key] = value
    return claims


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")  # Python reads NaN and Infinity, other parsers do not


def _token_text(token: str | None) -> str:
    if token not in (None, "-"):
        return str(token)
    if token is None and sys.stdin.isatty():
        raise UsageError(
            "There is no token to inspect.",
            hint=Hint(("token", "mint", "--user", "alice"), "Name it, or pipe it in, for example from"),
        )
    return sys.stdin.read()


def _render(inspection: Inspection) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_row("Header", Text(json.dumps(inspection.header)))
    table.add_row("Claims", Text(json.dumps(inspection.claims, ensure_ascii=False)))
    table.add_row("User", Text(inspection.user_id or "none"))
    if inspection.issued_at:
        table.add_row("Issued", f"{inspection.issued_at:%Y-%m-%d %H:%M:%S} UTC")
    if inspection.expires_at and inspection.expires_in_s is not None:
        minutes = inspection.expires_in_s / 60
        left = f"in {minutes:,.1f} min" if minutes > 0 else f"{-minutes:,.1f} min ago"
        table.add_row("Expires", f"{inspection.expires_at:%Y-%m-%d %H:%M:%S} UTC ({left})")
    signature = {None: "not checked (add --verify)", True: "valid", False: "not valid"}
    table.add_row("Signature", signature[inspection.signature_valid])
    for problem in inspection.problems:
        table.add_row(Text("Problem", style="red"), Text(problem))
    if not inspection.problems:
        table.add_row(Text("Problems", style="green"), "none found")
    return table
