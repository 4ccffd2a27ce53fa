"""The HS256 secret that signs the application's tokens: kept in SSM (SecureString), nowhere else."""

from __future__ import annotations

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound, NotProvisioned
from whatschat_ops.redaction import Secret


def read_jwt_secret(settings: Settings, aws: Aws) -> Secret:
    """The secret of the provisioned stack. Raises NotFound when it was never provisioned."""
    name = Names(settings).jwt_secret_parameter
    try:
        answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except NotFound as error:
        raise NotProvisioned.of(
            error,
            f"There is no JWT secret: the SSM parameter {name} does not exist in {aws.region}.",
        ) from error
    return Secret(answer["Parameter"]["Value"])
