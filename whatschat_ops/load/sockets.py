"""Opens the sockets of a load test, each with a token of its user; the limit of open files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from whatschat_ops.choices import TokenVia
from whatschat_ops.network import tls_context
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.client import Socket, open_socket
from whatschat_ops.sockets.handshake import build_handshake


def opener(
    url: str, make_token: Callable[[int], Secret], via: TokenVia
) -> Callable[[int], Awaitable[Socket]]:
    """A function that connects as the user of a number. It raises what `sockets.client.open_socket` raises."""
    # Reading the certificate authorities takes longer than a handshake: once for all sockets.
    tls = tls_context() if urlsplit(url).scheme == "wss" else None

    async def connect(user: int) -> Socket:
        return await open_socket(build_handshake(url, make_token(user), via), tls=tls)

    return connect


def most_open_files() -> int | None:
    """How many files and sockets this process may have open (RLIMIT_NOFILE); None where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
