"""The settings of the functions behind the WebSocket API: their code, runtime, memory, logs and variables."""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from whatschat_ops.config.function_settings import NamedValue, PolicyStatement, check_variables
from whatschat_ops.config.section import Section
from whatschat_ops.quotas import MAX_FUNCTION_MEMORY_MB, MAX_INTEGRATION_TIMEOUT_MS, MIN_FUNCTION_MEMORY_MB

LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""The retention periods that CloudWatch Logs accepts (botocore model `logs`, shape `Days`)."""
PythonRuntime = Literal["python3.12", "python3.13", "python3.14"]
NodeRuntime = Literal["nodejs20.x", "nodejs22.x", "nodejs24.x"]
NodeStep = Literal["install", "build", "package"]
Architecture = Literal["arm64", "x86_64"]
HandlerName = Annotated[str, Meta(pattern=r"^[^\s.]([^\s]*[^\s.])?\.[^\s./]+$")]
SomeText = Annotated[str, Meta(min_length=1)]


class HandlerSettings(Section, frozen=True):
    """Lambda's handler names in the application's package, for example `dist/connect.handler`."""

    connect: Annotated[
        HandlerName | None,
        Meta(
            description="Handler of `connect`. Empty: the file connect.js of the zip, export `handler`.",
        ),
    ] = None
    disconnect: Annotated[
        HandlerName | None,
        Meta(
            description="Handler of `disconnect`. Empty: the file disconnect.js of the zip, export `handler`.",
        ),
    ] = None
    default: Annotated[
        HandlerName | None,
        Meta(
            description="Handler of `default`. Empty: the file default.js of the zip, export `handler`.",
        ),
    ] = None


class SourceSettings(Section, frozen=True):
    """The application's own Node.js folder as the code of the functions. Without `path` the built-in handlers run."""

    path: Annotated[
        SomeText | None,
        Meta(
            description="Folder with a package.json, relative to the configuration file. Empty: the built-in Python handlers.",
        ),
    ] = None
    runtime: Annotated[NodeRuntime, Meta(description="Runtime of the folder's functions.")] = "nodejs22.x"
    handlers: HandlerSettings = HandlerSettings()
    steps: Annotated[
        tuple[NodeStep, ...],
        Meta(
            description="What is run there, in this order: `install`, `run build` and `run package` of the folder's package manager. "
            "A script that package.json does not have is skipped."
        ),
    ] = ("install", "build", "package")
    zip: Annotated[
        SomeText | None,
        Meta(
            description="The zip that `package` makes, as a glob pattern. Empty: the newest *.zip in the folder.",
        ),
    ] = None
    dependencies: Annotated[
        Literal["auto", "bundle", "runtime"],
        Meta(
            description="Production dependencies that the zip lacks. `bundle` adds them, `runtime` leaves them to "
            "Lambda's runtime (which has the AWS SDK v3), `auto` adds those that the code imports."
        ),
    ] = "auto"
    ignore_build_errors: Annotated[
        bool, Meta(description="Go on after a failed build that wrote JavaScript all the same, as tsc does.")
    ] = False
    optional: Annotated[
        tuple[SomeText, ...],
        Meta(
            description="Packages that the code loads and can do without. Any other that is missing is an error."
        ),
    ] = ()
    include: Annotated[
        tuple[SomeText, ...],
        Meta(
            description="Files that may hold secrets (.env, .npmrc, private keys) and go into the zip all the same: glob patterns."
        ),
    ] = ()

    def canonical_values(self) -> dict[str, Any]:
        """Without what is new since 0.1.0 and not set, as in `LambdaSettings`."""
        new = ("optional", "include")
        return {name: value for name, value in super().canonical_values().items() if value or name not in new}


class LambdaSettings(Section, frozen=True):
    """The three functions behind the WebSocket API."""

    runtime: Annotated[PythonRuntime, Meta(description="Runtime of the built-in handlers.")] = "python3.13"
    architecture: Annotated[Architecture, Meta(description="Processor of the functions.")] = "arm64"
    memory_mb: Annotated[
        int,
        Meta(ge=MIN_FUNCTION_MEMORY_MB, le=MAX_FUNCTION_MEMORY_MB, description="Memory of each function."),
    ] = 256
    timeout_s: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_INTEGRATION_TIMEOUT_MS // 1000,
            description=f"Time-out of each function (API Gateway waits {MAX_INTEGRATION_TIMEOUT_MS // 1000} s).",
        ),
    ] = 10
    log_retention_days: Annotated[LogRetentionDays, Meta(description="Retention of all log groups.")] = 14
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="LOG_LEVEL of the functions.")
    ] = "INFO"
    keep_versions: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="Published versions of each function that a deployment leaves; those behind an alias always stay.",
        ),
    ] = 10
    requirements: Annotated[
        SomeText | None,
        Meta(
            description="File with more packages for the built-in handlers (pip's format), relative to the configuration file.",
        ),
    ] = None
    environment: Annotated[
        dict[str, str | NamedValue],
        Meta(
            description="More variables of the functions: NAME: text, or NAME: with `parameter: NAME` (SSM) or `secret: NAME` "
            "(Secrets Manager) below it. Then the variable holds that name, and the functions may read what it names."
        ),
    ] = field(default_factory=dict)
    policy_statements: Annotated[
        tuple[PolicyStatement, ...],
        Meta(
            description="More rights of the functions. Each statement has a `sid`, `actions` and `resources`."
        ),
    ] = ()
    source: SourceSettings = SourceSettings()

    def __post_init__(self) -> None:
        check_variables(self.environment)

    def canonical_values(self) -> dict[str, Any]:
        """Without what is new since 0.1.0 and not set: digests in plans that 0.1.0 saved are made of it."""
        new = ("environment", "policy_statements")
        return {name: value for name, value in super().canonical_values().items() if value or name not in new}

    @property
    def function_runtime(self) -> PythonRuntime | NodeRuntime:
        """The runtime of what is deployed: the built-in handlers' or the application's."""
        return self.source.runtime if self.source.path else self.runtime
