"""Links to the code of functions, in responses of GetFunction: signed, and valid for ten minutes, as on AWS.

They are valid until the embedded AWS stops at the latest: its key is made at every start.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

VALID_S: Final = 600
"""Lambda API Reference, FunctionCodeLocation: the link is valid for 10 minutes."""
PREFIX: Final = "/_ministack/lambda-code/"
_KEY: Final = secrets.token_bytes(32)


def signed(path: str, now: float) -> str:
    """The path with a query that makes it valid for ten minutes. `now` is in epoch seconds."""
    expires = str(int(now) + VALID_S)
    query = {"X-Amz-Expires": str(VALID_S), "Expires": expires, "X-Amz-Signature": _signature(path, expires)}
    return f"{path}?{urlencode(query)}"


def is_valid(path: str, query_string: str, now: float) -> bool:
    """Whether the query is one of `signed`, for this path, and has not expired."""
    values = parse_qs(query_string)
    expires, signature = (values.get(name, [""])[0] for name in ("Expires", "X-Amz-Signature"))
    is_ours = hmac.compare_digest(signature.encode(), _signature(path, expires).encode())
    return is_ours and now < int(expires)


def install(lambda_svc: Any) -> None:
    """Sign the links that ministack makes."""
    presigned = lambda_svc._presigned_code_url

    def signed_url(function_name: str) -> str:
        url = urlsplit(presigned(function_name))
        return f"{url.scheme}://{url.netloc}{signed(url.path, time.time())}"

    lambda_svc._presigned_code_url = signed_url


def _signature(path: str, expires: str) -> str:
    return hmac.new(_KEY, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
