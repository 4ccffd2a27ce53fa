"""Links to the code of functions and layers, in responses of GetFunction and GetLayerVersion: signed, and valid for ten
minutes, as on AWS.

They are valid until the embedded AWS stops at the latest: its key is made at every start.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from whatschat_ops.local.control.wire import Response

VALID_S: Final = 600
"""Lambda API Reference, FunctionCodeLocation: the link is valid for 10 minutes."""
PREFIXES: Final = ("/_ministack/lambda-code/", "/_ministack/lambda-layers/")
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


_LAYERS: Final = ("_get_layer_version", "_get_layer_version_by_arn", "_publish_layer_version")
REPLACES: Final = tuple(f"lambda_svc.{name}" for name in ("_presigned_code_url", *_LAYERS))


def install(lambda_svc: Any) -> None:
    """Sign the links that ministack makes: at once those to functions, those to layers when they are shown."""
    presigned = lambda_svc._presigned_code_url
    lambda_svc._presigned_code_url = lambda name: _signed_url(presigned(name))
    for name in _LAYERS:
        setattr(lambda_svc, name, _with_signed_link(getattr(lambda_svc, name)))


def _with_signed_link(original: Callable[..., Response]) -> Callable[..., Response]:
    def answer(*arguments: Any) -> Response:
        status, headers, body = original(*arguments)
        document = json.loads(body)
        if content := document.get("Content"):
            content["Location"] = _signed_url(content["Location"])
            body = json.dumps(document).encode()
        return status, headers, body

    return answer


def _signed_url(location: str) -> str:
    url = urlsplit(location)
    return f"{url.scheme}://{url.netloc}{signed(url.path, time.time())}"


def _signature(path: str, expires: str) -> str:
    return hmac.new(_KEY, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
