"""Where requests go: the callback URL taken apart, the proxy in between, and the addresses behind the names."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from whatschat_ops.errors import ConfigError, Unavailable, UsageError
from whatschat_ops.network import proxy_for
from whatschat_ops.redaction import Secret, redact

ADDRESSES_GOOD_FOR_S: Final = 60.0
"""The time to live of API Gateway's DNS records."""

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a host, as `socket` wants it."""

    family: int
    sockaddr: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `authorization` is a header line, or empty."""

    host: str
    port: int
    authorization: Secret


@dataclass(frozen=True, slots=True)
class Route:
    """The way to the endpoint. `path` is the URL's without the slash at its end; `host_header` leaves out a default port."""

    host: str
    port: int
    tls: bool
    path: str
    host_header: str
    proxy: Proxy | None

    @property
    def next_hop(self) -> tuple[str, int]:
        """Where to open a TCP connection to."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    @property
    def tunnel_request(self) -> bytes:
        """What the proxy is asked for first; empty when there is nothing to ask."""
        if self.proxy is None or not self.tls:
            return b""
        authority = f"{_bracketed(self.host)}:{self.port}"
        authorization = self.proxy.authorization.reveal()
        return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}\r\n".encode()


def route_to(callback_url: str) -> Route:
    """The way to https://HOST/STAGE. Raises UsageError for another kind of URL, ConfigError for an unusable proxy."""
    url = _split(callback_url)
    if url.scheme not in _PORTS or not url.hostname or url.username or url.query or url.fragment:
        raise UsageError(
            f"{redact(callback_url)} is not a callback URL: it has the form https://HOST/STAGE.",
        )
    port = url.port if url.port is not None else _PORTS[url.scheme]
    host = _bracketed(url.hostname)
    return Route(
        host=url.hostname,
        port=port,
        tls=url.scheme == "https",
        path=url.path.removesuffix("/"),  # one, as botocore does
        host_header=host if port == _PORTS[url.scheme] else f"{host}:{port}",
        proxy=_proxy_for(url),
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{redact(url)} is not a URL: {error}.") from error
    return parts


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _proxy_for(url: SplitResult) -> Proxy | None:
    found = proxy_for(url.geturl())
    if found is None:
        return None
    proxy = _split(found)
    if proxy.scheme != "http" or not proxy.hostname:
        raise ConfigError(
            f"The proxy {redact(found)} cannot be used: only http:// proxies are supported.",
            hint="Set HTTPS_PROXY or HTTP_PROXY to http://HOST:PORT, or name the endpoint's host in NO_PROXY.",
        )
    authorization = ""
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        authorization = f"Proxy-Authorization: Basic {b64encode(user.encode()).decode()}\r\n"
    return Proxy(proxy.hostname, proxy.port or 80, Secret(authorization))


def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host, families alternating, the preferred first. Raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
    first = [address for address in addresses if address.family == addresses[0].family]
    others = [address for address in addresses if address.family != addresses[0].family]
    mixed = [address for pair in zip(first, others, strict=False) for address in pair]
    return list(dict.fromkeys(mixed + addresses))


class Addresses:
    """The addresses of the next hop, one after the other; looked up again in the background when they are old."""

    def __init__(
        self,
        host: str,
        port: int,
        clock: Callable[[], float],
        look_up: Callable[[str, int], Sequence[Address]] = resolve,
    ) -> None:
        """Raises Unavailable when the name cannot be resolved."""
        self._host, self._port, self._clock, self._look_up = host, port, clock, look_up
        self._turn = -1
        self._looking_up: threading.Thread | None = None
        try:
            self._known = self._usable = look_up(host, port)
        except OSError as error:
            raise Unavailable(
                f"{host} cannot be resolved: {error.strerror or error}.", operation="PostToConnection"
            ) from error
        self._known_since_s = clock()

    def __len__(self) -> int:
        return len(self._known)

    def next(self) -> Address:
        """The address to try next. Those that work are used in turn, so that connections spread over them."""
        if self._clock() - self._known_since_s > ADDRESSES_GOOD_FOR_S and self._looking_up is None:
            self._looking_up = threading.Thread(target=self._look_up_again, name="resolve", daemon=True)
            self._looking_up.start()
        usable = self._usable
        self._turn += 1
        return usable[self._turn % len(usable)]

    def failed(self, address: Address) -> None:
        """Leave it out until all have failed, or they are looked up again: a network without IPv6 costs one attempt."""
        rest = [other for other in self._usable if other != address]
        self._usable = rest or self._known

    def _look_up_again(self) -> None:
        try:
            self._known = self._usable = self._look_up(self._host, self._port)
        except OSError:
            pass  # the old ones may still do; if not, opening a connection says so
        finally:
            self._known_since_s = self._clock()
            self._looking_up = None
