"""From settings to the AWS that they select. The only place that tells the embedded AWS from an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.aws import AwsTarget
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.config import LoadedSettings, Settings
from whatschat_ops.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from whatschat_ops.config.local_settings import LocalSettings
    from whatschat_ops.local.layout import Options


def aws_target(loaded: LoadedSettings, out: Output) -> AwsTarget:
    """The AWS of the settings. Starts the embedded AWS, with a note, if it is selected and not running."""
    settings = loaded.settings
    if not settings.local.enabled:
        return AwsTarget(
            region=settings.aws.region,
            # botocore knows its own variables, and which of them count for which service.
            profile=None if _is_exported(loaded, "aws.profile") else settings.aws.profile,
            endpoint_url=None if _is_exported(loaded, "aws.endpoint_url") else settings.aws.endpoint_url,
        )
    # A profile that was given means an account. One that is merely exported in the shell does not.
    if settings.aws.profile and not _is_exported(loaded, "aws.profile"):
        raise UsageError(
            f"The profile {settings.aws.profile!r} means an AWS account, but the environment "
            f"{settings.environment!r} runs on the embedded AWS.",
            hint="Select an environment with -e, for example -e staging, or remove the profile.",
        )
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(port=settings.local.port, say=out.note, options=local_options(settings))
    return AwsTarget(
        region=settings.aws.region,
        endpoint_url=service.endpoint_url,
        access_key_id=service.access_key_id,
        secret_access_key=service.secret_access_key,
    )


def local_options(settings: Settings) -> Options:
    """What the embedded AWS is started with. Raises ConfigError if the lent directory has no SDK."""
    given = settings.local.node_modules
    if given is None:
        return _options(settings.local, None)
    lent = Path(given).expanduser().absolute()
    if not (lent / "@aws-sdk").is_dir():
        raise ConfigError(
            f"local.node_modules: {lent} has no directory @aws-sdk.",
            hint="Install a client there, for example with: npm install --prefix sdk @aws-sdk/client-dynamodb. "
            "Then set local.node_modules to the path of sdk/node_modules.",
        )
    return _options(settings.local, str(lent))


def _options(local: LocalSettings, node_modules: str | None) -> Options:
    from whatschat_ops.local.layout import Options

    return Options(node_modules, local.enforce_memory, local.log_events_per_group, local.step_functions_lag_s)


def _is_exported(loaded: LoadedSettings, key: str) -> bool:
    """Whether a setting has the value of an environment variable."""
    return str(loaded.origins[key]).startswith("environment")


def is_embedded(settings: Settings) -> bool:
    """Whether the environment runs on the embedded AWS, and not in an account."""
    return settings.local.enabled


def aws_now(settings: Settings) -> datetime:
    """The time by AWS's clock, as metrics and logs have it: that of the embedded AWS may have been moved ahead."""
    now = datetime.now(UTC)
    if not is_embedded(settings):
        return now
    from whatschat_ops.local.service import status

    return now + timedelta(seconds=status().clock_ahead_s)


def has_other_users(settings: Settings) -> bool:
    """Whether the application may have users besides the caller: in an account, not on the embedded AWS."""
    return not is_embedded(settings)
