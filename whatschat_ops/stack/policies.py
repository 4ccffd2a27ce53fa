"""IAM policies of the components, composed from the parts of the stack: what is printed is what is attached. Pure.

Every action stands on the narrowest resource that AWS lets it be limited to (Service Authorization Reference). `*`
stands where AWS knows no resource: listings and CreateMeeting.

Not in the operator's: rights on principals that are not the stack's. Who may put a policy on any user may become
any of them, so `iam attach` to such a principal takes an administrator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import structs

from whatschat_ops.config import Settings
from whatschat_ops.provision import Resource
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, allow, document, merged
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.declaration import Granted
from whatschat_ops.stack.kinds.role import delete_roles, role_arn
from whatschat_ops.stack.parts import load, monitoring
from whatschat_ops.stack.parts.backend import backend_policy
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.broadcast import states_policy, worker_policy
from whatschat_ops.stack.parts.budget import budget_policy
from whatschat_ops.stack.parts.calculator import calculator_policy
from whatschat_ops.stack.parts.chime import chime_policy
from whatschat_ops.stack.parts.handlers import lambda_policy
from whatschat_ops.stack.parts.log_reading import log_reading_policy
from whatschat_ops.stack.parts.metrics import metrics_policy
from whatschat_ops.stack.parts.migration import migration_policy, reader_policy
from whatschat_ops.stack.parts.usage import usage_policy
from whatschat_ops.stack.resources import PARTS, stack_resources


def policy_of(component: str, settings: Settings, place: Place, api_id: str) -> Document:
    """The policy of `lambda`, `chime`, `backend`, `broadcast-worker`, `broadcast-states`, `operator` or one of its additions, such as `operator-metrics`."""
    return _POLICIES[component](Blueprint(settings, place, api_id=api_id))


def operator_policy(blueprint: Blueprint) -> Document:
    """What this program needs to provision, read, use, check and delete the stack, but for `monitoring` and load tests from workers."""
    parts = [part for part in PARTS if part is not monitoring.PART]
    return document(
        *merged(
            [
                *_of_kinds(stack_resources(blueprint, parts).all, blueprint),
                *(statement for part in parts for statement in part.operator_statements(blueprint)),
                # What carries our tag and is not wanted any more: listings, which know no resource.
                allow("Anywhere", ["tag:GetResources", "iam:ListRoles"], "*"),
                *_of_earlier_roles(blueprint),
                # The doctor asks what its own caller may do. What else the statement allows is of roles, not of users.
                allow(
                    "Roles",
                    ["iam:SimulatePrincipalPolicy"],
                    blueprint.place.user("/", "${aws:username}"),
                ),
            ]
        )
    )


def monitoring_policy(blueprint: Blueprint) -> Document:
    """What `monitoring` adds to it, in a document of its own: the operator's fills a managed policy.

    It covers all that `monitoring` can turn on, so that who turns something off may still delete it.
    """
    on = structs.replace(
        blueprint.settings.monitoring,
        enabled=True,
        alarms=True,
        dashboard=True,
        emails=("oncall@example.com",),
        open_connections=structs.replace(blueprint.settings.monitoring.open_connections, enabled=True),
    )
    whole = structs.replace(blueprint, settings=structs.replace(blueprint.settings, monitoring=on))
    part = monitoring.PART
    resources = stack_resources(whole, [part]).all
    statements = merged([*_of_kinds(resources, whole), *part.operator_statements(whole)])
    # Nor does it need what `iam check` asks of other roles.
    return document(*_without(statements, _LISTING, "iam:SimulatePrincipalPolicy"))


def load_policy(blueprint: Blueprint) -> Document:
    """What `ws load --engine distributed` adds to it: to make its worker, to run load tests, to delete it."""
    made = _of_kinds(load.resources(blueprint), blueprint)
    return document(*_without(merged([*made, *load.operator_statements(blueprint)]), _LISTING))


_LISTING: Final = "logs:DescribeLogGroups"
"""What log groups need, too, and the policy `operator` has for all of them."""


def _without(statements: Iterable[Document], *actions: str) -> Iterator[Document]:
    for each in statements:
        if left := [action for action in each["Action"] if action not in actions]:
            yield {**each, "Action": left}


def _of_earlier_roles(blueprint: Blueprint) -> Iterator[Document]:
    """To delete the roles of version 0.1.0 once no Region uses them."""
    names = blueprint.names
    arns = [role_arn(blueprint.place, names.earlier_iam_path, name) for name in names.earlier_roles]
    yield delete_roles(arns)
    yield allow("Anywhere", ["lambda:ListFunctions", "ec2:DescribeRegions"], "*")


def _of_kinds(resources: Iterable[Resource], blueprint: Blueprint) -> Iterator[Document]:
    """What each kind needs to create, read, update and delete its resources."""
    by_kind: dict[str, list[Resource]] = {}
    for resource in resources:
        by_kind.setdefault(resource.kind, []).append(resource)
    for name, found in by_kind.items():
        there = (KINDS[other] for other in by_kind)
        actions = [
            action
            for kind in there
            if name == (kind.operator_on or kind.name)
            for action in kind.operator_actions
        ]
        granted = Granted(found, actions, blueprint.place, str(blueprint.api_id))
        yield from KINDS[name].operator_statements(granted)


_POLICIES: Final[Mapping[str, Callable[[Blueprint], Document]]] = {
    "lambda": lambda_policy,
    "chime": chime_policy,
    "backend": backend_policy,
    "broadcast-worker": worker_policy,
    "broadcast-states": states_policy,
    "operator": operator_policy,
    "operator-budget": budget_policy,
    "operator-cost": calculator_policy,
    "operator-logs": log_reading_policy,
    "operator-metrics": metrics_policy,
    "operator-migration": migration_policy,
    "backend-migration": reader_policy,
    "operator-usage": usage_policy,
    monitoring.COMPONENT: monitoring_policy,
    "load-worker": load.worker_policy,
    load.COMPONENT: load_policy,
}
"""Component -> its policy. The operator's fills the length of a managed policy: what only some commands need is a policy of its own."""
