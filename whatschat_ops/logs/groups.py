"""The guide's four log groups, as the settings name them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from whatschat_ops.choices import LogSource
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ConfigError


class LogGroup(NamedTuple):
    """A log group, and the short name under which its events are shown."""

    source: LogSource
    name: str


def log_groups(settings: Settings, wanted: Collection[LogSource] = ()) -> tuple[LogGroup, ...]:
    """The groups of the sources that are `wanted`; all that the stack has if none are.

    Raises ConfigError if the access log is wanted, which the settings switch off.
    """
    if LogSource.ACCESS in wanted and not settings.websocket.access_logs:
        raise ConfigError(
            "The stage writes no access log: websocket.access_logs is false.",
            hint="Set websocket.access_logs: true, then run provision: lines are kept from then on.",
        )
    there = [
        source for source in LogSource if source is not LogSource.ACCESS or settings.websocket.access_logs
    ]
    names = Names(settings)
    return tuple(LogGroup(source, _name(names, source)) for source in there if not wanted or source in wanted)


def _name(names: Names, source: LogSource) -> str:
    return names.access_log_group if source is LogSource.ACCESS else names.function_log_group(source)
