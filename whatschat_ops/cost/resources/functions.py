"""The functions behind the API: requests, duration, the INIT phase of cold starts, /tmp, and decrypting the secret."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, cast

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import Quantity, Traffic, derived
from whatschat_ops.pricing.amounts import show_amount
from whatschat_ops.pricing.rates import RateKey
from whatschat_ops.quotas import FREE_TMP_MB

SERVICE: Final = "Lambda"
DEFAULT_DURATION_MS: Final = Decimal(50)
DEFAULT_INIT_MS: Final = Decimal(300)
"""An assumption: a handler of this package with PyJWT, 256 MB."""


def components(traffic: Traffic) -> Iterator[Component]:
    """The INIT phase has the price of the duration, and shares its tiers."""
    given = traffic.usage.lambda_
    duration = cast(RateKey, f"lambda_duration_{traffic.architecture}")
    cold_starts = Quantity(given.cold_starts)
    yield Component(SERVICE, "Requests", "lambda_requests", "request", traffic.requests)
    yield from _durations(traffic, duration)
    yield Component(SERVICE, "INIT phase", duration, "GB-second", _init(traffic, cold_starts))
    if given.tmp_mb is not None:
        yield Component(SERVICE, "/tmp", "lambda_storage", "GB-second", _tmp(traffic, given.tmp_mb))
    basis = "one for each cold start" if given.cold_starts is not None else ""
    yield Component(
        "KMS", "Decrypting the JWT secret", "kms_requests", "request", Quantity(given.cold_starts, basis)
    )


def _durations(traffic: Traffic, duration: RateKey) -> Iterator[Component]:
    """Measured ones by processor; else one that is derived."""
    given = traffic.usage.lambda_
    measured: tuple[tuple[RateKey, Decimal | None], ...] = (
        ("lambda_duration_arm64", given.arm64_gb_seconds),
        ("lambda_duration_x86_64", given.x86_64_gb_seconds),
    )
    known = [(rate, Quantity(amount)) for rate, amount in measured if amount is not None]
    for rate, quantity in known or [(duration, _duration(traffic))]:
        item = "Duration" if len(known) < 2 else f"Duration on {rate.removeprefix('lambda_duration_')}"
        yield Component(SERVICE, item, rate, "GB-second", quantity)


def _duration_ms(traffic: Traffic) -> Decimal:
    given = traffic.usage.lambda_.duration_ms
    return given if given is not None else DEFAULT_DURATION_MS


def _duration(traffic: Traffic) -> Quantity:
    duration_ms, memory_gb = _duration_ms(traffic), traffic.memory_gb
    return derived(
        None,
        f"requests × {show_amount(duration_ms)} ms × {show_amount(memory_gb * 1024)} MB, on {traffic.architecture}",
        lambda count: count * duration_ms / 1000 * memory_gb,
        traffic.requests,
    )


def _init(traffic: Traffic, cold_starts: Quantity) -> Quantity:
    given = traffic.usage.lambda_.init_ms
    init_ms = given if given is not None else DEFAULT_INIT_MS
    return derived(
        None,
        f"cold starts × {show_amount(init_ms)} ms × {show_amount(traffic.memory_gb * 1024)} MB",
        lambda count: count * init_ms / 1000 * traffic.memory_gb,
        cold_starts,
    )


def _tmp(traffic: Traffic, tmp_mb: Decimal) -> Quantity:
    beyond_gb, duration_ms = (tmp_mb - FREE_TMP_MB) / 1024, _duration_ms(traffic)
    return derived(
        None,
        f"requests × {show_amount(duration_ms)} ms × {show_amount(beyond_gb * 1024)} MB over {FREE_TMP_MB} MB",
        lambda count: count * duration_ms / 1000 * beyond_gb,
        traffic.requests,
    )
