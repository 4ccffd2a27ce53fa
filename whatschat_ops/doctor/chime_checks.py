"""All checks of Chime SDK meetings: those of the guide, and whether a meeting can be held."""

from __future__ import annotations

from collections.abc import Iterator

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import chime_readiness as readiness
from whatschat_ops.doctor.areas.chime_readiness import MeetingProbe
from whatschat_ops.doctor.areas.stack import CREDENTIALS
from whatschat_ops.doctor.catalogue import CHECKS
from whatschat_ops.doctor.check import Check
from whatschat_ops.errors import OpsError


def try_meeting(settings: Settings, aws: Aws) -> MeetingProbe | OpsError:
    """Create, read and delete a meeting for tests: what it took, or why it failed."""
    try:
        return readiness.hold_meeting(settings, aws)
    except OpsError as error:
        return error


def chime_checks(held: MeetingProbe | OpsError | None = None) -> list[Check]:
    """The checks of `doctor chime`, and those of readiness. `held` is the result of `try_meeting`, None without it."""
    guide = [check for check in CHECKS if check.code == CREDENTIALS or check.area == "chime"]
    return [*guide, *_readiness(held)]


def _readiness(held: MeetingProbe | OpsError | None) -> Iterator[Check]:
    causes = (CREDENTIALS,)
    for number, name in enumerate(readiness.NETWORK_CHECKS):
        yield Check(
            f"CH{12 + number:03}",
            f"chime.{name}",
            "Are the media servers reachable?",
            lambda f, name=name: readiness.network(name, f.aws, f.settings.chime.region, held),  # type: ignore[misc]
            causes,
        )
    yield Check("CH019", "chime.probe", "Can a meeting be made?", lambda _: readiness.probed(held), causes)
