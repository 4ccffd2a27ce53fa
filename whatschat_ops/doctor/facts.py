"""What the checks of one run know: named facts, each found out once, by whichever check asks first.

Three sorts, all JSON-ready in a recording (`recording()`), from which `Facts(..., recording)` answers without AWS:

- answers of AWS: `facts.aws`, an `Aws` that sends each read once (`reads.py`), so any function may be given it;
- observations of what is no AWS API, or whose making needs this machine: `observe` (a handshake, the state of the stack);
- what follows from others: `once`, which is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from whatschat_ops.aws import Aws
from whatschat_ops.aws.clock import answer_time
from whatschat_ops.config import Names, Settings
from whatschat_ops.doctor.reads import NotRecorded, ReadOnce
from whatschat_ops.stack.outputs import StackOutputs, read_outputs
from whatschat_ops.stack.shared_reads import SharedReads
from whatschat_ops.stack.status import ResourceStatus, StackStatus, status_of

if TYPE_CHECKING:
    from whatschat_ops.packaging import FunctionPackage
    from whatschat_ops.stack.locking.lease import LockState

T = TypeVar("T")

USER_AGENT: Final = "whatschat-ops-doctor"
"""Of the sockets that the checks open: it tells them from users in the access log."""


class Facts:
    """See above. Thread-safe. `recording` is what `recording()` gave; None: find out now."""

    def __init__(self, settings: Settings, aws: Aws, recording: Mapping[str, Any] | None = None) -> None:
        self.settings = settings
        self.names = Names(settings)
        self.offline = recording is not None
        self.now = datetime.now(UTC) if recording is None else datetime.fromisoformat(recording["at"])
        if recording is None:
            self.aws = ReadOnce.of(aws)
        else:
            self.aws = ReadOnce(aws.target, replayed=tuple(recording["calls"]))
        self._observed: dict[str, Any] = dict(recording["observed"]) if recording else {}
        self._shared = SharedReads()
        self.watched: tuple[str, ...] = ()
        """What of the drift belongs to checks that failed; for checks that are made last."""

    def close(self) -> None:
        """Close the connections to AWS: `doctor --every` makes facts again and again."""
        self.aws.close()

    def once(self, name: str, find: Callable[[], T]) -> T:
        """A fact that follows from others; raises what `find` raised when it was first asked for."""
        return self._shared.once((name,), find)

    def observe(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        """A fact of a type that msgspec knows (a dataclass, a struct, a str, ...), recorded under its name."""
        return self._shared.once(("observed", name), lambda: self._observation(name, kind, find))

    def _observation(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        if not self.offline:
            found = find()
            self._observed[name] = msgspec.to_builtins(found)
            return found
        if name not in self._observed:
            raise NotRecorded(f"{name} is not in the recording.")
        return msgspec.convert(self._observed[name], kind)

    def recording(self) -> dict[str, Any]:
        """Everything that was found out so far, JSON-ready. Secrets that AWS gave are in it: a bundle masks them."""
        return {"at": self.now.isoformat(), "observed": dict(self._observed), "calls": self.aws.calls}

    @property
    def caller(self) -> str:
        """The ARN of the caller (STS). Raises CredentialsError."""
        return self.aws.caller_arn

    @property
    def outputs(self) -> StackOutputs:
        """The endpoint, ids and names of the stack. Raises NotProvisioned."""
        return self.once("outputs", lambda: read_outputs(self.settings, self.aws))

    @property
    def status(self) -> StackStatus:
        """What `status` says, with its drift. Raises what a read raises."""
        return self.observe("status", StackStatus, self._read_status)

    def _read_status(self) -> StackStatus:
        from whatschat_ops.stack.stack import Stack

        stack = Stack(self.settings, self.aws, _packages=self._packages)
        return status_of(stack.plan(), stack.name)

    @property
    def code(self) -> list[str]:
        """The functions whose code could be built. Raises what packaging raises."""
        return self.observe("code", list[str], lambda: sorted(self._packages))

    @property
    def _packages(self) -> Mapping[str, FunctionPackage]:
        from whatschat_ops.stack.stack import function_packages

        return self.once("packages", lambda: function_packages(self.settings))

    @property
    def clock_ahead_s(self) -> float:
        """By how many seconds this machine's clock is ahead of AWS's, to the second. Raises CredentialsError."""
        return self.observe("clock_ahead_s", float, self._clock_ahead_s)

    def _clock_ahead_s(self) -> float:
        answer = self.call("sts", "get_caller_identity")
        told = answer_time(answer["ResponseMetadata"]["HTTPHeaders"])
        return (datetime.now(UTC) - told).total_seconds() if told else 0.0

    @property
    def lock(self) -> LockState:
        """The lock of the stack."""
        from whatschat_ops.stack.locking.lock import StackLock

        return self.once("lock", lambda: StackLock(self.settings, self.aws, "doctor").read())

    def resource(self, address: str) -> ResourceStatus | None:
        """What `status` says of one resource; None when it is not wanted and not there."""
        return next((each for each in self.status.resources if each.address == address), None)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """The answer of one call in the stack's Region, for example `call("lambda", "get_account_settings")`."""
        return getattr(self.aws.client(service), operation)(**parameters)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Sequence[Any]:
        """All items `key` of a listing."""
        pages = self.aws.client(service).get_paginator(operation).paginate(**parameters)
        return [item for page in pages for item in page[key]]
