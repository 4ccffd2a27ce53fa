"""All checks of Chime SDK meetings: those of the guide, and whether a meeting can be held."""

from __future__ import annotations

from functools import partial

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import chime_readiness as readiness
from whatschat_ops.doctor.areas.chime_readiness import MeetingProbe
from whatschat_ops.doctor.check import Check
from whatschat_ops.doctor.guide_checks import guide_checks
from whatschat_ops.errors import OpsError


def try_meeting(settings: Settings, aws: Aws) -> MeetingProbe | OpsError:
    """Create, read and delete a meeting for tests: what it took, or why it failed."""
    try:
        return readiness.hold_meeting(settings, aws)
    except OpsError as error:
        return error


def chime_checks(settings: Settings, aws: Aws, held: MeetingProbe | OpsError | None = None) -> list[Check]:
    """The checks of `doctor chime`, and those of readiness. `held` is the result of `try_meeting`, None without it."""
    region = settings.chime.region
    return [
        *guide_checks(settings, aws, area="chime"),
        Check("chime.media-region", "Can the Region host media?", partial(readiness.media_region, settings)),
        Check("chime.quota", "Is there room for more meetings?", partial(readiness.quota, settings, aws)),
        *(
            Check(
                f"chime.{name}",
                "Are the media servers reachable?",
                partial(readiness.network, name, aws, region, held),
            )
            for name in readiness.NETWORK_CHECKS
        ),
        Check("chime.probe", "Can a meeting be made?", partial(readiness.probed, held)),
    ]
