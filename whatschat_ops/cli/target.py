"""From settings to the AWS that they mean. The only place that knows the embedded AWS and an account apart."""

from __future__ import annotations

from whatschat_ops.aws import AwsTarget
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.config import LoadedSettings, Settings
from whatschat_ops.errors import UsageError


def aws_target(loaded: LoadedSettings, out: Output) -> AwsTarget:
    """Where the AWS of the settings is. Starts the embedded AWS when it is meant and does not run, and says so."""
    settings = loaded.settings
    if not settings.local.enabled:
        return AwsTarget(
            region=settings.aws.region, profile=settings.aws.profile, endpoint_url=settings.aws.endpoint_url
        )
    # A profile that was asked for means an account. One that is merely exported in the shell does not.
    if settings.aws.profile and not str(loaded.origins["aws.profile"]).startswith("environment"):
        raise UsageError(
            f"The profile {settings.aws.profile!r} means an AWS account, but the environment "
            f"{settings.environment!r} runs on the embedded AWS.",
            hint="Name an environment with -e staging, or leave the profile out.",
        )
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(port=settings.local.port, say=out.note)
    return AwsTarget(
        region=settings.aws.region,
        endpoint_url=service.endpoint_url,
        access_key_id=service.access_key_id,
        secret_access_key=service.secret_access_key,
    )


def has_other_users(settings: Settings) -> bool:
    """Whether the application may have users besides the caller: in an account, not on the embedded AWS."""
    return not settings.local.enabled
