"""The HS256 secret that signs the application's tokens: kept in SSM (SecureString), nowhere else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ConfigError, Hint, NotFound, NotProvisioned
from whatschat_ops.redaction import Secret

AT_ONCE: Final = Hint(("token", "secret", "rotate", "--grace", "0"))


class Rotation(Struct, frozen=True):
    """What the rotation's parameter holds: both secrets, the new one last."""

    previous: Secret
    new: Secret
    until: datetime

    @classmethod
    def parse(cls, document: Secret) -> Rotation:
        """Raises ConfigError when the parameter holds something else."""
        try:
            found = json.loads(document.reveal())
            previous, new = found["secrets"]
            return cls(Secret(previous), Secret(new), datetime.fromtimestamp(found["until"], UTC))
        except (ValueError, RecursionError, TypeError, LookupError, OverflowError) as error:
            raise ConfigError(
                "The SSM parameter of the rotation cannot be read: it is not what this program wrote.",
                hint=AT_ONCE,
            ) from error

    def document(self) -> Secret:
        """As it is stored."""
        both = [self.previous.reveal(), self.new.reveal()]
        return Secret(json.dumps({"secrets": both, "until": int(self.until.timestamp())}))

    def is_about(self, current: Secret, now: datetime) -> bool:
        """Whether the functions accept both: it has not ended, and no other secret was set since."""
        return now < self.until and current in (self.previous, self.new)


class StoredSecret(Struct, frozen=True):
    """The current secret, and when it was stored."""

    value: Secret
    stored_at: datetime


def stored_secret(settings: Settings, aws: Aws) -> StoredSecret:
    """The secret of the provisioned stack. Raises NotProvisioned when there is none."""
    name = Names(settings).jwt_secret_parameter
    try:
        answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except NotFound as error:
        raise NotProvisioned.of(
            error,
            f"There is no JWT secret: the SSM parameter {name} does not exist in {aws.region}.",
        ) from error
    parameter = answer["Parameter"]
    return StoredSecret(Secret(parameter["Value"]), parameter["LastModifiedDate"])


def read_jwt_secret(settings: Settings, aws: Aws) -> Secret:
    """What signs new tokens. Raises NotProvisioned when there is none."""
    return stored_secret(settings, aws).value


def accepted_secrets(settings: Settings, aws: Aws, now: datetime) -> tuple[Secret, ...]:
    """The secrets whose tokens the functions accept: the current one, and the other one of a rotation that lasts."""
    current = read_jwt_secret(settings, aws)
    rotation = read_rotation(settings, aws)
    if rotation is None or not rotation.is_about(current, now):
        return (current,)
    return (current, rotation.previous if current == rotation.new else rotation.new)


def read_rotation(settings: Settings, aws: Aws) -> Rotation | None:
    """The last rotation, which may have ended; None when there is none."""
    name = Names(settings).jwt_secret_rotation_parameter
    try:
        answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except NotFound:
        return None
    return Rotation.parse(Secret(answer["Parameter"]["Value"]))
