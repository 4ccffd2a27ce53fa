"""A plan in a file: what was shown, and a fingerprint of all that it was made from.

The file is not what is applied. Whoever applies it reads the state of AWS again, makes the plan again and checks that it is the
very same: then what is done is what was shown, and nothing secret needs to be in the file. The fingerprint covers every
wanted field (packages by their hash) and everything that was read. It is salted and slow to compute (PBKDF2), so that a
secret cannot be guessed from it.

What is read in the file is what is applied, too: a digest covers all of it, and the steps that it shows are compared with those
of the plan that is made again, so that an edited step is refused even if the digest was made again or deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from whatschat_ops import __version__
from whatschat_ops.errors import Hint, OpsError, UsageError
from whatschat_ops.files import ARGUMENT, read_bytes, write_whole
from whatschat_ops.provision.kind import Live
from whatschat_ops.provision.report import PlanReport, report
from whatschat_ops.provision.steps import Plan, Resource
from whatschat_ops.redaction import Secret

FORMAT: Final = "whatschat-ops plan 2"
PBKDF2_ITERATIONS = 200_000


class PlanOptions(Struct, frozen=True):
    """What the plan was made with; it is made again with the same.

    `settings` is a digest of all settings, `given` the options of the command line that led to them.
    """

    adopt: bool = False
    delete_data: bool = False
    settings: str = ""
    given: dict[str, str] = field(default_factory=dict)


class PlanFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A saved plan. `place` is account and Region; `made_at` is ISO 8601 in UTC."""

    format: Literal["whatschat-ops plan 2"]
    version: str
    made_at: str
    place: str
    options: PlanOptions
    salt: str
    fingerprint: str
    plan: PlanReport
    digest: str = ""
    """SHA-256 of everything else in the file; a plan that 0.1.0 saved has none."""

    def require_unedited(self, again: Hint) -> None:
        """Raise OpsError, with `again` as its hint, if the file is not as it was saved."""
        if self.digest and self.digest != content_digest(self):
            raise self._edited(again)

    def _edited(self, again: Hint) -> OpsError:
        return OpsError(
            f"The plan of {self.made_at} was edited after it was saved: what it shows is not what it would do.",
            hint=again,
        )

    def require_same(self, made: Plan, place: str, settings: str, again: Hint) -> bool:
        """Whether `made` is this very plan; False when nothing of it is left to do.

        Raises OpsError, with `again` as its hint, when it would do something else.
        """
        stack = made.owner
        if (self.plan.stack, self.place) != (stack, place):
            raise OpsError(
                f"The plan is for {self.plan.stack} in {self.place}, not for {stack} in {place}.", hint=again
            )
        if settings != self.options.settings:
            given = " ".join(f"{option} {value}" for option, value in self.options.given.items())
            words = f"with {given}, or those have changed since" if given else "or they have changed since"
            raise OpsError(f"The plan of {self.made_at} was made with other settings ({words}).", hint=again)
        if fingerprint(made, self.salt) == self.fingerprint:
            if _whole(self.plan) != _whole(report(made, stack)):
                raise self._edited(again)
            return True
        if self.plan.changes and not made.changing and not made.blocked:
            return False
        raise OpsError(f"The plan of {self.made_at} is stale: {self._difference(made)}.", hint=again)

    def _difference(self, made: Plan) -> str:
        then, now = _shown(self.plan), _shown(report(made, made.owner))
        other = sorted(address for address in then | now if then.get(address) != now.get(address))
        if other:
            more = f" and {len(other) - 5} more" if len(other) > 5 else ""
            return f"since then what it would do has changed for {', '.join(other[:5])}{more}"
        if self.version != __version__:
            return f"it was made by version {self.version}, this is {__version__}"
        return "since then something has changed that a plan does not show (a value that is not compared, or a secret)"


def save_plan(made: Plan, path: Path, *, place: str, options: PlanOptions) -> PlanFile:
    """Write the plan to `path`, all of it or nothing. Raises UsageError when it cannot be written."""
    require_plan_or_nothing(path)
    salt = secrets.token_hex(16)
    unsealed = PlanFile(
        format=FORMAT,
        version=__version__,
        made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        place=place,
        options=options,
        salt=salt,
        fingerprint=fingerprint(made, salt),
        plan=report(made, made.owner),
    )
    saved = replace(unsealed, digest=content_digest(unsealed))
    write_whole(path, msgspec.json.format(_as_json(saved), indent=2) + b"\n", flag="--out", mode=0o600)
    return saved


def require_plan_or_nothing(path: Path) -> None:
    """Raise UsageError if there is a file that is not a plan, for example a settings file."""
    try:
        with path.open("rb") as file:
            start = file.read(200)
    except (OSError, ValueError):  # there is none, or it cannot be written either, which writing says better
        return
    if not re.match(rb'\s*\{\s*"format": "whatschat-ops plan ', start):
        raise UsageError(
            f"{path} exists and is not a plan: it is left as it is.", hint="Choose another name for the plan."
        )


def load_plan(path: Path) -> PlanFile:
    """The plan in a file. Raises UsageError when there is none."""
    try:
        return msgspec.json.decode(read_bytes(path, flag=ARGUMENT).removeprefix(BOM_UTF8), type=PlanFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not a plan that this version can read: {error}.") from error


def content_digest(saved: PlanFile) -> str:
    """The digest of a file's whole content but the digest itself, however it is formatted."""
    return hashlib.sha256(_as_json(replace(saved, digest=""))).hexdigest()


def fingerprint(made: Plan, salt: str) -> str:
    """A digest of everything that a plan was made from."""
    steps = [
        {
            "action": step.action.value,
            "resource": _canonical(_comparable(step.resource)),
            "live": _canonical(_lasting(step.live)),
            **({"warnings": list(step.warnings)} if step.warnings else {}),
        }
        for step in sorted(made, key=lambda step: step.address)
    ]
    tree = json.dumps({"owner": made.owner, "steps": steps}, sort_keys=True, separators=(",", ":"))
    return hashlib.pbkdf2_hmac("sha256", tree.encode(), bytes.fromhex(salt), PBKDF2_ITERATIONS).hex()


def _comparable(resource: Resource) -> dict[str, Any]:
    return {"address": resource.address, "fields": resource.fields, "after": resource.after}


def _lasting(live: Live | None) -> dict[str, Any] | None:
    """What is there, without what is going on with it now."""
    if live is None:
        return None
    fields = msgspec.structs.asdict(live)
    del fields["state"]
    return {"Live": fields}


def _canonical(value: Any) -> Any:
    """`value` as JSON whose text is the same whenever the value is."""
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    if isinstance(value, Hint):
        return str(value)
    if isinstance(value, Struct):
        return {type(value).__name__: _canonical(msgspec.structs.asdict(value))}
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_canonical(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be part of a plan's fingerprint")


def _shown(plan: PlanReport) -> dict[str, bytes]:
    """Address -> all that is shown of its step. A step's place among the others depends on the order of the settings."""
    return {step.address: _as_json(replace(step, state=None)) for step in plan.steps}


def _whole(plan: PlanReport) -> tuple[object, ...]:
    return plan.stack, plan.changes, plan.summary, _shown(plan)


def _as_json(value: Struct) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
