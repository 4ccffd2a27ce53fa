"""The embedded Chime SDK Meetings service alone, without the rest of the embedded AWS.

    python -m whatschat_ops.local.chime --port 4580

Any AWS client calls it at http://127.0.0.1:4580 with the access key `test` and the secret `test`, unless others are given;
signatures are checked. Its events are written to standard output, one JSON document a line, as EventBridge has them.
It ends on Ctrl-C and SIGTERM. Its meetings are kept in --state, or else only while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials

from whatschat_ops.errors import LocalError
from whatschat_ops.local import clock
from whatschat_ops.local.chime import ChimeMeetings, attendance
from whatschat_ops.local.chime.signatures import OneKey
from whatschat_ops.local.interfaces import ServiceEvent
from whatschat_ops.local.layout import ACCOUNT_ID, HOST

SWEEP_S = 1.0


def main(arguments: list[str]) -> int:
    """Run until a signal arrives. Returns the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # the meetings have join tokens
    with contextlib.ExitStack() as stack:
        state = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "chime.sqlite3"
        try:
            asyncio.run(_serve(options, state))
        except (OSError, LocalError) as error:
            _say(f"Error: {error}")
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    description, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m whatschat_ops.local.chime",
        description=description,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=4580, help=f"port on {HOST}; 0 takes a free one [default: 4580]"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="SQLite database of the meetings")
    parser.add_argument("--access-key-id", default="test", metavar="ID", help="[default: test]")
    parser.add_argument("--secret-access-key", default="test", metavar="KEY", help="[default: test]")
    return parser


async def _serve(options: argparse.Namespace, state: Path) -> None:
    from whatschat_ops.local.router import read_request, send_response
    from whatschat_ops.local.server import first_of, listening, make_server, stop_on_signals

    now = clock.ServiceClock()
    authorizer = OneKey(Credentials(options.access_key_id, options.secret_access_key), clock.ServiceClock())
    meetings = ChimeMeetings(authorizer, state, clock=now, publish=_print_events)
    clock_api = clock.ClockApi(now, authorizer, meetings.sweep)
    handlers = {clock.PATH: clock_api.handle, attendance.PATH: meetings.attendance.handle}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = await read_request(scope, receive)
        await send_response(send, await handlers.get(request.raw_path, meetings.handle)(request))

    with listening(options.port) as listener:
        port = listener.getsockname()[1]
        _say(f"Chime SDK Meetings listens on http://{HOST}:{port}.")
        server, stopping = make_server(app, ws="none"), stop_on_signals()
        serving, sweeping = (
            asyncio.create_task(server.serve([listener])),
            asyncio.create_task(_sweep(meetings)),
        )
        try:
            await first_of(serving, stopping)
            server.should_exit = True
            await serving
        finally:
            sweeping.cancel()
            meetings.close()


async def _sweep(meetings: ChimeMeetings) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        meetings.sweep()


def _print_events(events: Iterable[ServiceEvent]) -> None:
    lines = "".join(f"{json.dumps(_document(event))}\n" for event in events)
    with contextlib.suppress(BrokenPipeError):  # the reader has gone; calls are answered all the same
        sys.stdout.write(lines)
        sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _document(event: ServiceEvent) -> Mapping[str, Any]:
    """The event as EventBridge has it (EventBridge User Guide, "Event structure")."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": event.detail_type,
        "source": event.source,
        "account": ACCOUNT_ID,
        "time": datetime.fromtimestamp(int(event.at), UTC).isoformat().replace("+00:00", "Z"),
        "region": event.region,
        "resources": [],
        "detail": event.detail,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
