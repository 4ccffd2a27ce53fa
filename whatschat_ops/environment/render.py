"""`env render`: the variables of the provisioned stack, as text or written to a file.

Input: settings, `Aws`. Output: `EnvironmentFile` or `WrittenFile`. Secrets are read only on request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.environment.dotenv import escaped, merge, render
from whatschat_ops.environment.variables import (
    BackendSecrets,
    Side,
    Variable,
    backend_variables,
    frontend_variables,
)
from whatschat_ops.files import is_there, read_text, write_whole
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.outputs import read_outputs


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """The variables of one side of the application."""

    side: Side
    environment: str
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """The changes to a file that was written."""

    path: Path
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    left_alone: tuple[str, ...]
    """Variables with a value of the file's own: of other programs, and secrets that were not asked for."""


def read_environment(
    side: Side, settings: Settings, aws: Aws, *, with_secrets: bool = False
) -> EnvironmentFile:
    """The variables of the provisioned stack. Raises NotProvisioned when there is none."""
    outputs = read_outputs(settings, aws)
    if side is Side.FRONTEND:
        variables = frontend_variables(settings, outputs)
    else:
        secrets = _read_secrets(settings, aws) if with_secrets else BackendSecrets()
        endpoint_url = aws.target.endpoint_url or settings.aws.endpoint_url
        variables = backend_variables(settings, outputs, secrets, endpoint_url=endpoint_url)
    return EnvironmentFile(side, settings.environment, variables)


def to_text(file: EnvironmentFile) -> str:
    """The variables as a .env file."""
    return render(_for_its_reader(file), title=f"WhatsChat {file.side}, environment {file.environment}")


def write_environment(file: EnvironmentFile, path: Path, *, overwrite: bool = False) -> WrittenFile:
    """Write the variables to `path`, merged into the file there, or (`overwrite`) instead of it.

    Raises UsageError when the path cannot be read or written.
    """
    existing = read_text(path, flag="--output") if is_there(path) and not overwrite else ""
    merged = merge(existing, _for_its_reader(file))
    text = merged.text if existing else to_text(file)
    mode = _mode(path, file)
    if text != existing or mode is not None:
        write_whole(path, text, flag="--output", mode=mode)
    return WrittenFile(path, merged.added, merged.changed, merged.unchanged, merged.left_alone)


def _for_its_reader(file: EnvironmentFile) -> tuple[Variable, ...]:
    """The variables so that the side reads their values: the frontend's reader expands `$`, the backend's keeps all as it is."""
    if file.side is Side.BACKEND:
        return file.variables
    return tuple(
        replace(variable, value=escaped(variable.value)) if isinstance(variable.value, str) else variable
        for variable in file.variables
    )


def _mode(path: Path, file: EnvironmentFile) -> int | None:
    """The mode that the file gets, None for the one that it has: secrets are for its owner only."""
    if not is_there(path):
        return 0o600
    mode = path.stat().st_mode & 0o7777
    secret = any(isinstance(variable.value, Secret) for variable in file.variables)
    return mode & ~0o077 if secret and mode & 0o077 else None


def _read_secrets(settings: Settings, aws: Aws) -> BackendSecrets:
    """The JWT secret, and the access key of the embedded AWS (those of a profile are not copied)."""
    return BackendSecrets(
        access_key_id=aws.target.access_key_id,
        secret_access_key=aws.target.secret_access_key,
        jwt_secret=read_jwt_secret(settings, aws),
    )
