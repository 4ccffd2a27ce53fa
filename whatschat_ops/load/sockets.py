"""Opens the sockets of a load test, each with a token of its user; the limit of open files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.network import tls_context
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.client import open_socket
from whatschat_ops.sockets.handshake import build_handshake


def opener(
    plan: LoadPlan, make_token: Callable[[str], Secret], name_of: Callable[[int], str], via: TokenVia
) -> Callable[[int], Awaitable[Socket]]:
    """A function that connects as the user of a number, for the messages of a load test. It raises what the mode's own function does."""
    connect = connector(plan.mode, plan.url, make_token, via)
    if plan.mode is SocketMode.SOCKETIO:
        from whatschat_ops.load.candidates import CandidateSocket

        async def connect_for_candidates(user: int) -> Socket:
            return CandidateSocket(await connect(name_of(user)), name_of(user))

        return connect_for_candidates
    return lambda user: connect(name_of(user))


def connector(
    mode: SocketMode, url: str, make_token: Callable[[str], Secret], via: TokenVia = TokenVia.HEADER
) -> Callable[[str], Awaitable[Socket]]:
    """A function that connects as a user; what is the same for all sockets is made once."""
    # Reading the certificate authorities takes longer than a handshake.
    tls = tls_context() if urlsplit(url).scheme in ("wss", "https") else None
    if mode is SocketMode.SIMULATED:
        from whatschat_ops.sockets.simulated import Simulation

        simulation = Simulation()

        async def simulate(user: str) -> Socket:
            return simulation.connect(user)

        return simulate
    if mode is SocketMode.SOCKETIO:
        from whatschat_ops.sockets.socket_io import open_socket_io

        async def connect_socket_io(user: str) -> Socket:
            return await open_socket_io(url, make_token(user), tls=tls)

        return connect_socket_io

    async def connect(user: str) -> Socket:
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
