"""What `cost budget` needs: a policy of its own. Pure.

Budgets have the two actions ViewBudget and ModifyBudget, on the budget (Service Authorization Reference, AWS Budget Service).
"""

from __future__ import annotations

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.parts.blueprint import Blueprint


def budget_policy(blueprint: Blueprint) -> Document:
    """The budget of the stack, its alarm, and the API's id. Listing alarms knows no resource."""
    names, place = blueprint.names, blueprint.place
    budget = f"arn:{place.partition}:budgets::{place.account_id}:budget/{names.budget}"
    alarm = f"arn:{place.partition}:cloudwatch:{place.region}:{place.account_id}:alarm:{names.budget_alarm}"
    return document(
        allow("Budget", actions("budgets", "ViewBudget ModifyBudget"), budget),
        allow("Alarm", actions("cloudwatch", "PutMetricAlarm DeleteAlarms"), alarm),
        allow("Alarms", ["cloudwatch:DescribeAlarms"], "*"),
        allow("Apis", ["apigateway:GET"], f"arn:{place.partition}:apigateway:{place.region}::/apis"),
    )
