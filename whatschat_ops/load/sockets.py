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
    """A function that connects as the user of a number, in the mode of the plan. It raises what the mode's own function does."""
    # Reading the certificate authorities takes longer than a handshake: once for all sockets.
    tls = tls_context() if urlsplit(plan.url).scheme in ("wss", "https") else None
    if plan.mode is SocketMode.SIMULATED:
        from whatschat_ops.sockets.simulated import Simulation

        simulation = Simulation()

        async def simulate(user: int) -> Socket:
            return simulation.connect(name_of(user))

        return simulate
    if plan.mode is SocketMode.SOCKETIO:
        from whatschat_ops.load.candidates import CandidateSocket
        from whatschat_ops.sockets.socket_io import open_socket_io

        async def connect_socket_io(user: int) -> Socket:
            name = name_of(user)
            return CandidateSocket(await open_socket_io(plan.url, make_token(name), tls=tls), name)

        return connect_socket_io

    async def connect(user: int) -> Socket:
        return await open_socket(build_handshake(plan.url, make_token(name_of(user)), via), tls=tls)

    return connect


def most_open_files() -> int | None:
    """How many files and sockets this process may have open (RLIMIT_NOFILE); None where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
