"""What the settings give the application's own functions: variables (`lambda.environment`) and rights (`lambda.policy_statements`). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from whatschat_ops.config.function_settings import NamedValue
from whatschat_ops.errors import ConfigError
from whatschat_ops.quotas import MAX_FUNCTION_ENVIRONMENT_BYTES
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, allow
from whatschat_ops.stack.kinds.secret import SecretParameter
from whatschat_ops.stack.parts.blueprint import Blueprint

_UNKNOWN: Final = "x" * 100
"""As long as a value that only AWS knows may be: the endpoint of an API."""


def with_given_variables(blueprint: Blueprint, own: Mapping[str, Any]) -> dict[str, Any]:
    """The stack's `own` variables and those of the settings. Raises ConfigError when Lambda would refuse them for their size."""
    given = blueprint.settings.lambda_.environment
    variables = {
        **own,
        **{name: value.name if isinstance(value, NamedValue) else value for name, value in given.items()},
    }
    size = _size_bytes(variables)
    if given and size > MAX_FUNCTION_ENVIRONMENT_BYTES:
        raise ConfigError(
            f"lambda.environment: the variables of a function have {size:,} bytes with the stack's own, "
            f"and Lambda accepts {MAX_FUNCTION_ENVIRONMENT_BYTES:,}.",
            hint="Keep long values in SSM parameters, and give their names (parameter: NAME).",
        )
    return variables


def given_statements(blueprint: Blueprint, own: list[Document]) -> Iterator[Document]:
    """The rights that the settings give, besides the stack's `own`. Raises ConfigError for an identifier that is taken."""
    settings, place = blueprint.settings.lambda_, blueprint.place
    named = [value for value in settings.environment.values() if isinstance(value, NamedValue)]
    parameters = sorted({_parameter_arn(place, each.parameter) for each in named if each.parameter})
    secrets = sorted({_secret_arn(place, each.secret) for each in named if each.secret})
    stores = (
        ("EnvironmentParameters", "ssm:GetParameter", parameters),
        ("EnvironmentSecrets", "secretsmanager:GetSecretValue", secrets),
    )
    taken = {statement["Sid"] for statement in own} | {sid for sid, _, _ in stores}
    yield from (allow(sid, [action], arns) for sid, action, arns in stores if arns)
    for statement in settings.policy_statements:
        if statement.sid in taken:
            raise ConfigError(
                f"lambda.policy_statements: the sid {statement.sid} is taken; each statement needs one of its own."
            )
        taken.add(statement.sid)
        yield allow(statement.sid, statement.actions, list(statement.resources))


def _size_bytes(variables: Mapping[str, Any]) -> int:
    """As Lambda measures them: as JSON ("String measured" in its own error message)."""
    known = {name: value if isinstance(value, str) else _UNKNOWN for name, value in variables.items()}
    return len(json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode())


def _parameter_arn(place: Place, name: str) -> str:
    """The name of a parameter without a path has no slash, its ARN has (Systems Manager, "Restricting access to parameters")."""
    return SecretParameter.arn.of(place, f"/{name.removeprefix('/')}")


def _secret_arn(place: Place, name: str) -> str:
    """Secrets Manager adds a dash and six random characters to the name (Secrets Manager user guide, "IAM policy examples")."""
    return f"arn:{place.partition}:secretsmanager:{place.region}:{place.account_id}:secret:{name}-??????"
