"""AWS's public price list files: no account and no signature."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

from whatschat_ops.errors import Unavailable
from whatschat_ops.network import tls_context


def download(base: str, service: str, region: str) -> bytes:
    """The current price list file of a service in a Region. Raises Unavailable."""
    url = f"{base}/{service}/current/{region}/index.json"
    try:
        with urlopen(url, timeout=60, context=tls_context()) as answer:
            data: bytes = answer.read()
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the answer as well
        raise Unavailable(
            f"{url} cannot be read: {getattr(error, 'reason', None) or error}.",
            hint="Download the files elsewhere and give their folder with --from.",
        ) from error
    return data
