"""Signature Version 4 of one POST to @connections, for peers that bring no signer of their own."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote, urlsplit


class Signer:
    """The key and everything constant are computed once; a request costs two digests."""

    def __init__(self, url: str, region: str, access_key_id: str, secret: str, body: bytes) -> None:
        parts = urlsplit(url)
        self._path, host = parts.path, parts.netloc
        self._body_sha256 = hashlib.sha256(body).hexdigest()
        moment = time.gmtime()
        self._stamp, day = time.strftime("%Y%m%dT%H%M%SZ", moment), time.strftime("%Y%m%d", moment)
        key = b"AWS4" + secret.encode()
        for part in (day, region, "execute-api", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        scope = f"{day}/{region}/execute-api/aws4_request"
        self._text = f"AWS4-HMAC-SHA256\n{self._stamp}\n{scope}\n"
        self._tail = f"\n\nhost:{host}\nx-amz-date:{self._stamp}\n\nhost;x-amz-date\n{self._body_sha256}"
        self._head = (
            f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders=host;x-amz-date, Signature="
        )

    def sign(self, connection_id: str) -> tuple[str, dict[str, str]]:
        """(path, headers) of one POST."""
        path = f"{self._path}/@connections/{quote(connection_id, safe='')}"
        canonical = f"POST\n{quote(path, safe='/-_.~')}{self._tail}"
        text = self._text + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        return path, {"X-Amz-Date": self._stamp, "Authorization": self._head + signature}
