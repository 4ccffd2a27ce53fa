"""What every client of ours keeps to: which hosts are this machine, which proxy leads to the others, and which CAs are trusted.

A request to this machine never goes through a proxy. All others go through that of the environment: HTTPS_PROXY, HTTP_PROXY and
NO_PROXY (or the system's settings), as for botocore. Certificates are always verified.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from urllib.parse import urlsplit

from whatschat_ops.errors import ConfigError

CA_VARIABLES: Final = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The first that is set counts: AWS's own, that of `requests` (which botocore reads, too), OpenSSL's, of which both count."""
CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"

_PROXIES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "https": ("https",),
    "http": ("http",),
    "wss": ("wss", "socks", "https"),
    "ws": ("ws", "socks", "https", "http"),
}
"""The scheme of a URL -> whose proxy it goes through, the first that is set. WebSockets: RFC 6455, section 4.1."""


def is_loopback(url: str) -> bool:
    """Whether the host of the URL is this machine, as an address in any form that a resolver takes (inet_aton(3): 127.1)."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))
        except OSError:
            return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback  # RFC 4291, section 2.5.5.2


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that leads to `url`; None: none does."""
    if is_loopback(url):
        return None
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    found = next(filter(None, map(proxies.get, _PROXIES_OF[parts.scheme])), None)
    if found is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return found if "://" in found else f"http://{found}"


def ca_bundle(environ: Mapping[str, str] = os.environ) -> str | None:
    """The file of trusted CAs that the environment names, one for all its files and folders. Raises ConfigError."""
    variable = next((each for each in CA_VARIABLES if environ.get(each, "").strip()), None)
    if variable is None:
        return None
    paths = [environ[variable].strip()]
    # OpenSSL reads both, each with a default (SSL_CTX_load_verify_locations(3)).
    if variable.startswith("SSL_CERT"):
        folders = environ.get("SSL_CERT_DIR", "").strip()
        files = [environ.get("SSL_CERT_FILE", "").strip() or ssl.get_default_verify_paths().cafile or ""]
        paths = [path for path in (*files, *folders.split(os.pathsep)) if path]
    for path in paths:
        _require_readable(path, variable)
    return paths[0] if len(paths) == 1 and not Path(paths[0]).is_dir() else _joined(tuple(paths))


@lru_cache
def _joined(paths: tuple[str, ...]) -> str:
    """A file, until the end of the process, with the certificates of files and folders: botocore takes one file only."""
    files = [
        file for path in map(Path, paths) for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    texts = (file.read_bytes() for file in files if file.is_file())
    with NamedTemporaryFile(prefix="whatschat-ops-", suffix=".pem", delete=False) as joined:
        joined.write(b"\n".join(dict.fromkeys(text for text in texts if CERTIFICATE in text)))
    atexit.register(Path(joined.name).unlink, missing_ok=True)
    return joined.name


def tls_context(bundle: str | None = None) -> ssl.SSLContext:
    """Verifies certificates and names with the CAs of `bundle`, else the environment's, else the system's.

    Raises ConfigError when the file has no certificates.
    """
    path = bundle or ca_bundle()
    try:
        context = ssl.create_default_context(cafile=path)
    except OSError as error:
        raise _unreadable(path or "", error, "AWS_CA_BUNDLE") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _require_readable(path: str, variable: str) -> None:
    try:
        if Path(path).is_dir():
            next(Path(path).iterdir(), None)
        else:
            Path(path).open("rb").close()
    except OSError as error:
        raise _unreadable(path, error, variable) from error


def _unreadable(path: str, error: OSError, variable: str) -> ConfigError:
    return ConfigError(
        f"The CA bundle {path} cannot be read: {error.strerror or error}.",
        hint=f"Set {variable} to a {'folder' if variable == 'SSL_CERT_DIR' else 'file'} of PEM certificates, or unset it.",
    )
