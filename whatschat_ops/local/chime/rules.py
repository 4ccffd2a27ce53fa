"""What AWS documents of Chime SDK meetings besides the shapes: ids, Regions, features and capabilities.

Sources: the API reference (texts of botocore's model) and the Chime SDK Developer Guide. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whatschat_ops import quotas
from whatschat_ops.local.chime.fault import ChimeFault, bad_request
from whatschat_ops.quotas import CHIME_CONTROL_REGIONS, CHIME_MEDIA_REGIONS

_EXTERNAL_ID = re.compile(f"[{quotas.CHIME_EXTERNAL_ID_CHARACTERS}]*")
_RECEIVING = ("Receive", "SendReceive")


def partition(region: str) -> str:
    """The AWS partition of a Region."""
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def check_control_region(region: str) -> None:
    """Reject a Region without this API. On AWS the host name does not exist."""
    if region not in CHIME_CONTROL_REGIONS:
        raise bad_request(f"Chime SDK meetings has no API endpoint in the Region {region}")


def check_media_region(media_region: str, control_region: str) -> None:
    """A meeting's media may be in any media Region of the control Region's partition."""
    if media_region not in CHIME_MEDIA_REGIONS or partition(media_region) != partition(control_region):
        raise bad_request(f"MediaRegion {media_region} is not supported")


def check_external_id(name: str, value: str) -> None:
    """The documented pattern (not in the model) and the reserved prefix, which is case-insensitive."""
    if not _EXTERNAL_ID.fullmatch(value):
        raise bad_request(f"{name} contains characters that are not allowed")
    if value.lower().startswith(quotas.CHIME_RESERVED_PREFIX):
        raise bad_request(f"{name} must not begin with the reserved prefix aws:")


def meeting_features(given: Mapping[str, Any]) -> dict[str, Any]:
    """The features in effect: the requested ones with AWS's defaults. Raises BadRequestException."""
    video = {"MaxResolution": "HD", **_present(given.get("Video"))}
    content = {"MaxResolution": "FHD", **_present(given.get("Content"))}
    attendee = _present(given.get("Attendee"))
    if video["MaxResolution"] == "FHD" or content["MaxResolution"] == "UHD":
        if "MaxCount" not in attendee:
            raise bad_request("Attendee.MaxCount is required with FHD video or UHD content")
        if attendee["MaxCount"] > quotas.CHIME_HD_ATTENDEES:
            raise bad_request(
                f"Attendee.MaxCount must be at most {quotas.CHIME_HD_ATTENDEES} with FHD video or UHD content"
            )
    features = {
        "Video": video,
        "Content": content,
        "Attendee": {"MaxCount": quotas.CHIME_ATTENDEES, **attendee},
    }
    return {**features, "Audio": given["Audio"]} if given.get("Audio") else features


def capabilities(given: Mapping[str, str] | None, features: Mapping[str, Any]) -> dict[str, str]:
    """The capabilities of a new attendee. Raises BadRequestException for those that the features do not allow."""
    no_video = features["Video"]["MaxResolution"] == "None"
    no_content = features["Content"]["MaxResolution"] == "None"
    if given is None:
        content = "None" if no_content else "SendReceive"
        video = ("None" if no_content else "Receive") if no_video else "SendReceive"
        return {"Audio": "SendReceive", "Video": video, "Content": content}
    if no_video and given["Video"] != "None":
        raise bad_request("Video capability must be None in a meeting without video")
    if no_content and given["Content"] != "None":
        raise bad_request("Content capability must be None in a meeting without content")
    if given["Content"] in _RECEIVING and given["Video"] not in _RECEIVING:
        raise bad_request("Content can be received only with a Video capability of Receive or SendReceive")
    return {name: given[name] for name in ("Audio", "Video", "Content")}


def check_tags(tags: Mapping[str, str], arn: str) -> None:
    """At most 50 tags; keys that begin with aws: are reserved."""
    if any(key.lower().startswith(quotas.CHIME_RESERVED_PREFIX) for key in tags):
        raise bad_request("Tag keys must not begin with the reserved prefix aws:")
    if len(tags) > quotas.CHIME_TAGS:
        raise ChimeFault("TooManyTagsException", f"A meeting can have {quotas.CHIME_TAGS} tags", resource=arn)


def media_placement(meeting_id: str, media_region: str) -> dict[str, str]:
    """URLs in the form of Chime's media servers in `media_region`. No server listens there for this meeting."""
    area = _area(media_region)
    screen = f"wss://bitpw.m1.{area}.app.chime.aws:443"
    return {
        "AudioHostUrl": f"{meeting_id.replace('-', '')}.k.m1.{area}.app.chime.aws:3478",
        "AudioFallbackUrl": f"wss://haxrp.m1.{area}.app.chime.aws:443/calls/{meeting_id}",
        "SignalingUrl": f"wss://signal.m1.{area}.app.chime.aws/control/{meeting_id}",
        "TurnControlUrl": f"https://ccp.cp.{area}.app.chime.aws/v2/turn_sessions",
        "ScreenDataUrl": f"{screen}/v2/screen/{meeting_id}",
        "ScreenSharingUrl": f"{screen}/v2/screen/{meeting_id}",
        "ScreenViewingUrl": f"{screen}/ws/connect?passcode=null&viewer_uuid=null&X-BitHub-Call-Id={meeting_id}",
        "EventIngestionUrl": f"https://data.svc.{area}.ingest.chime.aws/v1/client-events",
    }


def _area(region: str) -> str:
    """us-east-1 -> ue1, ap-southeast-1 -> as1: how Chime abbreviates Regions in host names."""
    *words, number = region.split("-")
    return "".join(word[0] for word in words) + number


def _present(structure: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (structure or {}).items() if value is not None}
