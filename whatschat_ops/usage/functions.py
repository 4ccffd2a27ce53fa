"""Requests and GB-seconds of one function, from the sums of its metrics and the configurations of its versions. Pure.

Duration is in milliseconds with decimals and Lambda bills whole ones, rounded up: at most 1 ms more for each invocation. Where
versions differ in memory or processor, what each qualifier ran is looked at: API Gateway calls the alias, whose versions
CloudWatch tells apart only while it is weighted, so that its memory is then a range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from whatschat_ops.config.names import LIVE_ALIAS
from whatschat_ops.metrics import catalog
from whatschat_ops.metrics.reading import Metric
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.measured import Bounded, Name, total

INVOCATIONS: Final = "Invocations"
DURATION: Final = "Duration"
METRICS: Final = (INVOCATIONS, DURATION)
LATEST: Final = "$LATEST"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a version runs with."""

    mb: int
    architecture: str


@dataclass(frozen=True, slots=True)
class Part:
    """Invocations that CloudWatch counts together (of a qualifier; of all without one), and what they may have run with."""

    function: str
    qualifier: str | None
    memories: tuple[Memory, ...]

    def named(self, name: str) -> Metric:
        """Its metric of that name."""
        pairs = {"FunctionName": self.function}
        if self.qualifier:
            pairs["Resource"] = f"{self.function}:{self.qualifier}"
        return Metric.of(catalog.LAMBDA, name, pairs)


@dataclass(frozen=True, slots=True)
class Used:
    """Quantities of one function."""

    quantities: Mapping[Name, Bounded]
    remarks: tuple[str, ...] = ()


def metrics_of(function: str, configurations: Sequence[Mapping[str, Any]]) -> list[Part]:
    """All of the function first; then, if its versions do not run with the same, each version and the alias."""
    by_version = {each["Version"]: _memory(each) for each in configurations}
    every = tuple(dict.fromkeys(by_version.values()))
    whole = Part(function, None, every)
    if len(every) < 2:
        return [whole]
    published = tuple(dict.fromkeys(memory for version, memory in by_version.items() if version != LATEST))
    numbered = [
        Part(function, version, (memory,)) for version, memory in by_version.items() if version != LATEST
    ]
    return [whole, Part(function, LIVE_ALIAS, published), *numbered]


def used(parts: Sequence[Part], sums: Mapping[Metric, Decimal | None]) -> Used:
    """What was used. Empty without data points of the function."""
    whole, *qualified = parts
    invocations, duration_ms = (sums.get(whole.named(name)) for name in METRICS)
    if invocations is None:
        return Used({})
    quantities: dict[Name, Bounded] = {"lambda_requests": Bounded.exactly(invocations)}
    rest = [invocations, duration_ms or Decimal(0)]
    amounts: list[tuple[Part, Decimal, Decimal]] = []
    for part in qualified:
        count, length_ms = (sums.get(part.named(name)) or Decimal(0) for name in METRICS)
        rest = [max(Decimal(0), rest[0] - count), max(Decimal(0), rest[1] - length_ms)]
        amounts.append((part, count, length_ms))
    amounts.append((whole, rest[0], rest[1]))
    for part, count, length_ms in amounts:
        if count:
            name = _duration_name(part)
            found = total([quantities.get(name), _gb_seconds(part, count, length_ms)])
            quantities[name] = found if found is not None else Bounded.exactly(0)
    unsure = [part for part, count, _ in amounts if count and len(part.memories) > 1]
    remark = f"{whole.function}: versions with different memory ran, which metrics do not tell apart"
    return Used(quantities, (remark,) if unsure else ())


def _gb_seconds(part: Part, invocations: Decimal, duration_ms: Decimal) -> Bounded:
    sizes = [memory.mb for memory in part.memories]
    low = duration_ms * min(sizes) / 1024 / 1000
    high = (duration_ms + invocations) * max(sizes) / 1024 / 1000
    return Bounded(plain(low), plain(high))


def _duration_name(part: Part) -> Name:
    is_arm = part.memories[-1].architecture == "arm64"
    return "lambda_duration_arm64" if is_arm else "lambda_duration_x86_64"


def _memory(configuration: Mapping[str, Any]) -> Memory:
    return Memory(int(configuration["MemorySize"]), (configuration.get("Architectures") or ["x86_64"])[0])
