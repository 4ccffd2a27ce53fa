"""The eight items of the guide's chapter "Troubleshooting", in its order, and the tokens: their secret, and that bad ones are rejected."""

from __future__ import annotations

from functools import partial

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import chime as chime_checks
from whatschat_ops.doctor.areas import websocket as websocket_checks
from whatschat_ops.doctor.areas.secret import secret
from whatschat_ops.doctor.check import Check


def guide_checks(settings: Settings, aws: Aws, *, area: str | None = None) -> list[Check]:
    """The checks of one area (`websocket` or `chime`), or of both."""
    websocket, chime = websocket_checks, chime_checks
    checks = [
        Check("websocket.endpoint", "Does the endpoint answer?", partial(websocket.endpoint, settings, aws)),
        Check(
            "websocket.functions", "Are the functions deployed?", partial(websocket.functions, settings, aws)
        ),
        Check("websocket.table", "Does the table exist?", partial(websocket.table, settings, aws)),
        Check(
            "websocket.iam", "Do the functions have their permissions?", partial(websocket.iam, settings, aws)
        ),
        Check("websocket.secret", "Can tokens be signed and checked?", partial(secret, settings, aws)),
        Check("websocket.tokens", "Are bad tokens rejected?", partial(websocket.tokens, settings, aws)),
        Check("chime.credentials", "Are there AWS credentials?", partial(chime.credentials, settings, aws)),
        Check("chime.iam", "Can the caller create meetings?", partial(chime.iam, settings, aws)),
        Check(
            "chime.region", "Is the Chime SDK available in the Region?", partial(chime.region, settings, aws)
        ),
        Check("chime.meetings", "Did meetings fail to start?", partial(chime.meetings, settings, aws)),
    ]
    return [check for check in checks if area is None or check.name.startswith(f"{area}.")]
