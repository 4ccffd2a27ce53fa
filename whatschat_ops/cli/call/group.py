"""`call test`: one call, made and measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import CallMode, CallVocabulary, TokenVia
from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.ws.options import EndpointOption, TokenViaOption, opener
from whatschat_ops.errors import ChecksFailed, Hint, Interrupted, OpsError, UsageError
from whatschat_ops.quotas import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whatschat_ops.calls.meeting import MeetingReport
    from whatschat_ops.calls.plan import CallPeer, CallPlan, Connect
    from whatschat_ops.calls.report import CallReport
    from whatschat_ops.calls.signalling import Side
    from whatschat_ops.redaction import Secret
    from whatschat_ops.sockets.client import Opener

_EXAMPLE = Hint(("call", "test"))
_LIFE_OF_A_MEETING = timedelta(minutes=10)


@audited(mode="mode", user_id="caller", callee="callee")
def call_test(
    run: Run,
    mode: Annotated[
        CallMode,
        typer.Option(
            "--mode", help="Two peers over the WebSocket API, a Chime meeting, or inside this process only"
        ),
    ] = CallMode.NATIVE,
    vocabulary: Annotated[
        CallVocabulary,
        typer.Option("--vocabulary", help="Signal with the message types of the web client or of the server"),
    ] = CallVocabulary.WEB,
    duration: Annotated[
        float,
        typer.Option(
            "--duration", metavar="SECONDS", min=0.1, max=300, help="Time of the call, once it is connected"
        ),
    ] = 5.0,
    caller: Annotated[
        str | None, typer.Option("--caller", metavar="USER", help="User who calls [default: an invented one]")
    ] = None,
    callee: Annotated[
        str | None,
        typer.Option("--callee", metavar="USER", help="User who is called [default: an invented one]"),
    ] = None,
    caller_token: Annotated[
        str | None,
        typer.Option("--caller-token", metavar="TOKEN", help="Connect the caller with this token instead"),
    ] = None,
    callee_token: Annotated[
        str | None,
        typer.Option("--callee-token", metavar="TOKEN", help="Connect the callee with this token instead"),
    ] = None,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(
            "--ice-server", metavar="URL", help="STUN server for the peers: stun:HOST:PORT [default: none]"
        ),
    ] = None,
    offer_size: Annotated[
        int,
        typer.Option(
            "--offer-size",
            metavar="BYTES",
            min=0,
            max=2 * MAX_MESSAGE_BYTES,
            help="Make the offer's message this large, as a caller's picture does",
        ),
    ] = 0,
    stage_timeout: Annotated[
        float,
        typer.Option(
            "--stage-timeout", metavar="SECONDS", min=0.1, max=120, help="The most time for each stage"
        ),
    ] = 10.0,
    max_loss: Annotated[
        float | None,
        typer.Option(
            "--max-loss", metavar="PERCENT", min=0, max=100, help="Exit with 3 if more audio is lost"
        ),
    ] = None,
    token_via: TokenViaOption = TokenVia.HEADER,
    url: EndpointOption = None,
) -> None:
    """Make a test call and measure it.

    native: two peers without a browser connect to the WebSocket API as two users, exchange offer, answer and ICE candidates
    through the default function, and send each other a tone and data. Needs the extra "calls".

    chime: a meeting with two attendees is created, what clients need to join is checked, and all is deleted again.

    simulated: nothing leaves this process.

    Names the stage at which the call fails, why, and what to do. Exit code 1 if it fails, 3 if --max-loss is exceeded.

    Example:
        whatschat-ops call test
        whatschat-ops call test --vocabulary server --duration 30 --max-loss 1 --json
        whatschat-ops call test -e staging --ice-server stun:stun.example.com:3478
        whatschat-ops call test --mode chime
    """
    users = _users(caller, callee, caller_token, callee_token)
    if mode is CallMode.SIMULATED:
        _simulate(run, vocabulary, *users)
        return
    if mode is CallMode.CHIME:
        _meet(run, users)
        return
    _check_ice_servers(ice_server or [])
    _require_extra()
    from whatschat_ops.calls.plan import CallPlan
    from whatschat_ops.calls.signalling import Side
    from whatschat_ops.calls.stages import Limits

    limits = Limits(stage_timeout, duration)
    plan = CallPlan(
        dict(zip(Side, users, strict=True)), vocabulary, limits, offer_size, stun=bool(ice_server)
    )
    tokens = dict(zip(Side, (caller_token, callee_token), strict=True))
    prepare = partial(_prepare, run, plan, tokens, token_via, url)
    report = _call(run, plan, prepare, _peer_maker(run, url, ice_server or []))
    if report.stages:
        report = replace(report, endpoint=run.endpoint(url).websocket_url)
    _show(run, report, max_loss)


def _users(
    caller: str | None, callee: str | None, caller_token: str | None, callee_token: str | None
) -> tuple[str, str]:
    """The ids of both, from the options, the tokens, or invented. Raises UsageError when they are the same."""
    import uuid

    name = f"call-test-{uuid.uuid4().hex[:6]}"
    found = (
        caller or _user_of(caller_token) or f"{name}-caller",
        callee or _user_of(callee_token) or f"{name}-callee",
    )
    if found[0] == found[1]:
        raise UsageError(f"The caller and the callee are the same user: {found[0]}.", hint=_EXAMPLE)
    return found


def _user_of(token: str | None) -> str | None:
    """The user that a token names. Raises UsageError when it is not a token."""
    from datetime import UTC, datetime

    from whatschat_ops.sockets.tokens import inspect

    return None if token is None else inspect(token, now=datetime.now(UTC)).user_id


def _check_ice_servers(urls: list[str]) -> None:
    import re

    for url in urls:
        if re.fullmatch(r"stun:[^\s:/?]+(:\d{1,5})?", url) is None:
            raise UsageError(
                f"--ice-server {url} is not a STUN server.",
                hint="For example: --ice-server stun:stun.example.com:3478",
            )


def _require_extra() -> None:
    import importlib.util
    import sys

    from whatschat_ops.installation import extra_command

    if importlib.util.find_spec("aiortc") is None:
        raise OpsError(
            f"The peers of a test call are not installed: aiortc missing from {sys.prefix}.",
            hint=extra_command("calls"),
        )


def _prepare(
    run: Run, plan: CallPlan, tokens: Mapping[Side, str | None], via: TokenVia, url: str | None
) -> Mapping[Side, Connect]:
    """What connects each user, each with a token that is minted now."""
    openers = {
        side: opener(run, None if tokens[side] else user, tokens[side], via, url, _EXAMPLE)
        for side, user in plan.users.items()
    }
    return {side: _with_token(each, each.make_token()) for side, each in openers.items()}


def _with_token(each: Opener, token: Secret) -> Opener:
    return replace(each, make_token=lambda: token)


def _peer_maker(
    run: Run, url: str | None, ice_servers: list[str]
) -> Callable[[Side, Callable[[], None]], CallPeer]:
    # Here, not when the first one is made: half a second that would count as a stage's.
    from whatschat_ops.calls.peer import Peer
    from whatschat_ops.calls.plan import SENDS_HZ
    from whatschat_ops.network import is_loopback

    def make(side: Side, changed: Callable[[], None]) -> CallPeer:
        return Peer(
            SENDS_HZ[side],
            SENDS_HZ[side.other],
            ice_servers=ice_servers,
            loopback=not ice_servers and is_loopback(run.endpoint(url).websocket_url),
            changed=changed,
        )

    return make


def _call(
    run: Run,
    plan: CallPlan,
    prepare: Callable[[], Mapping[Side, Connect]],
    make_peer: Callable[[Side, Callable[[], None]], CallPeer],
) -> CallReport:
    import asyncio

    from whatschat_ops.calls.native import NativeCall

    async def call() -> CallReport:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        # What a library's task fails with after its end is no failure of the call.
        loop.set_exception_handler(lambda _loop, context: run.out.detail(str(context.get("message", ""))))
        made = NativeCall(
            plan,
            prepare,
            make_peer,
            advise=lambda error: advise(error, "call test"),
            on_stage=lambda stage: run.out.detail(f"Stage: {stage.value}"),
        )
        with stop_on_interrupt(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await made.run()

    with run.out.status("Making a call"):
        return asyncio.run(call())


def _simulate(run: Run, vocabulary: CallVocabulary, caller: str, callee: str) -> None:
    import time
    import uuid

    from whatschat_ops.calls.simulated import simulate
    from whatschat_ops.cli.call.tables import render_simulated

    report = simulate(vocabulary, caller, callee, uuid.uuid4().hex, int(time.time() * 1000))
    run.out.result(report, render_simulated)


def _meet(run: Run, users: tuple[str, str]) -> None:
    from whatschat_ops.calls.meeting import MeetingCall
    from whatschat_ops.chime.models import Purpose
    from whatschat_ops.chime.reachability import probe_all
    from whatschat_ops.chime.requests import MeetingOptions
    from whatschat_ops.cli.call.tables import render_meeting
    from whatschat_ops.cli.target import is_embedded

    service = run.chime()
    options = MeetingOptions(purpose=Purpose.TEST, ttl=_LIFE_OF_A_MEETING)  # a kill leaves it to a sweep
    with run.out.status("Making a meeting"), stop_on_interrupt(lambda: None) as stop:
        report = MeetingCall(
            service,
            lambda: service.create_meeting(users[0], options=options),
            users,
            probe=None if is_embedded(run.settings) else probe_all,
            stop=stop,
            advise=lambda error: advise(error, "chime meeting create"),
        ).run()
    run.out.result(report, render_meeting)
    _raise_failure(report)


def _raise_failure(report: CallReport | MeetingReport) -> None:
    from whatschat_ops.calls.report import CallFailed

    if (failure := report.failure) is not None:
        raise CallFailed(f"The call failed at stage {failure.stage!r}: {failure.cause}", hint=failure.hint)
    if report.interrupted:
        raise Interrupted("Interrupted: the report covers the time until then. Nothing is left open.")


def _show(run: Run, report: CallReport, max_loss: float | None) -> None:
    from whatschat_ops.cli.call.tables import render

    run.out.result(report, render)
    _raise_failure(report)
    lossy = [flow for flow in report.audio if max_loss is not None and (flow.loss_percent or 0) > max_loss]
    if lossy:
        lost = ", ".join(f"{flow.loss_percent:.3g} % from {flow.direction}" for flow in lossy)
        raise ChecksFailed(f"More audio was lost than --max-loss {max_loss:g} allows: {lost}.")
