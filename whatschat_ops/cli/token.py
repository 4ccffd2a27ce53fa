"""`token`: create and inspect the tokens that the WebSocket API accepts, and rotate the secret that signs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.cli.terminal.times import local_time
from whatschat_ops.errors import ExitCode, Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.redaction import Secret
    from whatschat_ops.sockets.tokens import Inspection
    from whatschat_ops.stack.secret_rotation import Rotated


MAX_TTL_MINUTES = 10 * 365 * 24 * 60


def mint(
    run: Run,
    user: Annotated[str, typer.Option("--user", "-u", metavar="USER", help="Id of the user who connects")],
    ttl_minutes: Annotated[
        float | None,
        typer.Option(
            "--ttl-minutes",
            min=-MAX_TTL_MINUTES,
            max=MAX_TTL_MINUTES,
            help="Lifetime; negative for an expired token [default: the setting auth.token_ttl_minutes]",
        ),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option("--claim", metavar="KEY=VALUE", help="Add a claim; the value may be JSON"),
    ] = None,
) -> None:
    """Create a token for a user.

    Prints it, signed with the secret of the stack.

    Example:
        whatschat-ops token mint --user alice --claim role=admin
        wscat -c "$(whatschat-ops ws endpoint)?token=$(whatschat-ops token mint --user alice)"
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
        run.out.warn(f"The API will reject this token. {problem}")
    run.out.show_secrets = True  # printing the token is what this command is for
    if run.out.as_json:
        run.out.result(minted, str)
    else:
        run.out.text(minted.token.reveal())


def inspect_token(
    run: Run,
    token: Annotated[
        str | None, typer.Argument(help="The token, or - for standard input", show_default=False)
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the signature with the secret of the stack")
    ] = False,
) -> None:
    """Decode a token and check it.

    Shows its claims, when it expires, and why the API would reject it. With --verify, exit code 3 if the API would.

    Example: whatschat-ops token mint --user alice | whatschat-ops token inspect --verify
    """
    from whatschat_ops.sockets import tokens

    text, now = _token_text(token), datetime.now(UTC)
    accepted: Sequence[Secret | None] = run.accepted_secrets(now) if verify else (None,)
    found = [tokens.inspect(text, now=now, secret=secret) for secret in accepted]
    inspection = next((one for one in found if one.signature_valid), found[0])
    try:
        run.out.result(inspection, _render)
    except RecursionError as error:
        raise UsageError("The claims of this token are nested too deeply to be shown.") from error
    if inspection is not found[0]:
        run.out.note(
            "It is not signed with the current secret, but with the other one that a rotation accepts."
        )
    if verify and inspection.problems:
        raise typer.Exit(ExitCode.CHANGES)


@audited(grace="grace", shows=("parameter", "previous_accepted_until"))
def rotate(
    run: Run,
    grace: Annotated[
        str,
        typer.Option(
            "--grace",
            metavar="DURATION",
            help="How long to accept tokens of the previous secret: 30m, 24h, 7d, or 0 to reject them at once",
        ),
    ] = "24h",
    yes: YesOption = False,
) -> None:
    """Replace the secret that signs tokens.

    The new secret is the one in JWT_SECRET, or a generated one. Both secrets are accepted before the new one signs its first token,
    so that no valid token is rejected; this takes a little over a minute. With --grace 0 the functions read the new secret
    within a minute and reject all earlier tokens from then on. Open connections stay open.

    Example: whatschat-ops token secret rotate --grace 24h
    """
    from whatschat_ops.stack.secret_rotation import SecretRotation, require_functions_that_know
    from whatschat_ops.stack.waiting import Waiting

    accepted_for = parse_duration(grace, "--grace")
    stack = run.stack()
    if accepted_for:
        require_functions_that_know(stack)
    question = "Rotate the JWT secret?" if accepted_for else "Refuse all tokens that were signed until now?"
    if not run.confirm_for_users(lambda: question, yes=yes):
        run.out.note("Nothing was changed.")
        return
    with stack.locked():
        rotation = SecretRotation(run.settings, run.aws, Waiting(say=run.out.note))
        rotated = rotation.rotate(stack.jwt_secret, accepted_for)
    run.out.result(rotated, _render_rotated)
    run.out.note(Hint(("env", "render", "backend"), "Give the application the new secret"))


def _render_rotated(rotated: Rotated) -> str:
    until = rotated.previous_accepted_until
    previous = f"accepted until {local_time(until)}" if until else "rejected within a minute"
    return f"The secret {rotated.parameter} was rotated. Tokens of the previous one are {previous}."


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
        except (ValueError, RecursionError):
            claims[key] = value
    return claims


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")  # Python reads NaN and Infinity, other parsers do not


def _token_text(token: str | None) -> str:
    if token not in (None, "-"):
        return str(token)
    if token is None and sys.stdin.isatty():
        raise UsageError(
            "Give a token to inspect.",
            hint=Hint(("token", "mint", "--user", "alice"), "Name it, or pipe it in, for example from"),
        )
    from whatschat_ops.files import PIPE, read_text

    return read_text(PIPE)


def _render(inspection: Inspection) -> Table:
    rows: list[tuple[str | Styled, ...]] = [
        ("Header", json.dumps(inspection.header)),
        ("Claims", json.dumps(inspection.claims, ensure_ascii=False)),
        ("User", inspection.user_id or "none"),
    ]
    if inspection.issued_at:
        rows.append(("Issued", local_time(inspection.issued_at)))
    if inspection.expires_at and inspection.expires_in_s is not None:
        minutes = inspection.expires_in_s / 60
        left = f"in {minutes:,.1f} min" if minutes > 0 else f"{-minutes:,.1f} min ago"
        rows.append(("Expires", f"{local_time(inspection.expires_at)} ({left})"))
    signature = {None: "not checked (add --verify)", True: "valid", False: "not valid"}
    rows.append(("Signature", signature[inspection.signature_valid]))
    rows += [(Styled("Problem", "red"), problem) for problem in inspection.problems]
    if not inspection.problems:
        rows.append((Styled("Problems", "green"), "none found"))
    return Table((Column(""), Column("", wraps=True)), rows)
