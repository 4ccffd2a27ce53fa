"""Every kind of AWS resource in the stack, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whatschat_ops.provision import Kind
from whatschat_ops.stack.kinds.alarm import Alarm
from whatschat_ops.stack.kinds.alias import Alias
from whatschat_ops.stack.kinds.api import Api
from whatschat_ops.stack.kinds.bucket import Bucket
from whatschat_ops.stack.kinds.context import AwsKind, Context
from whatschat_ops.stack.kinds.dashboard import Dashboard
from whatschat_ops.stack.kinds.event_rule import EventRule
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.log_role import ApiGatewayLogRole
from whatschat_ops.stack.kinds.permission import Permission
from whatschat_ops.stack.kinds.role import Role, RolePolicy
from whatschat_ops.stack.kinds.route import Integration, Route
from whatschat_ops.stack.kinds.secret import SecretParameter
from whatschat_ops.stack.kinds.stage import Deployment, Stage
from whatschat_ops.stack.kinds.state_machine import StateMachine
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.kinds.topic import Subscription, Topic

KINDS: Final[Mapping[str, type[AwsKind]]] = {
    kind.name: kind
    for kind in (
        Table, LogGroup, ApiGatewayLogRole, Role, RolePolicy, SecretParameter, Api, Function, Alias, Permission,
        Integration, Route, Deployment, Stage, Bucket, StateMachine, EventRule, Topic, Subscription, Alarm,
        Dashboard,
    )
}  # fmt: skip
"""Name -> kind. A stack's resources are listed in this order."""


def kinds_of(context: Context) -> Mapping[str, Kind]:
    """Name -> kind, ready to use."""
    return {name: kind(context) for name, kind in KINDS.items()}
