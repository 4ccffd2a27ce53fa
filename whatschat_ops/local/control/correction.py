"""One row of the table of corrections, and what a row may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from whatschat_ops.local.account_quotas import AccountQuotas
from whatschat_ops.local.control import lambda_bridge
from whatschat_ops.local.control.async_invocations import AsyncInvocations
from whatschat_ops.local.control.authorization import Authorization
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.saved_state import SavedState
from whatschat_ops.local.control.telemetry import Telemetry
from whatschat_ops.local.control.wire import Handler


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that are installed in ministack."""

    port: int
    telemetry: Telemetry
    authorization: Authorization
    functions: lambda_bridge.FunctionRunner
    code: lambda_bridge.CodeBlobs
    events: AsyncInvocations
    state: SavedState
    changed: Callable[[Iterable[str]], None]
    """Called with the services that may have changed."""
    clock: Callable[[], float]
    """Epoch seconds for logs and metrics."""
    quotas: AccountQuotas
    may_invoke: Callable[[str, str, str], bool]
    """(service principal, function ARN, source ARN) -> whether the function's policy lets the service invoke it."""
    step_functions_lag_s: float = 0.0
    """How long Step Functions does not show a change yet."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One row of the table. `replaces` are names that must exist: `module.name`, or `module.name[key]` of a mapping."""

    what: str
    """What ministack does."""
    why: str
    """What AWS does, or what a service on the user's machine needs."""
    source: str
    """Where AWS documents it, or that it is our decision."""
    replaces: tuple[str, ...]
    apply: Callable[[Modules, Parts], None]


def wrap_handler(modules: Modules, service: str, wrap: Callable[[Handler], Handler]) -> None:
    """Wrap the handler of a service; of several wrappers the last is closest to the caller."""
    handlers = modules.app.SERVICE_HANDLERS
    handlers[service] = wrap(handlers[service])
