"""The reference reader of the shares, as a backend has it: a copy of docs/reader/migration_reader.py that it imports."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).parents[2] / "docs" / "reader" / "migration_reader.py"
CACHE_S: Final = 10.0
BEFORE: Final[Mapping[str, str]] = {
    "AWS_CHIME_ENABLED": "false",
    "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "false",
}
AFTER: Final[Mapping[str, str]] = dict.fromkeys(BEFORE, "true")


def reader(ssm: Any, parameter: str, variables: Mapping[str, str], now_s: Callable[[], float]) -> Any:
    """A reader whose cache ends when `now_s` says so."""
    spec = importlib.util.spec_from_file_location("migration_reader", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MigrationReader(
        lambda: ssm.get_parameter(Name=parameter)["Parameter"]["Value"],
        is_missing=lambda error: isinstance(error, ssm.exceptions.ParameterNotFound),
        cache_s=CACHE_S,
        now_s=now_s,
        variables=variables,
    )
