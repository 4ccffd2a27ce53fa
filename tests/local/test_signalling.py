"""Meetings by messages over real sockets, on an embedded AWS of its own, whose clock moves; permissions; minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import run
from tests.local.conftest import EmbeddedAws, started
from tests.local.test_minimality import aws_of
from tests.minimality.removal import Broken, Removed, removals, without
from tests.minimality.signalling import ADDED, SignallingScenario
from tests.ports import free_port
from whatschat_ops.chime import MeetingStatus
from whatschat_ops.chime.of_settings import chime_service, metering
from whatschat_ops.choices import UsageBy
from whatschat_ops.config import Settings
from whatschat_ops.errors import NotFound
from whatschat_ops.local import own_api, service
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

SETTINGS = Settings.of({"prefix": "sig-", "chime": {"signalling": True, "events": True}})
CONFIG = "prefix: sig-\nchime: {signalling: true, events: true}\n"
POLICY = policy_of("lambda", SETTINGS, Place("us-east-1", "000000000000"), "a")
STEPS = dict(
    zip(
        [each for each in removals(POLICY) if each.sid in ADDED],
        (
            "create",  # GetItem
            "create",  # PutItem
            "create",  # UpdateItem
            "create",  # DeleteItem
            "create",  # CreateMeeting
            "join",  # GetMeeting
            "end",  # DeleteMeeting
            "create",  # CreateAttendee
            "list",  # ListAttendees
            "leave",  # DeleteAttendee
        ),
        strict=True,
    )
)
"""An action that signalling adds -> the message that is refused without it."""


@dataclass(frozen=True)
class World:
    """The embedded AWS with a stack in it, and two users."""

    aws: EmbeddedAws
    found: service.LocalService
    stack: Stack
    users: SignallingScenario
    config: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state_directory = tmp_path_factory.mktemp("signalling")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(state_directory))
        found = service.ensure_running(port=free_port(), say=lambda _: None)
        aws = started(state_directory, found)
        try:
            stack = Stack(SETTINGS, aws_of(aws))
            stack.apply(stack.plan())
            url = read_outputs(SETTINGS, stack.aws).websocket_url
            users = SignallingScenario(aws.client, SETTINGS, url)
            config = state_directory / "local.yaml"
            config.write_text(f"environment: local\nlocal: {{enabled: true, port: {found.port}}}\n{CONFIG}")
            yield World(aws, found, stack, users, config)
            users.close()
        finally:
            service.stop()


def whatschat(world: World, *arguments: str) -> Any:
    """The JSON of a command, of this stack."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(world.aws.state_directory))
        done = run("--config", str(world.config), *arguments, "--json")
    assert done.code == 0, done.said
    return json.loads(done.stdout)


def test_users_need_no_other_backend_and_the_functions_no_more_than_their_policy(world: World) -> None:
    assert removals(world.users.added()) == list(STEPS)
    world.users.attempt(world.users.added())
    [record] = chime_service(world.stack.aws, SETTINGS).list_meetings(check=False)
    assert (record.created_by, record.purpose, record.status, record.end_reason) == (
        "alice",
        "call",
        MeetingStatus.DELETED,
        "signalling",
    )
    world.users.clear()


@pytest.mark.parametrize(("removed", "step"), STEPS.items(), ids=str)
def test_without_this_action_the_message_is_refused(world: World, removed: Removed, step: str) -> None:
    with pytest.raises(Broken) as caught:
        world.users.attempt(without(world.users.added(), removed))
    world.users.clear()
    assert caught.value.step == step
    assert "internal_error" in caught.value.seen


def test_minutes_of_a_call_are_those_that_the_simulator_knows(world: World) -> None:
    alice, bob = world.users.alice, world.users.bob
    created = world.users.ask("create", alice, "chime:create-meeting", {"externalMeetingId": "call-bob-e2e"})
    meeting_id = created["meeting"]["meetingId"]
    world.users.ask("join", bob, "chime:join-meeting", {"meetingId": meeting_id})
    world.users.hear("join", alice, "chime:attendee-joined")

    known_tenths: dict[str, int] = {}
    joined_at: dict[str, datetime] = {}
    for user, action, seconds in (
        ("alice", "attend", 40), ("bob", "attend", 45), ("bob", "leave", 20), ("alice", "drop", 3),
        ("alice", "attend", 31), ("bob", "attend", 7), ("bob", "drop", 0), ("alice", "leave", 0),
    ):  # fmt: skip
        done = own_api.set_attendance(world.found, meeting_id, user, action)
        at = datetime.fromisoformat(done.at)
        if action == "attend":
            joined_at[user] = at
        else:
            length = at - joined_at[user]
            known_tenths[user] = known_tenths.get(user, 0) - (-length // timedelta(seconds=6))
        if seconds:
            own_api.advance(world.found, timedelta(seconds=seconds))
    world.users.ask("end", alice, "chime:end-meeting", {"meetingId": meeting_id})

    minutes = metering(world.stack.aws, SETTINGS)
    since = joined_at["alice"] - timedelta(hours=1)
    deadline = time.monotonic() + 60
    report = minutes.report(UsageBy.USER, since)
    while (report.total.attendances, report.total.estimated) != (4, 0) and time.monotonic() < deadline:
        time.sleep(0.1)
        report = minutes.report(UsageBy.USER, since)
    assert {row.key: row.attendee_minutes for row in report.rows} == {
        user: Decimal(tenths) / 10 for user, tenths in known_tenths.items()
    }
    [record] = minutes.metered(chime_service(world.stack.aws, SETTINGS).list_meetings(check=False))
    assert record.attendee_minutes == sum(known_tenths.values()) / 10
    assert (record.attendances, record.minutes_estimated) == (4, True), "events may still arrive"
    reported = whatschat(world, "chime", "usage", "--by", "user")
    assert {row["key"]: Decimal(row["attendee_minutes"]) for row in reported["rows"]} == {
        user: Decimal(tenths) / 10 for user, tenths in known_tenths.items()
    }
    [listed] = whatschat(world, "chime", "meeting", "list", "--all")
    assert (listed["attendee_minutes"], listed["cost_usd"]) == (record.attendee_minutes, record.cost_usd)
    with pytest.raises(NotFound):
        own_api.set_attendance(world.found, meeting_id, "alice", "attend")
