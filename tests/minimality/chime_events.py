"""What the operator does for `chime.events`: provision, read, fix, adopt tags, turn off, as a user with a policy of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.minimality.removal import Broken
from whatschat_ops.aws import Aws
from whatschat_ops.chime.events import EventLog
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import OpsError
from whatschat_ops.stack.stack import Stack

SETTINGS: Final = Settings.of({"chime": {"events": True}})
ADDRESSES: Final = frozenset({"log_group.chime-events", "event_rule.chime-events"})


def attempt_events(settings: Settings, admin: Callable[[str], Any], aws: Aws) -> None:
    """All of it, on a stack that is there. Raises Broken at the first step that fails."""
    off = Settings.of({"prefix": settings.prefix} if settings.prefix else {})
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("provision", lambda: _apply(settings, aws)),
        ("chime events", lambda: _read(settings, aws)),
        ("fix", lambda: _fix(settings, admin, aws)),
        ("turn off", lambda: _turn_off(off, aws)),
    )
    for name, step in steps:
        try:
            step()
        except OpsError as error:
            raise Broken(name, error.message) from error


def _turn_off(off: Settings, aws: Aws) -> None:
    stack = Stack(off, aws)
    stack.apply(stack.plan())


def clear(settings: Settings, administrator: Aws) -> None:
    """Back to a stack without the events."""
    _apply(settings, administrator, adopt=True)
    _turn_off(Settings(), administrator)


def _apply(settings: Settings, aws: Aws, *, adopt: bool = False) -> None:
    stack = Stack(settings, aws)
    stack.apply(stack.plan_only(ADDRESSES, adopt=adopt))
    if stack.plan_only(ADDRESSES).changing:
        raise Broken("provision again", "it changes again")


def _read(settings: Settings, aws: Aws) -> None:
    for _ in EventLog(aws, settings).events(datetime.now(UTC) - timedelta(hours=1)):
        pass


def _fix(settings: Settings, admin: Callable[[str], Any], aws: Aws) -> None:
    """Another client disabled the rule, and took its tag and its target away."""
    names, events = Names(settings), admin("events")
    arn = events.describe_rule(Name=names.chime_event_rule)["Arn"]
    events.disable_rule(Name=names.chime_event_rule)
    events.remove_targets(Rule=names.chime_event_rule, Ids=["whatschat-ops"])
    events.untag_resource(ResourceARN=arn, TagKeys=[STACK_TAG])
    _apply(settings, aws, adopt=True)
