"""What can be set of the embedded AWS."""

# No `from __future__ import annotations` here: see settings.py.

from typing import Annotated, Any

from msgspec import Meta

from whatschat_ops.config.section import Section

DEFAULT_LOCAL_PORT = 4566
"""Where the embedded AWS listens if nothing else is configured and the port is free."""

FilePath = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class LocalSettings(Section, frozen=True):
    """The embedded AWS: a whole AWS on this machine, for the environment `local`."""

    enabled: Annotated[
        bool,
        Meta(
            description="Use the embedded AWS. On by default in the environment `local`, unless an endpoint URL is set."
        ),
    ] = False
    port: Annotated[
        Port | None,
        Meta(
            description="Port on 127.0.0.1 (WHATSCHAT_LOCAL_PORT). Without one: 4566, or the next free port, which is then remembered."
        ),
    ] = None

    node_modules: Annotated[
        FilePath | None,
        Meta(
            description="A directory node_modules with the AWS SDK for JavaScript (@aws-sdk, @smithy), which AWS's Node.js "
            "runtimes have built in: functions of the embedded AWS find it there. In a configuration file it is "
            "relative to that file. Applies from its next start.",
        ),
    ] = None
    enforce_memory: Annotated[
        bool,
        Meta(
            description="End functions that use more memory than they have, as AWS does (Runtime.OutOfMemory). Applies from "
            "the next start of the embedded AWS."
        ),
    ] = False
    log_events_per_group: Annotated[
        int,
        Meta(
            ge=1_000,
            le=10_000_000,
            description="The newest events that the embedded AWS keeps of each log group, in memory: about 0.5 KB each. Applies "
            "from its next start.",
        ),
    ] = 20_000
    step_functions_lag_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Seconds for which Step Functions does not show a change yet: an execution that was just started does not "
            "exist, one that was just redriven has failed. AWS: moments. Applies from the next start of the embedded AWS.",
        ),
    ] = 0.0

    def canonical_values(self) -> dict[str, Any]:
        """What digests in saved plans are made of: the fields of 0.1.0, with the default port in place of none."""
        return {"enabled": self.enabled, "port": self.port or DEFAULT_LOCAL_PORT}
