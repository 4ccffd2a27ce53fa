"""The settings of the migration from the old paths: when its gate lets a step pass."""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from typing import Annotated

from msgspec import Meta

from whatschat_ops.config.section import Section

Share = Annotated[int, Meta(ge=1, le=100)]


class GateSettings(Section, frozen=True):
    """When the new path is good enough for the next step. Rates are shares of the requests: 0.01 is 1 %."""

    interval_minutes: Annotated[
        int,
        Meta(ge=1, le=120, description="Minutes of one check, at least; longer if there are few requests."),
    ] = 5
    checks: Annotated[
        int, Meta(ge=1, le=20, description="Checks in a row that must pass, the newest last.")
    ] = 2
    minimum_samples: Annotated[
        int,
        Meta(ge=1, description="Requests of the new path in a check below which it is inconclusive."),
    ] = 100
    settle_seconds: Annotated[
        int,
        Meta(ge=0, le=3600, description="Time that metrics and logs have to arrive before they are judged."),
    ] = 180
    error_rate: Annotated[
        float, Meta(ge=0, le=1, description="Most errors, if the old path publishes no figures.")
    ] = 0.02
    error_rate_difference: Annotated[
        float, Meta(ge=0, le=1, description="By how much the error rate may exceed the old path's.")
    ] = 0.01
    latency_ms: Annotated[
        float, Meta(gt=0, description="Longest 95th percentile, if the old path publishes no figures.")
    ] = 1_000.0
    latency_ratio: Annotated[
        float, Meta(ge=1, description="How many times the old path's 95th percentile the new one's may be.")
    ] = 1.5
    latency_floor_ms: Annotated[
        float, Meta(ge=0, description="A 95th percentile up to this passes, however fast the old path is.")
    ] = 200.0
    reconnect_rate: Annotated[
        float, Meta(ge=0, le=1, description="Most reconnects, if the old path publishes no figures.")
    ] = 0.05
    reconnect_rate_difference: Annotated[
        float, Meta(ge=0, le=1, description="By how much the rate of reconnects may exceed the old path's.")
    ] = 0.02
    reconnect_within_seconds: Annotated[
        int,
        Meta(
            ge=1, le=3600, description="A user who connects this soon after a disconnection has reconnected."
        ),
    ] = 60
    gone_rate: Annotated[
        float,
        Meta(ge=0, le=1, description="Most posts answered with 410, if the old path publishes no figures."),
    ] = 0.05
    gone_rate_difference: Annotated[
        float, Meta(ge=0, le=1, description="By how much the rate of 410s may exceed the old path's.")
    ] = 0.02


class MigrationSettings(Section, frozen=True):
    """The migration from the old paths of messages and calls (docs/migrate.md)."""

    steps: Annotated[
        tuple[Share, ...],
        Meta(
            min_length=1,
            max_length=20,
            description="Shares of the users that a phase goes through, in percent, rising.",
        ),
    ] = (10, 50, 100)
    reader_cache_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="How long the backend's reader keeps what it has read: so soon a change reaches it.",
        ),
    ] = 10
    gate: GateSettings = GateSettings()
