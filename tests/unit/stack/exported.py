"""A CloudFormation template as `export` makes it, of functions with one line of code."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from whatschat_ops.config import Settings
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.stack.cloudformation import export_template


def package(short: str, content: bytes = b"zip") -> FunctionPackage:
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return FunctionPackage(short, f"{short}.handler", content, digest)


PACKAGES = {short: package(short) for short in ("connect", "disconnect", "default")}
WITH_WORKER = {**PACKAGES, "broadcast-worker": package("broadcast-worker")}


def template(
    settings: Mapping[str, Any] | None = None, packages: Mapping[str, FunctionPackage] = WITH_WORKER
) -> Mapping[str, Any]:
    return export_template(Settings.of(settings or {}), packages).template


def of_type(document: Mapping[str, Any], type_: str) -> dict[str, Any]:
    return {name: body for name, body in document["Resources"].items() if body["Type"] == type_}
