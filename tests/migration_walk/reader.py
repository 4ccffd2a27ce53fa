"""The reference reader of the shares, as a backend has it: a copy of docs/reader/migration_reader.py that it imports."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).parents[2] / "docs" / "reader" / "migration_reader.py"
BEFORE: Final[Mapping[str, str]] = {
    "AWS_CHIME_ENABLED": "false",
    "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "false",
}
AFTER: Final[Mapping[str, str]] = dict.fromkeys(BEFORE, "true")


def reader(ssm: Any, parameter: str, variables: Mapping[str, str]) -> Any:
    """A reader without a cache, which would only delay what is looked at."""
    spec = importlib.util.spec_from_file_location("migration_reader", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MigrationReader(
        lambda: ssm.get_parameter(Name=parameter)["Parameter"]["Value"],
        is_missing=lambda error: isinstance(error, ssm.exceptions.ParameterNotFound),
        cache_s=0.0,
        variables=variables,
    )
