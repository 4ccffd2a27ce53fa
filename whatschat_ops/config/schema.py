"""The JSON Schema of the configuration files, made from the settings model."""

from __future__ import annotations

from typing import Any

import msgspec

from whatschat_ops.config.settings import Settings


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `configs/<environment>.yaml`."""
    _, sections = msgspec.json.schema_components([Settings], ref_template="#/$defs/{name}")
    top = {**sections.pop("Settings"), "$defs": sections, "title": "whatschat-ops configuration"}
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(top))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
