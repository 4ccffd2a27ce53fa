"""A new JWT secret, without refusing a valid token: the previous one stays accepted for a time.

Three writes, each of which every running function may see up to `SECRET_KEPT_S` late:

1. the rotation's parameter names both secrets: tokens of either are accepted (handlers/jwt_secret.py);
2. after a wait, when every function knows both, the secret's own parameter gets the new one: from here on it signs tokens;
3. none: at `until` the functions stop accepting the previous secret. `destroy`, or the next rotation, replaces what is left.

A rotation that was interrupted between 1 and 2 is finished by the next one. While both secrets are accepted, the only other rotation
is the one back to the previous secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import PROVISION, ConfigError, Conflict, Hint, NotProvisioned
from whatschat_ops.handlers.token_rules import MIN_SECRET_BYTES, SECRET_KEPT_S
from whatschat_ops.moments import local_time
from whatschat_ops.provision import Live
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.jwt_secret import AT_ONCE, Rotation
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.secret import SecretParameter
from whatschat_ops.stack.stack import Stack
from whatschat_ops.stack.waiting import Waiting

WAIT_S: Final = SECRET_KEPT_S + 5
"""Until every function has read the rotation; SSM itself may take a moment."""


class Rotated(Struct, frozen=True):
    """The result. `previous_accepted_until` is None when the previous secret is refused at once."""

    parameter: str
    rotated_at: datetime
    previous_accepted_until: datetime | None


class SecretRotation:
    """The secret of one stack. `now` is the clock; `say` hears of the wait."""

    def __init__(
        self,
        settings: Settings,
        aws: Aws,
        waiting: Waiting,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._names = Names(settings)
        self._waiting = waiting
        self._now = now
        self._kind = SecretParameter(Context(aws, waiting))

    def rotate(self, new: Secret | None, grace: timedelta) -> Rotated:
        """Make `new` the secret (None: generate one). Raises NotProvisioned, Conflict, ConfigError."""
        live = self._live()
        if not grace:
            return self._at_once(live, new)
        current: Secret = live.fields["value"]
        rotation = self._unfinished(current, new)
        if rotation is None:
            until = self._now() + timedelta(seconds=WAIT_S) + grace
            rotation = Rotation(current, new or generated(), until)
            self._put(self._names.jwt_secret_rotation_parameter, rotation.document())
        self._waiting.say(
            f"Both secrets are accepted. Waiting {WAIT_S:.0f} s until every function knows the new one."
        )
        self._waiting.sleep(WAIT_S)
        self._put(self._names.jwt_secret_parameter, rotation.new)
        return Rotated(self._names.jwt_secret_parameter, self._now(), rotation.until)

    def _at_once(self, live: Live, new: Secret | None) -> Rotated:
        self._put(self._names.jwt_secret_parameter, _other_than(live.fields["value"], new))
        left = self._read(self._names.jwt_secret_rotation_parameter)
        if left is not None:
            self._kind.delete(left)
        return Rotated(self._names.jwt_secret_parameter, self._now(), None)

    def _unfinished(self, current: Secret, new: Secret | None) -> Rotation | None:
        """The rotation to finish; None when there is none. Raises Conflict for one whose grace has not ended."""
        stored = self._read(self._names.jwt_secret_rotation_parameter)
        if stored is None:
            _other_than(current, new)
            return None
        rotation = Rotation.parse(stored.fields["value"])
        if not rotation.is_about(current, self._now()):
            _other_than(current, new)
            return None
        if (current, new) == (rotation.new, rotation.previous):  # back again: the same two stay accepted
            return None
        if current == rotation.new or new not in (None, rotation.new):
            raise Conflict(
                f"A rotation lasts until {local_time(rotation.until)}: a second one would refuse tokens of the first secret.",
                hint=Hint(AT_ONCE.argv, "Rotate after that, or refuse all earlier tokens now"),
            )
        return rotation

    def _live(self) -> Live:
        name = self._names.jwt_secret_parameter
        live = self._read(name)
        if live is None:
            raise NotProvisioned(f"There is no JWT secret to rotate: {name} does not exist.")
        if live.owner != self._names.stack:
            raise Conflict(
                f"The secret {name} is not of this stack: it has no tag of ours.",
                hint=Hint(("provision", "--adopt")),
            )
        return live

    def _read(self, name: str) -> Live | None:
        return self._kind.read({"parameter_name": name})

    def _put(self, name: str, value: Secret) -> None:
        desired: Mapping[str, Any] = {
            "parameter_name": name,
            "type": "SecureString",
            "value": value,
            "tags": self._names.tags,
        }
        live = self._read(name)
        if live is None:
            self._kind.create(desired)
        else:
            self._kind.update(live, desired, frozenset({"value"}))


def require_functions_that_know(stack: Stack) -> None:
    """Raise when the deployed `connect` function would not accept a previous secret: ConfigError or Conflict."""
    if stack.settings.lambda_.source.path:
        raise ConfigError(
            "The application's own functions (lambda.source) know one secret: they would refuse tokens of the previous one.",
            hint=AT_ONCE,
        )
    made = stack.plan_only({"role_policy.lambda", "function.connect", "alias.connect"})
    if made.changing:
        raise Conflict(
            "The connect function is not deployed as the settings and this version have it, so it may not know of rotations.",
            hint=PROVISION,
        )


def generated() -> Secret:
    """A secret like those that `provision` generates."""
    return Secret(secrets.token_hex(MIN_SECRET_BYTES))


def _other_than(current: Secret, new: Secret | None) -> Secret:
    """`new`, or a generated one. Raises ConfigError when it is the current one."""
    if new == current:
        raise ConfigError(
            "JWT_SECRET is the secret that the stack has already.",
            hint="Set JWT_SECRET to the new secret, or unset it to have one generated.",
        )
    return new if new is not None else generated()
