"""What the application's own functions get beside their code: variables, the names of secrets, and more rights."""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

import re
from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta

from whatschat_ops.config.section import Section

OWN_VARIABLES: Final = frozenset(
    (
        "API_GATEWAY_ENDPOINT",
        "CONNECTIONS_TABLE",
        "CONNECTION_TTL_HOURS",
        "JWT_SECRET_PARAMETER",
        "LOG_LEVEL",
        "USER_INDEX",
    )
)
"""What `provision` sets itself, from other settings (docs/protocol.md)."""

SIGNALLING_VARIABLES: Final = frozenset(
    ("SIGNALLING_TABLE", "SIGNALLING_REGION", "SIGNALLING_MEDIA_REGION", "SIGNALLING_MEETINGS_PER_USER")
)
"""What `chime.signalling` adds for the default function."""

RESERVED_VARIABLES: Final = frozenset(
    (
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    )
)
"""What Lambda sets itself and refuses to be given (Lambda developer guide, configuration-envvars, "Reserved environment variables")."""

_VARIABLE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
"""botocore model `lambda`, shape `EnvironmentVariableName`."""

AnyParameterName = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9_./-]+|[A-Za-z0-9_.-]+)$")]
SecretName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")]
StatementId = Annotated[str, Meta(pattern="^[A-Za-z0-9]+$")]
ActionName = Annotated[str, Meta(pattern=r"^[a-z0-9-]+:[A-Za-z0-9*?]+$")]
ResourceName = Annotated[str, Meta(pattern=r"^(\*|arn:\S+)$")]


class NamedValue(Section, frozen=True):
    """A variable that holds the name of an SSM parameter or of a Secrets Manager secret, never its value. The functions may read it."""

    parameter: AnyParameterName | None = None
    secret: SecretName | None = None

    def __post_init__(self) -> None:
        if (self.parameter is None) == (self.secret is None):
            raise ValueError("give either parameter or secret")

    @property
    def name(self) -> str:
        """What the variable holds."""
        return str(self.parameter if self.secret is None else self.secret)


class PolicyStatement(Section, frozen=True):
    """Actions that the functions may do besides those that the stack needs."""

    sid: StatementId
    actions: Annotated[tuple[ActionName, ...], Meta(min_length=1)]
    resources: Annotated[tuple[ResourceName, ...], Meta(min_length=1)]


def check_variables(variables: Mapping[str, str | NamedValue]) -> None:
    """Raises ValueError for a name that a function's variable cannot have."""
    for name in variables:
        if name in RESERVED_VARIABLES:
            raise ValueError(f"the variable {name} is reserved by Lambda")
        if name in OWN_VARIABLES | SIGNALLING_VARIABLES:
            raise ValueError(f"the variable {name} is set by the stack")
        if not _VARIABLE.fullmatch(name):
            raise ValueError(
                f"the variable {name!r} must begin with a letter, and have two or more letters, digits and _"
            )
