"""`iam`: the policies that the functions, the application and the operator need."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import Run, YesOption, command
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from whatschat_ops.stack.attachments import Attachment, Principal


class Component(StrEnum):
    """Who needs a policy."""

    LAMBDA = "lambda"
    CHIME = "chime"
    OPERATOR = "operator"


class Attachable(StrEnum):
    """What can be attached to an identity of the account."""

    LAMBDA = "lambda"
    CHIME = "chime"


RoleOption = Annotated[str | None, typer.Option("--role", help="Name of an IAM role.")]
UserOption = Annotated[str | None, typer.Option("--user", help="Name of an IAM user.")]
GroupOption = Annotated[str | None, typer.Option("--group", help="Name of an IAM group.")]
ComponentArgument = Annotated[Attachable, typer.Argument(help="Whose policy: lambda or chime.")]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="The IAM policies: print, attach, detach.")
    command(group)(policies)
    command(group)(attach)
    command(group)(detach)
    app.add_typer(group, name="iam")


def policies(
    run: Run,
    component: Annotated[
        Component | None,
        typer.Argument(help="lambda (the functions), chime (the application) or operator (you)."),
    ] = None,
    account_id: Annotated[str, typer.Option("--account-id", help="AWS account in the ARNs.")] = "*",
    api_id: Annotated[str, typer.Option("--api-id", help="WebSocket API in the ARNs.")] = "*",
) -> None:
    """Print the policy documents, without asking AWS. These are the very documents that are attached.

    Example: whatschat-ops iam policies chime --account-id 123456789012
    """
    from whatschat_ops.stack.arns import Place
    from whatschat_ops.stack.policies import policy_of

    place = Place(run.settings.aws.region, account_id)
    chosen = [component] if component else list(Component)
    documents = {item.value: policy_of(item.value, run.settings, place, api_id) for item in chosen}
    run.out.result(documents[component.value] if component else documents, _render_document)


def attach(
    run: Run,
    component: ComponentArgument,
    role: RoleOption = None,
    user: UserOption = None,
    group: GroupOption = None,
    yes: YesOption = False,
) -> None:
    """Put a policy on a role, user or group of the account, as an inline policy with our name.

    Example: whatschat-ops iam attach chime --role whatschat-backend
    """
    from whatschat_ops.stack.arns import Place
    from whatschat_ops.stack.attachments import attach_policy
    from whatschat_ops.stack.outputs import read_outputs
    from whatschat_ops.stack.policies import policy_of

    principal = _principal(role, user, group)
    api_id = (read_outputs(run.settings, run.aws).api_id or "*") if component is Attachable.LAMBDA else "*"
    place = Place(run.aws.region, run.aws.account_id)
    document = policy_of(component.value, run.settings, place, api_id)
    question = f"Attach the {component.value} policy to the {principal.type} {principal.name}?"
    if not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was done.")
        return
    attachment = attach_policy(run.aws, principal, _policy_name(run, component), document)
    run.out.result(attachment, _render_attachment)


def detach(
    run: Run,
    component: ComponentArgument,
    role: RoleOption = None,
    user: UserOption = None,
    group: GroupOption = None,
    yes: YesOption = False,
) -> None:
    """Take our policy off a role, user or group again.

    Example: whatschat-ops iam detach chime --role whatschat-backend
    """
    from whatschat_ops.stack.attachments import detach_policy

    principal = _principal(role, user, group)
    question = f"Detach the {component.value} policy from the {principal.type} {principal.name}?"
    if not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was done.")
        return
    run.out.result(detach_policy(run.aws, principal, _policy_name(run, component)), _render_attachment)


def _principal(role: str | None, user: str | None, group: str | None) -> Principal:
    from whatschat_ops.stack.attachments import Principal

    if role and not (user or group):
        return Principal("role", role)
    if user and not (role or group):
        return Principal("user", user)
    if group and not (role or user):
        return Principal("group", group)
    raise UsageError(
        "Name exactly one of --role, --user and --group.", hint="whatschat-ops iam attach --help"
    )


def _policy_name(run: Run, component: Attachable) -> str:
    return f"{run.names.stack}-{component.value}"


def _render_document(document: Any) -> str:
    return json.dumps(document, indent=2)


def _render_attachment(attachment: Attachment) -> str:
    place = f"the {attachment.principal_type} {attachment.principal}"
    if attachment.attached:
        return f"{attachment.policy} is {'now ' if attachment.changed else 'already '}attached to {place}."
    if not attachment.changed:
        return f"{attachment.policy} was not attached to {place}."
    return f"{attachment.policy} is detached from {place}."
