"""The budget and the alarm of one stack in AWS: read, compared with what is wanted, changed, deleted.

Budgets are the account's, in one place for all Regions (endpoint of us-east-1). The notifications of a budget are compared as
a whole: one whose subscribers differ is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.budgets.allowance import NOTIFICATIONS, Allowance, alarm_document, budget_document
from whatschat_ops.config import Names
from whatschat_ops.errors import NotFound

REGION: Final = "us-east-1"
Subscribers = frozenset[tuple[str, str]]
"""Type (SNS or EMAIL) and address."""
Notification = tuple[str, float]
"""Type (ACTUAL or FORECASTED) and percent."""
CREATE, UPDATE, DELETE, NO_CHANGE = "create", "update", "delete", "no change"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is there. `actual_usd` and `forecast_usd` are AWS's own figures, hours behind; None: there is none."""

    budget: str
    monthly_usd: Decimal | None
    actual_usd: Decimal | None
    forecast_usd: Decimal | None
    usage_types: tuple[str, ...]
    subscribers: tuple[str, ...]
    alarm: str
    alarm_state: str | None
    alarm_messages: int | None
    alarm_window_s: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to the budget, its notifications or the alarm."""

    of: str
    action: str


class BudgetGuard:
    """The budget and the alarm of one stack."""

    def __init__(self, aws: Aws, names: Names) -> None:
        self._aws = aws
        self.budget_name = names.budget
        self.alarm_name = names.budget_alarm

    def look(self) -> Watched:
        """Both, as they are."""
        budget, alarm = self._budget() or {}, self._alarm() or {}
        spend = budget.get("CalculatedSpend") or {}
        notifications = self._notifications() if budget else {}
        return Watched(
            self.budget_name,
            _usd(budget.get("BudgetLimit")),
            _usd(spend.get("ActualSpend")),
            _usd(spend.get("ForecastedSpend")),
            tuple(((budget.get("FilterExpression") or {}).get("Dimensions") or {}).get("Values") or ()),
            tuple(sorted({address for each in notifications.values() for _, address in each})),
            self.alarm_name,
            alarm.get("StateValue"),
            None if not alarm else int(alarm["Threshold"]),
            alarm.get("Period"),
        )

    def set(
        self,
        wanted: Allowance,
        dimensions: Mapping[str, str],
        subscribers: Subscribers,
        *,
        apply: bool,
    ) -> list[Change]:
        """What is to be done, in this order; with `apply` it is done."""
        topics = tuple(sorted(address for kind, address in subscribers if kind == "SNS"))
        budget = budget_document(self.budget_name, wanted)
        alarm = alarm_document(self.alarm_name, wanted, dimensions, topics)
        of_budget = self._set_budget(budget, apply=apply)
        return [
            Change("budget", of_budget),
            Change(
                "notifications", self._set_notifications(subscribers, is_new=of_budget == CREATE, apply=apply)
            ),
            Change("alarm", self._set_alarm(alarm, apply=apply)),
        ]

    def delete(self, *, apply: bool) -> list[Change]:
        """Both; what is not there needs no change."""
        has_budget, has_alarm = self._budget() is not None, self._alarm() is not None
        if apply and has_budget:
            self._budgets.delete_budget(**self._named)
        if apply and has_alarm:
            self._aws.client("cloudwatch").delete_alarms(AlarmNames=[self.alarm_name])
        return [
            Change("budget", DELETE if has_budget else NO_CHANGE),
            Change("alarm", DELETE if has_alarm else NO_CHANGE),
        ]

    def _set_budget(self, wanted: dict[str, Any], *, apply: bool) -> str:
        found = self._budget()
        if found is None:
            if apply:
                self._budgets.create_budget(AccountId=self._aws.account_id, Budget=wanted)
            return CREATE
        compared = ("BudgetType", "TimeUnit", "FilterExpression", "Metrics")
        same = all(found.get(name) == wanted[name] for name in compared)
        if same and _usd(found.get("BudgetLimit")) == _usd(wanted["BudgetLimit"]):
            return NO_CHANGE
        if apply:
            self._budgets.update_budget(AccountId=self._aws.account_id, NewBudget=wanted)
        return UPDATE

    def _set_notifications(self, subscribers: Subscribers, *, is_new: bool, apply: bool) -> str:
        found = {} if is_new else self._notifications()
        wanted: dict[Notification, Subscribers] = (
            dict.fromkeys(NOTIFICATIONS, subscribers) if subscribers else {}
        )
        if found == wanted:
            return NO_CHANGE
        if apply:
            for key in [key for key in found if found[key] != wanted.get(key)]:
                self._budgets.delete_notification(**self._named, Notification=_notification(key))
            for key in [key for key in wanted if found.get(key) != wanted[key]]:
                told = [
                    {"SubscriptionType": kind, "Address": address} for kind, address in sorted(wanted[key])
                ]
                self._budgets.create_notification(
                    **self._named, Notification=_notification(key), Subscribers=told
                )
        return UPDATE if found else CREATE

    def _set_alarm(self, wanted: dict[str, Any], *, apply: bool) -> str:
        found = self._alarm()
        if found is not None and all(found.get(name) == value for name, value in wanted.items()):
            return NO_CHANGE
        if apply:
            self._aws.client("cloudwatch").put_metric_alarm(**wanted)
        return UPDATE if found else CREATE

    def _budget(self) -> Any:
        try:
            return self._budgets.describe_budget(**self._named, ShowFilterExpression=True)["Budget"]
        except NotFound:
            return None

    def _notifications(self) -> dict[Notification, Subscribers]:
        pages = self._budgets.get_paginator("describe_notifications_for_budget").paginate(**self._named)
        found = [each for page in pages for each in page.get("Notifications") or ()]
        return {
            (each["NotificationType"], each["Threshold"]): frozenset(self._subscribers(each))
            for each in found
        }

    def _subscribers(self, notification: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        named = {name: notification[name] for name in _notification(("", 0)) if name in notification}
        pages = self._budgets.get_paginator("describe_subscribers_for_notification")
        for page in pages.paginate(**self._named, Notification=named):
            for each in page.get("Subscribers") or ():
                yield each["SubscriptionType"], each["Address"]

    def _alarm(self) -> Any:
        found = self._aws.client("cloudwatch").describe_alarms(
            AlarmNames=[self.alarm_name], AlarmTypes=["MetricAlarm"]
        )
        return next(iter(found.get("MetricAlarms") or ()), None)

    @property
    def _budgets(self) -> Any:
        return self._aws.client("budgets", region=REGION)

    @property
    def _named(self) -> dict[str, str]:
        return {"AccountId": self._aws.account_id, "BudgetName": self.budget_name}


def _notification(key: Notification) -> dict[str, Any]:
    kind, percent = key
    return {
        "NotificationType": kind,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": percent,
        "ThresholdType": "PERCENTAGE",
    }


def _usd(amount: Mapping[str, str] | None) -> Decimal | None:
    return None if not amount else Decimal(amount["Amount"])
