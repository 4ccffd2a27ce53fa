"""AWS's price list: public files, for which no account is needed, and the Query API (`pricing:GetProducts`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from whatschat_ops.errors import Unavailable
from whatschat_ops.network import tls_context

LARGEST_BYTES: Final = 64 * 1024 * 1024
"""Of a file; those of this stack's services have less than one MB."""
TIMEOUT_S: Final = 60
QUERY_REGION: Final = "us-east-1"
"""The Query API has an endpoint here, in eu-central-1 and in ap-south-1, each with the prices of all Regions."""
_HINT: Final = "Download the files elsewhere and give their folder with --from."


def files(base: str, services: Iterable[str], region: str) -> Iterator[tuple[str, bytes]]:
    """The current price list file of each service that has one in the Region. Raises Unavailable."""
    # Reading the CA certificates takes longer than a download: once, and only for HTTPS.
    handlers = [HTTPSHandler(context=tls_context())] if base.startswith("https:") else []
    opener = build_opener(*handlers, _SafeRedirects())
    for service in services:
        data = _download(opener, f"{base}/{service}/current/{region}/index.json")
        if data is not None:
            yield service, data


def _download(opener: OpenerDirector, url: str) -> bytes | None:
    """A file; None if there is none. Raises Unavailable."""
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(LARGEST_BYTES + 1)
            expected = answer.headers.get("Content-Length")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the answer as well
            if error.code == 404:
                return None
        raise Unavailable(
            f"{url} cannot be read: {getattr(error, 'reason', None) or error}.", hint=_HINT
        ) from error
    if len(data) > LARGEST_BYTES:
        raise Unavailable(f"{url} cannot be read: it has more than {LARGEST_BYTES:,} bytes.", hint=_HINT)
    if expected is not None and expected != str(len(data)):
        raise Unavailable(f"{url} cannot be read: {len(data):,} of {expected} bytes arrived.", hint=_HINT)
    return data


def products(client: Any, service: str, region: str) -> Iterator[str]:
    """The products of a service in a Region as the Query API has them: JSON documents. Raises AwsError."""
    field = "fromRegionCode" if service == "AWSDataTransfer" else "regionCode"
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=service,
        Filters=[{"Type": "TERM_MATCH", "Field": field, "Value": region}],
        FormatVersion="aws_v1",
    )
    for page in pages:
        yield from page["PriceList"]


class _SafeRedirects(HTTPRedirectHandler):
    """Follows redirects, but none from HTTPS to plain HTTP: prices that anyone on the way can change are none."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if req.type == "https" and not newurl.startswith("https:"):
            raise HTTPError(req.full_url, code, f"it redirects to {newurl}, which is not HTTPS", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
