"""Makes docs/screens/*.svg: runs real commands on an embedded AWS of its own, in a terminal, and draws what they print.

    python docs/screens.py            all of them
    python docs/screens.py trace      those named

Ids, times and durations differ from run to run: they are replaced, so that a screen changes when the command does.
A command that gets a screen has a row in SCREENS. tests/component/test_screens.py holds files, rows and pages together.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DIRECTORY = Path(__file__).parent / "screens"
PROGRAM = (sys.executable, "-m", "whatschat_ops")


@dataclass(frozen=True)
class Stand:
    """A provisioned stack on an embedded AWS of its own, and the program that operates it."""

    directory: Path
    environment: dict[str, str]
    url: str = ""

    def run(self, *arguments: str) -> str:
        """A command's output; whatever it exits with."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def socket(self, user: str) -> Any:
        """A user's connection."""
        token = self.run("token", "mint", "--user", user)
        headers = {"Authorization": f"Bearer {token}"}
        return connect(
            self.url,
            additional_headers=headers,
            proxy=None,
            open_timeout=60,
            user_agent_header="Mozilla/5.0 (X11; Linux)",
        )

    def screen(self, *arguments: str, columns: int) -> str:
        """What a command writes to a terminal of that width, with its colours."""
        master, slave = os.openpty()
        environment = {**self.environment, "COLUMNS": str(columns), "TERM": "xterm-256color"}
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.DEVNULL,
        )
        os.close(slave)
        parts: list[bytes] = []
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except OSError:  # EIO: the terminal's other side is closed
            pass
        finally:
            os.close(master)
        process.wait()
        return b"".join(parts).decode().replace("\r\n", "\n")


@dataclass(frozen=True)
class Screen:
    """One SVG. `says` stands in it and, word for word, in `module`, whose screen it is; `page` links to it."""

    name: str
    command: Sequence[str]
    page: str
    module: str
    says: Sequence[str]
    prepare: Callable[[Stand], None] = field(default=lambda _: None)
    columns: int = 110
    saves: bool = False
    """The command draws the screen itself (`--svg`)."""
    then: Sequence[Sequence[str]] = ()
    """What is typed after the command, in the same screen, while bob listens. An argument "|N" keeps N lines."""

    @property
    def path(self) -> Path:
        """The file."""
        return DIRECTORY / f"{self.name}.svg"


def _conversation(stand: Stand) -> None:
    """alice writes to bob, who answers; then an operator closes alice's connection."""
    with stand.socket("bob") as bob, stand.socket("alice") as alice:
        for sender, other, name in ((alice, "bob", "m-1"), (bob, "alice", "m-2")):
            sender.send(json.dumps({"type": "message:send", "id": name, "recipients": [other], "text": "hi"}))
            for socket in (alice, bob):
                socket.recv(timeout=60)
        alice.send("not JSON")
        alice.recv(timeout=60)
        stand.run("ws", "disconnect", "--user", "alice", "--yes")
        with suppress(ConnectionClosed):
            alice.recv(timeout=60)
    deadline = time.monotonic() + 60
    while '"code": 1000' not in stand.run("logs", "trace", "alice", "--json") and time.monotonic() < deadline:
        time.sleep(0.2)


def _without_index(stand: Stand) -> None:
    """Another hand deletes the index by user."""
    import boto3

    variables = dict(re.findall(r"export (\w+)=(\S+)", stand.run("local", "env")))
    client = boto3.client(
        "dynamodb",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    (table,) = (name for name in client.list_tables()["TableNames"] if name.endswith("websocket-connections"))
    client.update_table(
        TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "userId-index"}}]
    )


def _traffic(stand: Stand) -> None:
    """alice pings; a client without a valid token is rejected."""
    with stand.socket("alice") as alice:
        for number in range(8):
            alice.send(json.dumps({"type": "ping", "id": number}))
            alice.recv(timeout=60)
    stand.run("ws", "connect", "--token", "wrong", "--wait", "0")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = json.loads(stand.run("metrics", "show", "--last", "10m", "--json"))["sections"][0]["figures"]
        if all(each["value"] for each in found if each["name"] in ("Messages", "Integration errors")):
            return
        time.sleep(0.5)


def _incident(stand: Stand) -> None:
    """The recording that docs/watch.md tells of."""
    shutil.copy(Path(__file__).with_name("watch-incident.jsonl.gz"), stand.directory)


def _session(stand: Stand, screen: Screen) -> str:
    """Prompts, commands and what they print, of several commands in one terminal."""
    parts = []
    with stand.socket("bob"):
        for command in (screen.command, *screen.then):
            arguments = [word for word in command if not word.startswith("|")]
            kept = next((int(word[1:]) for word in command if word.startswith("|")), None)
            typed = shlex.join(("whatschat-ops", *arguments)) + (f" | head -n {kept}" if kept else "")
            lines = stand.screen(*arguments, columns=screen.columns).rstrip().split("\n")[:kept]
            parts.append("\n".join((f"\x1b[1;32m$\x1b[0m \x1b[1m{typed}\x1b[0m", *lines)))
    return "\n".join(parts)


def _saved(stand: Stand, screen: Screen) -> str:
    """What a command saves with --svg, with its command line as the title."""
    stand.environment["COLUMNS"] = str(screen.columns)
    stand.run(*screen.command, "--svg", str(screen.path))
    svg = screen.path.read_text(encoding="utf-8")
    title = f"$ whatschat-ops {' '.join(screen.command)}"
    return svg.replace(">whatschat-ops&#160;watch<", f">{title.replace(' ', '&#160;')}<")


SCREENS = (
    Screen(
        "session",
        ("ws", "connections", "list", "--quiet"),
        "../README.md",
        "cli/chime/tables.py",
        ("Control Region", "Signaling", "Join token"),
        columns=104,
        then=(
            ("ws", "broadcast", "--quiet", "--type", "notice", "Maintenance tonight"),
            ("ws", "send", "--user", "alice", "--to", "bob", "Lunch at noon?"),
            ("chime", "meeting", "create", "--user", "alice", "--attendee", "alice", "--attendee", "bob"),
            ("doctor", "--only", "WS022,WS041,WS043,CH001"),
            ("cost", "estimate", "--messages", "10M", "--users", "1000", "--hours-per-day", "8", "|6"),
        ),
    ),
    Screen(
        "trace",
        ("logs", "trace", "alice"),
        "operate.md",
        "cli/logs/trace_view.py",
        ("Connection", "Events", "End", "Status", "Outcome", "Took"),
        _conversation,
    ),
    Screen(
        "metrics",
        ("metrics", "show", "--last", "10m"),
        "operate.md",
        "cli/metrics.py",
        ("Open connections", "Metric", "Value", "Trend"),
        _traffic,
    ),
    *(
        Screen(
            name,
            ("watch", "--replay", "watch-incident.jsonl.gz", "--at", "7m"),
            "watch.md",
            "watch/tiles.py",
            ("Connections", "Messages", "Errors"),
            _incident,
            columns,
            saves=True,
        )
        for name, columns in (("watch", 120), ("watch-narrow", 44))
    ),
    Screen(
        "doctor",
        ("doctor", "--only", "ST001,ST004,WS001,WS007,WS020,WS022,WS023,WS024,WS042,WS043"),
        "doctor.md",
        "cli/doctor.py",
        ("ok", "FAIL", "Seen: ", "Fix: "),
        _without_index,
    ),
)


_IDS = ("L0SM9cOFvHcCIhw=", "R0oXAdfD0kwCH6w=", "ZbAk4eVHIAMCJ7w=", "Q1hXkdNaoAMCLmA=")


def steady(text: str) -> str:
    """The text with what differs from run to run replaced by something as long."""
    ids = dict.fromkeys(re.findall(r"(?<![\w/+-])[\w-]{15}=", text))
    for number, each in enumerate(ids):
        text = text.replace(each, _IDS[number % len(_IDS)])
    seconds = sorted(set(re.findall(r"\d\d:\d\d:\d\d", text)))
    clock = {each: f"09:{30 + number // 60:02}:{number % 60:02}" for number, each in enumerate(seconds)}
    text = re.sub(r"\d\d:\d\d:\d\d", lambda found: clock[found[0]], text)
    text = re.sub(r"(?<=:\d\d)\.\d{3}", ".000", text)
    text = re.sub(r"20\d\d-\d\d-\d\d", "2026-11-29", text)
    text = re.sub(
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "3bfacde6-c8c7-4086-ae13-7bc766387183", text
    )
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:4566", text)
    text = re.sub(r"(?<=\S )[\d,.]+ ms", "8 ms", text)
    text = re.sub(r"(?<= )\d\.\d\d$", "0.08", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "20261129-093000-7f3a", text)
    text = re.sub(r"\bcall-alice-\d+", "call-alice-1795944600000", text)
    return re.sub(r"( {2,})(\d+)( ms)", lambda found: f"{found[1]}{'8'.rjust(len(found[2]))}{found[3]}", text)


def draw(screen: Screen, printed: str) -> str:
    """The SVG of a terminal with the command and what it printed. Fonts are the reader's own: nothing is fetched."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=screen.columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text.from_ansi(printed), no_wrap=True, soft_wrap=False)
        svg = console.export_svg(
            title="whatschat-ops" if screen.then else f"$ whatschat-ops {' '.join(screen.command)}",
            code_format=re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL),
            unique_id=screen.name,
        )
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@contextmanager
def stand(directory: Path) -> Iterator[Stand]:
    """A provisioned stack on an embedded AWS of its own, which is stopped at the end."""
    from tests.ports import free_port

    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    environment = {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "WHATSCHAT_OPS_STATE_DIR": str(directory),
        "WHATSCHAT_LOCAL_PORT": str(free_port()),
    }
    made = Stand(directory, environment)
    try:
        made.run("provision", "--yes")
        yield Stand(directory, environment, made.run("ws", "endpoint"))
    finally:
        made.run("local", "stop")


def main(names: Sequence[str]) -> None:
    """Draw the screens of these names; all without any."""
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, stand(Path(directory)) as running:
        for screen in SCREENS:
            if names and screen.name not in names:
                continue
            screen.prepare(running)
            if screen.saves:
                drawn = _saved(running, screen)
            elif screen.then:
                drawn = draw(screen, steady(_session(running, screen)))
            else:
                drawn = draw(screen, steady(running.screen(*screen.command, columns=screen.columns)))
            screen.path.write_text(drawn, encoding="utf-8")
            sys.stdout.write(f"Wrote docs/screens/{screen.path.name}.\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(sys.argv[1:])
