"""`watch` on the embedded AWS: in this process against what is there, and as a process at a terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, PrefixedStack, eventually
from tests.ports import free_port
from tests.terminal import Terminal
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, load_settings
from whatschat_ops.watch import tiles
from whatschat_ops.watch.collector import Collector
from whatschat_ops.watch.record import read
from whatschat_ops.watch.snapshot import Level, Snapshot
from whatschat_ops.watch.sources import StackSources

pytestmark = pytest.mark.local

PREFIX = "watch-"
SETTINGS = load_settings("local", flags={"prefix": ("--prefix", PREFIX)}).settings
"""As the program has them with WHATSCHAT_PREFIX."""
NAMES = Names(SETTINGS)
LEFT = "\x1b[?1049l"
"""What leads back to the screen that was there before."""
SIZED = ("env", "-u", "COLUMNS", "-u", "LINES", *PROGRAM)
"""The terminal says how large it is."""


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[PrefixedStack]:
    made = PrefixedStack(embedded_aws, PREFIX)
    made.run("provision", "--yes")
    yield made
    made.run("destroy", "--yes", "--delete-data")


def collector(aws: EmbeddedAws, stack: PrefixedStack, endpoint_url: str) -> Collector:
    target = AwsTarget(
        region=aws.region,
        endpoint_url=endpoint_url,
        access_key_id=aws.access_key_id,
        secret_access_key=aws.secret_access_key,
    )
    api_id = stack.json("ws", "endpoint")["api_id"]
    journals = aws.state_directory / "broadcasts"
    sources = StackSources(Aws(target, attempts=1), SETTINGS, api_id, journals, 60.0)
    return Collector(NAMES.stack, aws.region, sources.all())


def polled(made: Collector) -> Snapshot:
    snapshot = made.poll(everything=True)
    assert snapshot is not None
    return snapshot


def test_view_says_what_is_there(embedded_aws: EmbeddedAws, stack: PrefixedStack) -> None:
    row = {"connectionId": {"S": "c-1"}, "userId": {"S": "alice"}, "ttl": {"N": str(2**31)}}
    dynamodb = embedded_aws.client("dynamodb")
    dynamodb.put_item(TableName=NAMES.connections_table, Item=row)
    group = NAMES.function_log_group("default")
    embedded_aws.client("logs").put_retention_policy(logGroupName=group, retentionInDays=400)
    made = collector(embedded_aws, stack, embedded_aws.endpoint_url)
    started = datetime.now(UTC)

    first = {tile.name: tile for tile in polled(made).tiles}

    assert [name for name, tile in first.items() if tile.level is Level.UNKNOWN] == []
    assert first[tiles.CONNECTIONS].value == 1
    assert first[tiles.DRIFT].lines == ("log_group.default drifted: retention_days",)
    assert first[tiles.DRIFT].level is Level.BAD
    assert "provision" in [mark.what for mark in first[tiles.CHANGES].marks]
    assert "(1,200 metrics an hour)" in str(first[tiles.COST].lines)
    stack.run("provision", "--yes")
    dynamodb.delete_item(TableName=NAMES.connections_table, Key={"connectionId": {"S": "c-1"}})
    later = polled(made)
    drift, connections = later.named(tiles.DRIFT), later.named(tiles.CONNECTIONS)
    assert drift is not None
    assert connections is not None
    assert (drift.value, connections.value) == (0, 0)
    assert later.marks[-1].at > started


def test_aws_that_cannot_be_reached_is_said_of_every_figure_but_those_of_files(
    embedded_aws: EmbeddedAws, stack: PrefixedStack
) -> None:
    made = collector(embedded_aws, stack, f"http://127.0.0.1:{free_port()}")
    found = {tile.name: tile for tile in polled(made).tiles}
    assert [name for name, tile in found.items() if tile.level is Level.OK] == [tiles.BROADCASTS]
    assert all(
        "Could not connect" in tile.unknown for name, tile in found.items() if name != tiles.BROADCASTS
    )


def test_person_watches_resizes_opens_a_command_and_leaves_the_terminal_as_it_was(
    stack: PrefixedStack, tmp_path: Path
) -> None:
    path = tmp_path / "seen.jsonl.gz"
    command = [*SIZED, "watch", "--every", "5s", "--record", str(path)]
    with Terminal(command, stack.environment) as terminal:
        terminal.wait_for(lambda lines: any("0 firing" not in line and "0 open" in line for line in lines))
        eventually(lambda: path.stat().st_size > 200)
        assert read(path)[0].stack == NAMES.stack
        terminal.resize(40, 30)
        terminal.wait_for(
            lambda lines: bool(lines[0]) and max(map(len, lines)) <= 40 and "╮" in lines[1][36:]
        )
        terminal.type("1")
        terminal.wait_for_text("Exit code 0.")
        terminal.type("\x1b")
        terminal.wait_for(lambda lines: "1 Connections" in "\n".join(lines))
        terminal.type("q")
        terminal.wait_for_text(LEFT)
        terminal.leave(0)
    assert read(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_the_terminal_as_it_was(stack: PrefixedStack, number: signal.Signals) -> None:
    incident = Path(__file__).parents[2] / "docs" / "watch-incident.jsonl.gz"
    with Terminal([*PROGRAM, "watch", "--replay", str(incident)], stack.environment) as terminal:
        terminal.wait_for(lambda lines: "REPLAY" in lines[0])
        terminal.process.send_signal(number)
        terminal.wait_for_text(LEFT)
        terminal.leave(0)
        assert "Traceback" not in terminal.written
