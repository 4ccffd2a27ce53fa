"""The media Region that is nearest to this machine, as AWS sees it.

GET https://nearest-media-region.l.chime.aws answers {"region": "..."} (Chime SDK Developer Guide, "Using meeting Regions"); it needs
no credentials.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Final

from whatschat_ops.errors import Unavailable
from whatschat_ops.network import ca_bundle
from whatschat_ops.quotas import CHIME_MEDIA_REGIONS

URL: Final = "https://nearest-media-region.l.chime.aws"
TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 1_000


def nearest_media_region(url: str = URL) -> str:
    """The Region. Raises Unavailable when there is no answer, or it names no media Region."""
    import ssl

    # ProxyHandler of the default opener reads HTTPS_PROXY and NO_PROXY.
    context = ssl.create_default_context(cafile=ca_bundle()) if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=context) as answer:
            region = json.loads(answer.read(_MOST_BYTES))["region"]
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the answer as well
        raise _unknown(f"{url} does not answer: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unknown(f"{url} does not answer with a Region") from error
    if region not in CHIME_MEDIA_REGIONS:
        raise _unknown(f"{url} answers {str(region)[:64]!r}, which is no media Region")
    return str(region)


def _unknown(why: str) -> Unavailable:
    return Unavailable(
        f"The nearest media Region is not known: {why}.",
        hint="Name a Region instead, for example: --media-region eu-central-1",
    )
