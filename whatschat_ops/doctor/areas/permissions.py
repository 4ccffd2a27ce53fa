"""What the roles of the stack may do, and what the caller may do to the stack."""

from __future__ import annotations

from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas.stack import CREDENTIALS, THERE
from whatschat_ops.doctor.check import Check, Finding, fail, judge_permissions, ok, skip, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, Hint, NotFound, PermissionDenied, UsageError
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check import PermissionCheck, check_permissions, principal_of
from whatschat_ops.stack.iam_check.check import needs_of
from whatschat_ops.stack.iam_check.evaluator import Decision, decide, statements
from whatschat_ops.stack.iam_documents import Document
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.policies import policy_of

SUFFICIENT: Final = "WS031"
POLICIES: Final = "WS032"
TRUST: Final = "WS033"
BOUNDARY: Final = "WS037"
OPERATOR: Final = "ST020"
_MOST_SHOWN: Final = 5


def boundary(facts: Facts) -> Finding:
    """A permissions boundary that others set on the functions' role allows what the functions need."""
    name = facts.names.lambda_role
    found = facts.call("iam", "get_role", RoleName=name)["Role"].get("PermissionsBoundary", {})
    if not found:
        return ok(f"The role {name} has no permissions boundary.")
    arn = found["PermissionsBoundaryArn"]
    version = facts.call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = facts.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    denied = [
        need
        for need in needs_of(lambda_policy(facts.settings, facts.aws), Principal("role", name))
        if decide(statements(arn, document), need) in (Decision.IMPLICIT_DENY, Decision.EXPLICIT_DENY)
    ]
    if not denied:
        return ok(f"The role {name} has the boundary {arn}, which allows what the functions need.")
    return fail(
        f"The permissions boundary {arn} of the role {name} does not allow {denied[0].action}, whatever its policies say.",
        f"Allow it in the boundary, or remove that: aws iam delete-role-permissions-boundary --role-name {name}",
        f"GetRole.PermissionsBoundary = {arn}",
    )


def lambda_policy(settings: Settings, aws: Aws) -> Document:
    """What the functions need, as their role's policy."""
    api_id = read_outputs(settings, aws).api_id or "*"
    return policy_of("lambda", settings, Place(aws.region, aws.account_id), api_id)


def sufficient(facts: Facts) -> Finding:
    """The functions' role allows the calls of the handlers."""
    name = facts.names.lambda_role
    try:
        wanted = lambda_policy(facts.settings, facts.aws)
        found = check_permissions(facts.aws, "lambda", Principal("role", name), wanted)
    except NotFound:
        return fail(f"The role {name} does not exist.", PROVISION)
    return judge_permissions(
        found, Hint(("iam", "attach", "lambda", "--role", name), "Provision the stack, or")
    )


def operator(facts: Facts) -> Finding:
    """The caller's policies allow the calls of `provision` and of the other commands."""
    caller = facts.caller
    if caller.endswith(":root"):
        return ok("The caller is the root user of the account, which has all permissions.")
    place = Place(facts.aws.region, facts.aws.account_id)
    try:
        principal = principal_of(caller)
        arn = caller if principal.type == "user" else None
        document = policy_of("operator", facts.settings, place, _api_id(facts))
        found = check_permissions(facts.aws, "operator", principal, document, arn=arn)
    except UsageError as error:
        return skip(error.message)
    except PermissionDenied as error:
        return skip(error.message, "Get iam:SimulatePrincipalPolicy allowed on yourself.")
    return judge_operator(found)


def judge_operator(found: PermissionCheck) -> Finding:
    """What the caller lacks is a warning: a stack can be read by who may not change it."""
    who = f"The {found.principal_type} {found.principal}"
    if not found.missing:
        return ok(f"{who} has all {found.needed} permissions of an operator.")
    lacking = [f"{item.action} on {item.resource}" for item in found.missing]
    more = f" and {len(lacking) - _MOST_SHOWN} more" if len(lacking) > _MOST_SHOWN else ""
    return warn(
        f"{who} lacks {len(lacking)} of {found.needed} permissions of an operator: {', '.join(lacking[:_MOST_SHOWN])}{more}.",
        Hint(("iam", "check", "operator")),
        f"SimulatePrincipalPolicy: {found.missing[0].action} is {found.missing[0].decision.value}",
    )


def _api_id(facts: Facts) -> str:
    try:
        return facts.outputs.api_id or "*"
    except NotFound:
        return "*"


CHECKS: Final = (
    drift_check(
        POLICIES,
        "websocket.policies",
        "Do the roles have the stack's policies?",
        ("role_policy.*",),
        "The roles have their policies.",
        "A role lacks its policy, or has another",
        THERE,
        "An inline policy of a role was deleted or edited: the functions are refused by DynamoDB, SSM or @connections.",
    ),
    drift_check(
        TRUST,
        "websocket.trust",
        "Can AWS's services assume the roles?",
        ("role.*:trust_policy",),
        "The trust policies of the roles name the services that assume them.",
        "A role cannot be assumed by its service",
        THERE,
        "The trust policy was edited: Lambda cannot assume the role, and every invocation fails.",
    ),
    Check(
        BOUNDARY,
        "websocket.boundary",
        "Does no permissions boundary hold the functions back?",
        boundary,
        THERE,
        actions=("iam:GetRole", "iam:GetPolicy", "iam:GetPolicyVersion"),
        meaning="A boundary that others set on the role limits what its policies allow, whatever they say.",
        fix=Hint(text="aws iam delete-role-permissions-boundary"),
    ),
    Check(
        SUFFICIENT,
        "websocket.iam",
        "Do the functions have their permissions?",
        sufficient,
        (*THERE, "WS001", "WS002", POLICIES, TRUST, BOUNDARY),
        actions=(
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:SimulatePrincipalPolicy",
        ),
        meaning="The role has the stack's policies, and still something is denied: by another policy of it, or by the organization.",
        fix=Hint(("iam", "check", "lambda")),
    ),
    Check(
        OPERATOR,
        "stack.operator",
        "Does the caller have the permissions of an operator?",
        operator,
        (CREDENTIALS,),
        actions=("iam:SimulatePrincipalPolicy",),
        meaning="Some commands will be refused to this caller. Read-only callers may stay so.",
        fix=Hint(("iam", "check", "operator")),
    ),
)
