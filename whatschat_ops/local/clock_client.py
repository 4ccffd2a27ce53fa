"""Moves the clock of a running embedded AWS, with a signed request."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta

from msgspec import Struct
from msgspec import json as msgspec_json

from whatschat_ops.errors import Hint, LocalError, UsageError
from whatschat_ops.local.clock import PATH, SIGNING_NAME
from whatschat_ops.local.layout import DEFAULT_REGION
from whatschat_ops.local.service import LocalService

TIMEOUT_S = 10.0


class ClockResult(Struct, frozen=True):
    """The result of `local clock advance`."""

    offset_s: float
    """How far the clock is ahead of the machine's, altogether."""
    now: str
    """The time of the embedded AWS (ISO 8601, UTC)."""


def advance(service: LocalService, duration: timedelta) -> ClockResult:
    """Move the clock forward. Raises UsageError when it would be too far ahead, LocalError when nothing responds."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    body = json.dumps({"advance_s": duration.total_seconds()}).encode()
    signed = AWSRequest("POST", f"{service.endpoint_url}{PATH}", data=body)
    key = Credentials(service.access_key_id, service.secret_access_key.reveal())
    SigV4Auth(key, SIGNING_NAME, DEFAULT_REGION).add_auth(signed)
    request = urllib.request.Request(signed.url, body, dict(signed.headers), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return msgspec_json.decode(response.read(), type=ClockResult)
    except urllib.error.HTTPError as error:
        message = json.loads(error.read()).get("message", error.reason)
        raise (UsageError if error.code == 400 else LocalError)(message) from error
    except OSError as error:
        raise LocalError(
            f"The embedded AWS (process {service.pid}) does not respond.", hint=Hint(("local", "logs"))
        ) from error
