"""The JSON Schema of the configuration files, made from the settings model."""

from __future__ import annotations

from typing import Any

from whatschat_ops.config.settings import Settings


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `configs/<environment>.yaml`."""
    schema = Settings.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "whatschat-ops configuration"
    return schema
