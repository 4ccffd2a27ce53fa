"""Signed HTTP requests to AWS over connections that stay open between invocations.

Takes an endpoint, a path, headers and a body; returns the response, after retrying what AWS asks to retry. The
credentials and the Region come from the environment that Lambda sets. Never logs what it sends. Thread-safe.
"""

from __future__ import annotations

import json
import random
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ssl import create_default_context
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .partitions import partition_of
from .signing import Credentials, signed_headers

ATTEMPTS: Final = 3
BACKOFF_S: Final = 0.05
"""The second attempt waits up to twice, the third up to four times as long; the exact time is random."""

TIMEOUT_S: Final = 3.0
"""For connecting and for each read; below the functions' own time-out."""
TIMEOUT_VARIABLE: Final = "WHATSCHAT_OPS_AWS_TIMEOUT_S"
"""Another time-out: the embedded AWS sets it, which answers later when the machine is busy."""

RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
RETRIED_CODES: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
"""Errors that pass and that DynamoDB and SSM return with status 400: throttling (the retry table of the AWS SDKs), and a
write to an item of a transaction that is under way (Amazon DynamoDB Developer Guide, "Transaction conflict handling")."""


CA_VARIABLES: Final = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""The first that is set counts, as on the operator's machine."""

JSON_VERSIONS: Final[Mapping[str, str]] = {"dynamodb": "1.0", "ssm": "1.1"}
"""`jsonVersion` of the services' models in botocore."""


class AwsCallFailed(Exception):
    """A call failed or AWS could not be reached: `{operation}: {code}`, never the content of the call.

    `in_doubt`: AWS may have done it all the same.
    """

    def __init__(self, operation: str, code: str, *, in_doubt: bool = False) -> None:
        super().__init__(f"{operation}: {code}")
        self.operation = operation
        self.code = code
        self.in_doubt = in_doubt


class NotConfigured(Exception):
    """An environment variable of the function is missing or invalid."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a service: `host` is the Host header, `path` has no slash at its end."""

    tls: bool
    host: str
    path: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Parse `https://host[:port][/path]`; `wss` and `ws` are read as `https` and `http`."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http", "wss", "ws") or not parts.netloc:
            raise NotConfigured(f"{url!r} is not the URL of an endpoint")
        return cls(parts.scheme in ("https", "wss"), parts.netloc, parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Answer:
    """AWS's response."""

    status: int
    body: bytes

    @property
    def code(self) -> str:
        """The error code of a service that uses JSON, for example `ConditionalCheckFailedException`, else empty."""
        if self.status < 400:
            return ""
        try:
            document = json.loads(self.body)
            error_type = document.get("__type") or document.get("Code") or ""
        except (ValueError, RecursionError, AttributeError):
            return ""
        return str(error_type).rpartition("#")[2]


class AwsApi:
    """A client for every service that the handlers call."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._region = required(environ, "AWS_REGION")
        self._credentials = Credentials(
            required(environ, "AWS_ACCESS_KEY_ID"),
            required(environ, "AWS_SECRET_ACCESS_KEY"),
            environ.get("AWS_SESSION_TOKEN"),
        )
        self._sleep = sleep
        self._clock = clock
        self._idle: dict[Endpoint, deque[HTTPConnection]] = {}

    def call(self, service: str, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation of a service that uses JSON; `target` is for example `DynamoDB_20120810.GetItem`.

        Raises AwsCallFailed with AWS's code.
        """
        operation = target.rpartition(".")[2]
        headers = {"content-type": f"application/x-amz-json-{JSON_VERSIONS[service]}", "x-amz-target": target}
        body = json.dumps(request).encode()
        answer = self.request(service, self.endpoint(service), "/", headers, body, operation)
        if answer.status != 200:
            raise AwsCallFailed(operation, answer.code or f"HTTP {answer.status}")
        document: dict[str, Any] = json.loads(answer.body)
        return document

    def request(
        self,
        service: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        operation: str,
        *,
        method: str = "POST",
        query: str = "",
        region: str | None = None,
    ) -> Answer:
        """Send to `path` (percent-encoded, like `query`) below the endpoint; `service` is the SigV4 name.

        Throttling, server errors and lost connections are retried. A time-out is not: the request may have arrived.
        Raises AwsCallFailed when there is no response.
        """
        failure, in_doubt = "", False
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(random.uniform(0, BACKOFF_S * 2**attempt))
            try:
                answer = self._send(
                    service,
                    endpoint,
                    endpoint.path + path,
                    headers,
                    body,
                    method,
                    query,
                    region or self._region,
                )
            except TimeoutError as error:
                raise AwsCallFailed(operation, "TimeoutError", in_doubt=True) from error
            except (OSError, HTTPException) as error:
                failure, in_doubt = type(error).__name__, True
                continue
            if not (answer.status in RETRIED_STATUSES or answer.code in RETRIED_CODES):
                return answer
            failure = answer.code or f"HTTP {answer.status}"
            in_doubt = in_doubt or answer.status >= 500
        raise AwsCallFailed(operation, failure, in_doubt=in_doubt)

    def _send(
        self,
        service: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        method: str,
        query: str,
        region: str,
    ) -> Answer:
        signed = signed_headers(
            self._credentials,
            region,
            service,
            path=path,
            headers={**headers, "host": endpoint.host},
            body=body,
            epoch_s=self._clock(),
            method=method,
            query=query,
        )
        idle = self._idle.setdefault(endpoint, deque())
        connection = _take(idle) or _open(endpoint, self._environ)
        try:
            connection.request(method, f"{path}?{query}" if query else path, body, signed)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except (OSError, HTTPException):
            connection.close()
            # The environment may have been frozen since: then its other connections are closed as well.
            while other := _take(idle):
                other.close()
            raise
        idle.append(connection)  # http.client reconnects if AWS has closed it
        return answer

    def endpoint(self, service: str, *, prefix: str | None = None, region: str | None = None) -> Endpoint:
        """As in every AWS SDK: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, else the Region's endpoint.

        `prefix` is the first label of the host, if it is not the service's name.
        """
        configured = (
            None
            if self._environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
            else self._environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}")
            or self._environ.get("AWS_ENDPOINT_URL")
        )
        region = region or self._region
        of_region = f"https://{prefix or service}.{region}.{partition_of(region).dns_suffix}"
        return Endpoint.parse(configured or of_region)


def required(environ: Mapping[str, str], name: str) -> str:
    """The value of the variable. Raises NotConfigured when it is missing or empty."""
    value = environ.get(name)
    if not value:
        raise NotConfigured(f"the environment variable {name} is not set")
    return value


def _take(idle: deque[HTTPConnection]) -> HTTPConnection | None:
    try:
        return idle.pop()
    except IndexError:
        return None


def _open(endpoint: Endpoint, environ: Mapping[str, str]) -> HTTPConnection:
    """A connection that trusts AWS_CA_BUNDLE. Requests of a function over TLS go through HTTPS_PROXY, but not to itself."""
    timeout_s = float(environ.get(TIMEOUT_VARIABLE) or TIMEOUT_S)
    if not endpoint.tls:
        return HTTPConnection(endpoint.host, timeout=timeout_s)
    bundle = next(filter(None, map(environ.get, CA_VARIABLES)), None)
    tls = create_default_context(cafile=bundle) if bundle else None
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not proxy or _is_reached_directly(endpoint, environ):
        return HTTPSConnection(endpoint.host, timeout=timeout_s, context=tls)
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = HTTPSConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s, context=tls)
    login = {}
    if parts.username:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        login = {"Proxy-Authorization": f"Basic {b64encode(user).decode()}"}
    connection.set_tunnel(endpoint.host, headers=login)
    return connection


def _is_reached_directly(endpoint: Endpoint, environ: Mapping[str, str]) -> bool:
    """Whether the host is this machine, or one of NO_PROXY."""
    host = urlsplit(f"//{endpoint.host}").hostname or ""
    skipped = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    names = [name.strip().lstrip("*.") for name in skipped if name.strip()]
    return "*" in map(str.strip, skipped) or any(
        host == name or host.endswith(f".{name}") for name in (*names, "localhost", "127.0.0.1", "::1")
    )
