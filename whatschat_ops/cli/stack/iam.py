"""`iam`: the policies that the functions, the application's backend and the operator need."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table
from whatschat_ops.errors import ChecksFailed, Hint, NotFound, UsageError
from whatschat_ops.quotas import ACCOUNT_ID_CHARACTERS

if TYPE_CHECKING:
    from whatschat_ops.stack.arns import Place
    from whatschat_ops.stack.attachments import Attachment, Principal
    from whatschat_ops.stack.iam_check import PermissionCheck


ACCOUNT_ID = re.compile(f"[0-9]{{{ACCOUNT_ID_CHARACTERS}}}")


class Component(StrEnum):
    """Who needs a policy."""

    LAMBDA = "lambda"
    CHIME = "chime"
    BACKEND = "backend"
    BACKEND_MIGRATION = "backend-migration"
    BROADCAST_WORKER = "broadcast-worker"
    BROADCAST_STATES = "broadcast-states"
    LOAD_WORKER = "load-worker"
    OPERATOR = "operator"
    OPERATOR_BUDGET = "operator-budget"
    OPERATOR_COST = "operator-cost"
    OPERATOR_LOAD = "operator-load"
    OPERATOR_LOGS = "operator-logs"
    OPERATOR_METRICS = "operator-metrics"
    OPERATOR_MIGRATION = "operator-migration"
    OPERATOR_MONITORING = "operator-monitoring"
    OPERATOR_USAGE = "operator-usage"
    DOCTOR = "doctor"

    @property
    def is_operators(self) -> bool:
        """Whether it is for who runs this program."""
        return self.startswith(Component.OPERATOR)


RoleOption = Annotated[str | None, typer.Option("--role", metavar="NAME", help="Name of an IAM role")]
UserOption = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Name of an IAM user")]
GroupOption = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Name of an IAM group")]
ComponentArgument = Annotated[
    Component,
    typer.Argument(
        help="Policy of the functions, of meetings alone, of the application's backend, of distributed broadcasts, of you, of you for monitoring, or of whoever reads logs"
    ),
]


def policies(
    run: Run,
    component: Annotated[
        Component | None,
        typer.Argument(
            help="Policy of the functions, of meetings alone, of the application's backend, of distributed broadcasts, of you, of you for monitoring, or of whoever reads logs [default: all]"
        ),
    ] = None,
    account_id: Annotated[
        str, typer.Option("--account-id", metavar="ACCOUNT", help="AWS account in the ARNs")
    ] = "*",
    api_id: Annotated[str, typer.Option("--api-id", metavar="API", help="WebSocket API in the ARNs")] = "*",
) -> None:
    """Print the IAM policies.

    Prints the documents that `iam attach` attaches, without calling AWS.

    Example: whatschat-ops iam policies backend --account-id 123456789012
    """
    from whatschat_ops.stack.arns import Place

    if account_id != "*" and not ACCOUNT_ID.fullmatch(account_id):
        raise UsageError(
            f"{account_id!r} is not an AWS account: an account has 12 digits.",
            hint="aws sts get-caller-identity --query Account --output text",
        )
    place = Place(run.settings.aws.region, account_id)
    chosen = [component] if component else _wanted(run)
    documents = {item.value: _policy(run, item, place, api_id) for item in chosen}
    run.out.result(documents[component.value] if component else documents, _render_document)


@audited(policy="component", role="role", iam_user="user", group="group", shows=("policy", "changed"))
def attach(
    run: Run,
    component: ComponentArgument,
    role: RoleOption = None,
    user: UserOption = None,
    group: GroupOption = None,
    yes: YesOption = False,
) -> None:
    """Attach a policy to an IAM identity.

    Adds an inline policy to a role, user or group of the account. The stack must be provisioned, except for the operator's
    policy, which provisioning needs.

    Example: whatschat-ops iam attach backend --role whatschat-backend
    """
    _change(run, "attach", component, _principal("attach", role, user, group), yes=yes)


@audited(policy="component", role="role", iam_user="user", group="group", shows=("policy", "changed"))
def detach(
    run: Run,
    component: ComponentArgument,
    role: RoleOption = None,
    user: UserOption = None,
    group: GroupOption = None,
    yes: YesOption = False,
) -> None:
    """Detach a policy from an IAM identity.

    Deletes the inline policy that `iam attach` put on a role, user or group.

    Example: whatschat-ops iam detach backend --role whatschat-backend
    """
    _change(run, "detach", component, _principal("detach", role, user, group), yes=yes)


def check(
    run: Run,
    component: Annotated[
        Component | None,
        typer.Argument(
            help="Permissions of the functions, of meetings alone, of the application's backend, of distributed broadcasts, yours, yours for monitoring, or to read logs [default: all]"
        ),
    ] = None,
    role: RoleOption = None,
    user: UserOption = None,
    group: GroupOption = None,
) -> None:
    """Find missing and unneeded permissions.

    Simulates the policies with IAM if you are allowed to (iam:SimulatePrincipalPolicy), and reads the attached ones
    otherwise. Without --role, --user or --group, checks the functions' role for lambda, and you for the others.
    Exit code 3 if a permission is missing.

    Example: whatschat-ops iam check backend --role whatschat-backend
    """
    from whatschat_ops.stack.iam_check import check_permissions

    named = _principal("check", role, user, group) if role or user or group else None
    results = []
    # The load worker's role is there once a load test was made.
    wanted = [each for each in _wanted(run) if each is not Component.LOAD_WORKER]
    for item in [component] if component else wanted:
        principal = named or _default_principal(run, item)
        with run.out.status(f"Checking what {item.value} needs"):
            results.append(check_permissions(run.aws, item.value, principal, _document_of(run, item)))
    run.out.result(results, _render_checks)
    lacking = [result.component for result in results if result.missing]
    if lacking and not run.out.as_json:
        raise ChecksFailed(f"Permissions are missing: {', '.join(lacking)}.", hint=_attach_hint(results))
    if lacking:
        raise typer.Exit(ChecksFailed.exit_code)


def _change(run: Run, verb: str, component: Component, principal: Principal, *, yes: bool) -> None:
    """Attach or detach the component's policy, under the stack's lock if there is a stack."""
    from whatschat_ops.stack.attachments import attach_policy, detach_policy

    lock = _lock(run, required=verb == "attach" and not component.is_operators)
    document = _document_of(run, component) if verb == "attach" else {}
    preposition = "to" if verb == "attach" else "from"
    question = f"{verb.capitalize()} the {component.value} policy {preposition} the {principal.type} {principal.name}?"
    if not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was changed.")
        return
    policy = run.names.attached_policy(component.value)
    earlier = run.names.earlier_attached_policy(component.value)
    with lock:
        if verb == "attach":
            attachment = attach_policy(run.aws, principal, policy, document, earlier=earlier)
        else:
            attachment = detach_policy(run.aws, principal, policy, earlier=earlier)
    run.out.result(attachment, _render_attachment)


def _lock(run: Run, *, required: bool) -> AbstractContextManager[None]:
    """The stack's lock, to hold during a change. Without a stack there is none: NotFound if it is `required`."""
    stack = run.stack()
    try:
        _ = run.outputs
    except NotFound:
        if required:
            raise
        return nullcontext()
    return stack.locked()


def _wanted(run: Run) -> list[Component]:
    """All that these settings need."""
    off = set()
    if not run.settings.monitoring.enabled:
        off.add(Component.OPERATOR_MONITORING)
    if not run.settings.broadcast.distributed.enabled:
        off |= {Component.BROADCAST_WORKER, Component.BROADCAST_STATES, Component.LOAD_WORKER}
        off.add(Component.OPERATOR_LOAD)
    return [each for each in Component if each not in off]


def _document_of(run: Run, component: Component) -> dict[str, Any]:
    """The component's policy in this account. The operator's covers an API that does not exist yet, so it names none."""
    from whatschat_ops.stack.arns import Place

    of_one_api = component in (Component.LAMBDA, Component.BACKEND, Component.BROADCAST_WORKER)
    api_id = (run.outputs.api_id or "*") if of_one_api else "*"
    return _policy(run, component, Place(run.aws.region, run.aws.account_id), api_id)


def _policy(run: Run, component: Component, place: Place, api_id: str) -> dict[str, Any]:
    from whatschat_ops.stack.policies import policy_of

    if component is Component.DOCTOR:
        from whatschat_ops.doctor.policy import doctor_policy

        return doctor_policy(run.settings, place)
    return policy_of(component.value, run.settings, place, api_id)


def _principal(verb: str, role: str | None, user: str | None, group: str | None) -> Principal:
    from whatschat_ops.stack.attachments import Principal

    if role and not (user or group):
        return Principal("role", role)
    if user and not (role or group):
        return Principal("user", user)
    if group and not (role or user):
        return Principal("group", group)
    raise UsageError("Give exactly one of --role, --user and --group.", hint=Hint(("iam", verb, "--help")))


def _default_principal(run: Run, component: Component) -> Principal:
    from whatschat_ops.stack.attachments import Principal
    from whatschat_ops.stack.iam_check.attached import principal_of

    roles = {
        Component.LAMBDA: run.names.lambda_role,
        Component.BROADCAST_WORKER: run.names.broadcast_worker_role,
        Component.BROADCAST_STATES: run.names.broadcast_states_role,
        Component.LOAD_WORKER: run.names.load_worker_role,
    }
    if component in roles:
        return Principal("role", roles[component])
    return principal_of(run.aws.caller_arn)


def _render_document(document: Any) -> str:
    return json.dumps(document, indent=2)


def _render_attachment(attachment: Attachment) -> str:
    place = f"the {attachment.principal_type} {attachment.principal}"
    if attachment.attached:
        return f"{attachment.policy} is {'now ' if attachment.changed else 'already '}attached to {place}."
    if not attachment.changed:
        return f"{attachment.policy} was not attached to {place}."
    return f"{attachment.policy} is detached from {place}."


def _attach_hint(results: list[PermissionCheck]) -> Hint:
    lacking = next(result for result in results if result.missing)
    if lacking.missing[0].action == "sts:AssumeRole":
        service = lacking.missing[0].resource
        return Hint(text=f"Let {service} assume the role {lacking.principal}, in its trust policy.")
    return Hint(("iam", "attach", lacking.component, f"--{lacking.principal_type}", lacking.principal))


def _render_checks(results: list[PermissionCheck]) -> Blocks:
    return Blocks([part for result in results for part in _render_check(result)])


def _render_check(result: PermissionCheck) -> list[Styled | Table]:
    columns = (Column(""), Column(""), Column("", wraps=True), Column("", wraps=True))
    rows = [
        (Styled(mark, style), action, "\n".join(resources), why)
        for (mark, style, action, why), resources in _findings(result).items()
    ]
    held = result.needed - len(result.missing) - len(result.unknown)
    by = "IAM says" if result.decided_by == "iam" else "its policies say"
    line = (
        f"{result.component}: the {result.principal_type} {result.principal} has {held} of {result.needed} "
        f"permissions ({by})"
    )
    if result.superfluous is None:
        line += "; superfluous permissions are unknown, because you are not allowed to read its policies"
    return [Styled(f"{line}.", "bold"), *([Table(columns, rows)] if rows else [])]


LONGEST_REASON = 120


def _shortened(reason: str) -> str:
    """The reason without its end: a policy for everything is wider than many others. --json has all of it."""
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON].rpartition(', ')[0]}, ...)"


def _findings(result: PermissionCheck) -> dict[tuple[str, str, str, str], list[str]]:
    """Mark, style, action and reason -> the resources."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for item in result.missing:
        found.setdefault(("MISSING", "red", item.action, item.decision.value), []).append(item.resource)
    for item in result.unknown:
        why = "depends on the request, or is partly allowed"
        found.setdefault(("unknown", "yellow", item.action, why), []).append(item.resource)
    for extra in result.superfluous or ():
        key = ("superfluous", "yellow", extra.action, f"{_shortened(extra.reason)}; {extra.policy}")
        found.setdefault(key, []).append(extra.resource)
    return found
