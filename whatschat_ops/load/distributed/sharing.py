"""A load test divided among workers: what each one does, its objects in S3, the bounds. Pure; used by the command and its workers.

runs/load-.../control            stop (worker.control.Control)
runs/load-.../shares/0001.gz     the share of a worker, with the tokens of its users
runs/load-.../begun/0001         that the worker has begun: it never does so twice
runs/load-.../progress/0001      where it is
runs/load-.../measured/0001.gz   what it measured, when it has ended
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from whatschat_ops.choices import SocketMode, TokenVia, Traffic
from whatschat_ops.errors import UsageError
from whatschat_ops.load.deliveries import GIVE_UP_S
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S, MAX_INTEGRATION_TIMEOUT_MS

MOST_SOCKETS_OF_A_WORKER: Final = 900
"""An execution environment may have 1,024 files open (Lambda quotas, "File descriptors")."""
MOST_WORKERS: Final = 50
START_S: Final = 60.0
"""To upload the shares, start the workers and close the sockets at the end."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one run's objects."""

    run: str

    @property
    def root(self) -> str:
        """What all of them begin with."""
        return f"runs/{self.run}/"

    @property
    def control(self) -> str:
        """What the command tells its workers."""
        return f"{self.root}control"

    def of(self, what: str, worker: int) -> str:
        """An object of one worker: `shares`, `begun`, `progress` or `measured`."""
        return f"{self.root}{what}/{worker:04}"


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker does: its part of the plan, and a token for each of its users. It connects to the API that its function is configured with."""

    plan: LoadPlan
    via: TokenVia
    names: Sequence[str]
    tokens: Sequence[str]

    def to_bytes(self) -> bytes:
        """As compressed JSON."""
        return gzip.compress(json.dumps(asdict(self)).encode(), mtime=0)

    @classmethod
    def from_bytes(cls, content: bytes) -> Share:
        """From compressed JSON."""
        found = json.loads(gzip.decompress(content))
        plan: dict[str, Any] = found["plan"]
        chosen = {"traffic": Traffic(plan["traffic"]), "mode": SocketMode(plan["mode"])}
        return cls(LoadPlan(**{**plan, **chosen}), TokenVia(found["via"]), found["names"], found["tokens"])


def workers_for(sockets: int, wanted: int | None) -> int:
    """How many workers open so many sockets; as few as can, unless `wanted`. Raises UsageError for what is out of bounds."""
    needed = math.ceil(sockets / MOST_SOCKETS_OF_A_WORKER)
    workers = needed if wanted is None else wanted
    if not needed <= workers <= MOST_WORKERS:
        raise UsageError(
            f"{sockets:,} sockets need {needed:,} workers or more, each opens {MOST_SOCKETS_OF_A_WORKER:,} at most; "
            f"there may be {MOST_WORKERS} workers, and {workers:,} are wanted.",
            hint=f"--sockets {min(sockets, MOST_WORKERS * MOST_SOCKETS_OF_A_WORKER)} --workers {min(needed, MOST_WORKERS)}",
        )
    return workers


def longest_s(plan: LoadPlan) -> float:
    """How long a worker takes at most."""
    ramp_s = plan.sockets / plan.connect_rate_per_s + MAX_INTEGRATION_TIMEOUT_MS / 1000
    return START_S + ramp_s + plan.duration_s + GIVE_UP_S


def check_bounds(plan: LoadPlan, workers: int) -> None:
    """Raise UsageError for a plan that so many workers cannot carry out, or that goes on longer than a function may run."""
    if plan.users > plan.sockets or plan.users < workers:
        raise UsageError(
            f"{plan.users:,} users on {plan.sockets:,} sockets and {workers:,} workers: each worker needs at least one user of its own, "
            "and each user at least one socket.",
            hint="Omit --users: each socket is then a separate user.",
        )
    if (needed_s := longest_s(plan)) > MAX_FUNCTION_TIMEOUT_S:
        raise UsageError(
            f"The test takes up to {needed_s:,.0f} s with ramp and drain; a function runs for {MAX_FUNCTION_TIMEOUT_S:,} s at most.",
            hint=f"--duration {max(1, int(plan.duration_s - needed_s + MAX_FUNCTION_TIMEOUT_S))}",
        )


def plans_of(plan: LoadPlan, workers: int) -> list[LoadPlan]:
    """The share of each worker: sockets, users and connect rate add up to those of the whole."""
    return [
        replace(
            plan,
            sockets=_part(plan.sockets, workers, number),
            users=_part(plan.users, workers, number),
            connect_rate_per_s=plan.connect_rate_per_s / workers,
        )
        for number in range(workers)
    ]


def _part(whole: int, parts: int, number: int) -> int:
    return whole // parts + (number < whole % parts)
