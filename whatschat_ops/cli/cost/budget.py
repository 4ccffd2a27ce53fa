"""`cost budget`: a monthly amount that AWS watches, and an alarm on the rate of messages that it buys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Blocks, Facts
from whatschat_ops.cli.terminal.times import duration
from whatschat_ops.errors import Hint, Missing, UsageError
from whatschat_ops.quotas import BUDGET_SUBSCRIBERS

if TYPE_CHECKING:
    from whatschat_ops.budgets.allowance import Allowance
    from whatschat_ops.budgets.guard import BudgetGuard, Change, Subscribers, Watched

TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+", re.ASCII)
EMAIL: Final = re.compile(r"[^\s@,]+@[^\s@,]+\.[^\s@,]+")
MISSING: Final = "-"
NO_CHANGE: Final = "no change"


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """The result of `cost budget set` and `delete`. `applied`: the changes were made. `allowance` is None for `delete`."""

    budget: str
    alarm: str
    changes: tuple[Change, ...]
    applied: bool
    allowance: Allowance | None


def show(run: Run) -> None:
    """Show the budget and its alarm.

    Example: whatschat-ops cost budget show
    """
    found = _guard(run).look()
    if found.monthly_usd is None and found.alarm_state is None:
        raise Missing(
            f"There is no budget {found.budget}, and no alarm {found.alarm}.",
            hint=Hint(("cost", "budget", "set", "--help")),
        )
    run.out.result(found, _render_watched)


@audited(usd="amount", shows=("budget", "alarm"))
def set_(
    run: Run,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="US dollars a month: 500")],
    notify: Annotated[
        list[str] | None,
        typer.Option("--notify", metavar="ADDRESS", help="E-mail address or ARN of an SNS topic; repeatable"),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=1, max=100, help="Percent of the amount that is for messages")
    ] = 100,
    window: Annotated[
        str, typer.Option("--window", metavar="DURATION", help="What the alarm looks back on: 1h, 1d, 7d")
    ] = "1d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done")] = False,
    yes: YesOption = False,
) -> None:
    """Create or change the monthly budget.

    The budget counts the account's WebSocket messages and connection minutes in the Region, by usage type: AWS knows no API
    there. It tells its addresses at 80 % and 100 % of the amount, and at a forecast of 100 %. The alarm compares the stack's own
    messages with what the amount buys at AWS's prices in 30 days. Alarms tell SNS topics only.

    Example: whatschat-ops cost budget set 500 --notify ops@example.com --window 7d
    """
    from whatschat_ops.budgets.allowance import allowance
    from whatschat_ops.cli.durations import parse_duration
    from whatschat_ops.pricing.amounts import parse_amount, plain
    from whatschat_ops.pricing.rates import aws_card

    subscribers = _subscribers(notify or [])
    try:
        usd = plain(parse_amount(amount))
    except ValueError as error:
        raise UsageError(f"AMOUNT: {error}.") from error
    if usd <= 0:
        raise UsageError("AMOUNT is more than 0.")
    wanted = allowance(
        aws_card(region=run.settings.aws.region), usd, _percent(share), parse_duration(window, "--window")
    )
    outputs = run.outputs
    if not outputs.api_id:
        raise UsageError("websocket.endpoint names no API of this account: its messages cannot be watched.")
    dimensions = {"ApiId": outputs.api_id, "Stage": outputs.stage}
    guard = _guard(run)

    def change(*, apply: bool) -> list[Change]:
        return guard.set(wanted, dimensions, subscribers, apply=apply)

    question = f"Watch {wanted.monthly_usd:f} USD a month?"
    _carry_out(run, guard, change, question, wanted=wanted, dry_run=dry_run, yes=yes)
    if not subscribers:
        run.out.note("No address is told: add --notify ADDRESS.")
    elif not any(kind == "SNS" for kind, _ in subscribers):
        run.out.note("The alarm tells SNS topics only: add --notify with the ARN of one.")
    else:
        run.out.note("AWS Budgets sends to a topic whose policy allows budgets.amazonaws.com to publish.")


@audited(shows=("budget", "alarm"))
def delete(
    run: Run,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done")] = False,
    yes: YesOption = False,
) -> None:
    """Delete the budget and its alarm.

    Example: whatschat-ops cost budget delete --yes
    """
    guard = _guard(run)
    question = f"Delete the budget {guard.budget_name} and the alarm {guard.alarm_name}?"
    _carry_out(run, guard, guard.delete, question, wanted=None, dry_run=dry_run, yes=yes)


def _carry_out(
    run: Run,
    guard: BudgetGuard,
    change: Callable[..., list[Change]],
    question: str,
    *,
    wanted: Allowance | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Make the changes, after a question; none is asked, and nothing done, with --dry-run or without any change."""
    changes = change(apply=False)
    has_work = any(each.action != NO_CHANGE for each in changes)
    wants = has_work and not dry_run
    applied = wants and run.out.confirm(question, yes=yes)
    if applied:
        changes = change(apply=True)
    result = BudgetChange(guard.budget_name, guard.alarm_name, tuple(changes), applied, wanted)
    run.out.result(result, _render_change)
    if wants and not applied:
        run.out.note("Nothing was changed.")


def _guard(run: Run) -> BudgetGuard:
    from whatschat_ops.budgets.guard import BudgetGuard

    return BudgetGuard(run.aws, run.names)


def _percent(share: float) -> Decimal:
    return Decimal(str(share)) / 100


def _subscribers(addresses: list[str]) -> Subscribers:
    """Of type SNS or EMAIL. Raises UsageError for what is neither, and for more than AWS Budgets takes."""
    found = set()
    for address in addresses:
        kind = "SNS" if TOPIC.fullmatch(address) else "EMAIL" if EMAIL.fullmatch(address) else None
        if kind is None:
            raise UsageError(f"--notify is an e-mail address or the ARN of an SNS topic, not {address!r}.")
        found.add((kind, address))
    for kind, most in BUDGET_SUBSCRIBERS.items():
        if sum(each == kind for each, _ in found) > most:
            raise UsageError(f"A budget tells at most {most} addresses of type {kind}.")
    return frozenset(found)


def _render_change(result: BudgetChange) -> Blocks:
    done = {"create": "created", "update": "updated", "delete": "deleted"}
    facts = {
        each.of.capitalize(): done.get(each.action, each.action) if result.applied else each.action
        for each in result.changes
    }
    return Blocks([Facts({"Name": result.budget, **facts, **_allowed(result.allowance)})])


def _allowed(wanted: Allowance | None) -> dict[str, str]:
    if wanted is None:
        return {}
    return {
        "Amount": f"{wanted.monthly_usd:,f} USD a month, {wanted.percent} % of it for messages",
        "Messages": f"{wanted.messages_per_month:,} in 30 days ({wanted.price_source})",
        "Alarm at": f"more than {wanted.threshold:,} messages in {duration(wanted.window_s)}",
        "Usage types": ", ".join(wanted.usage_types),
    }


def _render_watched(found: Watched) -> Blocks:
    def usd(amount: Decimal | None) -> str:
        return MISSING if amount is None else f"{amount:,f} USD"

    alarm = MISSING
    if found.alarm_messages is not None and found.alarm_window_s:
        alarm = f"{found.alarm_state}: more than {found.alarm_messages:,} messages in {duration(found.alarm_window_s)}"
    facts = {
        "Budget": found.budget,
        "Amount": usd(found.monthly_usd),
        "Spent": usd(found.actual_usd),
        "Forecast": usd(found.forecast_usd),
        "Usage types": ", ".join(found.usage_types) or MISSING,
        "Tells": ", ".join(found.subscribers) or MISSING,
        "Alarm": alarm,
    }
    return Blocks([Facts(facts)])
