"""The settings of alarms, the dashboard, and the scheduled count of open connections."""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from typing import Annotated

from msgspec import Meta

from whatschat_ops.config.section import Section

Email = Annotated[str, Meta(pattern=r"^[\w.+/=-]+@[\w-]+(\.[\w-]+)+$", max_length=200)]


class ThresholdSettings(Section, frozen=True):
    """When the alarms fire. Counts are those of five minutes, unless it says otherwise."""

    function_errors: Annotated[
        int, Meta(ge=1, description="Failed invocations of one function behind a route.")
    ] = 5
    function_throttles: Annotated[
        int,
        Meta(ge=1, description="Invocations of one function that Lambda refused for lack of concurrency."),
    ] = 1
    execution_errors: Annotated[
        int, Meta(ge=1, description="Calls of a function that API Gateway could not make (ExecutionError).")
    ] = 5
    integration_latency_ms: Annotated[
        int,
        Meta(
            ge=1,
            description="99th percentile of IntegrationLatency, in 2 of 3 periods of five minutes.",
        ),
    ] = 3_000
    table_throttles: Annotated[
        int, Meta(ge=1, description="Reads, or writes, of the connections table that DynamoDB throttled.")
    ] = 10
    stale_rows: Annotated[
        int,
        Meta(
            ge=1,
            description="Expired rows that are still in the connections table, in three counts of open connections in a row.",
        ),
    ] = 1_000
    lost_events: Annotated[
        int,
        Meta(
            ge=1,
            description="Events that were given up after all attempts: scheduled counts, events of Chime.",
        ),
    ] = 1


class OpenConnectionsSettings(Section, frozen=True):
    """A scheduled count of the rows of open connections, as the metrics OpenConnections and StaleRows of WhatsChat."""

    enabled: Annotated[
        bool, Meta(description="Count. Each count reads the whole connections table, which is billed.")
    ] = True
    every_minutes: Annotated[
        int, Meta(ge=1, le=24 * 60, description="Minutes from one count to the next.")
    ] = 5


class MonitoringSettings(Section, frozen=True):
    """Alarms, a dashboard and a count of open connections in CloudWatch. They cost money: `plan` says how much."""

    enabled: Annotated[
        bool, Meta(description="Provision the topic of alarms, and what is not turned off below.")
    ] = False
    alarms: Annotated[bool, Meta(description="Provision the alarms.")] = True
    emails: Annotated[
        tuple[Email, ...],
        Meta(description="Addresses that get the alarms once they have confirmed it.", max_length=40),
    ] = ()
    dashboard: Annotated[bool, Meta(description="Provision the dashboard.")] = True
    open_connections: OpenConnectionsSettings = OpenConnectionsSettings()
    thresholds: ThresholdSettings = ThresholdSettings()

    @property
    def counts_connections(self) -> bool:
        """Whether there is a scheduled count."""
        return self.enabled and self.open_connections.enabled
