"""A CloudWatch dashboard. Dashboards are global: one list for all Regions of an account.

What is ours says so in its first widget, a text that people read, too: in templates and in the partitions that do not know
tags of dashboards there is nothing else to tell it by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.dashboard_body import require_valid
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live, Reference, Text
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField, CloudFormationType, Properties

_MARK: Final = re.compile(f"`{re.escape(STACK_TAG)}=([^`]+)`")


class Dashboard(AwsKind):
    """`body` is the dashboard's body as data (CloudWatch API reference, "Dashboard body structure and syntax")."""

    name = "dashboard"
    service = "cloudwatch"
    identity = ("dashboard_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "dashboard_name": AwsField(cfn="DashboardName"),
        "body": AwsField(cfn=lambda body: _body_property(body)),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:cloudwatch::{account}:dashboard/{name}")
    operator_sid = "Dashboards"
    operator_actions = actions("cloudwatch", "PutDashboard GetDashboard DeleteDashboards")
    template = (CloudFormationType("AWS::CloudWatch::Dashboard"),)

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["dashboard_name"]
        try:
            found = self._client.get_dashboard(DashboardName=name)
        except NotFound:
            return None
        body = _parsed(found["DashboardBody"])
        fields = {"dashboard_name": name, "body": body}
        return Live(found["DashboardArn"], fields, {}, owner_in(body))

    def create(self, desired: Mapping[str, Any]) -> Live:
        body = desired["body"]
        text = json.dumps(body)
        require_valid(text)
        self._client.put_dashboard(DashboardName=desired["dashboard_name"], DashboardBody=text)
        arn = self.arn.of(self._context.place, desired["dashboard_name"])
        return Live(arn, dict(desired), {}, owner_in(body))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:  # noqa: ARG002
        self.create(desired)
        return Live(live.id, dict(desired), live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_dashboards(DashboardNames=[live.fields["dashboard_name"]])
        except NotFound:
            return


def mark_of(stack: str) -> str:
    """What the text of a dashboard of ours says, in Markdown.

    >>> mark_of("whatschat-production")
    '`whatschat-ops:stack=whatschat-production`'
    """
    return f"`{STACK_TAG}={stack}`"


def owner_in(body: Any) -> str | None:
    """The stack that a text widget of the body names; None without one, also in a body that others wrote."""
    widgets = body.get("widgets") if isinstance(body, Mapping) else None
    for widget in widgets if isinstance(widgets, list) else ():
        properties = widget.get("properties") if isinstance(widget, Mapping) else None
        markdown = properties.get("markdown") if isinstance(properties, Mapping) else None
        if found := _MARK.search(markdown) if isinstance(markdown, str) else None:
            return found[1]
    return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _body_property(body: Any) -> Properties:
    """The JSON text of a body, with references in it, in the one property that CloudFormation has for it."""
    found: list[Reference] = []

    def placed(value: Any) -> Any:
        if isinstance(value, Reference):
            found.append(value)
            return f"\0{len(found) - 1}\0"
        raise TypeError(f"{value!r} has no place in a dashboard")

    pieces = re.split(r"\\u0000(\d+)\\u0000", json.dumps(body, default=placed))
    parts = tuple(found[int(piece)] if number % 2 else piece for number, piece in enumerate(pieces))
    return {"DashboardBody": Text(parts) if found else parts[0]}
